//! Bytes that changed or went: an error, or an item less; never a panic, never another answer.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use piton_checkpoint::ledger::{Failures, How, Known, Ledger, LedgerError, Outcome, Reader, State};
use piton_testkit::seed::{draw, seed};

use crate::book::{PROCESS, as_if_killed, done, failed, key, path_in, put};

const ITEMS: u64 = 200;
const FLIPS: u64 = 200;

fn outcome(n: u64) -> Outcome {
    let path = n.is_multiple_of(5).then(|| format!("folder/of/{n}.bin"));
    match n % 3 {
        0 => Outcome { path, ..failed(n, State::Transient, "timeout") },
        1 => Outcome { path, ..failed(n, State::Fatal, "404") },
        _ => Outcome { path, ..done(n) },
    }
}

fn filled(dir: &Path) {
    let ledger = Ledger::open(&path_in(dir), &PROCESS).unwrap();
    for first in (0..ITEMS).step_by(50) {
        put(&ledger, (first..first + 50).map(outcome));
    }
    for n in 0..50 {
        ledger.claim_name(n, &key(n)).unwrap();
    }
    ledger.close().unwrap();
}

/// What looking at all of it says: how many items are there, or what is wrong.
fn look(mut reader: Reader) -> Result<u64, LedgerError> {
    let mut there = 0;
    for n in 0..ITEMS {
        if let Some(known) = reader.lookup(&key(n))? {
            same(&known, n);
            there += 1;
        }
    }
    for n in (0..ITEMS).rev() {
        if let Some(known) = reader.lookup(&key(n))? {
            same(&known, n);
        }
    }
    reader.failures(&Failures::default(), |known| {
        let n = (0..ITEMS).find(|n| key(*n) == known.key);
        same(&known, n.unwrap());
        ControlFlow::Continue(())
    })?;
    reader.totals()?;
    reader.worst_hosts(10)?;
    reader.rate(0, 10)?;
    reader.runs(10)?;
    Ok(there)
}

fn same(known: &Known, n: u64) {
    let it = outcome(n);
    let found = (known.state, known.attempts, known.size, known.bytes, &known.path, &known.detail);
    assert_eq!(found, (it.state, it.attempts, it.size, it.bytes, &it.path, &it.detail), "item {n}");
    // The name of the class is in another table; its number is under the checksum of the row.
    assert_eq!(known.class.is_some(), it.class.is_some(), "item {n}");
}

/// As a run would meet it. After an error the file is what it was.
fn open_and_look(bytes: &[u8], wal: Option<&[u8]>) -> Result<u64, LedgerError> {
    let dir = tempfile::tempdir().unwrap();
    let path = path_in(dir.path());
    let lay_out = || {
        fs::write(&path, bytes).unwrap();
        if let Some(wal) = wal {
            fs::write(dir.path().join("list.piton.db-wal"), wal).unwrap();
        }
    };
    lay_out();
    // A reader has only the checksums of the rows, as every ledger of some size.
    let read = Reader::open(&path).and_then(look);
    assert_eq!(fs::read(&path).unwrap(), bytes, "a reader wrote");
    lay_out();
    let ledger = match Ledger::open(&path, &How { create: true, ..PROCESS }) {
        Ok(ledger) => ledger,
        Err(error) => {
            assert_eq!(fs::read(&path).unwrap(), bytes, "was written to: {error}");
            return read.and(Err(error));
        }
    };
    let looked = ledger.reader().and_then(look);
    // Writing into it is an error or works.
    let _ = crate::book::record(&ledger, [done(1), done(ITEMS + 1)]);
    let _ = ledger.close();
    read.and(looked)
}

/// How often something was found, and the fewest items that were there when nothing was.
fn try_all(changed: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> (u64, u64) {
    let (mut found, mut fewest) = (0, ITEMS);
    for (bytes, wal) in changed {
        match open_and_look(&bytes, wal.as_deref()) {
            Ok(there) => fewest = fewest.min(there),
            Err(error) => {
                let expected = matches!(
                    error,
                    LedgerError::Damaged { .. }
                        | LedgerError::Foreign { .. }
                        | LedgerError::NewerFormat { .. }
                );
                assert!(expected, "{error:?}");
                found += 1;
            }
        }
    }
    (found, fewest)
}

#[test]
fn flipped_bits() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let bytes = fs::read(path_in(dir.path())).unwrap();
    let flips = (0..FLIPS).map(|round| {
        let mut changed = bytes.clone();
        // Half of them in the first pages, where the schema is; and some of a whole byte.
        let within = if round % 2 == 0 { bytes.len() } else { 8192 };
        let at = draw(3 * round, within as u64) as usize;
        let mask = if round % 5 == 0 { 0xff } else { 1 << draw(3 * round + 1, 8) };
        changed[at] ^= mask;
        (changed, None)
    });
    let (found, _) = try_all(flips);
    eprintln!("{found} of {FLIPS} were found, PITON_TEST_SEED={}", seed());
    assert!(found > FLIPS / 10, "{found} of {FLIPS}");
}

#[test]
fn flipped_pages() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let bytes = fs::read(path_in(dir.path())).unwrap();
    let pages = bytes.len() / 4096;
    let zeroed = (0..pages).map(|page| {
        let mut changed = bytes.clone();
        changed[page * 4096..][..4096].fill(0);
        (changed, None)
    });
    let (found, _) = try_all(zeroed);
    assert_eq!(found as usize, pages, "each of them");
    // As a write that went astray; a page of the same kind can look right, and then there are other items
    // or none, never other outcomes.
    let strayed = (1..pages).map(|page| {
        let mut changed = bytes.clone();
        changed.copy_within((page - 1) * 4096..page * 4096, page * 4096);
        (changed, None)
    });
    let (found, _) = try_all(strayed);
    assert!(found as usize > pages / 2, "{found} of {pages}");
}

#[test]
fn cut_short() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let bytes = fs::read(path_in(dir.path())).unwrap();
    let cuts = (0..bytes.len()).step_by(1_111).chain([1, 99, 100, 4095, 4096, bytes.len() - 1]);
    let count = cuts.clone().count();
    let (found, _) = try_all(cuts.map(|cut| (bytes[..cut].to_vec(), None)));
    assert_eq!(found as usize, count, "each of them");
}

/// A WAL ends where its checksums do: what a flip there takes away is as if it had never been committed,
/// and the rest is whole.
#[test]
fn a_wal_with_flipped_bits_or_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&path_in(dir.path()), &PROCESS).unwrap();
    for first in (0..ITEMS).step_by(50) {
        put(&ledger, (first..first + 50).map(outcome));
    }
    let copy = as_if_killed(dir.path());
    let bytes = fs::read(path_in(copy.path())).unwrap();
    let wal = fs::read(copy.path().join("list.piton.db-wal")).unwrap();
    assert_eq!(open_and_look(&bytes, Some(&wal)).unwrap(), ITEMS);
    let changed = (0..100).map(|round| {
        let mut changed = wal.clone();
        let at = draw(round, wal.len() as u64) as usize;
        match round % 3 {
            0 => changed.truncate(at),
            _ => changed[at] ^= 1 << (round % 8),
        }
        (bytes.clone(), Some(changed))
    });
    let (found, fewest) = try_all(changed);
    assert_eq!(found, 0);
    assert!(fewest < ITEMS, "some took nothing away");
}
