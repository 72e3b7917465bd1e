//! Results that are so large that each is committed alone: a crash comes between the spooled ones.

use std::sync::Arc;
use std::time::Duration;

use piton_durable::fs::Fs;
use piton_records::Error;
use piton_records::parallel::Parallel;
use piton_testkit::disk::{Crash, Failure, Fault, SimDisk, When};

use super::{Calls, run, workers};
use crate::harness::{OUT, disk, fs};

/// From this on a result goes into the output with a commit of its own.
const LARGE: usize = 1 << 20;
const COUNT: u32 = 4;

fn result(record: &[u8]) -> Vec<u8> {
    record.repeat(LARGE / record.len() + 1)
}

/// Kills a run, whose first piece is the slowest, at each operation, and continues. How many executions that took at most.
fn most_executions(how: &Parallel, broken: &dyn Fn(SimDisk) -> Arc<dyn Fs>) -> Result<u32, String> {
    let input = b"first\nsecond\nthird\nfourth\n";
    let whole: Vec<u8> = input.split(|byte| *byte == b'\n').take(4).flat_map(result).collect();
    let mut most = 0;
    // Before that there is no output.
    for at in 20.. {
        let (disk, calls) = (disk(at, input), Calls::default());
        let map = |record: &[u8]| {
            if record == b"first" && calls.of(b"first") == 0 {
                calls.wait(COUNT - 1, Duration::from_millis(100));
            }
            calls.add(record);
            Ok(result(record))
        };
        disk.inject(Fault { at, failure: Failure::Crash(Crash::Kill, When::Half) });
        let ended = run(broken(disk.clone()), how, map).map_err(|error: Error| error.to_string());
        if ended.is_ok() {
            break;
        }
        disk.crash(Crash::Kill);
        disk.restart();
        run(fs(&disk), how, map).map_err(|error| format!("at {at}: {error}"))?;
        if disk.bytes(OUT).unwrap_or_default() != whole {
            let len = disk.bytes(OUT).unwrap_or_default().len();
            return Err(format!("at {at}: {len} bytes instead of {}", whole.len()));
        }
        most = most.max(calls.total());
    }
    Ok(most)
}

#[test]
fn a_kill_between_two_spooled_results_loses_neither() {
    let most = most_executions(&workers(2).commit_each(true), &|disk| Arc::new(disk)).unwrap();
    // Two workers, and one piece whose result is on its way.
    assert!(most <= COUNT + 3, "{most} executions");
}
