//! Asking a ledger.

use std::ops::ControlFlow;

use piton_checkpoint::ledger::{Failures, Ledger, Outcome, Reader, Run, State};

use crate::book::{NOW, PROCESS, done, failed, key, names, path_in, put};

const MANY: u64 = 8_000;

/// In list order, a little shuffled, backwards, and at random: the answers are the same.
#[test]
fn every_order_of_asking_gives_the_same_answers() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &PROCESS).unwrap();
    put(&ledger, (0..MANY).map(done));
    let shuffled = (0..MANY).map(|n| n ^ 0x2b).filter(|n| *n < MANY);
    let orders: [Vec<u64>; 6] = [
        (0..MANY + 50).collect(),
        (5_000..MANY).chain(0..5_000).collect(),
        shuffled.collect(),
        (0..MANY).rev().collect(),
        (0..MANY).map(|n| (n * 7_919) % MANY).collect(),
        (0..MANY).flat_map(|n| [n, MANY + n, n]).collect(),
    ];
    for (number, order) in orders.into_iter().enumerate() {
        let mut reader = ledger.reader().unwrap();
        for n in order {
            let found = reader.lookup(&key(n)).unwrap().map(|known| (known.key, known.size));
            let there = (n < MANY).then(|| (key(n), Some(4096 + n)));
            assert_eq!(found, there, "order {number}, item {n}");
        }
    }
}

#[test]
fn a_reader_sees_what_is_committed_while_the_owner_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let ledger = Ledger::open(&path, &PROCESS).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    for n in 0..5_000 {
        if n % 100 == 0 {
            put(&ledger, (n..n + 100).map(done));
            assert_eq!(reader.totals().unwrap().all().items, n + 100);
        }
        assert_eq!(reader.lookup(&key(n)).unwrap().unwrap().size, Some(4096 + n));
    }
    ledger.close().unwrap();
    assert_eq!(reader.totals().unwrap().of(State::Done).items, 5_000);
    drop(reader);
    assert_eq!(names(dir.path()), ["list.piton.db"], "whoever is last tidies up");
    drop(Reader::open(&path).unwrap());
    assert_eq!(names(dir.path()), ["list.piton.db"], "and leaves nothing of its own");
}

#[test]
fn failures_are_listed_by_state_and_class() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &PROCESS).unwrap();
    put(
        &ledger,
        (0..5_000).map(|n| match n % 4 {
            0 => failed(n, State::Transient, "timeout"),
            1 => failed(n, State::Fatal, "404"),
            _ => done(n),
        }),
    );
    put(&ledger, [done(0), Outcome { class: None, ..failed(2, State::Fatal, "404") }]);
    let mut reader = ledger.reader().unwrap();
    let mut list = |states: &[State], classes: &[&str], most: usize| {
        let classes = classes.iter().map(|class| class.parse().unwrap()).collect();
        let mut found = Vec::new();
        let filter = Failures { states: states.to_vec(), classes };
        let each = |known| {
            found.push(known);
            if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        reader.failures(&filter, each).unwrap();
        found
    };
    let all = list(&[], &[], usize::MAX);
    assert_eq!(all.len(), 1249 + 1250 + 1);
    assert!(all.iter().all(|known| known.state != State::Done));
    let timeouts = list(&[], &["timeout"], usize::MAX);
    let keys: Vec<_> = timeouts.iter().map(|known| known.key).collect();
    assert_eq!(keys, (4..5_000).step_by(4).map(key).collect::<Vec<_>>(), "in order of the list");
    assert_eq!(timeouts[0].detail.as_deref(), Some("item 4 says timeout"));
    assert_eq!(timeouts[0].class.as_ref().unwrap().as_str(), "timeout");
    assert_eq!(list(&[State::Fatal], &[], usize::MAX).len(), 1251);
    assert_eq!(list(&[State::Fatal], &["timeout"], usize::MAX).len(), 0);
    assert_eq!(list(&[State::Done], &[], usize::MAX).len(), 0);
    assert_eq!(list(&[], &["dns", "404"], usize::MAX).len(), 1250);
    assert_eq!(list(&[], &[], 3).len(), 3);

    let classes = reader.by_class().unwrap();
    let classes: Vec<_> = classes
        .iter()
        .map(|total| (total.state, total.class.as_ref().map(|c| c.as_str()), total.count.items))
        .collect();
    assert_eq!(
        classes,
        [
            (State::Done, None, 2500),
            (State::Fatal, Some("404"), 1250),
            (State::Transient, Some("timeout"), 1249),
            (State::Fatal, None, 1),
        ]
    );
}

#[test]
fn the_worst_hosts_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &PROCESS).unwrap();
    let at = |n: u64, host: &str, outcome: Outcome| Outcome {
        key: key(n),
        host: Some(host.to_owned()),
        ..outcome
    };
    put(&ledger, (0..30).map(|n| at(n, "good.example", done(n))));
    put(&ledger, (30..40).map(|n| at(n, "bad.example", failed(n, State::Fatal, "404"))));
    put(&ledger, (40..60).map(|n| at(n, "worse.example", failed(n, State::Transient, "5xx"))));
    put(&ledger, [at(40, "good.example", done(40))]);
    let hosts = ledger.reader().unwrap().worst_hosts(10).unwrap();
    let hosts: Vec<_> =
        hosts.iter().map(|it| (it.host.as_str(), it.done, it.failed, it.bytes, it.took)).collect();
    assert_eq!(
        hosts,
        [("worse.example", 0, 19, 19 * 17, 19 * 12), ("bad.example", 0, 10, 170, 120)]
    );
    assert_eq!(ledger.reader().unwrap().worst_hosts(1).unwrap().len(), 1);
}

#[test]
fn the_rate_is_that_of_the_last_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &PROCESS).unwrap();
    let minute = 60_000;
    let start = NOW / minute * minute;
    for n in 0..200 {
        put(&ledger, [Outcome { at: start + n * minute, ..done(n) }]);
    }
    put(&ledger, [Outcome { at: start + 199 * minute, ..failed(1, State::Fatal, "404") }]);
    let reader = ledger.reader().unwrap();
    let now = start + 199 * minute + 30_000;
    let rate = reader.rate(now, 1).unwrap();
    assert_eq!((rate.done, rate.failed, rate.over), (1, 1, 30_000));
    let rate = reader.rate(now, 5).unwrap();
    assert_eq!((rate.done, rate.failed, rate.over), (5, 1, 4 * minute + 30_000));
    assert_eq!(rate.bytes, (195..200).map(|n| 4096 + n).sum::<u64>() + 17);
    assert_eq!(reader.rate(now, 9_999).unwrap().done, 60);
    assert_eq!(reader.rate(start, 60).unwrap().done, 0, "older minutes are gone");
    assert_eq!(reader.rate(0, 60).unwrap().done, 0);
}

#[test]
fn runs_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let run = |began| Run {
        began,
        list: "list.txt".to_owned(),
        fingerprint: vec![1, 2, 3],
        options: "-j 16".to_owned(),
    };
    let ledger = Ledger::open(&path, &PROCESS).unwrap();
    let first = ledger.begin_run(run(1)).unwrap();
    ledger.end_run(first, 5).unwrap();
    ledger.close().unwrap();
    let ledger = Ledger::open(&path, &PROCESS).unwrap();
    ledger.begin_run(run(7)).unwrap();
    let runs = ledger.reader().unwrap().runs(10).unwrap();
    let runs: Vec<_> = runs.iter().map(|past| (past.run.clone(), past.ended)).collect();
    assert_eq!(runs, [(run(7), None), (run(1), Some(5))]);
}
