//! Opening, locking and closing.

use std::fs;
use std::sync::mpsc;

use piton_checkpoint::ledger::{How, Ledger, LedgerError, Reader, Run, State};
use rusqlite::Connection;

use crate::book::{NOW, POWER, PROCESS, done, key, names, path_in, put, record};

#[test]
fn a_ledger_is_there_again_and_a_clean_end_leaves_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let ledger = Ledger::open(&path, &POWER).unwrap();
    assert!(names(dir.path()).contains(&"list.piton.flight".to_owned()));
    put(&ledger, (0..3).map(done));
    drop(ledger.begin(key(3), 1, NOW).unwrap());
    ledger.close().unwrap();
    assert_eq!(names(dir.path()), ["list.piton.db"]);

    let ledger = Ledger::open(&path, &How { create: false, ..PROCESS }).unwrap();
    assert_eq!(ledger.recovered(), Default::default());
    let mut reader = ledger.reader().unwrap();
    let known = reader.lookup(&key(2)).unwrap().unwrap();
    assert_eq!((known.state, known.attempts, known.at), (State::Done, 1, NOW + 2));
    assert_eq!((known.size, known.bytes, known.took), (Some(4098), 4098, 12));
    assert_eq!(reader.lookup(&key(3)).unwrap(), None, "was begun, and dropped in good order");
    drop((ledger, reader));
    assert_eq!(names(dir.path()), ["list.piton.db"]);
}

#[test]
fn only_one_owns_it_and_the_second_is_told_who() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let first = Ledger::open(&path, &POWER).unwrap();
    std::os::unix::fs::symlink(&path, dir.path().join("link.db")).unwrap();
    for name in ["list.piton.db", "link.db"] {
        let error = Ledger::open(&dir.path().join(name), &POWER).err().unwrap();
        let LedgerError::Locked { holder, .. } = &error else { panic!("{error}") };
        assert_eq!(*holder, Some(std::process::id()));
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }
    put(&first, [done(1)]);
    first.close().unwrap();
    Ledger::open(&path, &POWER).unwrap();
}

#[test]
fn none_is_made_unless_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let error = Ledger::open(&path, &How { create: false, ..POWER }).err().unwrap();
    assert!(matches!(error, LedgerError::Missing { .. }), "{error}");
    assert!(matches!(Reader::open(&path).err(), Some(LedgerError::Missing { .. })));
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[test]
fn the_last_handle_closes_it_and_what_was_queued_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let ledger = Ledger::open(&path, &POWER).unwrap();
    let (tell, told) = mpsc::channel();
    for n in 0..100 {
        let (tell, handle) = (tell.clone(), ledger.clone());
        // The last one holds the last handle, on the ledger's own thread.
        let done_with = move |result| drop((tell.send(result), handle));
        ledger.record(done(n), Box::new(done_with));
    }
    drop((ledger, tell));
    assert!(told.iter().all(|result| result.is_ok()));
    let ledger = loop {
        match Ledger::open(&path, &POWER) {
            Ok(ledger) => break ledger,
            // Its thread, which nobody could wait for, is about to end.
            Err(LedgerError::Locked { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(ledger.reader().unwrap().totals().unwrap().of(State::Done).items, 100);
}

#[test]
fn a_closed_ledger_says_so_to_every_caller() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
    let other = ledger.clone();
    ledger.close().unwrap();
    let told = record(&other, [done(1), done(2)]);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|told| matches!(told, Err(LedgerError::Closed { .. }))), "{told:?}");
    assert!(matches!(other.claim_name(1, &key(1)), Err(LedgerError::Closed { .. })));
    let run = Run { began: 0, list: String::new(), fingerprint: vec![], options: String::new() };
    assert!(matches!(other.begin_run(run), Err(LedgerError::Closed { .. })));
    assert!(matches!(other.close(), Err(LedgerError::Closed { .. })));
}

#[test]
fn what_is_no_ledger_of_this_version_is_said_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let newer = |path: &std::path::Path| {
        drop(Ledger::open(path, &POWER).unwrap());
        Connection::open(path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    };
    let foreign = |path: &std::path::Path| {
        Connection::open(path).unwrap().execute_batch("CREATE TABLE mine(x)").unwrap();
    };
    let other_tables = |path: &std::path::Path| {
        drop(Ledger::open(path, &POWER).unwrap());
        Connection::open(path).unwrap().execute_batch("DROP INDEX items_not_done").unwrap();
    };
    type Case<'a> = (&'a dyn Fn(&std::path::Path), fn(&LedgerError) -> bool);
    let cases: [Case<'_>; 5] = [
        (&newer, |error| matches!(error, LedgerError::NewerFormat { found: 2, .. })),
        (&foreign, |error| matches!(error, LedgerError::Foreign { .. })),
        (&other_tables, |error| matches!(error, LedgerError::Damaged { .. })),
        (&|path| fs::write(path, "").unwrap(), |e| matches!(e, LedgerError::Damaged { .. })),
        (&|path| fs::write(path, "https://a/b\n".repeat(1000)).unwrap(), |error| {
            matches!(error, LedgerError::Damaged { .. })
        }),
    ];
    for (number, (make, expected)) in cases.into_iter().enumerate() {
        make(&path);
        let before = fs::read(&path).unwrap();
        for error in [Ledger::open(&path, &POWER).err(), Reader::open(&path).err()] {
            let error = error.unwrap();
            assert!(expected(&error), "case {number}: {error}");
        }
        assert_eq!(fs::read(&path).unwrap(), before, "case {number}");
        assert_eq!(names(dir.path()), ["list.piton.db"], "case {number}");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_leftover_of_a_killed_creation_is_no_hindrance() {
    let dir = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let leftover = dir.path().join(format!("list.piton.db.tmp{suffix}"));
        fs::write(leftover, "rubbish").unwrap();
    }
    Ledger::open(&path_in(dir.path()), &POWER).unwrap().close().unwrap();
    assert_eq!(names(dir.path()), ["list.piton.db"]);
}

