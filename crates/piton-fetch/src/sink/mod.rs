//! Where bytes go: the part file, its checkpoints, and the digests that follow its front.
//!
//! Three parties meet here. Connections write through a [`SegmentWriter`] each, on the network's
//! thread. The checkpoint thread makes durable what they claimed. The digest thread reads the part
//! again behind the contiguous front, so that the end does not have to. Where digests of pieces are
//! known, another one checks each piece once it is complete; where a digest state of an earlier run
//! is used, another one reads again what it covers.
//!
//! All of them share one lock, under which bytes come in and are taken back: what was recorded of bytes
//! that change is void in that instant.
//!
//! Small files have none of this: they go from memory to their final names ([`Landings`]).

mod checkpoints;
mod hashing;
mod landings;
mod pieces;
mod recheck;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use piton_checkpoint::{IntervalSet, Pace};
use piton_durable::part::{Durability, Extent, Part, PartError};
use tokio::sync::Notify;

use crate::digest::Pieces;

use self::checkpoints::Checkpoints;
use self::hashing::HashFront;
pub(crate) use self::hashing::{HashSteps, Hashing, restore};
pub(crate) use self::landings::Landings;
pub(crate) use self::pieces::{BadPiece, bad_pieces};
use self::pieces::{Checking, PieceCheck};
use self::recheck::{Recheck, Unread};
pub(crate) use self::writer::SegmentWriter;

/// The part of one download while bytes come in.
pub(crate) struct Sink {
    shared: Arc<Shared>,
    checkpoints: Option<Checkpoints>,
    piece_check: Option<PieceCheck>,
    recheck: Option<Recheck>,
}

/// What connections, the checkpoint thread and the digest thread share.
pub(crate) struct Shared {
    pub(crate) part: Part,
    state: Mutex<State>,
    /// Told when a checkpoint may be due.
    changed: Condvar,
    /// Told when the contiguous front may have moved on.
    front: Condvar,
    /// Told when a piece may be complete.
    complete: Condvar,
    /// Told after every checkpoint and on failure.
    synced: Notify,
    pace: Pace,
    durability: Durability,
}

#[derive(Default)]
struct State {
    /// Bytes that are in the part.
    written: IntervalSet,
    /// Written since the last checkpoint began.
    unsynced: u64,
    /// Claimed and not yet hinted to be written back.
    hints: Vec<Range<u64>>,
    accounts: Vec<Arc<Account>>,
    /// A connection waits for a checkpoint.
    pressed: bool,
    closing: bool,
    /// How far the digest thread is.
    hash_front: HashFront,
    /// What of a restored digest state was not read again yet.
    unread: Unread,
    /// How far the pieces are checked, if their digests are known.
    checking: Option<Checking>,
    failure: Option<PartError>,
    failed: bool,
}

/// What one connection has written and not yet durable (G2 bounds it).
#[derive(Debug, Default)]
pub(crate) struct Account {
    pending: AtomicU64,
    in_flight: AtomicU64,
}

impl Account {
    fn unsynced(&self) -> u64 {
        self.pending.load(Ordering::Relaxed) + self.in_flight.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: PartError) {
        let mut state = self.state();
        state.failed = true;
        state.failure.get_or_insert(error);
        drop(state);
        self.changed.notify_all();
        self.tell_coordinator();
    }

    /// Wakes the coordinator, and the connections that wait for a checkpoint.
    fn tell_coordinator(&self) {
        self.synced.notify_waiters();
        self.synced.notify_one();
    }
}

/// Held by a thread while it works: should it panic, the download fails instead of waiting for it.
struct Watched<'a>(&'a Shared);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let source = std::io::Error::other("a thread of piton died");
            self.0.fail(PartError::Io { what: "save", path: self.0.part.path(), source });
        }
    }
}

