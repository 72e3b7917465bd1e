//! What was in flight when a run was killed, and names.

use std::fs;

use piton_checkpoint::ledger::{
    Claim, Found, How, Ledger, QUARANTINE_AFTER, Reader, State, flight::in_flight,
};

use crate::book::{NOW, POWER, as_if_killed, done, failed, key, names, path_in, put};

#[test]
fn what_was_in_flight_is_interrupted_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let ledger = Ledger::open(&path, &POWER).unwrap();
    put(&ledger, [failed(2, State::Transient, "timeout")]);
    let _first = ledger.begin(key(1), 1, NOW).unwrap();
    let _again = ledger.begin(key(2), 2, NOW + 5).unwrap();
    // Came to its end, but the process died before it could say that it is no longer in flight.
    let _ended = ledger.begin(key(3), 1, NOW).unwrap();
    put(&ledger, [done(3)]);
    drop(ledger.begin(key(4), 1, NOW).unwrap());
    let seen = in_flight(&path).unwrap();
    let seen: Vec<_> = seen.iter().map(|entry| (entry.key, entry.attempt, entry.since)).collect();
    assert_eq!(seen, [(key(1), 1, NOW), (key(2), 2, NOW + 5), (key(3), 1, NOW)]);

    let copy = as_if_killed(dir.path());
    let path = path_in(copy.path());
    let ledger = Ledger::open(&path, &How { now: NOW + 99, ..POWER }).unwrap();
    let recovered = ledger.recovered();
    assert_eq!((recovered.interrupted, recovered.quarantined), (2, 0));
    let mut reader = ledger.reader().unwrap();
    let mut stands = |n| {
        let known = reader.lookup(&key(n)).unwrap()?;
        Some((known.state, known.attempts, known.interruptions, known.class))
    };
    assert_eq!(stands(1), Some((State::Interrupted, 1, 1, None)));
    assert_eq!(stands(2), Some((State::Interrupted, 2, 1, None)));
    assert_eq!(stands(3), Some((State::Done, 1, 0, None)));
    assert_eq!(stands(4), None);
    assert_eq!(reader.lookup(&key(1)).unwrap().unwrap().at, NOW + 99);
    let totals = reader.totals().unwrap();
    assert_eq!((totals.of(State::Interrupted).items, totals.of(State::Transient).items), (2, 0));

    // Read once only.
    let again = as_if_killed(copy.path());
    let ledger = Ledger::open(&path_in(again.path()), &POWER).unwrap();
    assert_eq!(ledger.recovered(), Default::default());
}

#[test]
fn an_item_that_kills_its_process_again_and_again_is_quarantined() {
    let mut dir = tempfile::tempdir().unwrap();
    for death in 1..=QUARANTINE_AFTER {
        let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
        let _flight = ledger.begin(key(1), death, NOW).unwrap();
        let next = as_if_killed(dir.path());
        drop(ledger);
        dir = next;
        let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
        let known = ledger.reader().unwrap().lookup(&key(1)).unwrap().unwrap();
        let last = death == QUARANTINE_AFTER;
        let state = if last { State::Quarantined } else { State::Interrupted };
        assert_eq!((known.state, known.interruptions), (state, death));
        let recovered = ledger.recovered();
        assert_eq!(
            (recovered.interrupted, recovered.quarantined),
            match last {
                true => (0, 1),
                false => (1, 0),
            }
        );
    }
    // Somebody asked for it by name, and it came to an end.
    let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
    let outcome = failed(1, State::Fatal, "404");
    put(&ledger, [piton_checkpoint::ledger::Outcome { attempts: 6, ..outcome }]);
    let known = ledger.reader().unwrap().lookup(&key(1)).unwrap().unwrap();
    assert_eq!((known.state, known.interruptions), (State::Fatal, 0));
}

/// What was survived in this try, or a try before it in the run that died, shows that it was not the item.
#[test]
fn an_item_that_does_not_kill_is_not_quarantined() {
    for harmless in [true, false] {
        let mut dir = tempfile::tempdir().unwrap();
        let mut attempt = 1;
        for _ in 0..2 * QUARANTINE_AFTER {
            let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
            let flight = ledger.begin(key(1), attempt, NOW).unwrap();
            let flight = if harmless {
                flight.mark_harmless();
                flight
            } else {
                drop(flight);
                attempt += 1;
                ledger.begin(key(1), attempt, NOW).unwrap()
            };
            let next = as_if_killed(dir.path());
            drop((flight, ledger));
            dir = next;
            attempt += 1;
        }
        let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
        let known = ledger.reader().unwrap().lookup(&key(1)).unwrap().unwrap();
        assert_eq!(known.state, State::Interrupted, "harmless: {harmless}");
    }
}

#[test]
fn a_recorder_of_another_ledger_or_of_nonsense_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let ledger = Ledger::open(&path, &POWER).unwrap();
    let _flight = ledger.begin(key(1), 1, NOW).unwrap();
    let copy = as_if_killed(dir.path());
    drop(ledger);
    let flight = fs::read(copy.path().join("list.piton.flight")).unwrap();
    for (number, bytes) in [flight[..40].to_vec(), b"rubbish".repeat(100), vec![0; 96]]
        .into_iter()
        .chain([flight])
        .enumerate()
    {
        let other = tempfile::tempdir().unwrap();
        let path = path_in(other.path());
        Ledger::open(&path, &POWER).unwrap().close().unwrap();
        fs::write(other.path().join("list.piton.flight"), bytes).unwrap();
        let ledger = Ledger::open(&path, &POWER).unwrap();
        assert_eq!(ledger.recovered(), Default::default(), "case {number}");
        ledger.close().unwrap();
        assert_eq!(names(other.path()), ["list.piton.db"]);
    }
}

