//! A child with a process group of its own.

use std::process::{Child, ExitStatus};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// A child that leads its process group. It is not reaped before the group was killed: until then
/// its number belongs to nobody else, and the signal can hit no stranger.
#[derive(Debug)]
pub(super) struct Group {
    leader: Child,
}

impl Group {
    /// `leader` was started with `process_group(0)`.
    pub(super) fn new(leader: Child) -> Self {
        Self { leader }
    }

    /// Whether the leader has ended.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.pid()), options), Ok(Some(_)))
    }

    /// Sends a signal to all of the group.
    pub(super) fn signal(&self, signal: Signal) {
        // The error is that all have ended, and then there is nothing to do.
        let _ = kill_process_group(self.pid(), signal);
    }

    /// Kills what is left of the group; how the leader ended.
    pub(super) fn end(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.leader.wait().expect("the state of a child")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.leader)
    }
}