impl Sink {
    /// Takes over a part of which `written` is already there.
    ///
    /// # Errors
    /// Where the system has no thread left: without checkpoints nothing would become durable.
    pub(crate) fn new(
        part: Part,
        written: IntervalSet,
        durability: Durability,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            part,
            state: Mutex::new(State { written, ..State::default() }),
            changed: Condvar::new(),
            front: Condvar::new(),
            complete: Condvar::new(),
            synced: Notify::new(),
            pace: Pace::default(),
            durability,
        });
        let checkpoints = match durability {
            Durability::None => None,
            Durability::Process | Durability::Power => Some(Checkpoints::start(&shared)?),
        };
        Ok(Self { shared, checkpoints, piece_check: None, recheck: None })
    }

    /// From now on each piece is checked once it is complete, those that an earlier run left whole
    /// first.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub(crate) fn check_pieces(&mut self, pieces: Pieces, size: u64) -> std::io::Result<()> {
        let check = PieceCheck::start(&self.shared, Arc::new(pieces), size)?;
        self.piece_check = Some(check);
        Ok(())
    }

    /// Reads again, while bytes come in, the extents that begin below `end`.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub(crate) fn recheck(&mut self, end: u64) -> std::io::Result<()> {
        self.recheck = Some(Recheck::start(&self.shared, end)?);
        Ok(())
    }

    /// Takes the ranges whose bytes on disk turned out not to be those that came in.
    pub(crate) fn take_damaged(&self) -> Vec<Range<u64>> {
        self.shared.take_damaged()
    }

    /// Whether all that was to be read again was read, and is right.
    pub(crate) fn is_reread(&self) -> bool {
        self.shared.is_reread()
    }

    /// Takes the pieces that were found bad.
    pub(crate) fn take_bad_pieces(&self) -> Vec<BadPiece> {
        self.shared.take_bad()
    }

    /// Whether this piece was read and is right.
    pub(crate) fn is_good_piece(&self, number: u64) -> bool {
        self.shared.is_good(number)
    }

    /// Whether every piece is right, or there is no digest of pieces.
    pub(crate) fn are_pieces_good(&self) -> bool {
        self.shared.all_good()
    }

    pub(crate) fn part(&self) -> &Part {
        &self.shared.part
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// A connection, one of at most `of`, begins to write.
    pub(crate) fn writer(&self, at: u64, of: usize) -> SegmentWriter {
        let account = Arc::new(Account::default());
        self.shared.state().accounts.push(Arc::clone(&account));
        SegmentWriter::new(Arc::clone(&self.shared), account, at, of)
    }

    /// The failure of a checkpoint, once.
    pub(crate) fn take_failure(&self) -> Option<PartError> {
        self.shared.state().failure.take()
    }

    /// Waits until a checkpoint ended or failed.
    pub(crate) async fn checkpointed(&self) {
        self.shared.synced.notified().await;
    }

    /// Whether the first `len` bytes were all written: the plan counts bytes as here a moment
    /// before they are.
    pub(crate) fn holds(&self, len: u64) -> bool {
        self.shared.state().written.covers(0..len)
    }

    /// What is in the part, for a comparison. The plan counts bytes as here a moment before they are.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&IntervalSet) -> T) -> T {
        at(&self.shared.state().written)
    }

    /// Takes bytes out that are to be fetched again: first whatever was recorded of them, then the claim
    /// in the journal.
    pub(crate) fn forget(&self, range: Range<u64>) -> Result<(), PartError> {
        self.unwrite(range.clone());
        self.shared.part.forget(range)
    }

    /// Nobody claims these bytes any more.
    pub(crate) fn unwrite(&self, range: Range<u64>) {
        self.shared.state().take_back(&range);
    }

    /// Ends the checkpoint thread and gives the part back. `None` while a writer still has it.
    pub(crate) fn close(mut self) -> Option<Part> {
        drop(self.checkpoints.take());
        drop(self.piece_check.take());
        drop(self.recheck.take());
        Arc::into_inner(self.shared).map(|shared| shared.part)
    }
}

impl State {
    /// Other bytes may be in the part here now, which the journal does not claim yet. What was said of those
    /// before is void at once, so that no digest state of them is saved after the claim.
    fn written_over(&mut self, range: &Range<u64>) {
        if self.written.gaps(range.clone()).next().as_ref() != Some(range) {
            self.void(range);
        }
    }

    /// These bytes are in the part now, and claimed where anything is. Returns whether that made a piece complete.
    fn add(&mut self, range: Range<u64>) -> bool {
        let fresh = self.written.insert(range.clone()) == range.end - range.start;
        if !fresh {
            // Bytes that are written over may have been read as they were before.
            self.void(&range);
        }
        match &mut self.checking {
            Some(checking) => checking.wrote(&range, &self.written),
            None => false,
        }
    }

    /// These bytes do not count any more, and nothing that was said of them.
    fn take_back(&mut self, range: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.void(range);
        self.written.remove(range.clone());
    }

    /// Whatever was recorded of these bytes holds no more.
    fn void(&mut self, range: &Range<u64>) {
        self.changed_below(range.start);
        self.unread.changed(range);
        if let Some(checking) = &mut self.checking {
            checking.unwrote(range);
        }
    }

    /// Up to where bytes from `position` on may be hashed: those that are here and, where pieces have
    /// digests, of pieces that are good, since a bad one is taken back.
    fn hashable(&self, position: u64) -> u64 {
        match &self.checking {
            Some(checking) => checking.good_until(position),
            None => self.written.end_of_run(position).unwrap_or(position),
        }
    }
}

impl Shared {
    fn wrote(&self, extent: Extent, account: &Account) {
        let range = extent.start..extent.start + extent.len;
        let mut state = self.state();
        state.unsynced += extent.len;
        account.pending.fetch_add(extent.len, Ordering::Relaxed);
        state.hints.push(range);
        let wake = state.unsynced >= self.pace.bytes;
        drop(state);
        if wake {
            self.changed.notify_all();
        }
    }
}
