//! An output that cannot be taken back: a pipe, a socket, a terminal.
//!
//! What it has accepted counts as delivered. So it is written first and committed then; a kill between the two gives the
//! same results again.

use std::io::{self, Write};

use crate::body::Body;
use crate::error::Error;
use crate::state::{Committed, OutputMode, OutputState};

/// A pipe, and how much it has accepted in all runs.
pub(crate) struct Stream {
    to: Box<dyn Write>,
    delivered: u64,
}

impl Stream {
    pub(crate) fn new(to: Box<dyn Write>, delivered: u64) -> Self {
        Self { to, delivered }
    }

    /// Writes these bytes, and those of `body` behind them; returns what a commit says of it.
    pub(crate) fn write(
        &mut self,
        bytes: &[u8],
        body: Option<&Body>,
    ) -> Result<OutputState, Error> {
        let Self { to, .. } = self;
        let written = to.write_all(bytes).and_then(|()| match body {
            Some(body) => body.for_each(|bytes| to.write_all(bytes)),
            None => Ok(()),
        });
        written.and_then(|()| to.flush()).map_err(refused)?;
        let from = self.delivered;
        self.delivered += bytes.len() as u64 + body.map_or(0, Body::len);
        let committed = Committed { from, length: self.delivered, crc32c: 0 };
        Ok(OutputState { path: String::new(), mode: OutputMode::Stream, committed })
    }
}

fn refused(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::PipeClosed,
        _ => Error::Pipe(error),
    }
}
