//! Hostile input: the seeds of a fuzz target, all that is near them, and mixtures of them with random bytes. So the
//! property that a fuzz target looks for holds in every test run too, without the nightly compiler that
//! fuzzing needs.
//!
//! Parsers take such bytes as they are. For whole runs, bytes make choices ([`Draw`]), and these make
//! [journals](journal) and [ledgers](ledger) that are well formed and say anything.

mod draw;
pub mod journal;
pub mod ledger;
mod renewed;
mod texts;
mod walled;

use std::path::Path;

pub use draw::Draw;
pub use renewed::{Kept, renewed};
pub use walled::{Walled, files};

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::seed::draw;

/// What bytes of a seed are changed to in turn: what ends, quotes or escapes something.
const CHANGES: [u8; 7] = [0, b'\n', b' ', b'"', b'%', b'\\', 0xff];
/// Rounds with random bytes.
const ROUNDS: u32 = 128;

/// A fuzz target.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    /// Panics if what must hold for every input does not hold for this one.
    property: fn(&[u8]),
    seeds: Vec<Vec<u8>>,
}

impl Target {
    /// The target of this name, with the seeds in `fuzz/seeds`.
    ///
    /// # Panics
    /// If it has none: without them little is proven.
    pub fn new(name: &'static str, property: fn(&[u8])) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
        let mut seeds: Vec<Vec<u8>> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        Self { name, property, seeds }
    }

    /// The seeds, in an order that is always the same.
    pub fn seeds(&self) -> &[Vec<u8>] {
        &self.seeds
    }

    /// Looks whether the property holds for the seeds, for what is near them, and for random input.
    ///
    /// # Panics
    /// If it does not, with the input.
    pub fn holds(&self) {
        self.seeds.iter().for_each(|seed| self.holds_near(seed));
        self.holds_at_random();
    }

    /// Looks whether the property holds for the seeds and for `rounds` of bytes that are made by the seed of the
    /// test: for properties that take a whole run.
    ///
    /// # Panics
    /// If it does not, with the input.
    pub fn holds_for(&self, rounds: u64) {
        let longest = self.seeds.iter().map(Vec::len).max().unwrap_or(0) as u64 + 100;
        let random = (0..rounds).map(|round| {
            let byte = |at| draw(round << 20 | at, 256) as u8;
            (0..draw(round << 20 | 0xf_ffff, longest)).map(byte).collect()
        });
        for input in self.seeds.iter().cloned().chain(random.collect::<Vec<Vec<u8>>>()) {
            let told = TellIfItFails(self.name, &input);
            (self.property)(&input);
            drop(told);
        }
    }

    /// For a seed whole, cut at each byte, and with each byte changed: to its neighbour, and to another.
    fn holds_near(&self, seed: &[u8]) {
        (self.property)(seed);
        for at in 0..seed.len() {
            (self.property)(&seed[..at]);
            for byte in [seed[at] ^ 1, CHANGES[at % CHANGES.len()]] {
                let mut changed = seed.to_vec();
                changed[at] = byte;
                (self.property)(&changed);
            }
        }
    }

    /// For random bytes, and for random pieces of two seeds with random bytes between them.
    fn holds_at_random(&self) {
        let config = Config { cases: ROUNDS, failure_persistence: None, ..Config::default() };
        let noise = vec(any::<u8>(), 0..300);
        let pieces = [any::<[Index; 2]>(), any::<[Index; 2]>()];
        let result = TestRunner::new(config).run(&(noise, pieces), |(noise, [picks, cuts])| {
            (self.property)(&noise);
            let (head, tail) = (picks[0].get(&self.seeds), picks[1].get(&self.seeds));
            let head = &head[..cuts[0].index(head.len() + 1)];
            let tail = &tail[cuts[1].index(tail.len() + 1)..];
            (self.property)(&[head, &noise[..noise.len().min(8)], tail].concat());
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }
}

/// Which input it was.
struct TellIfItFails<'a>(&'static str, &'a [u8]);

impl Drop for TellIfItFails<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} does not hold for {:?}", self.0, self.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_property_that_does_not_hold_is_found() {
        let fails = |property: fn(&[u8])| {
            let target = Target::new("retry_after", property);
            catch_unwind(|| target.holds()).is_err()
        };
        let fails_in_rounds = |property: fn(&[u8])| {
            let target = Target::new("retry_after", property);
            catch_unwind(|| target.holds_for(20)).is_err()
        };
        assert!(!fails_in_rounds(|_| {}));
        assert!(fails_in_rounds(|input| assert!(!input.starts_with(b"Sunday"), "a whole seed")));
        assert!(fails_in_rounds(|input| assert!(input.len() < 60, "random bytes")));
        assert!(!fails(|_| {}));
        assert!(fails(|input| assert!(input.len() < 25, "a whole seed")));
        assert!(fails(|input| assert!(!input.contains(&b'\\'), "a changed byte")));
        assert!(fails(|input| assert!(input.len() < 100, "random bytes")));
    }
}
