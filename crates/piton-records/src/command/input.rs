//! The standard input of a command.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::pipe::fcntl_setpipe_size;

use super::error::RunError;

/// What a new pipe holds in any case: writing so much at once does not block.
const SURE: usize = 4096;
/// What a pipe holds by default.
pub(super) const PIPE: usize = 64 << 10;
/// What a pipe may hold where the system has its default limits.
const LARGE: usize = 1 << 20;

/// The input, as far as it is not written.
pub(super) struct Input<'a> {
    pipe: Option<OwnedFd>,
    left: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(pipe: Option<OwnedFd>, input: &'a [u8]) -> Result<Self, RunError> {
        if let Some(pipe) = pipe.as_ref().filter(|_| input.len() > SURE) {
            ioctl_fionbio(pipe, true).map_err(RunError::io("set up the input of"))?;
            if input.len() > PIPE {
                enlarge(pipe.as_fd());
            }
        }
        Ok(Self { pipe, left: input })
    }

    /// Writes what the pipe takes, and closes it at the end. A command that does not read its input to the end is
    /// free to do so: its exit code decides.
    pub(super) fn write(&mut self) -> Result<(), RunError> {
        while let Some(pipe) = self.pipe.as_ref().filter(|_| !self.left.is_empty()) {
            match retry_on_intr(|| rustix::io::write(pipe, self.left)) {
                Ok(written) => {
                    let all = written == self.left.len();
                    self.left = self.left.get(written..).unwrap_or_default();
                    if !all {
                        // It is full.
                        return Ok(());
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::PIPE) => self.left = &[],
                Err(error) => return Err(RunError::io("write to")(error)),
            }
        }
        self.pipe = None;
        Ok(())
    }

    /// To be polled for room.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }
}

/// Lets a pipe hold more, so that both ends are woken up less often. A system that limits the memory in pipes may
/// refuse; it works without.
pub(super) fn enlarge(pipe: BorrowedFd<'_>) {
    let _ = fcntl_setpipe_size(pipe, LARGE);
}
