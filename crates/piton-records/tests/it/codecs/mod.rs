//! Compressed sources: their records are those of the plain file, and a resume continues inside.

mod changes;
mod damage;
mod forms;
mod pieces;
mod resumes;

use std::sync::Arc;

use piton_durable::fs::Fs;
use piton_records::{Builder, Checkpoints, Error, Framing, Job};
use piton_testkit::disk::SimDisk;

use crate::harness::{OUT, SOURCE, disk, each, fs, result};

pub(crate) use forms::{Form, available, few, forms};

/// A job on this disk.
fn builder(disk: &SimDisk) -> Builder {
    let fs: Arc<dyn Fs> = fs(disk);
    Job::builder("/job").file_system(fs).checkpoints(Checkpoints::AtEnd)
}

/// All of it; the number of bytes that were decoded again.
fn run(builder: Builder, framing: Framing) -> Result<u64, Error> {
    let mut job = builder.open()?;
    let mut out = job.output(OUT)?;
    let records = job.records(SOURCE, framing)?;
    let replays = records.replays();
    each(records, |record| out.write(record, result(record)))?;
    job.finish()?;
    Ok(replays)
}

/// Until record `stop` was handed out, which stays undone. Returns what was decoded again, and the offset of that
/// record.
fn run_to(builder: Builder, framing: Framing, stop: u64) -> Result<(u64, u64), Error> {
    let mut job = builder.open()?;
    let mut out = job.output(OUT)?;
    let records = job.records(SOURCE, framing)?;
    let replays = records.replays();
    for record in records {
        let record = record?;
        out.write(&record, result(&record))?;
        if record.line() == stop {
            return Ok((replays, record.offset()));
        }
    }
    Ok((replays, u64::MAX))
}

/// Lines like those of a log, of which parts repeat and parts do not.
pub(crate) fn text(lines: u64) -> Vec<u8> {
    let mut text = Vec::new();
    let mut state = 7_u64;
    for line in 0..lines {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(line | 1);
        let (a, b) = (state >> 33, state >> 44);
        let tail = "/a/path/that/repeats".get(..(a % 20) as usize).unwrap();
        text.extend(format!("10.0.{}.{} GET {tail} {a} {b:x}\n", a % 7, b % 250).into_bytes());
    }
    text
}

fn disk_with(form: &Form, input: &[u8]) -> SimDisk {
    disk(1, &form.made(input))
}
