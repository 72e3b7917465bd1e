//! Crashes and errors at every operation of a job: the output is what an uninterrupted run writes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Existing, Fs, FsFile, Open, Stat};
use piton_records::Framing;
use piton_testkit::disk::{Broken, Crash, Failure, Fault, Sabotage, SimDisk, When};

use crate::harness::{OUT, Work, disk, fs, lines, wanted};

const COUNT: usize = 12;

type Breaking<'a> = &'a dyn Fn(SimDisk) -> Arc<dyn Fs>;

fn whole(disk: SimDisk) -> Arc<dyn Fs> {
    Arc::new(disk)
}

/// Crashes at every operation, `turns` times in a row at later and later ones, then runs to the end. What differs is the
/// error.
fn crash_everywhere(
    work: Work,
    input: &[u8],
    seeds: u64,
    break_it: Breaking<'_>,
) -> Result<u64, String> {
    let untouched = disk(1, input);
    work.run(break_it(untouched.clone())).unwrap();
    let before = if work.append { "before\n" } else { "" };
    let (operations, mut cases) = (untouched.operations(), 0);
    let whole = [before.as_bytes(), &expected(work, input)].concat();
    for crash in [Crash::Kill, Crash::Power] {
        for at in 1..=operations {
            for (when, seed) in [When::Before, When::Half, When::After]
                .iter()
                .flat_map(|when| (1..=seeds).map(move |seed| (*when, seed)))
            {
                let disk = disk(seed, input);
                if work.append {
                    disk.put(OUT, before.as_bytes());
                }
                for turn in 0..3 {
                    disk.inject(Fault { at: at + turn * 7, failure: Failure::Crash(crash, when) });
                    let _ = work.run(break_it(disk.clone()));
                    disk.crash(crash);
                    disk.restart();
                }
                let what = format!("{crash:?} {when:?} at {at}, seed {seed}");
                work.run(break_it(disk.clone())).map_err(|error| format!("{what}: {error}"))?;
                // The end is durable.
                disk.crash(Crash::Power);
                disk.restart();
                let out = disk.bytes(OUT).unwrap_or_default();
                if out != whole {
                    let out = String::from_utf8_lossy(&out).into_owned();
                    return Err(format!("{what}: {out}"));
                }
                // And there is nothing to do.
                work.run(break_it(disk.clone()))
                    .map_err(|error| format!("{what}, again: {error}"))?;
                if disk.bytes(OUT).unwrap_or_default() != whole {
                    return Err(format!("{what}: it changed when it was finished"));
                }
                cases += 1;
            }
        }
    }
    Ok(cases)
}

fn expected(work: Work, input: &[u8]) -> Vec<u8> {
    match work.framing {
        Framing::Delimited(_) => wanted(input),
        Framing::Chunks(size) => input
            .chunks(usize::try_from(size.get()).unwrap())
            .flat_map(crate::harness::result)
            .collect(),
        _ => panic!("no such framing here"),
    }
}

#[test]
fn at_every_operation_of_a_job() {
    let cases = crash_everywhere(Work::default(), &lines(COUNT), 3, &whole).unwrap();
    assert!(cases > 1000, "{cases}");
}

#[test]
fn at_every_operation_of_a_job_that_appends() {
    let work = Work { append: true, ..Work::default() };
    crash_everywhere(work, &lines(COUNT), 2, &whole).unwrap();
}

#[test]
fn at_every_operation_of_a_job_with_a_json_state() {
    let work = Work { json: true, ..Work::default() };
    crash_everywhere(work, &lines(6), 1, &whole).unwrap();
}

#[test]
fn at_every_operation_of_a_job_of_chunks_with_few_syncs() {
    let framing = Framing::Chunks(10.try_into().unwrap());
    let work = Work { framing, commit: 2, sync: 100, ..Work::default() };
    crash_everywhere(work, &lines(COUNT), 2, &whole).unwrap();
}

#[test]
fn an_error_at_every_operation_is_an_error_or_the_right_result() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    let input = lines(COUNT);
    for json in [false, true] {
        let work = Work { json, ..Work::default() };
        let untouched = disk(1, &input);
        work.run(fs(&untouched)).unwrap();
        for failure in [Failure::Error(EIO), Failure::Error(ENOSPC), Failure::Short] {
            for at in 1..=untouched.operations() {
                let disk = disk(1, &input);
                disk.inject(Fault { at, failure });
                let first = work.run(fs(&disk));
                if failure == Failure::Short {
                    assert!(first.is_ok(), "short at {at}: {first:?}");
                }
                // What a failed sync lost is lost now.
                disk.crash(Crash::Power);
                disk.restart();
                work.run(fs(&disk)).unwrap_or_else(|error| panic!("{failure:?} at {at}: {error}"));
                assert_eq!(disk.bytes(OUT).unwrap(), wanted(&input), "{failure:?} at {at}");
            }
        }
    }
}

#[test]
fn rules_of_the_disk_that_are_broken_are_caught() {
    for broken in [
        Broken::RecordBeforeDataSync,
        Broken::JournalNotSynced,
        Broken::CompactionWithoutSync,
        Broken::NoDirectorySync,
    ] {
        let caught = crash_everywhere(Work::default(), &lines(COUNT), 3, &|disk| {
            Arc::new(Sabotage::new(disk, broken))
        });
        assert!(caught.is_err(), "{broken:?} was not noticed");
    }
}

#[test]
fn an_output_that_is_not_cut_back_is_caught() {
    let caught = crash_everywhere(Work::default(), &lines(COUNT), 2, &|disk| {
        Arc::new(Uncut { inner: whole(disk) })
    });
    assert!(caught.is_err());
}

/// A file system on which a part is never cut: what is appended to it comes behind all that is there.
struct Uncut {
    inner: Arc<dyn Fs>,
}

impl Fs for Uncut {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        let inner = self.inner.open(path, how)?;
        match path.extension().is_some_and(|it| it == "part") {
            true => Ok(Arc::new(UncutFile { inner })),
            false => Ok(inner),
        }
    }
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.inner.stat(path)
    }
    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        self.inner.rename(from, to, existing)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path)
    }
    fn user(&self) -> u32 {
        self.inner.user()
    }
    fn new_file_mode(&self, dir: &Path) -> io::Result<u32> {
        self.inner.new_file_mode(dir)
    }
    fn random(&self) -> io::Result<u64> {
        self.inner.random()
    }
}

struct UncutFile {
    inner: Arc<dyn FsFile>,
}

impl FsFile for UncutFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let end = self.inner.stat()?.len;
        self.inner.write_at(buf, offset.max(end))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }
    fn set_len(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }
    fn reserve(&self, range: std::ops::Range<u64>) -> io::Result<bool> {
        self.inner.reserve(range)
    }
    fn start_writeback(&self, offset: u64, len: u64) {
        self.inner.start_writeback(offset, len);
    }
    fn stat(&self) -> io::Result<Stat> {
        self.inner.stat()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.inner.try_lock()
    }
    fn lock_holder(&self) -> Option<u32> {
        self.inner.lock_holder()
    }
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.inner.set_mode(mode)
    }
    fn set_owner(&self, owner: piton_durable::fs::Owner) -> io::Result<()> {
        self.inner.set_owner(owner)
    }
    fn set_modified(&self, time: std::time::SystemTime) -> io::Result<()> {
        self.inner.set_modified(time)
    }
    fn set_attribute(&self, name: &str, value: &[u8]) -> io::Result<bool> {
        self.inner.set_attribute(name, value)
    }
    fn attribute(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.inner.attribute(name)
    }
}
