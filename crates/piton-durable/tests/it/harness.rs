//! A small download over the simulated disk, and what must hold after whatever happens to it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use piton_durable::crc::crc32c;
use piton_durable::fs::{Existing, Fs, FsFile, Open};
use piton_durable::part::{
    Durability, Extent, Finish, OpenPart, Opened, Part, PartError, Recovered, Target,
};
use piton_testkit::disk::{Broken, Crash, Failure, Fault, Sabotage, SimDisk};

const PIECE: u64 = 2500;
const PIECES: u64 = 24;
/// This piece arrives wrong the first time, is found out, and fetched again.
const BAD: u64 = 5;
const LEN: u64 = PIECES * PIECE - 300;
/// Two of these make a compaction pay.
const META_LEN: usize = 40_000;
const OLD: &[u8] = b"what stood under the final name before";

pub(crate) const FINAL: &str = "/file";
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EINTR: i32 = 4;
/// What one operation can do wrong short of a crash.
pub(crate) const ERRORS: [Failure; 4] =
    [Failure::Error(EIO), Failure::Error(ENOSPC), Failure::Error(EINTR), Failure::Short];

/// Never zero, so that a hole is always wrong.
static CONTENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..LEN).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect());

/// Why a run ended early.
enum Stop {
    /// With an error, as it may.
    Error(PartError),
    /// Something happened that must never happen.
    Violation(String),
}

impl From<PartError> for Stop {
    fn from(error: PartError) -> Self {
        Self::Error(error)
    }
}

fn violation<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Violation(text.into()))
}

/// One download, over any number of runs, with what it was promised so far.
pub(crate) struct Download {
    disk: SimDisk,
    fs: Arc<dyn Fs>,
    durability: Durability,
    content: &'static [u8],
    /// A file of another disk, from which the system copies every second piece.
    source: Arc<dyn FsFile>,
    old: bool,
    promised: Promised,
}

#[derive(Default)]
struct Promised {
    begun: bool,
    /// Pieces that a kill must not cost.
    claimed: BTreeSet<u64>,
    /// Pieces that a power cut must not cost.
    synced: BTreeSet<u64>,
    /// Forgetting the bad piece was tried; was done.
    forgetting: bool,
    forgotten: bool,
    finished: bool,
    /// Finished, and told so: nothing is left beside the file, now or after a power cut.
    tidy: bool,
}

impl Download {
    pub(crate) fn new(seed: u64, broken: Option<Broken>, durability: Durability) -> Self {
        let disk = SimDisk::seeded(seed);
        let old = seed.is_multiple_of(2);
        if old {
            disk.put(FINAL, OLD);
        }
        if seed % 5 == 3 {
            disk.hide_births();
        }
        let fs: Arc<dyn Fs> = match broken {
            Some(broken) => Arc::new(Sabotage::new(disk.clone(), broken)),
            None => Arc::new(disk.clone()),
        };
        let other = SimDisk::seeded(seed);
        other.put("/source", CONTENT.as_slice());
        let source = other.open(Path::new("/source"), Open::Read).unwrap();
        Self { disk, fs, durability, content: &CONTENT, source, old, promised: Promised::default() }
    }

    /// How many operations an undisturbed run takes.
    pub(crate) fn operations(durability: Durability) -> u64 {
        let mut download = Self::new(0, None, durability);
        assert!(download.run().is_ok());
        download.disk.operations()
    }

    /// Runs with each list of faults in turn, crashing after each, and then undisturbed to the end.
    /// `Err` says which promise was broken.
    pub(crate) fn live_through(
        &mut self,
        lives: &[&[Fault]],
        between: Crash,
    ) -> Result<(), String> {
        for faults in lives {
            for fault in *faults {
                self.disk.inject(*fault);
            }
            match self.run() {
                Err(Stop::Violation(text)) => return Err(text),
                Err(Stop::Error(PartError::Locked { .. })) => return Err("a stale lock".into()),
                Ok(()) | Err(Stop::Error(_)) => {}
            }
            let crash = match faults.iter().map(|fault| fault.failure).next_back() {
                Some(Failure::Crash(crash, _)) if self.disk.is_down() => crash,
                _ => between,
            };
            if !self.disk.is_down() {
                self.disk.crash(crash);
            }
            self.disk.restart();
            if crash == Crash::Power {
                self.promised.claimed = self.promised.synced.clone();
            }
            self.check_final()?;
            // The last step may have been done with nobody left to hear of it.
            let landed = self.disk.paths() == [Path::new(FINAL)]
                && self.disk.bytes(FINAL).is_some_and(|bytes| bytes == self.content);
            self.promised.finished |= landed;
            if self.promised.finished {
                break;
            }
        }
        if !self.promised.finished {
            match self.run() {
                Ok(()) => {}
                Err(Stop::Violation(text)) => return Err(text),
                Err(Stop::Error(error)) => return Err(format!("the last run failed: {error}")),
            }
        }
        self.check_landed()
    }