#[test]
fn a_ledger_that_is_given_up_is_gone_unless_a_process_is_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let ledger = Ledger::open(&path, &POWER).unwrap();
    put(&ledger, [done(1)]);
    let error = Ledger::remove(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Locked { .. }), "{error}");
    ledger.close().unwrap();
    assert!(Ledger::remove(&path).unwrap().contains(&path.canonicalize().unwrap_or(path.clone())));
    assert_eq!(names(dir.path()), Vec::<String>::new());
    let error = Ledger::remove(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Missing { .. }), "{error}");

    // Damaged, it can still be given up; what is another program's stays.
    fs::write(&path, b"rubbish").unwrap();
    Ledger::remove(&path).unwrap();
    Connection::open(&path).unwrap().execute("CREATE TABLE t (x)", []).unwrap();
    let error = Ledger::remove(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
    assert_eq!(names(dir.path()), ["list.piton.db"]);
}

/// What SQLite calls a hot journal, which it plays back before anything else; and when it is done it removes
/// the file that the end of the journal names.
fn journal_that_names(file: &std::path::Path) -> Vec<u8> {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let name = file.as_os_str().as_encoded_bytes();
    let sum = name.iter().fold(0_u32, |sum, byte| sum + u32::from(*byte));
    let mut journal = MAGIC.to_vec();
    for word in [0_u32, 7, 1, 512, 4096] {
        journal.extend(word.to_be_bytes());
    }
    journal.resize(512, 0);
    journal.extend((0x4000_0000_u32 / 4096 + 1).to_be_bytes());
    journal.extend(name);
    journal.extend((name.len() as u32).to_be_bytes());
    journal.extend(sum.to_be_bytes());
    journal.extend(MAGIC);
    journal
}

#[test]
fn a_journal_of_sqlite_beside_a_ledger_is_never_played_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let journal = dir.path().join("list.piton.db-journal");
    // SQLite takes files for its own that are named so and name the journal.
    let precious = dir.path().join("precious-mj0000009ab");
    fs::write(&precious, [journal.as_os_str().as_encoded_bytes(), &[0]].concat()).unwrap();
    let ledger = Ledger::open(&path, &POWER).unwrap();
    put(&ledger, (0..100).map(done));
    ledger.close().unwrap();
    let before = fs::read(&path).unwrap();
    fs::write(&journal, journal_that_names(&precious)).unwrap();
    type Call = fn(&std::path::Path) -> Option<LedgerError>;
    let calls: [Call; 3] = [
        |path| Reader::open(path).err(),
        |path| Ledger::open(path, &POWER).err(),
        |path| Ledger::remove(path).err(),
    ];
    for call in calls {
        let error = call(&path);
        assert!(precious.exists(), "SQLite removed what the journal names");
        assert!(matches!(error, Some(LedgerError::StrayJournal { .. })), "{error:?}");
        assert!(journal.exists() && fs::read(&path).unwrap() == before);
    }
    assert_eq!(names(dir.path()).len(), 3);

    // Nor is it where a ledger is to be made.
    fs::remove_file(&path).unwrap();
    let error = Ledger::open(&path, &POWER).err().unwrap();
    assert!(matches!(error, LedgerError::StrayJournal { .. }), "{error}");
    fs::rename(&journal, dir.path().join("list.piton.db.tmp-journal")).unwrap();
    Ledger::open(&path, &POWER).unwrap().close().unwrap();
    assert_eq!(names(dir.path()), ["list.piton.db", "precious-mj0000009ab"]);
}

#[test]
fn a_ledger_that_would_make_journals_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    drop(Ledger::open(&path, &POWER).unwrap());
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(conn);
    for error in [Reader::open(&path).err(), Ledger::open(&path, &POWER).err()] {
        let error = error.unwrap();
        assert!(error.to_string().contains("its journal is in mode"), "{error}");
    }
}

/// The name of a ledger that is being made is known to everybody.
#[test]
fn what_is_planted_under_the_temporary_name_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let temporary = dir.path().join("list.piton.db.tmp");
    let precious = dir.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let planted = dir.path().join(format!("list.piton.db.tmp{suffix}"));
        std::os::unix::fs::symlink(&precious, &planted).unwrap();
        let error = Ledger::open(&path, &POWER).err().unwrap();
        assert!(matches!(&error, LedgerError::NotOurs { path, .. } if *path == planted), "{error}");
        fs::remove_file(&planted).unwrap();
        fs::create_dir(&planted).unwrap();
        let error = Ledger::open(&path, &POWER).err().unwrap();
        assert!(matches!(error, LedgerError::NotOurs { .. }), "{error}");
        fs::remove_dir(&planted).unwrap();
    }
    // Another name of a file of ours is ours to remove: the file keeps the other one.
    fs::hard_link(&precious, &temporary).unwrap();
    Ledger::open(&path, &POWER).unwrap().close().unwrap();
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    assert_eq!(names(dir.path()), ["list.piton.db", "precious"]);
}
