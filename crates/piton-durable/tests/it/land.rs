//! Small files that land in groups: a crash and an error at every operation, and the thread that does it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use piton_durable::fs::{Existing, Fs, Open, OsFs};
use piton_durable::land::{Landed, Lander, Landing, Pipeline, Told};
use piton_durable::part::{Durability, PartError};
use piton_testkit::disk::{Broken, Crash, Failure, Fault, Sabotage, SimDisk, When};

use crate::harness::ERRORS;

const MOMENTS: [When; 3] = [When::Before, When::Half, When::After];
const OLD: &[u8] = b"what stood under the final name before";
/// Stands there before, and is replaced.
const REPLACED: &str = "/3";
/// What stands beside it for a moment.
const BESIDE: &str = "/3.piton.new";
const FILES: usize = 8;
/// The last one is alone, and so is synced by itself.
const GROUPS: [&[usize]; 3] = [&[0, 1, 2], &[3, 4, 5, 6], &[7]];

/// Some need folders that are not there.
fn path(file: usize) -> PathBuf {
    PathBuf::from(match file {
        5 => "/new/a/5".to_owned(),
        7 => "/new/a/b/7".to_owned(),
        _ => format!("/{file}"),
    })
}

/// What the files land on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    /// A sync of all of it tells of what failed.
    Plain,
    /// It does not, and does more than the sync of one file.
    Overlay,
}

const DISKS: [Disk; 2] = [Disk::Plain, Disk::Overlay];

/// Never zero, so that a hole is always wrong; one file is empty.
fn content(file: usize) -> &'static [u8] {
    static CONTENT: LazyLock<[Vec<u8>; FILES]> = LazyLock::new(|| {
        let lengths = [100, 4096, 9000, 5000, 0, 12_289, 1, 6000];
        let byte = |file: usize, at: usize| ((at * 31 + file * 7) % 255) as u8 + 1;
        std::array::from_fn(|file| (0..lengths[file]).map(|at| byte(file, at)).collect())
    });
    &CONTENT[file]
}

fn landing(file: usize, durability: Durability) -> Landing {
    let replaces = path(file) == Path::new(REPLACED);
    Landing {
        path: path(file),
        bytes: content(file).to_vec(),
        existing: if replaces { Existing::Replace } else { Existing::Keep },
        modified: Some(UNIX_EPOCH + Duration::from_secs(file as u64)),
        attributes: vec![("user.piton".into(), b"here".to_vec())],
        durability,
    }
}

type Ended = Result<Landed, PartError>;

/// The landing of all groups on a simulated disk, and what was said of each file.
struct Flight {
    disk: SimDisk,
    fs: Arc<dyn Fs>,
    durability: Durability,
    said: Arc<Mutex<BTreeMap<usize, Vec<Ended>>>>,
}

impl Flight {
    fn new(on: Disk, seed: u64, broken: Option<Broken>, durability: Durability) -> Self {
        let disk = match on {
            Disk::Plain => SimDisk::seeded(seed),
            Disk::Overlay => SimDisk::overlaid(seed),
        };
        disk.put(REPLACED, OLD);
        let fs: Arc<dyn Fs> = match broken {
            Some(broken) => Arc::new(Sabotage::new(disk.clone(), broken)),
            None => Arc::new(disk.clone()),
        };
        Self { disk, fs, durability, said: Arc::default() }
    }

    fn operations(on: Disk, durability: Durability) -> u64 {
        let flight = Self::new(on, 0, None, durability);
        flight.run(&GROUPS);
        let operations = flight.disk.operations();
        assert_eq!(flight.check(FILES, Crash::Kill), Ok(()));
        operations
    }

    fn run(&self, groups: &[&[usize]]) {
        let mut pipeline = Pipeline::new(Arc::clone(&self.fs));
        for group in groups {
            let told = |file: usize| -> Told {
                let said = Arc::clone(&self.said);
                Box::new(move |ended| said.lock().unwrap().entry(file).or_default().push(ended))
            };
            let group = group.iter().map(|&file| (landing(file, self.durability), told(file)));
            pipeline.cycle(group.collect());
        }
        pipeline.settle();
    }

