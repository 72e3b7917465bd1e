//! Power cuts on real file systems: acknowledged outcomes survive.
//!
//! `PITON_POWER_STATES` says how many crash states are tried: half of it on ext4, a fifth of that on
//! xfs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use piton_checkpoint::ledger::{Claim, Durability, How, Ledger, State};
use piton_testkit::power::{BlockLog, Finding, FsKind, Unavailable, wanted_states};
use piton_testkit::seed::seed;

use crate::book::{POWER, done, key, path_in, put};

const SIZE: u64 = 64 << 20;
const GROUP: u64 = 3;
const GROUPS: u64 = 100;

#[test]
fn block_log_ext4() {
    survives(FsKind::Ext4, wanted_states() / 2);
}

#[test]
fn block_log_xfs() {
    survives(FsKind::Xfs, wanted_states() / 10);
}

fn survives(kind: FsKind, states: usize) {
    match findings(kind, Durability::Power, states) {
        Ok(findings) => assert!(findings.is_empty(), "PITON_TEST_SEED={}: {findings:#?}", seed()),
        Err(reason) => piton_testkit::skip(reason),
    }
}

/// The harness sees what is lost; if it did not, its silence would prove nothing.
#[test]
fn block_log_catches_a_ledger_that_is_not_synced() {
    match findings(FsKind::Ext4, Durability::Process, wanted_states() / 5) {
        Ok(findings) => {
            assert!(!findings.is_empty(), "PITON_TEST_SEED={}", seed());
            // Lost, and no worse: whole.
            let lost = |finding: &&Finding| !format!("{finding:?}").contains("is gone");
            assert_eq!(findings.iter().find(lost).map(|it| format!("{it:?}")), None);
        }
        Err(reason) => piton_testkit::skip(reason),
    }
}

fn findings(
    kind: FsKind,
    durability: Durability,
    states: usize,
) -> Result<Vec<Finding>, Unavailable> {
    let log = BlockLog::create(kind, SIZE)?;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stamp = Arc::clone(&acknowledged);
    let dir = log.path();
    log.record(move || stamp.load(Ordering::SeqCst)).unwrap();
    let ledger = Ledger::open(&path_in(&dir), &How { durability, ..POWER }).unwrap();
    for group in 0..GROUPS {
        let items = group * GROUP..(group + 1) * GROUP;
        for n in items.clone() {
            assert_eq!(ledger.claim_name(n, &key(n)).unwrap(), Claim::Claimed);
        }
        put(&ledger, items.map(done));
        acknowledged.fetch_add(GROUP, Ordering::SeqCst);
    }
    ledger.close().unwrap();
    let mut recording = log.finish().unwrap();
    let states = recording.states(seed(), states);
    Ok(recording.check(&states, check).unwrap())
}

fn check(dir: &Path, acknowledged: u64) -> Result<(), String> {
    let said = |error: piton_checkpoint::ledger::LedgerError| error.to_string();
    let ledger = match Ledger::open(&path_in(dir), &How { create: acknowledged == 0, ..POWER }) {
        Err(piton_checkpoint::ledger::LedgerError::Missing { .. }) => {
            return Err("the ledger is gone".to_owned());
        }
        opened => opened.map_err(said)?,
    };
    let mut reader = ledger.reader().map_err(said)?;
    for n in 0..acknowledged {
        match reader.lookup(&key(n)).map_err(said)? {
            Some(known) if known.state == State::Done => {}
            found => return Err(format!("{found:?}: item {n} of {acknowledged} is gone")),
        }
        if ledger.claim_name(n, &key(1 << 40)).map_err(said)? != Claim::TakenBy(key(n)) {
            return Err(format!("the name of item {n} of {acknowledged} is gone"));
        }
    }
    let total = reader.totals().map_err(said)?.all().items;
    let mut rows = 0;
    for n in 0..acknowledged + GROUP {
        rows += u64::from(reader.lookup(&key(n)).map_err(said)?.is_some());
    }
    if total != rows {
        return Err(format!("{rows} items, and {total} are counted"));
    }
    drop(reader);
    // And it goes on.
    put(&ledger, [done(1 << 30)]);
    ledger.close().map_err(said)
}
