//! Space for the bytes to come, reserved in proportion to those that are here.
//!
//! A length is what a server says. Reserving all of it at once would let an answer of a few bytes take the
//! whole disk. So each position at which bytes arrive has a *span*: space reserved ahead of what was written
//! there, a quarter of all that is here. What a span holds beyond the last byte that was written into it is
//! given back when the part is closed.
//!
//! Space is given back only where nothing was ever claimed: a span ends where claims begin that were
//! found when the part was opened, and bytes that this run writes are behind the front of their span. So no
//! claim that a crash brings back can be about a byte that was given back (G3).

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use super::{Part, PartError, guard};
use crate::extent::Extent;
use crate::fs::{FsFile, Space};
use crate::verify;

/// The least that is reserved ahead.
const LEAST_AHEAD: u64 = 16 << 20;
/// Bytes are shared in whole blocks of the file system, none of which has larger ones.
const SHARED_AT_LEAST: u64 = 64 << 10;
/// For a file of unknown length, or one for which there is not enough space, this much of the file system is
/// left free: a fiftieth, at most 256 MiB.
const LEFT_FREE: u64 = 256 << 20;

impl Part {
    /// Announces how long the file will be. If that is known, a file system that clearly has no space for what
    /// is missing is found now, before the transfer. [`Part::begin`] does this; a part that is resumed needs
    /// it, before the first write. Without it nothing is reserved.
    ///
    /// # Errors
    /// `StorageFull` if there is not enough space, `FileTooLarge` if no file may be that long here; the part is as it
    /// was.
    pub fn expect(&self, size: Option<u64>) -> Result<(), PartError> {
        self.expect_from(None, size)
    }

    /// As [`Part::expect`], for bytes that come from `source`. Whether the part can share them with it is tried with the
    /// first ones that are missing. If it can, they take up no space: none is reserved before some turn out to need it.
    ///
    /// # Errors
    /// As [`Part::expect`].
    pub fn expect_from(
        &self,
        source: Option<&dyn FsFile>,
        size: Option<u64>,
    ) -> Result<(), PartError> {
        let claims = self.state().fold.claims.extents();
        self.expect_beyond(&claims, source, size)
    }

    /// As [`Part::expect_from`], where these are the claims on the part, none of which was made by this run.
    pub(super) fn expect_beyond(
        &self,
        claims: &[Extent],
        source: Option<&dyn FsFile>,
        size: Option<u64>,
    ) -> Result<(), PartError> {
        let reserved = Reserved::new(self.id.device, size, claims);
        let looked = guard(&self.reserved).insert(reserved).look(&*self.file, source);
        looked.map_err(PartError::io("reserve space for", &self.target.part()))
    }

    /// Before bytes are written there.
    pub(super) fn reserve_for(&self, range: Range<u64>) -> io::Result<()> {
        match &mut *guard(&self.reserved) {
            Some(reserved) => reserved.cover(Some(&*self.file), range),
            None => Ok(()),
        }
    }

    /// After bytes of another file were shared there, which take up no space.
    pub(super) fn note_shared(&self, range: Range<u64>) {
        if let Some(reserved) = &mut *guard(&self.reserved) {
            // Without a file nothing is asked of the system, so nothing fails.
            let _ = reserved.cover(None, range);
        }
    }

    /// Gives back what was reserved and not used.
    pub(super) fn release_unused(&self) {
        let Some(reserved) = guard(&self.reserved).take() else { return };
        if reserved.way == Way::Measure {
            return;
        }
        let mut unused =
            reserved.spans.into_values().filter(|span| span.front < span.end).peekable();
        if unused.peek().is_none() {
            return;
        }
        for span in unused {
            // What stays reserved is used by the next run, or freed when the part is finished.
            let _ = self.file.release(span.front..span.end);
        }
        if let Some(log) = &self.state().log {
            // Otherwise the next run would read the part again, as if somebody else had changed it.
            let _ = log.touch();
        }
    }
}

/// What is reserved for a part.
pub(super) struct Reserved {
    size: Option<u64>,
    /// What was claimed when the part was opened, merged.
    kept: Vec<Range<u64>>,
    /// By their start; they neither overlap each other nor what is kept.
    spans: BTreeMap<u64, Span>,
    /// Bytes that are kept or were written.
    here: u64,
    promise: Promise,
    way: Way,
}