    /// Lands everything with these faults, crashes, looks, and lands what is missing.
    fn live_through(&self, faults: &[Fault], then: Crash) -> Result<(), String> {
        faults.iter().for_each(|fault| self.disk.inject(*fault));
        self.run(&GROUPS);
        let crash = match faults.last().map(|fault| fault.failure) {
            Some(Failure::Crash(crash, _)) if self.disk.is_down() => crash,
            _ => then,
        };
        self.check(FILES, crash)?;
        self.said.lock().unwrap().clear();
        let missing: Vec<usize> = (0..FILES).filter(|file| !self.is_there(*file)).collect();
        self.run(&[&missing]);
        self.check(missing.len(), then)?;
        if crash == Crash::Kill && then == Crash::Power {
            // What had its name at the kill, and was not spoken of, may be lost.
            return Ok(());
        }
        let paths = self.disk.paths();
        match paths.len() == FILES && (0..FILES).all(|file| self.is_there(file)) {
            true => Ok(()),
            false => Err(format!("after all of it there is {paths:?}")),
        }
    }

    /// After the crash every name stands for what it stood for or for all of the new file, and for
    /// that where it was said so.
    fn check(&self, asked: usize, crash: Crash) -> Result<(), String> {
        let heard = self.said.lock().unwrap().len();
        if !self.disk.is_down() {
            if heard != asked {
                return Err(format!("of {asked} files {heard} were spoken of"));
            }
            self.disk.crash(crash);
        }
        self.disk.restart();
        for path in self.disk.paths() {
            let name = path.to_string_lossy();
            if !(0..FILES).any(|file| path == self::path(file)) && name != BESIDE {
                return Err(format!("left behind: {name}"));
            }
        }
        let said = self.said.lock().unwrap();
        for file in 0..FILES {
            let promised = match said.get(&file).map(Vec::as_slice) {
                None => false,
                Some([Ok(Landed::There)]) => true,
                Some([Err(_)]) => false,
                other => return Err(format!("of {file} was said: {other:?}")),
            };
            // Without syncs nothing is promised for a power cut.
            let promised =
                promised && (self.durability == Durability::Power || crash == Crash::Kill);
            match self.disk.bytes(path(file)) {
                Some(bytes) if bytes == content(file) => {}
                Some(bytes) if bytes == OLD && path(file) == Path::new(REPLACED) && !promised => {}
                None if !promised && path(file) != Path::new(REPLACED) => {}
                Some(bytes) => return Err(format!("{file} has {} wrong bytes", bytes.len())),
                None => return Err(format!("{file} is not there (said: {promised})")),
            }
        }
        Ok(())
    }

    fn is_there(&self, file: usize) -> bool {
        self.disk.bytes(path(file)).is_some_and(|bytes| bytes == content(file))
    }
}

#[test]
fn a_crash_at_every_operation_leaves_whole_files_or_none() {
    for on in DISKS {
        let operations = Flight::operations(on, Durability::Power);
        assert!(operations > 40, "too few to prove anything: {operations}");
        for crash in [Crash::Kill, Crash::Power] {
            for (round, when) in (0..).zip(MOMENTS.repeat(3)) {
                for at in 1..=operations {
                    let fault = [Fault { at, failure: Failure::Crash(crash, when) }];
                    lives(on, round * 1_000_003 + at, Durability::Power, &fault, crash);
                    // The next run finds what a kill left, folders too, and makes it durable.
                    lives(on, round * 1_000_003 + at, Durability::Power, &fault, Crash::Power);
                }
            }
        }
    }
    for durability in [Durability::Process, Durability::None] {
        for when in MOMENTS {
            for at in 1..=Flight::operations(Disk::Plain, durability) {
                let fault = [Fault { at, failure: Failure::Crash(Crash::Kill, when) }];
                lives(Disk::Plain, at, durability, &fault, Crash::Kill);
            }
        }
    }
}