    /// The end: the right file, and it stays through a power cut.
    fn check_landed(&mut self) -> Result<(), String> {
        self.check_final()?;
        if self.durability == Durability::Power {
            self.disk.crash(Crash::Power);
            self.disk.restart();
            self.check_final()?;
        }
        let target = Target::new(FINAL.into());
        if self.disk.bytes(target.journal()).is_some() {
            if self.promised.tidy {
                return Err("the journal of a finished download came back".into());
            }
            // Nobody was told that it was finished: opening finds that it is.
            match Part::open(self.fs.clone(), &target, self.how()) {
                Ok(Opened::Finished) => {}
                Ok(Opened::Part(..)) => return Err("a finished download was not seen".into()),
                Err(error) => return Err(error.to_string()),
            }
        }
        let paths = self.disk.paths();
        if paths != [target.path()] { Err(format!("left behind: {paths:?}")) } else { Ok(()) }
    }

    fn check_final(&self) -> Result<(), String> {
        match self.disk.bytes(FINAL) {
            Some(bytes) if bytes == self.content => Ok(()),
            Some(bytes) if bytes == OLD && self.old && !self.promised.finished => Ok(()),
            None if !self.old && !self.promised.finished => Ok(()),
            Some(bytes) => {
                Err(format!("a wrong file of {} bytes under the final name", bytes.len()))
            }
            None => Err("no file under the final name".into()),
        }
    }

    fn how(&self) -> OpenPart {
        OpenPart { durability: self.durability, ..OpenPart::default() }
    }

    fn run(&mut self) -> Result<(), Stop> {
        let target = Target::new(FINAL.into());
        let (part, recovered) = match Part::open(self.fs.clone(), &target, self.how())? {
            Opened::Finished => {
                self.promised.finished = true;
                self.promised.tidy = self.durability == Durability::Power;
                return self.check_final().or_else(violation);
            }
            Opened::Part(part, recovered) => (part, recovered),
        };
        self.check_recovered(&recovered)?;
        if recovered.meta.is_none() {
            part.begin(b"the beginning", Some(LEN))?;
            self.promised.begun = true;
        }
        self.fetch(&part, false)?;
        if self.is_bad(&part)? {
            self.forget(&part)?;
        }
        self.fetch(&part, true)?;
        if !part.damaged()?.is_empty() {
            return violation("a claimed byte is not there");
        }
        let finish = Finish {
            len: LEN,
            existing: if self.old { Existing::Replace } else { Existing::Keep },
            mode: Some(0o640),
            modified: None,
            attributes: vec![("user.piton".into(), b"done".to_vec())],
        };
        part.finish(finish)?;
        self.promised.finished = true;
        self.promised.tidy = self.durability == Durability::Power;
        Ok(())
    }