/// How it is made sure that there is enough space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The file system reserves it.
    Reserve,
    /// Only the free space is looked at: reserving would cost as much as writing.
    Measure,
}

/// A reserved place.
struct Span {
    /// Nothing was written from here on.
    front: u64,
    end: u64,
}

impl Reserved {
    fn new(device: u64, size: Option<u64>, claims: &[Extent]) -> Self {
        let kept = verify::join(claims.iter().map(Extent::range));
        let here = kept.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        let (spans, promise) = (BTreeMap::new(), Promise::new(device));
        Self { size, kept, spans, here, promise, way: Way::Reserve }
    }

    /// Reserves the first piece of what is missing, and checks whether the rest would fit.
    fn look(&mut self, file: &dyn FsFile, source: Option<&dyn FsFile>) -> io::Result<()> {
        if file.reserving_writes()? {
            self.way = Way::Measure;
        }
        let Some(size) = self.size else { return Ok(()) };
        if let Some(longest) = file.longest()?.filter(|&longest| longest < size) {
            let text = format!("files here are limited to {longest} bytes, and it has {size}");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let first = self.kept.first().filter(|range| range.start == 0).map_or(0, |range| range.end);
        if first >= size || source.is_some_and(|source| self.shares(file, source, first, size)) {
            return Ok(());
        }
        let end = self.end_of_gap(first).min(first.saturating_add(self.ahead()));
        if self.way == Way::Reserve && !file.reserve(first..end)? {
            // The part stays sparse, and a full disk shows later: the file system may store less than
            // the length says.
            return Ok(());
        }
        self.spans.insert(first, Span { front: first, end });
        let Some(space) = file.space()? else { return Ok(()) };
        let missing = self.missing(&space).unwrap_or(0);
        if !self.promise.make(missing, space.free) {
            let free = space.free.saturating_sub(self.promise.of_others());
            return Err(full(missing, free));
        }
        Ok(())
    }

    /// Whether `file` can share bytes of `source`, tried with the first whole block from `first` on.
    fn shares(&mut self, file: &dyn FsFile, source: &dyn FsFile, first: u64, size: u64) -> bool {
        let start = first.next_multiple_of(SHARED_AT_LEAST);
        let end = start.saturating_add(SHARED_AT_LEAST).min(size);
        // An error is met again by those who copy.
        let is_free = start < end && self.end_of_gap(first) >= end;
        let shares = is_free && matches!(file.share_from(source, start..end), Ok(true));
        if shares {
            let _ = self.cover(None, start..end);
        }
        shares
    }

    /// Makes sure that these bytes are within spans, or within what is kept, and reserves space in `file` for those that
    /// were not. `None`: they are there already, and no space in front of them may be given back.
    fn cover(&mut self, file: Option<&dyn FsFile>, range: Range<u64>) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            at = self.step(file, at, range.end)?;
        }
        Ok(())
    }

    /// Covers a piece from `at`, and returns where that ends.
    fn step(&mut self, file: Option<&dyn FsFile>, at: u64, end: u64) -> io::Result<u64> {
        let after = self.kept.partition_point(|kept| kept.end <= at);
        if let Some(kept) = self.kept.get(after).filter(|kept| kept.start <= at) {
            return Ok(end.min(kept.end));
        }
        let before = self.spans.range_mut(..=at).next_back();
        let mut start = at;
        if let Some((&key, span)) = before {
            if at < span.end {
                let to = end.min(span.end);
                let new = to.saturating_sub(span.front);
                self.here = self.here.saturating_add(new);
                if self.way == Way::Measure {
                    self.promise.keep(new);
                }
                span.front = span.front.max(to);
                return Ok(to);
            }
            if at == span.end {
                start = key;
            }
        }
        let limit = self.end_of_gap(at).max(at.saturating_add(1));
        let must = end.min(limit);
        let to = match file {
            Some(file) => {
                let wanted = at.saturating_add(self.ahead()).min(self.size.unwrap_or(u64::MAX));
                self.reserve(file, at..must, limit.min(wanted.max(must)))?
            }
            None => {
                self.promise.keep(must.saturating_sub(at));
                must
            }
        };
        self.here = self.here.saturating_add(must.saturating_sub(at));
        self.spans.insert(start, Span { front: must, end: to });
        Ok(must)
    }

    /// Reserves from the start of `must` to `to`, or as far as there is space, but at least `must`.
    fn reserve(&mut self, file: &dyn FsFile, must: Range<u64>, to: u64) -> io::Result<u64> {
        let mut to = to;
        if let Some(space) = file.space()?
            && self.missing(&space).is_none_or(|missing| missing > space.free)
        {
            let left = (space.total / 50).min(LEFT_FREE).saturating_add(self.promise.of_others());
            let room = space.free.saturating_sub(left);
            let needed = must.end.saturating_sub(must.start);
            if room < needed {
                return Err(full(self.missing(&space).unwrap_or(needed), room));
            }
            to = to.min(must.start.saturating_add(room));
        }
        if self.way == Way::Measure {
            // The rest is promised until it is written.
            self.promise.keep(must.end.saturating_sub(must.start));
            return Ok(to);
        }
        match file.reserve(must.start..to) {
            // A quota, or another process was faster: what is needed now may still fit.
            Err(_) if to > must.end => {
                to = must.end;
                file.reserve(must.start..to)?;
            }
            result => {
                result?;
            }
        }
        self.promise.keep(to.saturating_sub(must.start));
        Ok(to)
    }

    /// Up to where nothing is kept or reserved from `at` on; the end of the file at most.
    fn end_of_gap(&self, at: u64) -> u64 {
        let next = self.kept.partition_point(|kept| kept.start < at);
        let kept = self.kept.get(next).map_or(u64::MAX, |kept| kept.start);
        let span = self.spans.range(at..).next().map_or(u64::MAX, |(&start, _)| start);
        kept.min(span).min(self.size.filter(|&size| size > at).unwrap_or(u64::MAX))
    }

    fn ahead(&self) -> u64 {
        (self.here / 4).max(LEAST_AHEAD)
    }

    /// What the file system still needs space for.
    fn missing(&self, space: &Space) -> Option<u64> {
        self.size.map(|size| size.saturating_sub(space.held.max(self.here)))
    }
}