#[test]
fn more_in_flight_than_there_are_slots_for() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
    let flights: Vec<_> = (0..65_600).map(|n| ledger.begin(key(n), 1, NOW).unwrap()).collect();
    assert_eq!(in_flight(ledger.path()).unwrap().len(), 65_536);
    drop(flights);
    assert_eq!(in_flight(ledger.path()).unwrap(), []);
}

#[test]
fn names_stay_with_their_items() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
    assert_eq!(ledger.claim_name(u64::MAX, &key(1)).unwrap(), Claim::Claimed);
    assert_eq!(ledger.claim_name(u64::MAX, &key(1)).unwrap(), Claim::Claimed);
    assert_eq!(ledger.claim_name(u64::MAX, &key(2)).unwrap(), Claim::TakenBy(key(1)));
    put(&ledger, [done(1)]);
    assert_eq!(ledger.claim_name(u64::MAX, &key(2)).unwrap(), Claim::TakenBy(key(1)));

    // An acknowledged outcome has the names of before it with it.
    let copy = as_if_killed(dir.path());
    drop(ledger);
    let ledger = Ledger::open(&path_in(copy.path()), &POWER).unwrap();
    assert_eq!(ledger.claim_name(u64::MAX, &key(2)).unwrap(), Claim::TakenBy(key(1)));
    // So have those that were waited for, without an outcome.
    assert_eq!(ledger.claim_name(6, &key(6)).unwrap(), Claim::Claimed);
    ledger.commit_names().unwrap();
    let copy = as_if_killed(copy.path());
    drop(ledger);
    let ledger = Ledger::open(&path_in(copy.path()), &POWER).unwrap();
    assert_eq!(ledger.claim_name(6, &key(2)).unwrap(), Claim::TakenBy(key(6)));
    ledger.commit_names().unwrap();
    // And a clean end those without one.
    assert_eq!(ledger.claim_name(7, &key(3)).unwrap(), Claim::Claimed);
    for n in 100..5_000 {
        assert_eq!(ledger.claim_name(n, &key(n)).unwrap(), Claim::Claimed);
    }
    ledger.close().unwrap();
    let ledger = Ledger::open(&path_in(copy.path()), &POWER).unwrap();
    assert_eq!(ledger.claim_name(7, &key(4)).unwrap(), Claim::TakenBy(key(3)));
    assert_eq!(ledger.claim_name(4_999, &key(4)).unwrap(), Claim::TakenBy(key(4_999)));
}

#[test]
fn what_is_found_is_done_once_it_is_acknowledged_and_counts_as_no_try() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
    put(&ledger, [failed(1, State::Fatal, "404"), done(2)]);
    let before = ledger.reader().unwrap().rate(NOW, 10).unwrap();
    assert_eq!(ledger.claim_name(9, &key(4)).unwrap(), Claim::Claimed);
    let found =
        |n, size, path: Option<&str>| Found { key: key(n), size, path: path.map(Into::into) };
    let group = vec![found(1, Some(7), None), found(3, None, None), found(4, Some(5), Some("x.1"))];
    let (tell, told) = std::sync::mpsc::channel();
    ledger.record_found(group, NOW + 5, Box::new(move |result| tell.send(result).unwrap()));
    told.recv().unwrap().unwrap();

    let copy = as_if_killed(dir.path());
    drop(ledger);
    let ledger = Ledger::open(&path_in(copy.path()), &POWER).unwrap();
    let mut reader = ledger.reader().unwrap();
    for (n, attempts, size, path) in
        [(1, 1, Some(7), None), (3, 0, None, None), (4, 0, Some(5), Some("x.1".to_owned()))]
    {
        let known = reader.lookup(&key(n)).unwrap().unwrap();
        assert_eq!((known.state, known.at, known.class), (State::Done, NOW + 5, None), "{n}");
        assert_eq!((known.attempts, known.size, known.path), (attempts, size, path), "{n}");
    }
    let totals = reader.totals().unwrap();
    assert_eq!((totals.of(State::Done).items, totals.all().items), (4, 4));
    assert_eq!(reader.rate(NOW, 10).unwrap(), before, "nothing was tried");
    assert_eq!(ledger.claim_name(9, &key(5)).unwrap(), Claim::TakenBy(key(4)));
}

#[test]
fn a_reader_leaves_what_a_killed_owner_left() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
    put(&ledger, (0..10).map(done));
    let copy = as_if_killed(dir.path());
    let wal = copy.path().join("list.piton.db-wal");
    let (before, db) = (fs::read(&wal).unwrap(), fs::read(path_in(copy.path())).unwrap());
    let mut reader = Reader::open(&path_in(copy.path())).unwrap();
    assert_eq!(reader.lookup(&key(9)).unwrap().unwrap().state, State::Done);
    drop(reader);
    assert_eq!(fs::read(&wal).unwrap(), before);
    assert_eq!(fs::read(path_in(copy.path())).unwrap(), db);
    let ledger = Ledger::open(&path_in(copy.path()), &POWER).unwrap();
    assert_eq!(ledger.reader().unwrap().totals().unwrap().all().items, 10);
}
