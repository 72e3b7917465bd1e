//! The real file system.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use piton_durable::crc::crc32c;
use piton_durable::fs::{Existing, Fs, Open, OsFs};
use piton_durable::journal::{self, Record};
use piton_durable::land::{Landed, Landing, Pipeline};
use piton_durable::lock::{LockError, lock};
use piton_durable::part::{
    Durability, Extent, Finish, OpenPart, Opened, Part, PartError, Recovered, Target,
};
use piton_durable::replace::{replace, replace_from};

pub(crate) fn open(
    target: &Target,
    durability: Durability,
) -> Result<(Part, Recovered), PartError> {
    let how = OpenPart { durability, ..OpenPart::default() };
    match Part::open(Arc::new(OsFs), target, how)? {
        Opened::Part(part, recovered) => Ok((part, recovered)),
        Opened::Finished => panic!("nothing was finished"),
    }
}

pub(crate) fn finish(len: u64) -> Finish {
    Finish { len, existing: Existing::Keep, mode: None, modified: None, attributes: vec![] }
}

fn mode(path: &Path) -> u32 {
    OsFs.stat(path).unwrap().unwrap().mode
}

#[test]
fn a_download_in_two_runs_lands_with_all_that_was_asked_for() {
    for durability in [Durability::Power, Durability::Process, Durability::None] {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::new(dir.path().join("file.iso"));
        let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        let claim = |part: &Part, start: usize, end: usize| {
            let extent = Extent {
                start: start as u64,
                len: (end - start) as u64,
                crc: crc32c(&bytes[start..end]),
            };
            part.write(&bytes[start..end], start as u64).unwrap();
            part.start_writeback(extent.range());
            part.claim(extent).unwrap();
        };

        let (part, recovered) = open(&target, durability).unwrap();
        assert_eq!(recovered, Recovered::default());
        part.begin(b"meta", Some(bytes.len() as u64)).unwrap();
        claim(&part, 100_000, 200_000);
        part.checkpoint().unwrap();
        claim(&part, 0, 100_000);
        assert_eq!(mode(&target.part()) & 0o777, 0o600, "nobody else can have it open");
        let part = match durability {
            Durability::None => part,
            _ => {
                assert_eq!(mode(&target.journal()) & 0o777, 0o600, "addresses can be secrets");
                drop(part);
                let (part, recovered) = open(&target, durability).unwrap();
                assert_eq!(recovered.extents.len(), 2);
                part
            }
        };
        claim(&part, 200_000, 300_000);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_500);
        let attributes = vec![("user.piton.etag".to_owned(), b"\"x\"".to_vec())];
        let path = part
            .finish(Finish {
                mode: Some(0o640),
                modified: Some(modified),
                attributes,
                ..finish(bytes.len() as u64)
            })
            .unwrap();

        assert_eq!(fs::read(&path).unwrap(), bytes);
        let stat = OsFs.stat(&path).unwrap().unwrap();
        assert_eq!((stat.mode, stat.modified), (0o640, modified));
        let file = OsFs.open(&path, Open::ReadWrite).unwrap();
        let supported = file.set_attribute("user.piton.probe", b"").unwrap();
        let attribute = file.attribute("user.piton.etag").unwrap();
        assert_eq!(attribute.is_some(), supported);
        assert_eq!(OsFs.list(dir.path()).unwrap(), [Path::new("file.iso")]);
    }
}

/// The umask, found without changing it.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("Umask:")).unwrap();
    u32::from_str_radix(line.split_ascii_whitespace().nth(1).unwrap(), 8).unwrap()
}

#[test]
fn the_second_owner_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", None).unwrap();
    match open(&target, Durability::Power) {
        Err(PartError::Locked { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two owners"),
    }
    drop(part);
    assert!(open(&target, Durability::Power).is_ok(), "the lock died with its owner");
}

#[test]
fn of_many_that_want_a_target_each_either_owns_it_alone_or_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let owned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..40 {
                    let part = match open(&target, Durability::Process) {
                        Ok((part, _)) => part,
                        Err(PartError::Locked { .. }) => continue,
                        Err(other) => panic!("{other}"),
                    };
                    assert!(!owned.swap(true, Ordering::SeqCst), "two owners");
                    part.begin(b"meta", None).unwrap();
                    part.write(b"x", 0).unwrap();
                    part.claim(Extent { start: 0, len: 1, crc: crc32c(b"x") }).unwrap();
                    owned.store(false, Ordering::SeqCst);
                    part.finish(Finish { existing: Existing::Replace, ..finish(1) }).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read(target.path()).unwrap(), b"x");
}

