//! Pieces whose digests are known, checked as they become complete.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use piton_checkpoint::IntervalSet;
use piton_durable::part::{Part, PartError};

use super::{Shared, Watched};
use crate::digest::{Digest, Hasher, Pieces};

/// Read and hashed at once.
const CHUNK: usize = 256 << 10;

/// A piece whose bytes are not those that its digest speaks of.
#[derive(Debug, Clone)]
pub(crate) struct BadPiece {
    pub(crate) number: u64,
    pub(crate) range: Range<u64>,
    pub(crate) expected: Digest,
    pub(crate) got: Digest,
}

/// How far the pieces of a part are checked. A few numbers for each piece that waits or is bad, and
/// ranges of those that are good (G8).
pub(super) struct Checking {
    pieces: Arc<Pieces>,
    size: u64,
    /// Numbers of pieces that are complete and not checked yet.
    waiting: VecDeque<u64>,
    /// The one that is being read.
    busy: Option<u64>,
    good: IntervalSet,
    bad: Vec<BadPiece>,
    closing: bool,
}

impl Checking {
    /// Pieces that are `written` already are checked first of all.
    fn new(pieces: Arc<Pieces>, size: u64, written: &IntervalSet) -> Self {
        let (waiting, good) = (VecDeque::new(), IntervalSet::new());
        let mut this =
            Self { pieces, size, waiting, busy: None, good, bad: Vec::new(), closing: false };
        for run in written.iter() {
            this.wrote(&run, written);
        }
        this
    }

    /// These bytes came in. Returns whether that made a piece complete.
    pub(super) fn wrote(&mut self, range: &Range<u64>, written: &IntervalSet) -> bool {
        let before = self.waiting.len();
        for number in self.pieces.touching(range) {
            if self.pieces.range(number, self.size).is_some_and(|piece| written.covers(piece)) {
                self.waiting.push_back(number);
            }
        }
        self.waiting.len() > before
    }

    /// Where the good pieces end that begin with the one that holds `position`.
    pub(super) fn good_until(&self, position: u64) -> u64 {
        let number = self.pieces.touching(&(position..position.saturating_add(1))).start;
        let last = self.good.end_of_run(number).and_then(|end| end.checked_sub(1));
        let last = last.and_then(|last| self.pieces.range(last, self.size));
        last.map_or(position, |last| last.end.max(position))
    }

    /// These bytes are to be fetched again: what was recorded of their pieces holds no more.
    pub(super) fn unwrote(&mut self, range: &Range<u64>) {
        let touched = self.pieces.touching(range);
        self.waiting.retain(|number| !touched.contains(number));
        self.bad.retain(|bad| !touched.contains(&bad.number));
        self.busy = self.busy.filter(|number| !touched.contains(number));
        self.good.remove(touched);
    }
}

/// The thread that checks pieces as they become complete: hashing would hold up the network's.
/// Dropping it ends it.
pub(super) struct PieceCheck {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl PieceCheck {
    pub(super) fn start(shared: &Arc<Shared>, pieces: Arc<Pieces>, size: u64) -> io::Result<Self> {
        {
            let mut state = shared.state();
            let checking = Checking::new(pieces, size, &state.written);
            state.checking = Some(checking);
        }
        let own = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("piton-pieces".to_owned())
            .stack_size(256 << 10)
            .spawn(move || run(&own))?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }
}

impl Drop for PieceCheck {
    fn drop(&mut self) {
        if let Some(checking) = &mut self.shared.state().checking {
            checking.closing = true;
        }
        self.shared.complete.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of it was reported already (`Watched`).
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Takes the pieces that were found bad.
    pub(super) fn take_bad(&self) -> Vec<BadPiece> {
        let mut state = self.state();
        state
            .checking
            .as_mut()
            .map(|checking| std::mem::take(&mut checking.bad))
            .unwrap_or_default()
    }

    /// Whether this piece was read and is right.
    pub(super) fn is_good(&self, number: u64) -> bool {
        let state = self.state();
        let checking = state.checking.as_ref();
        checking.is_some_and(|checking| checking.good.covers(number..number + 1))
    }

    /// Whether every piece is right (or there are no digests of pieces).
    pub(super) fn all_good(&self) -> bool {
        let state = self.state();
        state
            .checking
            .as_ref()
            .is_none_or(|checking| checking.good.len() == checking.pieces.digests().len() as u64)
    }
}

fn run(shared: &Shared) {
    let _watched = Watched(shared);
    let mut buffer = vec![0; CHUNK];
    loop {
        let Some((number, range, expected)) = next(shared) else { return };
        let got = match hash(&shared.part, range.clone(), &expected, &mut buffer) {
            Ok(got) => got,
            Err(error) => return shared.fail(error),
        };
        let mut state = shared.state();
        let Some(checking) = &mut state.checking else { return };
        // Bytes that were taken back meanwhile may have been read half old, half new.
        if checking.busy.take() == Some(number) {
            if got == expected {
                checking.good.insert(number..number + 1);
            } else {
                checking.bad.push(BadPiece { number, range, expected, got });
            }
        }
        let over = checking.waiting.is_empty() || !checking.bad.is_empty();
        drop(state);
        // A good piece may be hashed now.
        shared.front.notify_one();
        if over {
            shared.tell_coordinator();
        }
    }
}

/// Waits for a piece to check; `None` when there will be none.
fn next(shared: &Shared) -> Option<(u64, Range<u64>, Digest)> {
    let mut state = shared.state();
    loop {
        let checking = state.checking.as_mut()?;
        if checking.closing {
            return None;
        }
        while let Some(number) = checking.waiting.pop_front() {
            let range = checking.pieces.range(number, checking.size);
            let digest = usize::try_from(number).ok();
            let digest = digest.and_then(|number| checking.pieces.digests().get(number));
            if let (Some(range), Some(digest)) = (range, digest) {
                checking.busy = Some(number);
                return Some((number, range, digest.clone()));
            }
        }
        state = match shared.complete.wait(state) {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        };
    }
}

/// The digest of these bytes of the part, by the algorithm of `like`.
fn hash(
    part: &Part,
    range: Range<u64>,
    like: &Digest,
    buffer: &mut [u8],
) -> Result<Digest, PartError> {
    let mut hasher = Hasher::new(like.algorithm());
    let mut at = range.start;
    while at < range.end {
        let wanted = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(buffer.len());
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        let read = part.read(chunk, at)?;
        if read == 0 {
            break;
        }
        hasher.update(chunk.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok(hasher.finalize())
}

/// Reads all of a part of `size` bytes and says which pieces are bad: for a file whose length is known only
/// at its end. Blocks.
pub(crate) fn bad_pieces(
    part: &Part,
    pieces: &Pieces,
    size: u64,
) -> Result<Vec<BadPiece>, PartError> {
    let mut buffer = vec![0; CHUNK];
    let mut bad = Vec::new();
    for (number, expected) in (0..).zip(pieces.digests()) {
        let Some(range) = pieces.range(number, size) else { break };
        let got = hash(part, range.clone(), expected, &mut buffer)?;
        if got != *expected {
            bad.push(BadPiece { number, range, expected: expected.clone(), got });
        }
    }
    Ok(bad)
}
