//! A list that stops giving when it is asked to: comments and rubbish without end are no entries between
//! which somebody could look.

use std::io::{self, BufRead, Read};

use piton_fetch::Stop;

pub(super) struct Watched<R> {
    pub(super) inner: R,
    pub(super) stop: Stop,
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.stop.is_stopped() {
            return Err(io::Error::other("stopped while reading"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
