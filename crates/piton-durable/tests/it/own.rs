//! State that others planted, or may have written to: nothing of it is used, and nothing goes into it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::crc::crc32c;
use piton_durable::fs::{Existing, Fs, FsFile, Open, OsFs, write_all_at};
use piton_durable::journal;
use piton_durable::own::{self, NotOurs};
use piton_durable::part::{
    Durability, Extent, Finish, Foreign, OpenPart, Opened, Part, PartError, Recovered, Target,
};
use piton_testkit::disk::{Crash, Failure, Fault, SimDisk, When};

const PART: &str = "/file.part";
const JOURNAL: &str = "/file.piton";
const STRANGER: u32 = 1000;
const BYTES: &[u8] = b"what the server has";

fn target() -> Target {
    Target::new("/file".into())
}

fn open(disk: &SimDisk) -> Result<(Part, Recovered), PartError> {
    match Part::open(Arc::new(disk.clone()), &target(), OpenPart::default())? {
        Opened::Part(part, recovered) => Ok((part, recovered)),
        Opened::Finished => panic!("nothing was finished"),
    }
}

fn claim_all(part: &Part) -> Result<(), PartError> {
    part.write(BYTES, 0)?;
    part.claim(Extent { start: 0, len: BYTES.len() as u64, crc: crc32c(BYTES) })?;
    part.checkpoint()
}

fn end() -> Finish {
    let existing = Existing::Replace;
    Finish { len: BYTES.len() as u64, existing, mode: None, modified: None, attributes: vec![] }
}

/// A part that holds everything, whose process has ended.
fn interrupted() -> SimDisk {
    let disk = SimDisk::seeded(1);
    let (part, _) = open(&disk).unwrap();
    part.begin(b"meta", Some(BYTES.len() as u64)).unwrap();
    claim_all(&part).unwrap();
    drop(part);
    disk.restart();
    disk
}

