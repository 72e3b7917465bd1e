//! A job on a simulated disk, as a program would run it.

use std::path::Path;
use std::sync::Arc;

use piton_durable::fs::Fs;
use piton_records::{Builder, Checkpoints, Error, Framing, Job, Records};
use piton_testkit::disk::SimDisk;

pub(crate) const SOURCE: &str = "/in";
pub(crate) const OUT: &str = "/out";
pub(crate) const PART: &str = "/out.part";
pub(crate) const STATE: &str = "/job.piton-job";

/// What one run does.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) framing: Framing,
    pub(crate) append: bool,
    pub(crate) json: bool,
    pub(crate) commit: u64,
    pub(crate) sync: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self { framing: Framing::LINES, append: false, json: false, commit: 1, sync: 3 }
    }
}

impl Work {
    pub(crate) fn builder(&self, fs: Arc<dyn Fs>) -> Builder {
        let Self { commit, sync, .. } = *self;
        let how = Checkpoints::Records { commit, sync };
        let builder = Job::builder("/job").file_system(fs).checkpoints(how);
        if self.json { builder.json(STATE) } else { builder }
    }

    /// All of it, until something fails.
    pub(crate) fn run(&self, fs: Arc<dyn Fs>) -> Result<(), Error> {
        let mut job = self.builder(fs).open()?;
        let mut out = if self.append { job.append(OUT)? } else { job.output(OUT)? };
        let records = job.records(SOURCE, self.framing)?;
        each(records, |record| out.write(record, result(record.bytes())))?;
        job.finish()
    }

    /// As [`Work::run`], but it stops in the middle of this record, with half a result written.
    pub(crate) fn run_to(&self, fs: Arc<dyn Fs>, stop: u64) -> Result<(), Error> {
        let mut job = self.builder(fs).open()?;
        let mut out = if self.append { job.append(OUT)? } else { job.output(OUT)? };
        for record in job.records(SOURCE, self.framing)? {
            let record = record?;
            out.write(&record, result(record.bytes()))?;
            if record.line() == stop {
                return Ok(());
            }
        }
        Ok(())
    }
}

pub(crate) fn each(
    records: Records,
    mut work: impl FnMut(&piton_records::Record) -> Result<(), Error>,
) -> Result<(), Error> {
    for record in records {
        work(&record?)?;
    }
    Ok(())
}

/// A result: of another length than its record, so that offsets differ.
pub(crate) fn result(record: &[u8]) -> Vec<u8> {
    let mut result = format!("{}:", record.len()).into_bytes();
    result.extend_from_slice(record);
    result.extend_from_slice(b";\n");
    result
}

/// Lines of different lengths; the last one has no end.
pub(crate) fn lines(count: usize) -> Vec<u8> {
    let lines: Vec<String> =
        (0..count).map(|n| format!("{n}-{}", "x".repeat(n * 7 % 23))).collect();
    lines.join("\n").into_bytes()
}

/// What an uninterrupted run writes.
pub(crate) fn wanted(input: &[u8]) -> Vec<u8> {
    input.split(|byte| *byte == b'\n').flat_map(result).collect()
}

pub(crate) fn disk(seed: u64, input: &[u8]) -> SimDisk {
    let disk = SimDisk::seeded(seed);
    disk.put(SOURCE, input);
    disk
}

pub(crate) fn fs(disk: &SimDisk) -> Arc<dyn Fs> {
    Arc::new(disk.clone())
}

pub(crate) fn text(disk: &SimDisk, path: impl AsRef<Path>) -> String {
    String::from_utf8_lossy(&disk.bytes(path).unwrap_or_default()).into_owned()
}