#[test]
fn an_error_at_every_operation_is_said_of_the_files_it_concerns() {
    for on in DISKS {
        for at in 1..=Flight::operations(on, Durability::Power) {
            for (round, failure) in (0..).zip(ERRORS.repeat(2)) {
                let fault = [Fault { at, failure }];
                lives(on, round * 1_000_003 + at, Durability::Power, &fault, Crash::Power);
            }
        }
    }
}

/// The disk and the order of its operations are the same in every run.
#[test]
fn one_failed_sync_fails_its_group_and_the_names_before_it() {
    const EIO: i32 = 5;
    let of_group_sync = |ended: &Ended| matches!(ended, Err(PartError::GroupSync { source, .. }) if source.raw_os_error() == Some(EIO));
    let failed: Vec<usize> = (1..=Flight::operations(Disk::Plain, Durability::Power))
        .filter_map(|at| {
            let flight = Flight::new(Disk::Plain, 1, None, Durability::Power);
            flight.disk.inject(Fault { at, failure: Failure::Error(EIO) });
            flight.run(&GROUPS);
            let said = flight.said.lock().unwrap();
            Some(said.values().flatten().filter(|ended| of_group_sync(ended)).count())
                .filter(|count| *count > 0)
        })
        .collect();
    // The sync of the first group, and the one of the second, which is also for the first one's names.
    assert_eq!(failed, [3, 4 + 3]);
}

#[track_caller]
fn lives(on: Disk, seed: u64, durability: Durability, faults: &[Fault], then: Crash) {
    if let Err(text) = Flight::new(on, seed, None, durability).live_through(faults, then) {
        panic!("{on:?}, seed {seed}, {durability:?}, {faults:?}, then {then:?}: {text}");
    }
}

#[test]
fn a_name_before_the_data_is_synced_is_caught() {
    caught(Disk::Plain, Broken::NamedBeforeDataSync, |at| {
        vec![Fault { at, failure: Failure::Crash(Crash::Power, When::After) }]
    });
}

#[test]
fn a_word_before_the_name_is_synced_is_caught() {
    caught(Disk::Plain, Broken::NoDirectorySync, |at| {
        vec![Fault { at, failure: Failure::Crash(Crash::Power, When::After) }]
    });
}

#[test]
fn a_failed_sync_that_is_tried_again_is_caught() {
    const EIO: i32 = 5;
    caught(Disk::Plain, Broken::RetriedSync, |at| vec![Fault { at, failure: Failure::Error(EIO) }]);
}

#[test]
fn a_sync_that_does_not_tell_and_is_believed_is_caught() {
    const EIO: i32 = 5;
    caught(Disk::Overlay, Broken::FsSyncBelieved, |at| {
        vec![Fault { at, failure: Failure::Error(EIO) }]
    });
}

#[test]
fn a_file_without_a_name_that_is_synced_alone_is_caught() {
    caught(Disk::Overlay, Broken::SyncedAlone, |at| {
        vec![Fault { at, failure: Failure::Crash(Crash::Power, When::After) }]
    });
}

#[test]
fn a_new_folder_that_is_not_synced_in_its_parent_is_caught() {
    for on in DISKS {
        caught(on, Broken::NewDirectoryNotSynced, |at| {
            vec![Fault { at, failure: Failure::Crash(Crash::Power, When::After) }]
        });
    }
}

