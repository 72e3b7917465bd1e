//! A model of digests: whatever is written, taken back, forgotten, saved, killed, cut off and restored in
//! between, the digest at the end is that of the bytes on the disk.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use piton_checkpoint::IntervalSet;
use piton_durable::fs::Fs;
use piton_durable::part::{Durability, OpenPart, Opened, Part, Recovered, Target};
use piton_testkit::disk::{Crash, SimDisk};
use proptest::prelude::*;

use super::*;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::plan::Grant;

const SIZE: u64 = 64 << 10;
const STEPS: HashSteps = HashSteps { chunk: 1 << 10, save_every: 4 << 10 };
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Crc32c];

#[derive(Debug, Clone)]
enum Step {
    /// Bytes of this value come in.
    Write(Range<u64>, u8),
    /// They were found bad.
    TakeBack(Range<u64>),
    Checkpoint,
    /// The digest thread gets this far.
    Wait,
    /// The process ends, with or without the machine, and bits may rot before the next one, which is asked
    /// for so many digests.
    Crash(Crash, Option<u64>, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = || (0..SIZE, 1..SIZE / 4).prop_map(|(start, len)| start..SIZE.min(start + len));
    // Mostly in order, so that the front moves.
    let front = (0..8_u64).prop_map(|eighth| eighth * SIZE / 8..(eighth + 1) * SIZE / 8);
    let crash = prop_oneof![Just(Crash::Kill), Just(Crash::Power)];
    prop::collection::vec(
        prop_oneof![
            4 => (front, any::<u8>()).prop_map(|(range, value)| Step::Write(range, value)),
            2 => (range(), any::<u8>()).prop_map(|(range, value)| Step::Write(range, value)),
            2 => range().prop_map(Step::TakeBack),
            2 => Just(Step::Checkpoint),
            2 => Just(Step::Wait),
            2 => (crash, prop::option::of(0..SIZE), 1..=ALGORITHMS.len())
                .prop_map(|(how, rot, digests)| Step::Crash(how, rot, digests)),
        ],
        1..40,
    )
}

/// One process at work on the part.
struct Process {
    sink: Sink,
    hashing: Hashing,
}

impl Process {
    /// Computes the first `digests` of [`ALGORITHMS`].
    fn start(disk: &SimDisk, digests: usize) -> Self {
        let how = OpenPart { durability: Durability::Power, ..OpenPart::default() };
        let fs: Arc<dyn Fs> = Arc::new(disk.clone());
        let Opened::Part(part, mut found) = Part::open(fs, &target(), how).unwrap() else {
            panic!("nothing is finished here")
        };
        if found.meta.is_none() {
            part.begin(b"{}", Some(SIZE)).unwrap();
            found = Recovered::default();
        }
        let have: IntervalSet = found.extents.iter().map(Extent::range).collect();
        let trusted = have.end_of_run(0).unwrap_or(0);
        let (hashers, unread) =
            restore(ALGORITHMS.into_iter().take(digests), &found.hashes, trusted);
        let mut sink = Sink::new(part, have, Durability::Power).unwrap();
        sink.recheck(unread).unwrap();
        let hashing = Hashing::start(sink.shared(), hashers, STEPS).unwrap();
        Self { sink, hashing }
    }

    fn write(&self, range: Range<u64>, value: u8) {
        let mut writer = self.sink.writer(range.start, 1);
        let len = (range.end - range.start) as usize;
        writer.room()[..len].fill(value);
        writer.filled(len);
        writer.flush(|len| Grant { skip: 0, write: len }).unwrap();
    }

    fn take_back(&self, range: Range<u64>) {
        self.sink.forget(range).unwrap();
        // As the engine does: what nobody claims any more is to be fetched too.
        let claimed: IntervalSet = self.sink.part().extents().iter().map(Extent::range).collect();
        let gaps: Vec<_> = claimed.gaps(0..SIZE).collect();
        gaps.into_iter().for_each(|gap| self.sink.unwrite(gap));
    }

