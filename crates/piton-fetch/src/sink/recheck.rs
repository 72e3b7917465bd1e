//! The thread that reads again what a restored digest state covers.
//!
//! Such a state speaks of bytes that an earlier run had read. The disk may have changed them since, and the
//! digest would not tell: the state counts only after every extent below it was read in this run and matched
//! its checksum in the journal. That happens while the rest comes in.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use piton_durable::part::Extent;

use super::{Shared, Watched};

/// How far the extents are read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Not read yet, in order.
    waiting: VecDeque<Extent>,
    /// Being read.
    busy: Option<Range<u64>>,
    /// Read, and not the bytes that came in.
    damaged: Vec<Range<u64>>,
    closing: bool,
}

impl Unread {
    /// These bytes are to be fetched again, so nothing of the extents there is to be read: every digest
    /// state that covers them is void.
    pub(super) fn changed(&mut self, range: &Range<u64>) {
        self.waiting.retain(|extent| !overlap(&extent.range(), range));
        self.damaged.retain(|damaged| !overlap(damaged, range));
        self.busy = self.busy.take().filter(|busy| !overlap(busy, range));
    }

    fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.busy.is_none() && self.damaged.is_empty()
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

/// See the page. Dropping it ends the thread.
pub(super) struct Recheck {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Recheck {
    /// Starts to read the extents that begin below `end`.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub(super) fn start(shared: &Arc<Shared>, end: u64) -> io::Result<Self> {
        let extents = shared.part.extents().into_iter().filter(|extent| extent.start < end);
        shared.state().unread = Unread { waiting: extents.collect(), ..Unread::default() };
        let own = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("piton-recheck".to_owned())
            .stack_size(256 << 10)
            .spawn(move || run(&own))?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }
}

impl Drop for Recheck {
    fn drop(&mut self) {
        self.shared.state().unread.closing = true;
        if let Some(thread) = self.thread.take() {
            // A panic of it was reported already (`Watched`).
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Takes the ranges that were found damaged.
    pub(super) fn take_damaged(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.state().unread.damaged)
    }

    /// Whether every extent was read, and none is damaged.
    pub(super) fn is_reread(&self) -> bool {
        self.state().unread.is_over()
    }
}

fn run(shared: &Shared) {
    let _watched = Watched(shared);
    loop {
        let mut state = shared.state();
        let unread = &mut state.unread;
        let next = unread.waiting.pop_front().filter(|_| !unread.closing);
        let Some(extent) = next else { break };
        unread.busy = Some(extent.range());
        drop(state);
        let matches = shared.part.holds(&extent);
        let mut state = shared.state();
        // Bytes that were taken back meanwhile may have been read half old, half new.
        let current = state.unread.busy.take() == Some(extent.range());
        if current && !matches {
            state.changed_below(extent.start);
            state.unread.damaged.push(extent.range());
            drop(state);
            shared.tell_coordinator();
        }
    }
    shared.tell_coordinator();
}