#[test]
fn a_counter_under_a_lock_that_replaces_its_file_loses_no_count() {
    const THREADS: u64 = 4;
    const COUNTS: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("count");
    replace(&OsFs, &path, b"0", 0o644).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut counted = 0;
                while counted < COUNTS {
                    let file = match lock(&OsFs, &path, Open::ReadWrite) {
                        Ok(file) => file,
                        Err(LockError::Held { .. }) => {
                            std::thread::yield_now();
                            continue;
                        }
                        Err(other) => panic!("{other}"),
                    };
                    let count: u64 = fs::read_to_string(&path).unwrap().parse().unwrap();
                    replace(&OsFs, &path, (count + 1).to_string().as_bytes(), 0o644).unwrap();
                    counted += 1;
                    drop(file);
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), (THREADS * COUNTS).to_string());
}

#[test]
fn claims_go_on_during_checkpoints_and_compactions() {
    const THREADS: u64 = 3;
    const CLAIMS: u64 = 400;
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", None).unwrap();
    let going = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let part = &part;
                scope.spawn(move || {
                    for i in 0..CLAIMS {
                        let start = (i * THREADS + thread) * 10;
                        let bytes = start.to_le_bytes();
                        part.write(&bytes, start).unwrap();
                        part.claim(Extent { start, len: 8, crc: crc32c(&bytes) }).unwrap();
                        part.put_hash(thread as u8, &[0; 200]).unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while going.load(Ordering::Relaxed) {
                part.checkpoint().unwrap();
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        going.store(false, Ordering::Relaxed);
    });
    assert_eq!(part.damaged().unwrap(), []);
    let claimed = part.extents().len();
    part.checkpoint().unwrap();
    drop(part);
    let view = journal::read(&OsFs, &target.journal()).unwrap();
    let claims = |record: &Record| matches!(record, Record::Written(_));
    assert!(view.entries.len() < (2 * THREADS * CLAIMS) as usize, "it was compacted");
    assert_eq!(view.entries.iter().filter(|entry| claims(&entry.record)).count(), claimed);
    let (part, recovered) = open(&target, Durability::Power).unwrap();
    assert_eq!(recovered.extents.len(), (THREADS * CLAIMS) as usize);
    assert_eq!((recovered.damaged, part.damaged().unwrap()), (vec![], vec![]));
}

#[test]
fn replacing_keeps_the_mode_and_leaves_nothing_beside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    replace(&OsFs, &path, b"one", 0o600).unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o600));
    OsFs.open(&path, Open::ReadWrite).unwrap().set_mode(0o640).unwrap();
    replace(&OsFs, &path, b"two", 0o600).unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o640));
    assert_eq!(OsFs.list(dir.path()).unwrap().len(), 1);
}

/// A file that somebody else put there would hand over its mode, and with it the bytes.
#[test]
fn what_is_spooled_takes_nothing_from_the_file_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list");
    fs::write(&path, b"planted").unwrap();
    OsFs.open(&path, Open::ReadWrite).unwrap().set_mode(0o666).unwrap();
    let planted = fs::File::open(&path).unwrap();
    replace_from(&OsFs, &path, &mut &b"secret"[..], 0o600).unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"secret".to_vec(), 0o600));
    assert_eq!(std::io::read_to_string(planted).unwrap(), "planted");
}

/// Nobody can have opened it before it was private.
#[test]
fn a_private_part_is_private_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::private(dir.path().join("file"));
    for _ in 0..2 {
        let (part, _) = open(&target, Durability::Power).unwrap();
        assert_eq!(mode(&target.part()), 0o600);
        part.begin(b"meta", None).unwrap();
        drop(part);
        // As a run leaves it to which it is not private.
        OsFs.open(&target.part(), Open::ReadWrite).unwrap().set_mode(0o644).unwrap();
    }
}

#[test]
fn a_file_that_is_done_has_the_mode_of_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", None).unwrap();
    let path = part.finish(finish(0)).unwrap();
    assert_eq!(mode(&path), 0o666 & !umask());
}

