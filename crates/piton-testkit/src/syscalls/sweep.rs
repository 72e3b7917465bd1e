//! One run for each N, until the program ends untouched.

use std::io;
use std::time::Duration;

use super::{Action, Outcome, Plan, Program, Scope, run};

/// One run of a sweep.
#[derive(Debug, Clone)]
pub struct Case {
    /// Which syscall was to be hit, from 1.
    pub at: u64,
    /// What came of it; in the last case of a sweep, `hit` is `None`.
    pub outcome: Outcome,
}

/// Does `action` to the first, second, third … file syscall of a program, in a run of its own each.
///
/// `prepare` is called with N before each run: it lays out a fresh directory and says what to run
/// and what counts. The caller looks at what the run left behind before it asks for the next case.
/// The last case is the one with fewer than N syscalls, in which the program ended untouched; after
/// an error there is none.
pub fn sweep<F>(action: Action, timeout: Duration, prepare: F) -> Sweep<F>
where
    F: FnMut(u64) -> (Program, Scope),
{
    Sweep { action, timeout, prepare, next: Some(1) }
}

/// The cases of a [`sweep()`], made one by one.
#[derive(Debug)]
pub struct Sweep<F> {
    action: Action,
    timeout: Duration,
    prepare: F,
    next: Option<u64>,
}

impl<F> Iterator for Sweep<F>
where
    F: FnMut(u64) -> (Program, Scope),
{
    type Item = io::Result<Case>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next.take()?;
        let (program, scope) = (self.prepare)(at);
        let plan = Plan { at, action: self.action };
        Some(run(&program, scope, Some(plan), self.timeout).map(|outcome| {
            self.next = outcome.hit.as_ref().map(|_| at + 1);
            Case { at, outcome }
        }))
    }
}
