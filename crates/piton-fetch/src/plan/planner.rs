//! Which connection fetches which bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use piton_checkpoint::IntervalSet;

/// Names a segment of one planner, for as long as it is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentId(u32);

/// What one connection is at.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// The next byte that it will write.
    pub(crate) at: u64,
    /// Where it ends now; a thief may move this towards `at`.
    pub(crate) end: u64,
    /// Bytes a second, as last told.
    pub(crate) rate: f64,
    /// Its connection is to leave it: too slow beside the others.
    pub(crate) given_up: bool,
    /// The segment whose bytes this one fetches a second time.
    races: Option<SegmentId>,
    /// Neither split nor raced: all of it shall come from one place.
    undivided: bool,
}

impl Segment {
    fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// Seconds to its end at its own rate; at least a byte a second, so that a stalled one sorts by
    /// its length.
    fn time_left(&self) -> f64 {
        self.left() as f64 / self.rate.max(1.0)
    }
}

/// What may be done with bytes that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// First leave out this many: another connection wrote them.
    pub(crate) skip: u64,
    /// Then write this many. The planner counts them as done from now on.
    pub(crate) write: u64,
}

/// Seconds of work below which a second connection would not arrive in time to help.
const WORTH_RACING: f64 = 0.5;

/// Plans one transfer.
#[derive(Debug)]
pub(crate) struct Planner {
    /// Length of the whole; `u64::MAX` while unknown.
    size: u64,
    done: IntervalSet,
    segments: BTreeMap<SegmentId, Segment>,
    next_id: u32,
    /// No segment is split into parts shorter than this.
    floor: u64,
    /// The most that is handed out at once, so that the front moves on in order and a digest can
    /// follow it.
    window: u64,
}

impl Planner {
    /// A plan for `size` bytes (`None`: unknown, one stream to its end), of which `done` are here.
    pub(crate) fn new(size: Option<u64>, done: IntervalSet, floor: u64, window: u64) -> Self {
        Self {
            size: size.unwrap_or(u64::MAX),
            done,
            segments: BTreeMap::new(),
            next_id: 0,
            floor: floor.max(1),
            window: window.max(1),
        }
    }

    /// Hands out the next bytes nobody works on, or part of the segment that would end last.
    pub(crate) fn next(&mut self) -> Option<(SegmentId, Range<u64>)> {
        self.fresh().or_else(|| self.steal())
    }

    /// Hands out exactly this range (the body of an answer that is already under way), clipped to
    /// what nobody else works on. `None` if its first byte is taken.
    pub(crate) fn adopt(&mut self, start: u64) -> Option<(SegmentId, Range<u64>)> {
        let gap = self.taken().gaps(start..self.size).next().filter(|gap| gap.start == start)?;
        let end = gap.end.min(start.saturating_add(self.window));
        Some(self.insert(start..end, None))
    }

    /// Hands out this range, of which nothing is done, to one connection alone.
    pub(crate) fn claim(&mut self, range: Range<u64>) -> (SegmentId, Range<u64>) {
        let (id, range) = self.insert(range, None);
        if let Some(segment) = self.segments.get_mut(&id) {
            segment.undivided = true;
        }
        (id, range)
    }

    /// Hands out everything, done or not, to one stream that begins at 0 (an answer without
    /// ranges). What is done is left out by [`Planner::grant`].
    pub(crate) fn stream(&mut self) -> (SegmentId, Range<u64>) {
        self.segments.clear();
        self.insert(0..self.size, None)
    }

    /// Hands out the rest of the slowest segment that is `old` enough a second time.
    pub(crate) fn race(
        &mut self,
        old: impl Fn(SegmentId) -> bool,
    ) -> Option<(SegmentId, Range<u64>)> {
        let raced: Vec<_> = self.segments.values().filter_map(|segment| segment.races).collect();
        let (&id, slowest) = self
            .segments
            .iter()
            .filter(|(id, segment)| segment.races.is_none() && !raced.contains(id) && old(**id))
            .filter(|(_, segment)| !segment.undivided && !self.is_done(segment))
            .filter(|(_, segment)| segment.left() > 0 && segment.time_left() > WORTH_RACING)
            .max_by(|a, b| a.1.time_left().total_cmp(&b.1.time_left()))?;
        let rest = slowest.at..slowest.end;
        Some(self.insert(rest, Some(id)))
    }

    /// Lets a segment that reached its end go on to `limit`, the end of its answer, if nobody
    /// works there: one connection that is fast enough never asks twice.
    pub(crate) fn extend(&mut self, id: SegmentId, limit: u64) -> bool {
        let Some(segment) = self.segments.get(&id) else { return false };
        let end = segment.end;
        if segment.at != end || end >= limit.min(self.size) {
            return false;
        }
        let Some(gap) = self.taken().gaps(end..limit.min(self.size)).next() else { return false };
        if gap.start != end {
            return false;
        }
        let longer = gap.end.min(end.saturating_add(self.window));
        if let Some(segment) = self.segments.get_mut(&id) {
            segment.end = longer;
        }
        true
    }

