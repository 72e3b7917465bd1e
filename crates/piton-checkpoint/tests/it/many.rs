//! Many items at once, most of them new.

use std::sync::mpsc::{Receiver, channel};

use piton_checkpoint::ledger::{Claim, Found, Ledger, LedgerError, State};

use crate::book::{NOW, POWER, PROCESS, as_if_killed, failed, key, path_in, put};

fn found(n: u64) -> Found {
    Found { key: key(n), size: Some(n), path: None }
}

/// Records them; the answer comes later.
fn record<F>(ledger: &Ledger, found: F) -> Receiver<Result<(), LedgerError>>
where
    F: IntoIterator<Item = Found, IntoIter: Send + 'static>,
{
    let (tell, told) = channel();
    ledger.record_found(found, NOW, Box::new(move |result| drop(tell.send(result))));
    told
}

fn owner(ledger: &Ledger, n: u64) -> Claim {
    ledger.claim_name(hash(n), &key(1 << 40)).unwrap()
}

/// As spread as real ones.
fn hash(n: u64) -> u64 {
    u64::from_be_bytes(*key(n).first_chunk().unwrap())
}

#[test]
fn what_is_known_is_known_as_well_when_many_are_expected() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &PROCESS).unwrap();
    let claim = |n| assert_eq!(ledger.claim_name(hash(n), &key(n)).unwrap(), Claim::Claimed);
    put(&ledger, (0..500).map(|n| failed(n, State::Fatal, "404")));
    (0..500).for_each(claim);
    put(&ledger, [failed(500, State::Fatal, "404")]);
    // Not committed yet.
    (500..1000).for_each(claim);
    ledger.expect_many().unwrap();
    (1000..2000).for_each(claim);
    // Their own names they may claim again.
    (0..2000).for_each(claim);
    record(&ledger, (250..3000).map(found)).recv().unwrap().unwrap();
    record(&ledger, (2000..3500).map(found)).recv().unwrap().unwrap();
    let all_known = |ledger: &Ledger| {
        let mut reader = ledger.reader().unwrap();
        let totals = reader.totals().unwrap();
        assert_eq!((totals.of(State::Done).items, totals.of(State::Fatal).items), (3250, 250));
        assert!((0..2000).all(|n| owner(ledger, n) == Claim::TakenBy(key(n))));
        for n in 0..3500 {
            let known = reader.lookup(&key(n)).unwrap().unwrap();
            assert_eq!(known.state == State::Done, n >= 250, "{n}");
            assert_eq!(known.attempts, u32::from(n <= 500), "{n}");
        }
        assert_eq!(reader.lookup(&key(3500)).unwrap(), None);
    };
    all_known(&ledger);
    ledger.close().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &PROCESS).unwrap();
    ledger.expect_many().unwrap();
    all_known(&ledger);
}

/// Items are asked for while the group is written: a name that is claimed for one of them by then is
/// as safe as the item.
#[test]
fn names_that_are_claimed_while_a_group_is_written_come_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &POWER).unwrap();
    ledger.expect_many().unwrap();
    let (to, items) = std::sync::mpsc::sync_channel(0);
    let told = record(&ledger, items);
    for n in 0..3 {
        assert_eq!(ledger.claim_name(hash(n), &key(n)).unwrap(), Claim::Claimed);
        // Once this has returned, the one before is written and the group is under way.
        to.send(found(n)).unwrap();
    }
    assert!(told.try_recv().is_err());
    assert_eq!(ledger.reader().unwrap().totals().unwrap().all().items, 0);
    drop(to);
    told.recv().unwrap().unwrap();

    let copy = as_if_killed(dir.path());
    let copied = Ledger::open(&path_in(copy.path()), &POWER).unwrap();
    assert_eq!(copied.reader().unwrap().totals().unwrap().of(State::Done).items, 3);
    assert!((0..3).all(|n| owner(&copied, n) == Claim::TakenBy(key(n))));
}
