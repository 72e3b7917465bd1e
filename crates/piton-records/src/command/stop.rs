//! How other threads end running commands.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Ends all commands that run with it, from any thread. Cheap to clone; it stays stopped.
///
/// It wakes the threads that drive the commands at once: nobody looks from time to time.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    level: AtomicU8,
    /// Readable from the first stop on. Nobody reads it, so it wakes everybody.
    soft: OwnedFd,
    /// Readable from [`Stop::kill`] on.
    hard: OwnedFd,
}

/// How far a [`Stop`] has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Level {
    Going,
    /// Commands are asked to end, and have a while for it.
    Soft,
    /// They are killed.
    Hard,
}

impl Stop {
    /// One that has not stopped anything.
    ///
    /// # Errors
    /// If the process has no file descriptors left.
    pub fn new() -> io::Result<Self> {
        let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let level = AtomicU8::new(Level::Going as u8);
        Ok(Self(Arc::new(Inner { level, soft: event()?, hard: event()? })))
    }

    /// Asks each command and its children to end (SIGTERM); what still runs five seconds later is killed. No command
    /// starts any more.
    pub fn stop(&self) {
        self.raise(Level::Soft);
    }

    /// Kills each command and its children (SIGKILL), now. No command starts any more.
    pub fn kill(&self) {
        self.raise(Level::Hard);
    }

    /// Whether it has stopped.
    pub fn is_stopped(&self) -> bool {
        self.level() != Level::Going
    }

    fn raise(&self, to: Level) {
        let was = self.0.level.fetch_max(to as u8, Ordering::SeqCst);
        if was < Level::Soft as u8 {
            wake(&self.0.soft);
        }
        if was < Level::Hard as u8 && to == Level::Hard {
            wake(&self.0.hard);
        }
    }

    pub(super) fn level(&self) -> Level {
        match self.0.level.load(Ordering::SeqCst) {
            level if level == Level::Going as u8 => Level::Going,
            level if level == Level::Soft as u8 => Level::Soft,
            _ => Level::Hard,
        }
    }

    /// What becomes readable when the level is higher than this.
    pub(super) fn beyond(&self, level: Level) -> Option<BorrowedFd<'_>> {
        match level {
            Level::Going => Some(self.0.soft.as_fd()),
            Level::Soft => Some(self.0.hard.as_fd()),
            Level::Hard => None,
        }
    }
}

fn wake(event: &OwnedFd) {
    // It is written to once in its life and never full, so that only EINTR can happen.
    let _ = rustix::io::retry_on_intr(|| rustix::io::write(event, &1_u64.to_ne_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_only_goes_up() {
        let stop = Stop::new().unwrap();
        assert!(!stop.is_stopped());
        stop.stop();
        assert_eq!(stop.level(), Level::Soft);
        stop.clone().kill();
        stop.stop();
        assert_eq!(stop.level(), Level::Hard);
    }
}
