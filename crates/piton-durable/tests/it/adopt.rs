//! Taking over a file that another program began, with a crash or an error at every operation.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use piton_durable::fs::{Fs, FsFile, Open, OsFs, write_all_at};
use piton_durable::part::{
    Durability, Extent, Foreign, OpenPart, Opened, Part, PartError, Recovered, Target,
};
use piton_testkit::disk::{Broken, Crash, Failure, Fault, Sabotage, SimDisk, When};

use crate::harness::{ERRORS, FINAL};

const LEN: u64 = 20_000;
/// What was compared with the source: the rest is not to be believed.
const BELIEVED: [Range<u64>; 2] = [0..9_000, 12_000..17_000];
const META: &[u8] = b"where it comes from";

/// Never zero, so that a block that did not reach the disk is always wrong.
static CONTENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..LEN).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect());

/// Where the programs leave what they began: under the final name, under the name of the part, and
/// under names of their own.
const PLACES: [&str; 3] = [FINAL, "/file.part", "/file.crdownload"];

struct Adoption {
    disk: SimDisk,
    fs: Arc<dyn Fs>,
    place: &'static str,
    /// The program did not sync what it wrote.
    unsynced: bool,
}

impl Adoption {
    fn new(seed: u64, place: &'static str, broken: Option<Broken>) -> Self {
        let disk = SimDisk::seeded(seed);
        let unsynced = seed % 2 == 1;
        disk.put(place, if unsynced { &[] } else { &CONTENT });
        if unsynced {
            let file = disk.open(place.as_ref(), Open::ReadWrite).unwrap();
            write_all_at(&*file, &CONTENT, 0).unwrap();
        }
        disk.restart();
        let fs: Arc<dyn Fs> = match broken {
            Some(broken) => Arc::new(Sabotage::new(disk.clone(), broken)),
            None => Arc::new(disk.clone()),
        };
        Self { disk, fs, place, unsynced }
    }

    fn adopt(&self) -> Result<(), PartError> {
        let target = Target::new(FINAL.into());
        let foreign = Foreign::open(Arc::clone(&self.fs), &target, self.place.as_ref())?;
        foreign.adopt(META, &BELIEVED, Durability::Power).map(drop)
    }

    /// Adopts with `fault`, crashes, and checks what is there then and what a second try makes of it.
    fn live_through(&self, fault: Fault, between: Crash) -> Result<(), String> {
        self.disk.inject(fault);
        let done = self.adopt().is_ok();
        let crash = match fault.failure {
            Failure::Crash(crash, _) if self.disk.is_down() => crash,
            _ => between,
        };
        if !self.disk.is_down() {
            self.disk.crash(crash);
        }
        self.disk.restart();
        // A power cut costs bytes that nobody synced; an adoption that was done has synced them.
        let spared = crash == Crash::Kill || !self.unsynced || done;

        if !spared {
            // What is left is for another comparison; only, nothing wrong may be believed.
            return self.check_believed().map(drop);
        }
        if self.untouched() {
            if done {
                return Err("adopted, and it is back where it was".into());
            }
            self.adopt().map_err(|error| format!("the second try: {error}"))?;
        } else if !done {
            match self.adopt() {
                Err(PartError::Begun { .. }) => {}
                other => return Err(format!("neither as it was nor a part: {other:?}")),
            }
        }
        self.check_part()
    }

    /// Whether the file is where it was, and not a part yet.
    fn untouched(&self) -> bool {
        let whole = self.disk.bytes(self.place).is_some_and(|bytes| bytes == *CONTENT);
        whole && (self.place != "/file.part" || self.disk.bytes("/file.piton").is_none())
    }

    /// All of it is there, and nothing else.
    fn check_part(&self) -> Result<(), String> {
        let Recovered { meta, extents, damaged, set_aside, .. } = self.check_believed()?;
        if meta.as_deref() != Some(META) || set_aside.is_some() {
            return Err(format!("nothing is known of the part; set aside: {set_aside:?}"));
        }
        if ranges(&extents) != BELIEVED || !damaged.is_empty() {
            return Err(format!("of what was taken over is left: {extents:?}"));
        }
        let paths = self.disk.paths();
        let expected = [Path::new("/file.part"), Path::new("/file.piton")];
        if paths == expected { Ok(()) } else { Err(format!("on disk: {paths:?}")) }
    }

    /// Opens the part; what it believes is right (G3).
    fn check_believed(&self) -> Result<Recovered, String> {
        let target = Target::new(FINAL.into());
        let (part, recovered) = match Part::open(Arc::clone(&self.fs), &target, OpenPart::default())
        {
            Ok(Opened::Part(part, recovered)) => (part, recovered),
            Ok(Opened::Finished) => return Err("finished?".into()),
            Err(error) => return Err(error.to_string()),
        };
        for Range { start, end } in ranges(&recovered.extents) {
            let mut bytes = vec![0; (end - start) as usize];
            part.read(&mut bytes, start).map_err(|error| error.to_string())?;
            if bytes != CONTENT[start as usize..end as usize] {
                return Err(format!("{start}..{end} is believed and wrong"));
            }
        }
        Ok(recovered)
    }
}