#[track_caller]
fn refused<T>(result: Result<T, PartError>, file: &str) -> NotOurs {
    match result {
        Err(PartError::NotOurs { path, why }) => {
            assert_eq!(path, Path::new(file));
            why
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("{file} was used"),
    }
}

#[test]
fn what_belongs_to_another_user_is_neither_used_nor_touched() {
    for file in [PART, JOURNAL] {
        for mode in [0o600, 0o644, 0o666] {
            let disk = interrupted();
            let before = (disk.bytes(PART), disk.bytes(JOURNAL));
            disk.give(file, STRANGER, mode);
            let why = refused(open(&disk), file);
            assert_eq!(why, NotOurs::OtherOwner { owner: STRANGER, user: 0 });
            assert_eq!((disk.bytes(PART), disk.bytes(JOURNAL)), before);
            assert_eq!(disk.paths(), [PART, JOURNAL].map(PathBuf::from));
        }
    }
    let disk = interrupted();
    disk.give(JOURNAL, STRANGER, 0o644);
    refused(journal::read(&disk, JOURNAL.as_ref()), JOURNAL);
}

#[test]
fn a_part_without_a_journal_that_another_user_made_does_not_receive_the_file() {
    for durability in [Durability::Power, Durability::Process, Durability::None] {
        let disk = SimDisk::seeded(1);
        disk.put(PART, b"");
        disk.give(PART, STRANGER, 0o666);
        let how = OpenPart { durability, ..OpenPart::default() };
        refused(Part::open(Arc::new(disk.clone()), &target(), how), PART);
    }
}

/// Whoever opened it as long as he could can write to it for ever.
#[test]
fn what_others_may_write_to_is_set_aside_though_it_is_ours() {
    for file in [PART, JOURNAL] {
        for mode in [0o620, 0o602, 0o666] {
            let disk = interrupted();
            disk.give(file, 0, mode);
            let theirs = disk.open(file.as_ref(), Open::ReadWrite).unwrap();
            let (part, recovered) = open(&disk).unwrap();
            assert!(recovered.set_aside.is_some(), "{file} {mode:o}");
            assert_eq!(recovered.extents, []);
            part.begin(b"meta", Some(BYTES.len() as u64)).unwrap();
            claim_all(&part).unwrap();
            part.finish(end()).unwrap();
            write_all_at(&*theirs, b"something else", 0).unwrap();
            assert_eq!(disk.bytes("/file").as_deref(), Some(BYTES));
        }
    }
}

#[test]
fn what_has_a_second_name_is_set_aside_and_the_other_name_keeps_its_bytes() {
    for file in [PART, JOURNAL] {
        let disk = interrupted();
        disk.link(file, "/precious");
        let before = disk.bytes("/precious");
        let (part, recovered) = open(&disk).unwrap();
        assert!(recovered.set_aside.is_some(), "{file}");
        part.begin(b"meta", None).unwrap();
        claim_all(&part).unwrap();
        part.finish(end()).unwrap();
        assert_eq!(disk.bytes("/precious"), before);
    }
}

#[test]
fn leftovers_of_another_user_are_not_taken_for_ours() {
    for name in ["/file.piton.tmp", "/file.piton.new"] {
        let disk = interrupted();
        disk.put(name, b"planted");
        disk.give(name, STRANGER, 0o666);
        let opened = open(&disk);
        match name {
            "/file.piton.tmp" => drop(refused(opened, name)),
            // Somebody lands a small file: it has nothing to do with the part.
            _ => assert!(opened.is_ok()),
        }
        assert_eq!(disk.bytes(name).as_deref(), Some(&b"planted"[..]));
    }
    // Ours go, whoever may write to them.
    let disk = interrupted();
    disk.put("/file.piton.tmp", b"left");
    disk.give("/file.piton.tmp", 0, 0o666);
    open(&disk).unwrap();
    assert_eq!(disk.bytes("/file.piton.tmp"), None);
}

/// The last step of a run that was killed after its rename is made only for a file that can be its own.
#[test]
fn a_file_of_another_user_under_the_final_name_is_not_what_the_last_run_finished() {
    let verified = || {
        for at in 1.. {
            let disk = interrupted();
            let (part, _) = open(&disk).unwrap();
            let at = disk.operations() + at;
            disk.inject(Fault { at, failure: Failure::Crash(Crash::Kill, When::Before) });
            part.finish(end()).unwrap_err();
            disk.restart();
            if disk.bytes("/file").is_some() {
                return disk;
            }
        }
        unreachable!()
    };
    let again = |disk: &SimDisk| {
        Part::open(Arc::new(disk.clone()), &target(), OpenPart::default()).unwrap()
    };
    let disk = verified();
    assert!(matches!(again(&disk), Opened::Finished));
    let disk = verified();
    disk.give("/file", STRANGER, 0o644);
    assert!(matches!(again(&disk), Opened::Part(..)));
}

/// Where the umask lets a group write, the part is private still, and the mode of the file is right after a
/// crash at any operation; nothing is ever found that would have to be set aside.
#[test]
fn a_umask_that_lets_the_group_write_costs_nothing_whenever_it_crashes() {
    for at in 1.. {
        let disk = interrupted();
        disk.set_umask(0o002);
        let fault = Fault { at, failure: Failure::Crash(Crash::Power, When::After) };
        disk.inject(fault);
        let run = || -> Result<(), PartError> {
            match Part::open(Arc::new(disk.clone()), &target(), OpenPart::default())? {
                Opened::Part(part, found) => {
                    assert_eq!((found.set_aside, found.damaged.len()), (None, 0), "{at}");
                    if found.meta.is_none() {
                        // Done before, to the last step.
                        return Ok(());
                    }
                    part.finish(end()).map(drop)
                }
                Opened::Finished => Ok(()),
            }
        };
        let died = run().is_err();
        disk.restart();
        if let Some(part) = disk.about(PART) {
            assert_eq!(part.mode & 0o022, 0, "{at}");
        }
        run().unwrap();
        let file = disk.about("/file").unwrap();
        assert_eq!((file.mode, disk.bytes("/file").as_deref()), (0o664, Some(BYTES)), "{at}");
        assert_eq!(disk.paths(), [PathBuf::from("/file")], "{at}");
        if !died {
            return;
        }
    }
}

/// Other programs leave what the umask gives; the user who names the file vouches for it.
#[test]
fn a_file_that_is_taken_over_is_private_from_then_on() {
    let adopted = |disk: &SimDisk| -> Result<Part, PartError> {
        let foreign = Foreign::open(Arc::new(disk.clone()), &target(), "/theirs".as_ref())?;
        let all = std::iter::once(0..BYTES.len() as u64);
        foreign.adopt(b"meta", &all.collect::<Vec<_>>(), Durability::Power)
    };
    let disk = SimDisk::seeded(1);
    disk.put("/theirs", BYTES);
    disk.give("/theirs", 0, 0o664);
    drop(adopted(&disk).unwrap());
    disk.restart();
    let (part, recovered) = open(&disk).unwrap();
    assert_eq!((recovered.set_aside, recovered.extents.len()), (None, 1));
    part.finish(end()).unwrap();

    for (owner, link) in [(STRANGER, false), (0, true)] {
        let disk = SimDisk::seeded(1);
        disk.put("/theirs", BYTES);
        disk.give("/theirs", owner, 0o644);
        if link {
            disk.link("/theirs", "/precious");
        }
        refused(adopted(&disk), "/theirs");
        assert_eq!(disk.bytes("/theirs").as_deref(), Some(BYTES));
    }
}

#[test]
fn links_and_what_is_no_file_are_refused_before_they_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    std::fs::write(&file, b"ours").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(own::open(&OsFs, &file).is_ok());
    for path in [&link, &dir.path().to_owned(), &PathBuf::from("/dev/null")] {
        let error = own::open(&OsFs, path).err().unwrap();
        assert_eq!(error.to_string(), NotOurs::NoFile.to_string(), "{path:?}");
        assert!(own::lock_ours(&OsFs, path, Open::ReadWrite).is_err());
    }
}

/// Where all files have one owner and one mode these tell nothing: what a new file has as well is no flaw.
#[test]
fn on_a_file_system_without_owners_none_is_missed() {
    #[derive(Clone)]
    struct Plain(SimDisk);
    impl Fs for Plain {
        fn open(&self, path: &Path, how: Open) -> std::io::Result<Arc<dyn FsFile>> {
            let file = self.0.open(path, how)?;
            self.0.give(path, STRANGER, 0o777);
            Ok(file)
        }
        fn new_file_mode(&self, _dir: &Path) -> std::io::Result<u32> {
            Ok(0o777)
        }

        piton_testkit::forward_fs!(this => this.0;
            stat rename remove sync_dir list create_dir canonicalize user random);
    }
    let disk = Plain(SimDisk::seeded(1));
    let open = || match Part::open(Arc::new(disk.clone()), &target(), OpenPart::default()) {
        Ok(Opened::Part(part, recovered)) => (part, recovered),
        Ok(Opened::Finished) => panic!("nothing was finished"),
        Err(error) => panic!("{error}"),
    };
    let (part, _) = open();
    part.begin(b"meta", None).unwrap();
    claim_all(&part).unwrap();
    drop(part);
    let (part, recovered) = open();
    assert_eq!((recovered.set_aside, recovered.extents.len()), (None, 1));
    part.finish(end()).unwrap();
    assert_eq!(disk.0.paths(), [PathBuf::from("/file")]);
}
