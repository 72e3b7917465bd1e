//! Which crash states a recording has, and how each is built.

use std::collections::HashSet;

use super::disk::{Event, Log};
use super::image::{BLOCK, Image};

/// The disk after a crash between two flushes: all writes up to the first flush, and some of those
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CrashState {
    /// How many flushes the disk had completed.
    pub flushes: usize,
    /// Which of the later writes it kept.
    pub kept: Kept,
    /// What the stamp said at the instant of the crash: when the next flush came, or when the
    /// recording ended. All of that was acknowledged on the strength of flushes that were complete.
    pub acknowledged: u64,
}

/// Which of the writes after the last flush a disk has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// None.
    None,
    /// All.
    All,
    /// The earlier half.
    Half,
    /// The last one only.
    OnlyLast,
    /// Those that a generator with this seed draws.
    Random(u64),
    /// This many, and of the next one this many blocks of 4 KiB.
    Torn {
        /// Whole writes.
        writes: usize,
        /// Blocks of the next.
        blocks: usize,
    },
}

/// The events between two flushes.
pub(super) struct Interval<'a> {
    writes: Vec<(u64, &'a [u8])>,
    /// At its end.
    stamp: u64,
}

/// Cuts a log at its flushes. There is always one interval more than flushes.
pub(super) fn intervals(log: &Log) -> Vec<Interval<'_>> {
    let mut intervals = Vec::new();
    let mut writes = Vec::new();
    for event in &log.events {
        match event {
            Event::Write { offset, data } => writes.push((*offset, data.as_slice())),
            Event::Flush { stamp } => {
                intervals.push(Interval { writes: std::mem::take(&mut writes), stamp: *stamp });
            }
        }
    }
    intervals.push(Interval { writes, stamp: log.stamp });
    intervals
}

impl Interval<'_> {
    /// Applies all of its writes.
    pub(super) fn apply(&self, image: &mut Image) {
        self.writes.iter().for_each(|(offset, data)| image.write(*offset, data));
    }

    /// Applies those of its writes that were kept.
    pub(super) fn apply_kept(&self, image: &mut Image, kept: Kept) {
        let mut random = Random(match kept {
            Kept::Random(seed) => seed,
            _ => 0,
        });
        let count = self.writes.len();
        for (index, (offset, data)) in self.writes.iter().enumerate() {
            let bytes = match kept {
                Kept::None => 0,
                Kept::All => data.len(),
                Kept::Half => {
                    if index < count / 2 {
                        data.len()
                    } else {
                        0
                    }
                }
                Kept::OnlyLast => {
                    if index + 1 == count {
                        data.len()
                    } else {
                        0
                    }
                }
                Kept::Random(_) => {
                    if random.below(2) == 0 {
                        data.len()
                    } else {
                        0
                    }
                }
                Kept::Torn { writes, .. } if index < writes => data.len(),
                Kept::Torn { writes, blocks } if index == writes => blocks * BLOCK,
                Kept::Torn { .. } => 0,
            };
            image.write(*offset, data.get(..bytes).unwrap_or(data));
        }
    }

    /// One way to lose some of its writes.
    fn draw(&self, random: &mut Random) -> Kept {
        let count = self.writes.len() as u64;
        if count == 0 {
            return Kept::None;
        }
        match random.below(8) {
            0 => Kept::None,
            1 => Kept::All,
            2 => Kept::Half,
            3 => Kept::OnlyLast,
            4 | 5 => Kept::Random(random.next()),
            _ => {
                let writes = random.below(count) as usize;
                let length = self.writes.get(writes).map_or(0, |(_, data)| data.len());
                Kept::Torn { writes, blocks: random.below((length / BLOCK) as u64 + 1) as usize }
            }
        }
    }
}

/// Draws up to `count` states that differ, spread evenly over the intervals, and sorted by time.
/// The same seed draws the same ones.
pub(super) fn draw(intervals: &[Interval<'_>], seed: u64, count: usize) -> Vec<CrashState> {
    let mut random = Random(seed);
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.below(i as u64 + 1) as usize);
    }
    let mut drawn = HashSet::new();
    // A short recording has fewer states than may be asked for.
    for &flushes in order.iter().cycle().take(count.saturating_mul(10)) {
        if drawn.len() == count {
            break;
        }
        if let Some(interval) = intervals.get(flushes) {
            let kept = interval.draw(&mut random);
            drawn.insert(CrashState { flushes, kept, acknowledged: interval.stamp });
        }
    }
    let mut states: Vec<_> = drawn.into_iter().collect();
    states.sort_by_key(|state| state.flushes);
    states
}

/// SplitMix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
