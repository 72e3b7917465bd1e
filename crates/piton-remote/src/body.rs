//! The body of an answer, read straight into the caller's buffer.

use bytes::Bytes;

use crate::connection::Connection;
use crate::error::RemoteError;
use crate::file::LocalBytes;
use crate::{file, http};

/// The bytes that an answer brings. Dropping it early gives its connection up.
#[derive(Debug)]
pub struct Body(pub(crate) Source);

/// Where the bytes come from.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are of the large one")]
pub(crate) enum Source {
    Http(http::Body),
    File(file::Body),
}

impl Body {
    /// Receives into `buf`; 0 is the end. Cancel-safe: what was received is never lost.
    ///
    /// # Errors
    /// [`RemoteError`]: among others where the body ends before the length it announced, or the file changed
    /// while it was read. Bytes that were returned before are of the version that the head said.
    pub async fn read(&mut self, buf: &mut [u8]) -> Result<usize, RemoteError> {
        match &mut self.0 {
            Source::Http(body) => body.read(buf).await,
            Source::File(body) => body.read(buf).await,
        }
    }

    /// Receives what is there without waiting. `None`: nothing is there yet.
    pub fn try_read(&mut self, buf: &mut [u8]) -> Option<Result<usize, RemoteError>> {
        match &mut self.0 {
            Source::Http(body) => body.try_read(buf),
            Source::File(body) => body.try_read(buf),
        }
    }

    /// All `size` bytes of the body, if they are here already.
    pub fn read_all(&mut self, size: usize) -> Option<Vec<u8>> {
        match &mut self.0 {
            Source::Http(body) => body.read_all(size),
            Source::File(_) => None,
        }
    }

    /// Hands back bytes that were read: they come again, then `failed` if there is one, then the rest.
    pub fn unread(&mut self, bytes: Bytes, failed: Option<RemoteError>) {
        match &mut self.0 {
            Source::Http(body) => body.unread(bytes, failed),
            Source::File(body) => body.unread(bytes, failed),
        }
    }

    /// The rest of the body, where it is a file of this machine. Who has the system copy or share some of it calls
    /// [`Body::skip`].
    pub fn local(&self) -> Option<LocalBytes> {
        match &self.0 {
            Source::Http(_) => None,
            Source::File(body) => body.local(),
        }
    }

    /// The next `bytes` of a [`Body::local`] are not read any more.
    pub fn skip(&mut self, bytes: u64) {
        if let Source::File(body) = &mut self.0 {
            body.skip(bytes);
        }
    }

    /// How many bytes are still to come, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        match &self.0 {
            Source::Http(body) => body.remaining(),
            Source::File(body) => Some(body.remaining()),
        }
    }

    /// [`Body::read`] need not wake anybody before this many bytes are there. Only a hint.
    pub fn set_low_water(&mut self, bytes: usize) {
        match &mut self.0 {
            Source::Http(body) => body.set_low_water(bytes),
            Source::File(_) => {}
        }
    }

    /// Gives the connection back for its next question, where it can be used again.
    pub fn finish(mut self, connection: &mut Connection) {
        self.release(connection);
    }

    /// As [`Body::finish`], for a body that is still needed for what it was.
    pub fn release(&mut self, connection: &mut Connection) {
        if let Source::Http(body) = &mut self.0 {
            body.release(connection.http());
        }
    }
}
