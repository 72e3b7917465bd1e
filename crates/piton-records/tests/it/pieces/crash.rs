//! Pieces on a disk that crashes at every operation.

use std::sync::Arc;
use std::time::Duration;

use piton_durable::fs::Fs;
use piton_records::parallel::{Failed, Order, Parallel};
use piton_testkit::disk::{Crash, Failure, Fault, SimDisk, When};

use super::failures::{letters, picky, run_with_letters, without_failed};
use super::{Calls, bytes, records, sorted, workers};
use crate::harness::{OUT, disk, fs, lines};
use crate::tampered::{Rule, Tampered};

const COUNT: usize = 16;

/// What is to hold: runs at once at most, and what the output is compared by.
#[derive(Clone, Copy)]
struct Wanted {
    order: Order,
    /// Executions that a kill may cost.
    again: u32,
}

/// Crashes at every operation, three times in a row with another number of workers, then runs to the end.
fn everywhere(
    how: &dyn Fn(usize) -> Parallel,
    wanted: Wanted,
    break_it: &dyn Fn(SimDisk) -> Arc<dyn Fs>,
) -> Result<u64, String> {
    let input = lines(COUNT);
    let untouched = disk(1, &input);
    run_with_letters(&untouched, fs(&untouched), &how(2), picky).unwrap();
    let (operations, mut cases) = (untouched.operations(), 0);
    let whole = without_failed(&input);
    for crash in [Crash::Kill, Crash::Power] {
        for at in 1..=operations {
            for when in [When::Before, When::Half, When::After] {
                let (disk, calls) = (disk(at, &input), Calls::default());
                // The second piece is slow: those behind it are finished first.
                let map = |record: &[u8]| -> Result<Vec<u8>, Failed> {
                    if record.starts_with(b"1-") && calls.of(record) == 0 {
                        let total = calls.total();
                        calls.wait(total + 3, Duration::from_millis(3));
                    }
                    calls.add(record);
                    picky(record)
                };
                let mut kills = 0;
                for turn in 0..3_u64 {
                    disk.inject(Fault { at: at + turn * 7, failure: Failure::Crash(crash, when) });
                    let turn = usize::try_from(turn).unwrap();
                    let ended =
                        run_with_letters(&disk, break_it(disk.clone()), &how(1 + turn), map);
                    kills += u32::from(ended.is_err());
                    disk.crash(crash);
                    disk.restart();
                }
                let what = format!("{crash:?} {when:?} at {at}");
                run_with_letters(&disk, break_it(disk.clone()), &how(3), map)
                    .map_err(|error| format!("{what}: {error}"))?;
                disk.crash(Crash::Power);
                disk.restart();
                let out = disk.bytes(OUT).unwrap_or_default();
                let right = match wanted.order {
                    Order::Source => out == whole,
                    Order::Any => sorted(&out) == sorted(&whole),
                };
                if !right {
                    return Err(format!("{what}: {}", String::from_utf8_lossy(&out)));
                }
                let mut failed: Vec<u64> = letters(&disk).iter().map(|it| it.line).collect();
                failed.sort_unstable();
                if failed != [4, 14] {
                    return Err(format!("{what}: dead letters {failed:?}"));
                }
                let most = COUNT as u32 + kills * wanted.again;
                if crash == Crash::Kill && calls.total() > most {
                    return Err(format!("{what}: {} calls, {kills} kills", calls.total()));
                }
                cases += 1;
            }
        }
    }
    Ok(cases)
}

fn whole(disk: SimDisk) -> Arc<dyn Fs> {
    Arc::new(disk)
}

/// Pieces in the hands of at most three workers, and one that waits for them.
const AGAIN: u32 = 4;

#[test]
fn at_every_operation_in_order() {
    let how = |count| workers(count).commit_each(true);
    let wanted = Wanted { order: Order::Source, again: AGAIN };
    let cases = everywhere(&how, wanted, &whole).unwrap();
    assert!(cases > 300, "{cases}");
}

#[test]
fn at_every_operation_in_order_with_larger_pieces() {
    let how = |count| workers(count).size(bytes(30)).commit_each(true);
    let wanted = Wanted { order: Order::Source, again: AGAIN * 5 };
    everywhere(&how, wanted, &whole).unwrap();
}

#[test]
fn at_every_operation_in_any_order() {
    let how = |count| workers(count).size(records(2)).order(Order::Any).commit_each(true);
    let wanted = Wanted { order: Order::Any, again: AGAIN * 2 };
    everywhere(&how, wanted, &whole).unwrap();
}

#[test]
fn an_output_that_is_not_cut_back_is_caught() {
    let how = |count| workers(count).commit_each(true);
    let wanted = Wanted { order: Order::Source, again: AGAIN };
    let caught = everywhere(&how, wanted, &|disk| Tampered::new(disk, Rule::NoCut));
    assert!(caught.is_err());
}