/// As in `broken.rs`: found with the break, and not without it.
#[track_caller]
fn caught(on: Disk, broken: Broken, faults: impl Fn(u64) -> Vec<Fault>) {
    const SEEDS: u64 = 8;
    for seed in 0..SEEDS {
        for at in 1..=Flight::operations(on, Durability::Power) {
            let faults = faults(at);
            let broken_flight = Flight::new(on, seed, Some(broken), Durability::Power);
            if let Err(text) = broken_flight.live_through(&faults, Crash::Power) {
                eprintln!("{broken:?}, seed {seed}, {faults:?}: {text}");
                let healthy = Flight::new(on, seed, None, Durability::Power);
                assert_eq!(healthy.live_through(&faults, Crash::Power), Ok(()), "without it");
                return;
            }
        }
    }
    panic!("{broken:?} was not noticed with {SEEDS} seeds");
}

fn hear() -> (impl Fn() -> Told, Receiver<Ended>) {
    let (tell, told) = channel();
    let told_to = move || -> Told {
        let tell: Sender<_> = tell.clone();
        Box::new(move |ended| tell.send(ended).unwrap())
    };
    (told_to, told)
}

fn real(path: PathBuf, bytes: &[u8], existing: Existing) -> Landing {
    let modified = Some(UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let attributes = vec![("user.piton".to_owned(), b"here".to_vec())];
    let durability = Durability::Power;
    Landing { path, bytes: bytes.to_vec(), existing, modified, attributes, durability }
}

#[test]
fn files_of_a_real_disk_have_all_that_other_new_files_have() {
    let dir = tempfile::tempdir().unwrap();
    let lander = Lander::start(Arc::new(OsFs), || {}).unwrap();
    let (tell, told) = hear();
    for number in 0..40 {
        let path = dir.path().join(format!("new/folder-{}/{number}", number % 3));
        let landing = real(path, &[number; 3000], Existing::Keep);
        lander.land(lander.room(3000).unwrap(), landing, tell());
    }
    drop(lander);
    drop(tell);
    assert_eq!(told.iter().filter(|ended| matches!(ended, Ok(Landed::There))).count(), 40);
    let usual = dir.path().join("usual");
    std::fs::write(&usual, b"").unwrap();
    let mode = OsFs.stat(&usual).unwrap().unwrap().mode;
    for number in 0..40 {
        let path = dir.path().join(format!("new/folder-{}/{number}", number % 3));
        assert_eq!(std::fs::read(&path).unwrap(), [number; 3000]);
        let stat = OsFs.stat(&path).unwrap().unwrap();
        assert_eq!(stat.modified, UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        assert_eq!(stat.mode, mode);
        let attribute = OsFs.open(&path, Open::Read).unwrap().attribute("user.piton").unwrap();
        // Where there are none there is nothing to see.
        assert!(attribute.is_none_or(|value| value == b"here"));
    }
}

#[test]
fn what_stands_there_is_kept_or_replaced_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let lander = Lander::start(Arc::new(OsFs), || {}).unwrap();
    let (tell, told) = hear();
    let land = |bytes: &[u8], existing| {
        lander.land(lander.room(bytes.len()).unwrap(), real(path.clone(), bytes, existing), tell());
        (told.recv().unwrap(), std::fs::read(&path).unwrap())
    };
    assert!(
        matches!(land(b"first", Existing::Replace), (Ok(Landed::There), bytes) if bytes == b"first")
    );
    assert!(matches!(
        land(b"second", Existing::Keep),
        (Err(PartError::Exists { path: named }), bytes) if named == path && bytes == b"first"
    ));
    // As a crash leaves it.
    std::fs::write(dir.path().join("file.piton.new"), b"a leftover").unwrap();
    assert!(
        matches!(land(b"third", Existing::Replace), (Ok(Landed::There), bytes) if bytes == b"third")
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    // A link that leads nowhere is something too, and nobody is led along it.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    lander.land(lander.room(1).unwrap(), real(link, b"x", Existing::Keep), tell());
    assert!(matches!(told.recv().unwrap(), Err(PartError::Exists { .. })));
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn no_more_files_and_bytes_are_taken_than_may_wait() {
    let rooms = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&rooms);
    let lander = Lander::start(Arc::new(SimDisk::seeded(1)), move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let lander = lander.unwrap();
    let mut taken: Vec<_> = std::iter::from_fn(|| lander.room(4096)).take(1000).collect();
    assert_eq!(taken.len(), 512);
    assert_eq!(rooms.load(Ordering::Relaxed), 0);
    drop(taken.pop());
    assert_eq!(rooms.load(Ordering::Relaxed), 1, "whoever found none is told");
    drop(taken);
    assert_eq!(rooms.load(Ordering::Relaxed), 1, "and others are not");
    let taken: Vec<_> = std::iter::from_fn(|| lander.room(1 << 20)).take(1000).collect();
    assert_eq!(taken.len(), 64);
    drop(taken);
    // One alone may always go.
    assert!(lander.room(usize::MAX).is_some());
}

/// A disk whose syncs end when they are let.
#[derive(Clone)]
struct Slow {
    disk: SimDisk,
    gate: Arc<Mutex<()>>,
}

impl Fs for Slow {
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let _open = self.gate.lock().unwrap();
        self.disk.sync_dir(dir)
    }

    piton_testkit::forward_fs!(this => this.disk;
        open create_unnamed stat rename remove list create_dir canonicalize user new_file_mode
        random);
}

/// G2: what comes in while the disk is slow would be lost by a kill.
#[test]
fn nothing_more_is_taken_while_a_sync_takes_long() {
    let (say_room, room) = channel();
    let gate = Arc::new(Mutex::new(()));
    let slow = Slow { disk: SimDisk::seeded(1), gate: Arc::clone(&gate) };
    let lander = Lander::start(Arc::new(slow), move || say_room.send(()).unwrap()).unwrap();
    let (tell, told) = hear();
    let closed = gate.lock().unwrap();
    lander.land(lander.room(100).unwrap(), landing(0, Durability::Power), tell());
    while lander.room(100).is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(told.try_recv().is_err(), "nothing is said before the name is durable");
    drop(closed);
    assert_eq!(told.recv().unwrap().unwrap(), Landed::There);
    room.recv().unwrap();
    while lander.room(100).is_none() {
        room.recv().unwrap();
    }
}

/// File systems without unnamed files: the bytes come back.
#[test]
fn where_files_cannot_be_without_a_name_nothing_is_done() {
    struct Old(SimDisk);
    impl Fs for Old {
        piton_testkit::forward_fs!(this => this.0;
            open stat rename remove sync_dir list create_dir canonicalize user new_file_mode
            random);
    }
    let disk = SimDisk::seeded(1);
    let lander = Lander::start(Arc::new(Old(disk.clone())), || {}).unwrap();
    let (tell, told) = hear();
    lander.land(lander.room(100).unwrap(), landing(2, Durability::Power), tell());
    assert_eq!(told.recv().unwrap().unwrap(), Landed::NotHere(content(2).to_vec()));
    assert_eq!(disk.paths(), Vec::<PathBuf>::new());
}

/// The pause between cycles is for files that are being received; a file that is alone does not wait for others.
#[test]
fn a_file_that_is_alone_does_not_wait_for_company() {
    const ALONE: u32 = 50;
    // Other tests have the processors too: what counts is the best of some tries.
    let best = (0..5).map(|_| {
        let lander = Lander::start(Arc::new(SimDisk::seeded(1)), || {}).unwrap();
        let (tell, told) = hear();
        let began = std::time::Instant::now();
        for number in 0..ALONE {
            let path = PathBuf::from(format!("/alone-{number}"));
            let landing = Landing { path, ..landing(0, Durability::Power) };
            lander.land(lander.room(100).unwrap(), landing, tell());
            assert!(matches!(told.recv().unwrap(), Ok(Landed::There)));
        }
        began.elapsed()
    });
    let best = best.min().unwrap();
    // Two cycles each: with a pause of 2 ms before every one but the first it took 200 ms.
    assert!(best < ALONE * Duration::from_millis(1), "{best:?}");
}