fn ranges(extents: &[Extent]) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for extent in extents {
        match joined.last_mut() {
            Some(last) if last.end == extent.start => last.end = extent.range().end,
            _ => joined.push(extent.range()),
        }
    }
    joined
}

fn operations(place: &'static str) -> u64 {
    let adoption = Adoption::new(0, place, None);
    adoption.adopt().unwrap();
    let operations = adoption.disk.operations();
    assert!(operations > 15, "{operations} operations prove nothing");
    operations
}

/// Every fault at every operation, from several seeds; the first broken promise.
fn sweep(place: &'static str, broken: Option<Broken>, seeds: u64) -> Result<(), String> {
    let moments = [When::Before, When::Half, When::After];
    let crashes = [Crash::Kill, Crash::Power]
        .into_iter()
        .flat_map(|crash| moments.map(|when| Failure::Crash(crash, when)));
    let faults: Vec<_> = crashes.chain(ERRORS).collect();
    for at in 1..=operations(place) + 2 {
        for failure in &faults {
            for seed in 0..seeds {
                let between = if seed % 4 < 2 { Crash::Power } else { Crash::Kill };
                let fault = Fault { at, failure: *failure };
                Adoption::new(seed + at * 1000, place, broken)
                    .live_through(fault, between)
                    .map_err(|text| format!("{place}, seed {seed}, {fault:?}: {text}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_crash_or_an_error_at_every_operation_loses_nothing() {
    for place in PLACES {
        sweep(place, None, 8).unwrap();
    }
}

#[test]
fn broken_protocols_are_caught() {
    for broken in
        [Broken::NoDirectorySync, Broken::CompactionWithoutSync, Broken::RecordBeforeDataSync]
    {
        let caught = PLACES.iter().any(|place| sweep(place, Some(broken), 24).is_err());
        assert!(caught, "{broken:?} was not noticed");
    }
}

#[test]
fn what_is_no_file_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let open = |target: &str, path: &str| {
        Foreign::open(Arc::new(OsFs), &Target::new(at(target)), &at(path)).map(drop)
    };
    let names = || {
        let entries = std::fs::read_dir(&dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };

    assert!(matches!(open("a", "gone"), Err(PartError::Io { .. })));
    std::fs::create_dir(at("folder")).unwrap();
    assert!(matches!(open("a", "folder"), Err(PartError::Io { .. })));
    std::fs::remove_dir(at("folder")).unwrap();
    assert!(names().is_empty(), "{:?}", names());

    // Another part stands in the way.
    std::fs::write(at("a"), b"begun").unwrap();
    std::fs::write(at("a.part"), b"another").unwrap();
    assert!(matches!(open("a", "a"), Err(PartError::Exists { path }) if path == at("a.part")));
    std::fs::remove_file(at("a.part")).unwrap();

    // A download of piton, running and not.
    let target = Target::new(at("b"));
    let Opened::Part(part, _) = Part::open(Arc::new(OsFs), &target, OpenPart::default()).unwrap()
    else {
        panic!("nothing was finished")
    };
    part.begin(META, None).unwrap();
    part.write(b"bytes", 0).unwrap();
    assert!(matches!(open("b", "b.part"), Err(PartError::Locked { .. })));
    drop(part);
    assert!(matches!(open("b", "b.part"), Err(PartError::Begun { .. })));
    assert!(matches!(open("b", "a"), Err(PartError::Begun { .. })));
    assert!(matches!(open("b", "b"), Err(PartError::Begun { .. })));
    assert_eq!(names(), ["a", "b.part", "b.piton"]);
}

#[test]
fn a_file_that_is_still_written_to_is_refused() {
    for change in [
        (|file: &dyn FsFile| file.set_len(LEN + 1)) as fn(&dyn FsFile) -> std::io::Result<()>,
        |file| file.set_len(100),
        |file| file.set_modified(std::time::UNIX_EPOCH),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, &*CONTENT).unwrap();
        let target = Target::new(path.clone());
        let foreign = Foreign::open(Arc::new(OsFs), &target, &path).unwrap();
        change(&*OsFs.open(&path, Open::ReadWrite).unwrap()).unwrap();
        let adopted = foreign.adopt(META, &BELIEVED, Durability::Power).map(drop);
        assert!(matches!(adopted, Err(PartError::Changing { .. })), "{adopted:?}");
        assert!(path.exists() && !target.part().exists() && !target.journal().exists());
    }
}

#[test]
fn holes_are_no_data() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = OsFs.open(&path, Open::Create { mode: 0o666 }).unwrap();
    const MIB: u64 = 1 << 20;
    file.set_len(4 * MIB).unwrap();
    write_all_at(&*file, &[1; 4096], MIB).unwrap();
    let runs: Vec<_> =
        std::iter::successors(file.data_run(0).unwrap(), |run| file.data_run(run.end).unwrap())
            .collect();
    if runs == [0..4 * MIB] {
        return piton_testkit::skip("the file system of the temporary folder tells of no holes");
    }
    assert_eq!(runs, [MIB..MIB + 4096]);
    assert_eq!(file.data_run(5 * MIB).unwrap(), None);
}