#[test]
fn a_link_in_the_place_of_the_part_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let precious = dir.path().join("precious");
    fs::write(&precious, b"precious").unwrap();
    std::os::unix::fs::symlink(&precious, target.part()).unwrap();
    assert!(matches!(open(&target, Durability::None), Err(PartError::NotOurs { .. })));
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
}

#[test]
fn the_journal_of_twenty_gibibytes_stays_below_one_mebibyte() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", None).unwrap();
    // Sparse: zeros in extents of 1 MiB.
    let zeros = crc32c(&vec![0; 1 << 20]);
    part.write(b"\0", (20 << 30) - 1).unwrap();
    for start in (0..20_480_u64).map(|mib| mib << 20) {
        part.claim(Extent { start, len: 1 << 20, crc: zeros }).unwrap();
        part.put_hash(1, &[0; 100]).unwrap();
    }
    part.checkpoint().unwrap();
    drop(part);
    assert!(OsFs.stat(&target.journal()).unwrap().unwrap().len < 1 << 20);
    let (_, recovered) = open(&target, Durability::Power).unwrap();
    assert_eq!((recovered.extents.len(), recovered.damaged.len()), (20_480, 0));
}

/// A crash between the rename and the removal of the journal, and, where renaming is linking and
/// unlinking, between those two.
#[test]
fn a_download_that_had_its_final_name_already_is_finished() {
    for both_names in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::new(dir.path().join("file"));
        let (part, _) = open(&target, Durability::Power).unwrap();
        part.begin(b"meta", None).unwrap();
        part.write(b"bytes", 0).unwrap();
        part.claim(Extent { start: 0, len: 5, crc: crc32c(b"bytes") }).unwrap();
        fs::write(target.path(), b"in the way").unwrap();
        assert!(matches!(part.finish(finish(5)), Err(PartError::Exists { .. })));
        fs::remove_file(target.path()).unwrap();

        fs::hard_link(target.part(), target.path()).unwrap();
        if !both_names {
            fs::remove_file(target.part()).unwrap();
        }
        let opened = Part::open(Arc::new(OsFs), &target, OpenPart::default()).unwrap();
        assert!(matches!(opened, Opened::Finished));
        assert_eq!(fs::read(target.path()).unwrap(), b"bytes");
        assert_eq!(OsFs.list(dir.path()).unwrap().len(), 1);
    }
}

/// A run that ends without a word leaves its part no younger than the journal: what was synced is
/// believed unread. Otherwise a resume of 20 GiB would begin with reading them.
#[test]
fn what_a_run_left_is_believed_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let salt = || journal::read(&OsFs, &target.journal()).unwrap().header.salt;
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", Some(1 << 20)).unwrap();
    drop(part);
    let mut read = 0;
    for run in 0..8 {
        // So that one run is told from the next.
        std::thread::sleep(Duration::from_millis(25));
        let before = salt();
        let (part, _) = open(&target, Durability::Power).unwrap();
        // What cannot be believed unread gets a new journal.
        read += u32::from(salt() != before);
        let bytes = vec![run as u8; 1000];
        let extent = Extent { start: run * 1000, len: 1000, crc: crc32c(&bytes) };
        part.write(&bytes, extent.start).unwrap();
        part.claim(extent).unwrap();
        if run % 2 == 0 {
            part.checkpoint().unwrap();
        }
    }
    // The first one comes after a beginning, which ends with the part. On a busy machine a claim may
    // come late after its bytes.
    assert!(read <= 4, "{read} of 8 were read");
    let before = salt();
    let mut bytes = fs::read(target.part()).unwrap();
    bytes[0] ^= 1;
    std::thread::sleep(Duration::from_millis(250));
    fs::write(target.part(), bytes).unwrap();
    let (_, recovered) = open(&target, Durability::Power).unwrap();
    assert_eq!(recovered.damaged, [0..1000]);
    assert_ne!(salt(), before);
}

