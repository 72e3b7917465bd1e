//! Reading small ranges of one version of a resource, to look at and not to keep.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use piton_checkpoint::{Change, Identity, Verdict};
use tokio::time::Instant;

use super::attempt::{describe, name_asked_for};
use super::exchange::received;
use super::finish::expected;
use super::mirrors::Sources;
use super::probe::{Probed, Prober, Question, Tries};
use super::tools::Tools;
use super::transfer_error::TransferError;
use crate::download::Download;
use crate::failure::Failure;
use crate::meta::Meta;
use crate::monitor::Monitor;
use crate::stop::Stop;
use piton_remote::{ByteRange, Head, Holds, Reply, host_of};

/// Reads one range after the other.
pub(crate) struct RangeReader<'a> {
    prober: Prober<'a>,
    sources: Sources,
    identity: Identity,
    size: u64,
    /// Of the first answer.
    head: Head,
}

/// How a server answers to the first range.
pub(crate) enum First<'a> {
    /// With the bytes.
    Ranges(Box<RangeReader<'a>>, Vec<u8>),
    /// There are not so many bytes.
    Beyond {
        /// The length of the whole.
        size: u64,
    },
    /// Not with a range of a whole whose length it says.
    NoRanges,
}

impl<'a> RangeReader<'a> {
    /// Asks for `first`, which decides what version all later answers must be of.
    pub(crate) async fn begin(
        tools: &'a Tools,
        what: &'a Download,
        monitor: &'a Monitor,
        stop: &'a Stop,
        first: Range<u64>,
    ) -> Result<First<'a>, Failure> {
        let prober = Prober { remote: &tools.remote, what, monitor, stop, tries: Tries::Usual };
        let sources = Sources::new(what);
        let probed = prober.ask(&sources, |_| question(&first)).await?;
        match probed.reply.holds {
            Holds::Part { .. } => {}
            Holds::OutOfRange { size: Some(size) } if size <= first.start => {
                return Ok(First::Beyond { size });
            }
            Holds::OutOfRange { .. } | Holds::Whole | Holds::NotNewer => {
                return Ok(First::NoRanges);
            }
        }
        let head = probed.reply.head.clone();
        let identity = head.identity.clone();
        let Some(size) = identity.size else { return Ok(First::NoRanges) };
        let mut reader = Self { prober, sources, identity, size, head };
        let bytes = reader.receive(first.start..first.end.min(size), Some(probed)).await?;
        Ok(First::Ranges(Box::new(reader), bytes))
    }

    /// The length of the whole.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The coding in which the server sends it, where that is not as it is.
    pub(crate) fn encoding(&self) -> Option<String> {
        self.head.encoding.clone()
    }

    /// The description of a download of this version to `target`, for its journal.
    pub(crate) fn describe(&self, target: &Path) -> Result<Meta, Failure> {
        let (what, name) = (self.prober.what, name_asked_for(self.prober.what, target));
        let expected = expected(what, &name, Vec::new(), Some(&self.head))?;
        Ok(describe(what, target, &self.identity, self.encoding(), true, &expected))
    }

    /// The bytes of `range`, which lies within the whole.
    ///
    /// # Errors
    /// [`Failure::Changed`] if an answer is of another version (G4); else as a download fails.
    pub(crate) async fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        self.receive(range, None).await
    }

    /// As [`RangeReader::read`], where an answer may be there already. Answers may be short or break
    /// off: what came is kept.
    async fn receive(
        &mut self,
        range: Range<u64>,
        mut probed: Option<Probed>,
    ) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        loop {
            let rest = range.start.saturating_add(bytes.len() as u64)..range.end;
            if rest.is_empty() {
                return Ok(bytes);
            }
            let before = bytes.len();
            let answer = match probed.take() {
                Some(probed) => probed,
                None => self.prober.ask(&self.sources, |_| question(&rest)).await?,
            };
            self.check(&answer)?;
            let (source, asked) = (Arc::clone(&answer.source), Instant::now());
            let drained = self.drain(answer, &rest, &mut bytes).await;
            source.count((bytes.len() - before) as u64);
            source.standing().progressed(source.fetched());
            let error = match drained {
                Ok(()) if bytes.len() > before => continue,
                Ok(()) => TransferError::broken(source.host(), "a range without its bytes"),
                Err(error) => error,
            };
            self.prober.on_failure(&self.sources, &source, error, asked)?;
        }
    }

    /// Whether an answer is a range of the version that was begun with (G4).
    fn check(&self, probed: &Probed) -> Result<(), Failure> {
        let changed = |change| Err(Failure::Changed { change, restarts: 0 });
        let Head { identity, url, .. } = &probed.reply.head;
        match probed.reply.holds {
            Holds::Part { .. } => match self.identity.compare(identity) {
                Verdict::Same(_) => Ok(()),
                Verdict::Changed(change) => changed(change),
                Verdict::Unknown => changed(Change::Nameless),
            },
            Holds::OutOfRange { size: Some(size) } if size != self.size => {
                changed(Change::Size { was: self.size, is: size })
            }
            Holds::OutOfRange { .. } | Holds::Whole | Holds::NotNewer => {
                let host = host_of(url);
                let why = "it sends ranges on some requests but not on others".to_owned();
                Err(Failure::Protocol { host, why })
            }
        }
    }

    /// Reads the body to its end, and keeps the connection.
    async fn drain(
        &mut self,
        probed: Probed,
        wanted: &Range<u64>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), TransferError> {
        let Probed { mut connection, reply, .. } = probed;
        let Reply { head, holds, mut body, .. } = reply;
        let end = match holds {
            Holds::Part { end, .. } => end.min(wanted.end),
            _ => wanted.start,
        };
        let mut left = usize::try_from(end.saturating_sub(wanted.start)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; left.min(64 << 10)];
        let after = self.prober.what.stall_timeout;
        while left > 0 {
            let most = buffer.len().min(left);
            let room = buffer.get_mut(..most).unwrap_or_default();
            let stopped = self.prober.stop.stopped();
            let read = received(|| host_of(&head.url), after, body.read(room), stopped).await??;
            if read == 0 {
                break;
            }
            bytes.extend_from_slice(room.get(..read).unwrap_or_default());
            left -= read;
        }
        body.finish(&mut connection);
        Ok(())
    }
}

fn question(range: &Range<u64>) -> Question {
    let last = Some(range.end.saturating_sub(1));
    Question { range: Some(ByteRange { first: range.start, last }), ..Question::default() }
}