/// Space that parts of this process will need, by device. Without it a list would begin more files at once
/// than fit, and could finish none of them.
static PROMISED: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

/// The share of one part in that.
struct Promise {
    device: u64,
    left: u64,
}

impl Promise {
    fn new(device: u64) -> Self {
        Self { device, left: 0 }
    }

    /// Promises `bytes` of the `free` ones, unless too much is promised to others.
    fn make(&mut self, bytes: u64, free: u64) -> bool {
        let mut all = promised();
        let sum = all.entry(self.device).or_default();
        if sum.saturating_sub(self.left).saturating_add(bytes) > free {
            return false;
        }
        *sum = sum.saturating_sub(self.left).saturating_add(bytes);
        self.left = bytes;
        true
    }

    /// This much of it is now reserved, or written.
    fn keep(&mut self, bytes: u64) {
        let kept = bytes.min(self.left);
        self.left = self.left.saturating_sub(kept);
        let mut all = promised();
        if let Some(sum) = all.get_mut(&self.device) {
            *sum = sum.saturating_sub(kept);
            if *sum == 0 {
                all.remove(&self.device);
            }
        }
    }

    fn of_others(&self) -> u64 {
        promised().get(&self.device).map_or(0, |sum| sum.saturating_sub(self.left))
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.keep(self.left);
    }
}

fn promised() -> MutexGuard<'static, BTreeMap<u64, u64>> {
    guard(&PROMISED)
}

fn full(missing: u64, free: u64) -> io::Error {
    let text = format!("not enough space: {} needed, {} available", size(missing), size(free));
    io::Error::new(io::ErrorKind::StorageFull, text)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0xa0_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        0xa0_0000..0x2_8000_0000 => format!("{} MiB", bytes.div_ceil(1 << 20)),
        _ => format!("{} GiB", bytes.div_ceil(1 << 30)),
    }
}