/// Puts a device, a FIFO, a socket and a folder at `path` in turn.
fn with_what_is_no_file(path: &Path, look: impl Fn()) {
    use std::os::unix::fs::FileTypeExt;
    fs::create_dir(path).unwrap();
    look();
    fs::remove_dir(path).unwrap();

    let socket = std::os::unix::net::UnixListener::bind(path).unwrap();
    look();
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
    drop(socket);
    fs::remove_file(path).unwrap();

    let mknod = |kind: &[&str]| {
        let mut command = std::process::Command::new("mknod");
        command.arg(path).args(kind).output().is_ok_and(|output| output.status.success())
    };
    assert!(mknod(&["p"]));
    look();
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_fifo());
    fs::remove_file(path).unwrap();

    // Another /dev/null. Only root may make one.
    if mknod(&["c", "1", "3"]) {
        look();
        assert!(fs::symlink_metadata(path).unwrap().file_type().is_char_device());
        // A link to it is as good as it.
        let device = path.with_extension("device");
        fs::rename(path, &device).unwrap();
        std::os::unix::fs::symlink(&device, path).unwrap();
        look();
        assert!(fs::symlink_metadata(path).unwrap().is_symlink());
        fs::remove_file(&device).unwrap();
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_is_no_file_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    for existing in [Existing::Keep, Existing::Replace] {
        with_what_is_no_file(target.path(), || {
            let (part, _) = open(&target, Durability::Power).unwrap();
            part.begin(b"meta", None).unwrap();
            part.write(b"bytes", 0).unwrap();
            part.claim(Extent { start: 0, len: 5, crc: crc32c(b"bytes") }).unwrap();
            let ended = part.finish(Finish { existing, ..finish(5) });
            assert!(matches!(ended, Err(PartError::NotAFile { path }) if path == target.path()));
            let (part, recovered) = open(&target, Durability::Power).unwrap();
            assert!(recovered.verified, "all of it is kept");
            part.discard().unwrap();

            let landed = land(target.path(), b"bytes", existing);
            assert!(
                matches!(&landed, Err(PartError::NotAFile { path }) if path == target.path()),
                "{landed:?}"
            );
            let replaced = replace(&OsFs, target.path(), b"bytes", 0o644).unwrap_err();
            assert!(replaced.to_string().contains("not a regular file"), "{replaced}");
            let names = OsFs.list(dir.path()).unwrap();
            assert!(names.iter().all(|name| !name.to_string_lossy().contains(".p")), "{names:?}");
        });
    }
}

/// Lands a small file and hears how that ended.
fn land(path: &Path, bytes: &[u8], existing: Existing) -> Result<Landed, PartError> {
    let (say, said) = std::sync::mpsc::channel();
    let landing = Landing {
        path: path.to_owned(),
        bytes: bytes.to_vec(),
        existing,
        modified: None,
        attributes: vec![],
        durability: Durability::Power,
    };
    let mut pipeline = Pipeline::new(Arc::new(OsFs));
    pipeline.cycle(vec![(landing, Box::new(move |ended| say.send(ended).unwrap()))]);
    pipeline.settle();
    said.recv().unwrap()
}

/// What a server says of the length takes no room: bytes do, and what was reserved ahead of them is given
/// back.
#[test]
fn room_is_reserved_for_what_came_and_given_back_when_the_part_is_closed() {
    use std::os::unix::fs::MetadataExt;

    const MIB: u64 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let held = || std::fs::metadata(target.part()).unwrap().blocks() * 512;
    let bytes = [7; 6000];
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", Some(512 * MIB)).unwrap();
    // Two connections, the second before the first came to it, and a third that steals from the second.
    let starts = [0, 200 * MIB, 205 * MIB];
    for start in starts {
        part.write(&bytes, start).unwrap();
        part.claim(Extent { start, len: 6000, crc: crc32c(&bytes) }).unwrap();
    }
    assert!(held() <= 33 * MIB, "{} are reserved", held());
    part.checkpoint().unwrap();
    drop(part);
    // What lies before the third is within the room of the second, and was passed over.
    assert!(held() < 6 * MIB, "{} are still held", held());

    let (part, recovered) = open(&target, Durability::Power).unwrap();
    assert_eq!(recovered.extents.len(), 3, "{recovered:?}");
    part.expect(Some(512 * MIB)).unwrap();
    part.write(&bytes, 6000).unwrap();
    drop(part);
    let how = OpenPart { verify_all: true, ..OpenPart::default() };
    let Opened::Part(_, recovered) = Part::open(Arc::new(OsFs), &target, how).unwrap() else {
        panic!("nothing was finished")
    };
    assert_eq!((recovered.extents.len(), recovered.damaged.len()), (3, 0), "{recovered:?}");
}
