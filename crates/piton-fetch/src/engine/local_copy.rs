//! Bytes of a file of this machine, put into the part by the system: shared with the source where the file system can,
//! else copied in the kernel.
//!
//! A checksum speaks of what is in the part, so the bytes are read back from there, never from the source, which may
//! have changed by then. Whatever goes wrong here is no failure yet: the bytes are then read and written as those of
//! any other source, and what is wrong with either file shows there, under its own name.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use piton_durable::part::Part;
use piton_remote::{Body, LocalBytes, blocking};

use super::job::Job;
use super::mirrors::Sharing;
use super::transfer_error::TransferError;
use crate::plan::{Grant, SegmentId};
use crate::sink::SegmentWriter;

/// A multiple of the blocks of every file system: bytes are shared in whole ones.
const BLOCK: u64 = 64 << 10;
/// So much is shared at once: it costs nothing, and the system reads ahead of what is read back.
const SHARED_AT_ONCE: u64 = 8 << 20;

/// How the bytes of one body get into the part.
pub(super) struct LocalCopy {
    way: Way,
    /// In the part already, of the version that the head said, and not claimed yet.
    shared: Range<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Share,
    Copy,
    /// Through a buffer, as those of any other source.
    Read,
}

/// What is done at once, beside the network's thread.
#[derive(Debug)]
struct Cut {
    range: Range<u64>,
    /// Up to where sharing is to be tried.
    share: Option<u64>,
    /// The bytes are in the part already.
    is_there: bool,
}

/// What came of it.
struct Done {
    way: Way,
    /// If more was shared.
    shared: Option<Range<u64>>,
    len: u64,
    crc: u32,
}

impl LocalCopy {
    /// `None`: the bytes of `body` are not those of a local file.
    pub(super) fn of(body: &Body) -> Option<Self> {
        body.local().map(|_| Self::new())
    }

    fn new() -> Self {
        Self { way: Way::Share, shared: 0..0 }
    }

    /// Puts the next bytes of `body` into the part, at most so many, and claims them. `None`: they are to be read.
    pub(super) async fn next(
        &mut self,
        job: &Job,
        id: SegmentId,
        writer: &mut SegmentWriter,
        body: &mut Body,
        most: usize,
    ) -> Result<Option<usize>, TransferError> {
        // Bytes of another source, in the same place at the same time, would be written over.
        if self.way == Way::Read || job.sharing != Sharing::One || !writer.is_empty() {
            return Ok(None);
        }
        let at = writer.position();
        let Some(source) = body.local().filter(|source| source.range().start == at) else {
            return Ok(None);
        };
        let (free, size) = (free_from(job, id, at), job.planner().size());
        let (Some(free), Some(size)) = (free, size) else { return Ok(None) };
        let free = free.min(source.range().end);
        let Some(cut) = Cut::new(self, at, free, size, most as u64) else { return Ok(None) };
        // Let go within the turn: the part is closed after it.
        let (sink, way) = (Arc::downgrade(job.sink.shared()), self.way);
        let done = in_turn(move || Some(cut.put(&source, &sink.upgrade()?.part, way))).await;
        let done = done.flatten().unwrap_or(Err(TransferError::Stopped))?;
        let Done { way, shared, len, crc } = done;
        self.way = way;
        self.shared = shared.unwrap_or_else(|| self.shared.clone());
        if len == 0 || !take(job, id, at..at + len) {
            self.way = Way::Read;
            return Ok(None);
        }
        body.skip(len);
        writer.placed(len, crc)?;
        Ok(Some(usize::try_from(len).unwrap_or(usize::MAX)))
    }
}

impl Cut {
    /// What is to be done with the bytes from `at` on, of which those up to `free` are nobody else's. `None`: so few
    /// that they are read.
    fn new(copy: &LocalCopy, at: u64, free: u64, size: u64, most: u64) -> Option<Self> {
        let end = free.min(at.saturating_add(most));
        // So that the next ones begin with a block.
        let mut end = if end == free { end } else { end - end % BLOCK };
        let (mut share, is_there) = (None, copy.shared.contains(&at));
        if is_there {
            end = end.min(copy.shared.end);
        } else if copy.way == Way::Share {
            if at.is_multiple_of(BLOCK) {
                let until = free.min(at.saturating_add(SHARED_AT_ONCE));
                // Whole blocks, or all of the last one.
                let until = if until == size { until } else { until - until % BLOCK };
                share = (until > at).then_some(until);
                // Nothing is read back that was not put there.
                end = share.map_or(end, |until| end.min(until));
            } else {
                end = end.min(at.next_multiple_of(BLOCK));
            }
        }
        (at < end).then_some(Self { range: at..end, share, is_there })
    }
}