    /// Fetches what is missing over three connections in turns, with checkpoints and compactions.
    fn fetch(&mut self, part: &Part, last: bool) -> Result<(), Stop> {
        let third = PIECES / 3;
        let turns = (0..third).flat_map(|i| [i, i + third, i + 2 * third]);
        let missing: Vec<u64> = turns.filter(|piece| !holds(&part.extents(), *piece)).collect();
        let mut claimed = BTreeSet::new();
        for (turn, piece) in missing.into_iter().enumerate() {
            let bytes = self.arriving(piece);
            let start = range(piece).start;
            let mut copied = 0;
            if piece.is_multiple_of(2) && piece != BAD {
                copied = part.copy_from(&*self.source, range(piece))? as usize;
            }
            // Nothing, or what the system did not copy.
            let bytes_left = &bytes[copied..];
            let (first, second) = bytes_left.split_at(bytes_left.len() / 2);
            part.write(first, start + copied as u64)?;
            part.write(second, start + (copied + first.len()) as u64)?;
            part.claim(Extent { start, len: bytes.len() as u64, crc: crc32c(&bytes) })?;
            self.promised.claimed.insert(piece);
            claimed.insert(piece);
            if turn % 4 == 3 {
                part.put_hash(1, &[turn as u8; 100])?;
                part.put_meta(&[turn as u8; META_LEN])?;
                part.start_writeback(range(piece));
                part.checkpoint()?;
                self.promised.synced.append(&mut claimed);
            }
        }
        if last {
            part.checkpoint()?;
            self.promised.synced.append(&mut claimed);
        }
        Ok(())
    }

    fn arriving(&self, piece: u64) -> Vec<u8> {
        let bytes = self.content[usize_range(&range(piece))].to_vec();
        match piece {
            BAD if !self.promised.forgetting => bytes.iter().map(|byte| !byte).collect(),
            _ => bytes,
        }
    }

    fn is_bad(&self, part: &Part) -> Result<bool, Stop> {
        let range = range(BAD);
        let mut bytes = vec![0; PIECE as usize];
        part.read(&mut bytes, range.start)?;
        Ok(holds(&part.extents(), BAD) && bytes != self.content[usize_range(&range)])
    }

    fn forget(&mut self, part: &Part) -> Result<(), Stop> {
        let bad = range(BAD);
        for extent in part.extents() {
            let dropped = extent.range();
            if dropped.start < bad.end && bad.start < dropped.end {
                let kept = |piece: &u64| {
                    range(*piece).end <= dropped.start || dropped.end <= range(*piece).start
                };
                self.promised.claimed.retain(kept);
                self.promised.synced.retain(kept);
            }
        }
        self.promised.forgetting = true;
        part.forget(bad)?;
        self.promised.forgotten = true;
        Ok(())
    }

    /// G2 and G3: what was promised is there, and what is believed is right.
    fn check_recovered(&mut self, recovered: &Recovered) -> Result<(), Stop> {
        if self.promised.begun && recovered.meta.is_none() {
            return violation("the download was begun, and nothing is known of it");
        }
        if self.promised.finished {
            return violation("the download was finished, and is to go on");
        }
        let disk = self.disk.bytes("/file.part").unwrap_or_default();
        for extent in &recovered.extents {
            let bytes = disk.get(usize_range(&extent.range())).unwrap_or_default();
            if crc32c(bytes) != extent.crc {
                return violation(format!("{extent:?} is believed, and the disk has other bytes"));
            }
            let right = &self.content[usize_range(&extent.range())];
            if bytes != right && !self.is_excused(extent, bytes) {
                return violation(format!("{extent:?} is believed and wrong"));
            }
        }
        if let Some(piece) =
            self.promised.claimed.iter().find(|piece| !holds(&recovered.extents, **piece))
        {
            return violation(format!("piece {piece} was promised and is lost"));
        }
        if recovered.verified && disk != self.content {
            return violation("verified, and it is not the right file");
        }
        Ok(())
    }

    /// Whether only the piece that arrived wrong is wrong, and has not been forgotten yet.
    fn is_excused(&self, extent: &Extent, bytes: &[u8]) -> bool {
        extent.range().zip(bytes).all(|(at, byte)| {
            let right = self.content[at as usize];
            let excused = range(BAD).contains(&at) && !self.promised.forgotten;
            *byte == right || (excused && *byte == !right)
        })
    }
}

fn range(piece: u64) -> Range<u64> {
    piece * PIECE..((piece + 1) * PIECE).min(LEN)
}

fn usize_range(range: &Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Whether one of `extents`, or several that touch, hold the piece.
fn holds(extents: &[Extent], piece: u64) -> bool {
    let Range { mut start, end } = range(piece);
    for extent in extents {
        if extent.range().contains(&start) {
            start = extent.range().end;
        }
    }
    start >= end
}