    /// Everything that is missing comes in, and the digests are compared.
    fn finish(self) -> (Vec<Digest>, Part) {
        loop {
            self.sink.take_damaged().into_iter().for_each(|range| self.take_back(range));
            let missing: Vec<_> = self.sink.look(|here| here.gaps(0..SIZE).collect());
            missing.iter().for_each(|gap: &Range<u64>| self.write(gap.clone(), 7));
            if missing.is_empty() && self.sink.is_reread() {
                break;
            }
            std::thread::yield_now();
        }
        let digests = self.hashing.finish(SIZE).unwrap();
        (digests, self.sink.close().unwrap())
    }
}

fn target() -> Target {
    Target::new(PathBuf::from("/d/f"))
}

fn digests(bytes: &[u8]) -> Vec<Digest> {
    let digest = |algorithm| {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finalize()
    };
    ALGORITHMS.into_iter().map(digest).collect()
}

fn run(steps: &[Step]) -> (Vec<Digest>, Vec<Digest>) {
    let disk = SimDisk::seeded(piton_testkit::seed::seed());
    disk.create_dir(PathBuf::from("/d").as_path()).unwrap();
    disk.sync_dir(PathBuf::from("/").as_path()).unwrap();
    let mut process = Process::start(&disk, ALGORITHMS.len());
    for step in steps {
        match step.clone() {
            Step::Write(range, value) => process.write(range, value),
            Step::TakeBack(range) => process.take_back(range),
            Step::Checkpoint => process.sink.shared().checkpoint().unwrap(),
            Step::Wait => std::thread::sleep(Duration::from_millis(1)),
            Step::Crash(how, rot, digests) => {
                disk.crash(how);
                drop(process.hashing);
                drop(process.sink);
                disk.restart();
                if let Some(at) = rot {
                    disk.rot(target().part(), at as usize);
                }
                process = Process::start(&disk, digests);
            }
        }
    }
    let (got, part) = process.finish();
    let mut bytes = vec![0; SIZE as usize];
    part.read(&mut bytes, 0).unwrap();
    let mut right = digests(&bytes);
    right.truncate(got.len());
    (got, right)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_digest_at_the_end_is_that_of_the_bytes(steps in steps()) {
        let (got, right) = run(&steps);
        prop_assert_eq!(got, right);
    }
}

/// The courses by which wrong bytes were once called right.
#[test]
fn courses_that_went_wrong() {
    let all = || Step::Write(0..SIZE, 1);
    let course = |steps: &[Step]| {
        let (got, right) = run(steps);
        assert_eq!(got, right, "{steps:?}");
    };
    // Hashed, found bad, and fetched again with other bytes.
    course(&[all(), Step::Wait, Step::Wait, Step::TakeBack(0..SIZE / 2)]);
    // The same with a state in the journal, and a kill.
    let saved = [all(), Step::Wait, Step::Wait, Step::Checkpoint];
    for end in [Step::TakeBack(0..SIZE / 2), Step::Crash(Crash::Kill, Some(9), 2)] {
        course(&[&saved[..], &[end, Step::Crash(Crash::Power, None, 2)]].concat());
    }
    // One digest is far ahead of another, which the next run was given as well, when bytes between them are
    // taken back.
    course(&[
        Step::Crash(Crash::Kill, None, 1),
        Step::Write(0..SIZE / 2, 1),
        Step::Write(SIZE / 2..SIZE, 1),
        Step::Wait,
        Step::Wait,
        Step::Checkpoint,
        Step::Crash(Crash::Kill, None, 2),
        Step::Wait,
        Step::Wait,
        Step::TakeBack(SIZE / 2..SIZE),
    ]);
    // Written over without being taken back.
    course(&[all(), Step::Wait, Step::Wait, Step::Write(5..SIZE / 3, 2)]);
}

/// Bad states are not written after the journal forgot them, whatever the checkpoint thread was about to
/// do.
#[test]
fn a_state_of_bytes_that_were_taken_back_is_not_saved() {
    let disk = SimDisk::seeded(piton_testkit::seed::seed());
    disk.create_dir(PathBuf::from("/d").as_path()).unwrap();
    let process = Process::start(&disk, ALGORITHMS.len());
    process.write(0..SIZE, 1);
    while process.sink.shared().state().hash_front.take_states().is_empty() {
        std::thread::yield_now();
    }
    process.write(0..SIZE, 3);
    process.take_back(0..1);
    process.sink.shared().checkpoint().unwrap();
    let states: BTreeMap<u8, Vec<u8>> = {
        disk.crash(Crash::Kill);
        drop(process.hashing);
        drop(process.sink);
        disk.restart();
        let how = OpenPart { durability: Durability::Power, ..OpenPart::default() };
        match Part::open(Arc::new(disk.clone()), &target(), how).unwrap() {
            Opened::Part(_, found) => found.hashes,
            Opened::Finished => panic!("nothing is finished here"),
        }
    };
    // Hashing may have begun again on what is left, which is nothing from the start on.
    assert!(states.is_empty(), "{states:?}");
}

/// A digest state may be saved of what the journal claims, and of nothing else: after a kill between the write
/// and its claim, other bytes come in there, and no claim is taken back.
#[test]
fn bytes_that_are_not_claimed_are_not_hashed() {
    let disk = SimDisk::seeded(piton_testkit::seed::seed());
    disk.create_dir(PathBuf::from("/d").as_path()).unwrap();
    let process = Process::start(&disk, ALGORITHMS.len());
    process.write(0..SIZE / 2, 1);
    let mut writer = process.sink.writer(SIZE / 2, 1);
    let len = (SIZE / 2) as usize;
    writer.room()[..len].fill(1);
    writer.filled(len);
    // The second question comes between the write and the claim.
    let mut asked = 0;
    let looked = writer.flush(|left| {
        asked += 1;
        if asked == 2 {
            assert_eq!(process.sink.look(IntervalSet::len), SIZE / 2);
        }
        Grant { skip: 0, write: left.min(SIZE / 4) }
    });
    looked.unwrap();
    assert_eq!((asked, process.sink.look(IntervalSet::len)), (2, SIZE));
}
