//! Compressed sources, batch after batch: what each batch needs so that a commit can name a restart point for any
//! position in it, also while later batches are read already.

use std::sync::Arc;

use piton_durable::fs::{FsFile, read_full_at};

use super::feed::Seen;
use super::{Coded, Compression, Fault, Opening, Point, Restart};
use crate::error::Error;
use crate::source::batch::Batch;
use crate::source::identity::{Print, SourceChange, TAIL};

/// How much is decoded at a time on the way from a restart point to the position.
const SKIP: usize = 128 << 10;

/// What a batch of a compressed source carries.
#[derive(Debug)]
pub(in crate::source) struct Trace {
    /// Restart points: the last one before its first record, and those inside.
    points: Vec<Arc<Point>>,
    /// How much of the file was read for it.
    seen: Arc<Seen>,
}

/// The uncompressed bytes of a source, from a position on.
pub(in crate::source) struct Decoded {
    coded: Coded,
    /// What comes before the first batch: bytes that are decoded again.
    pending: Option<Pending>,
    replays: u64,
    /// Where decoding has started.
    start: Arc<Point>,
}

struct Pending {
    left: u64,
    /// The last of them.
    before: Print,
    /// Whether they must be what was read before.
    checked: bool,
}

/// A position and how to come there.
pub(in crate::source) struct Entry<'a> {
    pub(in crate::source) point: Point,
    /// As the last commit has it; `None`: the job begins.
    pub(in crate::source) restart: Option<&'a Restart>,
    pub(in crate::source) position: u64,
    /// Whether the file must be what was read before.
    pub(in crate::source) checked: bool,
}

/// What is known of a compressed source at a position. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::source) struct Entered {
    pub(in crate::source) seen: Arc<Seen>,
    point: Arc<Point>,
    before: Print,
}

impl Entered {
    /// The same for a commit.
    pub(in crate::source) fn restart(&self) -> Result<Restart, serde_json::Error> {
        Restart::new(self.seen.read, self.before.clone(), &self.point)
    }
}

impl Decoded {
    /// At this position; what the first batch carries comes with it. Nothing is decoded yet.
    pub(in crate::source) fn open(
        file: &Arc<dyn FsFile>,
        entry: Entry<'_>,
        how: &Opening,
    ) -> Result<(Self, Trace), Fault> {
        let Entry { point, restart, position, checked } = entry;
        let coded = Coded::open(Arc::clone(file), &point, how)?;
        let mut seen = coded.seen();
        if let Some(restart) = restart.filter(|restart| checked && restart.read > seen.read) {
            // What was read before stays known, although it was not read again yet.
            seen.read = restart.read;
            let from = restart.read.saturating_sub(TAIL as u64);
            seen.tail = vec![0; usize::try_from(restart.read - from).unwrap_or(TAIL)];
            let read = read_full_at(&**file, &mut seen.tail, from)?;
            seen.tail.truncate(read);
            if how.hash {
                let hash = super::super::identity::hash_up_to(&**file, restart.read)?;
                seen.hash = Some(hash);
            }
        }
        let replays = position.saturating_sub(point.at);
        let pending = restart.filter(|_| replays > 0).map(|restart| Pending {
            left: replays,
            before: restart.before.clone(),
            checked,
        });
        let start = Arc::new(point);
        let trace = Trace { points: vec![Arc::clone(&start)], seen: Arc::new(seen) };
        Ok((Self { coded, pending, replays, start }, trace))
    }

    /// How many bytes this run decodes again before the first new one.
    pub(in crate::source) fn replays(&self) -> u64 {
        self.replays
    }

    /// How the file is compressed.
    pub(in crate::source) fn compression(&self) -> Compression {
        self.start.compression()
    }

    /// How far the file is read.
    pub(in crate::source) fn len(&self) -> u64 {
        self.coded.len()
    }

    /// These bytes, which were read last, come again.
    pub(in crate::source) fn unread(&mut self, bytes: &[u8]) {
        self.coded.unread(bytes);
    }

    /// Appends so many bytes to the batch; fewer only before the end.
    pub(in crate::source) fn fill(
        &mut self,
        batch: &mut Batch,
        wanted: usize,
    ) -> Result<usize, Fault> {
        let read = self.coded.read(batch.room(wanted))?;
        batch.filled += read;
        note(&mut self.coded, batch);
        Ok(read)
    }

    /// Decodes what is between the restart point and the position, once, before the first batch.
    pub(in crate::source) fn catch_up(
        &mut self,
        batch: &mut Batch,
        fault: impl Fn(Fault) -> Error,
        differs: impl Fn(SourceChange) -> Error,
    ) -> Result<(), Error> {
        let Some(Pending { left, before, checked }) = &self.pending else { return Ok(()) };
        let mut left = *left;
        let position = batch.base + batch.start as u64;
        let (mut buffer, mut known) = (vec![0; TAIL + SKIP], 0);
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(SKIP).min(SKIP);
            let room = buffer.get_mut(known..known + wanted).unwrap_or_default();
            let read = self.coded.read(room).map_err(&fault)?;
            if read == 0 {
                return Err(differs(SourceChange::EndsBefore { position, len: position - left }));
            }
            left -= read as u64;
            let filled = known + read;
            let keep = filled.saturating_sub(TAIL);
            buffer.copy_within(keep..filled, 0);
            known = filled - keep;
            note(&mut self.coded, batch);
        }
        buffer.truncate(known);
        if *checked && !before.ends(&buffer) {
            let compared = before.len();
            return Err(differs(SourceChange::BeforePosition { position, compared }));
        }
        // They are before the first record, as in every other batch.
        batch.bytes = buffer;
        (batch.base, batch.start, batch.filled) = (position - known as u64, known, known);
        self.pending = None;
        Ok(())
    }

    /// What is known at this place of the batch.
    pub(in crate::source) fn entered(&self, batch: &Batch, at: usize) -> Entered {
        let position = batch.base + at as u64;
        let trace = batch.trace.as_deref();
        let points = trace.map_or(&[][..], |trace| &trace.points);
        let last = points.partition_point(|point| point.at <= position).checked_sub(1);
        let point = last.and_then(|last| points.get(last)).unwrap_or(&self.start);
        let before = match &self.pending {
            // Nothing was decoded yet.
            Some(pending) => pending.before.clone(),
            None => {
                let len = position.saturating_sub(point.at);
                let len = usize::try_from(len).unwrap_or(TAIL).min(TAIL);
                Print::of(batch.read().get(at.saturating_sub(len)..at).unwrap_or_default())
            }
        };
        let seen = trace.map(|trace| Arc::clone(&trace.seen)).unwrap_or_default();
        Entered { seen, point: Arc::clone(point), before }
    }
}

/// The batch learns of the restart points that were passed, and of what was read.
fn note(coded: &mut Coded, batch: &mut Batch) {
    let start = batch.base + batch.start as u64;
    let (mut points, mut seen) = (Vec::new(), Arc::new(coded.seen()));
    if let Some(trace) = &batch.trace {
        points.clone_from(&trace.points);
        if trace.seen.read > seen.read {
            // An earlier run has read more.
            seen = Arc::clone(&trace.seen);
        }
    }
    points.extend(coded.passed());
    let needed = points.partition_point(|point| point.at <= start).saturating_sub(1);
    points.drain(..needed);
    batch.trace = Some(Arc::new(Trace { points, seen }));
}
