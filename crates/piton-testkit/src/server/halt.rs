//! The end of a server, which every wait hears of.

use std::io;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Halt {
    halted: Mutex<bool>,
    changed: Condvar,
}

impl Halt {
    pub(super) fn halt(&self) {
        *self.halted.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Sleeps; an error when the server stops meanwhile.
    pub(super) fn sleep(&self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let halted = self.halted.lock().unwrap();
        let (halted, _) = self.changed.wait_timeout_while(halted, time, |halted| !*halted).unwrap();
        if *halted { Err(io::Error::other("the server stops")) } else { Ok(()) }
    }
}