    /// What may be done with `len` bytes that came in for this segment at its position. The
    /// position moves on by `skip + write`; less than `len` means that the segment ends there.
    pub(crate) fn grant(&mut self, id: SegmentId, len: u64) -> Grant {
        let Some(segment) = self.segments.get_mut(&id) else { return Grant { skip: 0, write: 0 } };
        let len = len.min(segment.left());
        let at = segment.at;
        let skip = self.done.end_of_run(at).map_or(0, |end| (end - at).min(len));
        let gap = self.done.gaps(at + skip..at + len).next();
        let write = gap.map_or(0, |gap| gap.end - gap.start);
        segment.at += skip + write;
        self.done.insert(at + skip..at + skip + write);
        Grant { skip, write }
    }

    /// Whether others have fetched all that is left of a segment: its connection need not continue.
    pub(crate) fn is_overtaken(&self, id: SegmentId) -> bool {
        self.segments.get(&id).is_some_and(|segment| segment.left() > 0 && self.is_done(segment))
    }

    fn is_done(&self, segment: &Segment) -> bool {
        self.done.covers(segment.at..segment.end)
    }

    /// How fast a segment is, in bytes a second.
    pub(crate) fn set_rate(&mut self, id: SegmentId, rate: f64) {
        if let Some(segment) = self.segments.get_mut(&id) {
            segment.rate = rate;
        }
    }

    /// Asks the connection of this segment to leave it.
    pub(crate) fn give_up(&mut self, id: SegmentId) {
        if let Some(segment) = self.segments.get_mut(&id) {
            segment.given_up = true;
        }
    }

    /// A connection leaves its segment; what it did not write is free again.
    pub(crate) fn release(&mut self, id: SegmentId) {
        self.segments.remove(&id);
        for segment in self.segments.values_mut() {
            if segment.races == Some(id) {
                segment.races = None;
            }
        }
    }

    /// The segment as it is now.
    pub(crate) fn segment(&self, id: SegmentId) -> Option<&Segment> {
        self.segments.get(&id)
    }

    /// All segments.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (SegmentId, &Segment)> {
        self.segments.iter().map(|(&id, segment)| (id, segment))
    }

    /// What is done.
    pub(crate) fn done(&self) -> &IntervalSet {
        &self.done
    }

    /// These bytes are to be fetched again.
    pub(crate) fn forget(&mut self, range: Range<u64>) {
        self.done.remove(range);
    }

    /// The stream of unknown length ended here.
    pub(crate) fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    /// Length of the whole, once known.
    pub(crate) fn size(&self) -> Option<u64> {
        (self.size != u64::MAX).then_some(self.size)
    }

    /// Whether every byte is done.
    pub(crate) fn is_complete(&self) -> bool {
        self.size != u64::MAX && self.done.covers(0..self.size)
    }

    fn fresh(&mut self) -> Option<(SegmentId, Range<u64>)> {
        let gap = self.taken().gaps(0..self.size).next()?;
        let end = gap.end.min(gap.start.saturating_add(self.window));
        Some(self.insert(gap.start..end, None))
    }

    /// Done, or somebody works on it.
    fn taken(&self) -> IntervalSet {
        let mut taken = self.done.clone();
        for segment in self.segments.values() {
            taken.insert(segment.at..segment.end);
        }
        taken
    }

    fn steal(&mut self) -> Option<(SegmentId, Range<u64>)> {
        let raced: Vec<_> = self.segments.values().filter_map(|segment| segment.races).collect();
        let running = self.segments.values().filter(|segment| segment.rate > 1.0);
        let (sum, count) = running.fold((0.0, 0u32), |(s, n), segment| (s + segment.rate, n + 1));
        let mean = if count == 0 { 1.0 } else { sum / f64::from(count) };
        let (_, victim) = self
            .segments
            .iter_mut()
            .filter(|(id, segment)| segment.races.is_none() && !raced.contains(id))
            .filter(|(_, segment)| !segment.undivided)
            .filter(|(_, segment)| segment.left() >= 2 * self.floor && segment.end != u64::MAX)
            .max_by(|a, b| a.1.time_left().total_cmp(&b.1.time_left()))?;
        // Both shall end together: the victim keeps what it can do while the thief does the rest.
        let rate = if victim.rate > 0.0 { victim.rate } else { mean };
        let keep = (victim.left() as f64 * rate / (rate + mean)) as u64;
        let keep = keep.clamp(self.floor, victim.left() - self.floor);
        let stolen = victim.at + keep..victim.end;
        victim.end = stolen.start;
        Some(self.insert(stolen, None))
    }

    fn insert(&mut self, range: Range<u64>, races: Option<SegmentId>) -> (SegmentId, Range<u64>) {
        let id = SegmentId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let (at, end) = (range.start, range.end);
        let segment = Segment { at, end, rate: 0.0, given_up: false, races, undivided: false };
        self.segments.insert(id, segment);
        (id, range)
    }
}