/// Up to where nobody but this segment has anything from `at` on.
fn free_from(job: &Job, id: SegmentId, at: u64) -> Option<u64> {
    let planner = job.planner();
    let segment = planner.segment(id).filter(|segment| segment.at == at)?;
    let gap = planner.done().gaps(at..segment.end).next()?;
    (gap.start == at).then_some(gap.end)
}

/// Counts the bytes as here, unless somebody else came first.
fn take(job: &Job, id: SegmentId, range: Range<u64>) -> bool {
    let len = range.end - range.start;
    let is_free = free_from(job, id, range.start).is_some_and(|free| free >= range.end);
    is_free && job.planner().grant(id, len) == Grant { skip: 0, write: len }
}

/// Does what puts bytes into the part beside the network's thread. Dropping the future waits for it if it has begun, and
/// takes it back if not: nothing writes to the part any more when others begin to. `None`: it was taken back.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let turn = Turn::default();
    let own = Arc::clone(&turn.0);
    blocking(move || {
        let given_up = guard(&own);
        (!*given_up).then(work)
    })
    .await
}

/// Whether what was to be done beside the network's thread was given up.
#[derive(Default)]
struct Turn(Arc<Mutex<bool>>);

impl Drop for Turn {
    fn drop(&mut self) {
        *guard(&self.0) = true;
    }
}

fn guard(mutex: &Mutex<bool>) -> MutexGuard<'_, bool> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cut {
    fn put(self, source: &LocalBytes, part: &Part, way: Way) -> Result<Done, TransferError> {
        let (file, Range { start, mut end }) = (source.file(), self.range);
        let mut done = Done { way, shared: None, len: 0, crc: 0 };
        if !self.is_there {
            let shares = |until: &u64| matches!(part.share_from(file, start..*until), Ok(true));
            if let Some(until) = self.share.filter(shares) {
                done.shared = Some(start..until);
            } else {
                if self.share.is_some() {
                    done.way = Way::Copy;
                }
                end = start + part.copy_from(file, start..end).unwrap_or(0);
            }
            source.check()?;
        }
        // What cannot be read back is read from the source and written, which tells whose fault it is.
        if let Some(crc) = part.crc(start..end) {
            (done.crc, done.len) = (crc, end - start);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Wherever the free bytes begin and end, and however few are wanted: only what was put there is read back,
    /// and only what can be shared is shared.
    #[test]
    fn cuts_hold_together() {
        let odd = [0, 1, 777, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK];
        let wholes = [0, BLOCK, SHARED_AT_ONCE, 3 * SHARED_AT_ONCE];
        let places = || wholes.iter().flat_map(|whole| odd.map(|odd| whole + odd));
        for (start, free) in places().flat_map(|start| places().map(move |free| (start, free))) {
            for size in [free, free + 1, free + SHARED_AT_ONCE] {
                for most in [1, 4097, BLOCK, 100_000, 1 << 20] {
                    let (mut copy, mut at) = (LocalCopy::new(), start);
                    for _ in 0..60 {
                        if at >= free {
                            break;
                        }
                        let Some(cut) = Cut::new(&copy, at, free, size, most) else {
                            // Read, and on from there.
                            assert!(most < BLOCK || at % BLOCK != 0, "{at} {free} {size} {most}");
                            at += most.min(free - at);
                            continue;
                        };
                        let (range, share) = (cut.range.clone(), cut.share);
                        assert!(
                            range.start == at && at < range.end && range.end <= free,
                            "{cut:?}"
                        );
                        assert!(range.end - at <= most, "{cut:?}");
                        if let Some(until) = share {
                            assert!(at % BLOCK == 0 && (until % BLOCK == 0 || until == size));
                            assert!(
                                until <= free && range.end <= until && !cut.is_there,
                                "{cut:?}"
                            );
                            copy.shared = at..until;
                        }
                        assert!(!cut.is_there || range.end <= copy.shared.end, "{cut:?}");
                        at = range.end;
                    }
                }
            }
        }
    }

    /// Whoever comes next may write to the part at once.
    #[test]
    fn what_is_given_up_is_over() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().max_blocking_threads(1).build().unwrap();
        let (begun, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let slow = || {
            let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
            in_turn(move || {
                begun.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(300));
                ended.fetch_add(1, Ordering::SeqCst);
            })
        };
        runtime.block_on(async {
            let soon = Duration::from_millis(100);
            // The second waits for the only thread, and is given up before it has it.
            let (mut first, mut second) = (Box::pin(slow()), Box::pin(slow()));
            let both = async { tokio::join!(&mut first, &mut second) };
            assert!(timeout(soon, both).await.is_err());
            drop(second);
            drop(first);
            let (had_begun, had_ended) =
                (begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
            assert_eq!((had_begun, had_ended), (1, 1));
            assert_eq!(slow().await, Some(()));
        });
        drop(runtime);
        assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (2, 2));
    }
}
