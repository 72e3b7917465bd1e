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
