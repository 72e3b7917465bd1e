//! What happens to an output that others have changed, and to two runs at once.

use std::sync::Arc;

use piton_checkpoint::store::{JournalStore, Mark, Store, StoreError, Survives, Taken};
use piton_records::{Checkpoints, Error, Job};
use piton_testkit::disk::{Crash, SimDisk};

use crate::harness::{OUT, PART, SOURCE, STATE, Work, disk, fs, lines, result, text, wanted};

const COUNT: usize = 9;

/// A job that was stopped at this record, with a commit and a sync for each.
fn stopped(work: Work, at: u64) -> SimDisk {
    let disk = disk(1, &lines(COUNT));
    if work.append {
        disk.put(OUT, b"before\n");
    }
    work.run_to(fs(&disk), at).unwrap();
    disk.restart();
    disk
}

fn each_synced() -> Work {
    Work { commit: 1, sync: 1, ..Work::default() }
}

#[test]
fn a_record_is_done_when_the_next_one_is_asked_for() {
    let disk = stopped(each_synced(), 4);
    let done: Vec<u8> =
        lines(COUNT).split(|byte| *byte == b'\n').take(3).flat_map(result).collect();
    assert_eq!(disk.bytes(PART).unwrap(), done);
    assert!(disk.bytes(OUT).is_none());
    for _ in 0..10 {
        each_synced().run_to(fs(&disk), 4).unwrap();
        disk.restart();
        assert_eq!(disk.bytes(PART).unwrap(), done);
    }
    each_synced().run(fs(&disk)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&lines(COUNT)));
    assert!(disk.bytes(PART).is_none());
    assert_eq!(disk.about(OUT).unwrap().mode, 0o644, "that of a new file");
    let state = disk.bytes(STATE).unwrap();
    assert!(state.len() < 64 << 10, "the mark has {} bytes", state.len());
}

#[test]
fn ten_resumes_in_a_row_each_a_record_further() {
    let disk = disk(1, &lines(COUNT));
    for stop in 1..=COUNT as u64 {
        each_synced().run_to(fs(&disk), stop).unwrap();
        disk.crash(Crash::Kill);
        disk.restart();
    }
    each_synced().run(fs(&disk)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&lines(COUNT)));
}

#[test]
fn foreign_bytes_are_kept_aside() {
    for append in [false, true] {
        let work = Work { append, ..each_synced() };
        let live = if append { OUT } else { PART };
        let disk = stopped(work, 4);
        let grown = [disk.bytes(live).unwrap(), b"of somebody else".to_vec()].concat();
        disk.put(live, &grown);
        let mut job = work.builder(fs(&disk)).open().unwrap();
        let opened = if append { job.append(OUT) } else { job.output(OUT) };
        let aside = job.set_aside().unwrap().to_owned();
        drop((opened.unwrap(), job));
        assert_eq!(text(&disk, &aside), "of somebody else");
        disk.restart();
        work.run(fs(&disk)).unwrap();
        assert_eq!(text(&disk, &aside), "of somebody else");
        let before: &[u8] = if append { b"before\n" } else { b"" };
        assert_eq!(disk.bytes(OUT).unwrap(), [before, &wanted(&lines(COUNT))].concat());
    }
}

#[test]
fn an_output_that_others_cut_changed_or_removed_stops_the_job() {
    for append in [false, true] {
        let work = Work { append, ..each_synced() };
        let live = if append { OUT } else { PART };
        let check = |change: &dyn Fn(&SimDisk, Vec<u8>), wanted: &dyn Fn(&Error) -> bool| {
            let disk = stopped(work, 4);
            let bytes = disk.bytes(live).unwrap();
            change(&disk, bytes);
            let before = disk.bytes(live);
            let error = work.run(fs(&disk)).unwrap_err();
            assert!(wanted(&error), "{error:?}");
            assert!(!error.is_transient());
            assert_eq!(disk.bytes(live), before, "it was left alone");
        };
        check(&|disk, bytes| disk.put(live, &bytes[..bytes.len() - 1]), &|error| {
            matches!(error, Error::OutputShorter { .. })
        });
        check(
            &|disk, mut bytes| {
                *bytes.last_mut().unwrap() ^= 1;
                disk.put(live, &bytes);
            },
            &|error| matches!(error, Error::OutputChanged { .. }),
        );
        check(&|disk, _| disk.exchange(live, b""), &|error| {
            matches!(error, Error::OutputShorter { .. })
        });
    }
    let disk = stopped(each_synced(), 4);
    fs(&disk).remove(PART.as_ref()).unwrap();
    assert!(matches!(each_synced().run(fs(&disk)), Err(Error::OutputMissing { .. })));
}

#[test]
fn an_output_without_a_position_stops_the_job() {
    let disk = stopped(each_synced(), 4);
    fs(&disk).remove(STATE.as_ref()).unwrap();
    let before = disk.bytes(PART);
    assert!(matches!(each_synced().run(fs(&disk)), Err(Error::OutputWithoutPosition { .. })));
    assert_eq!(disk.bytes(PART), before);
    // An existing file is not replaced either.
    disk.restart();
    disk.put(OUT, b"mine");
    assert!(matches!(each_synced().run(fs(&disk)), Err(Error::OutputExists { .. })));
    assert_eq!(text(&disk, OUT), "mine");
}

#[test]
fn a_restart_keeps_what_was_there_aside() {
    let disk = stopped(each_synced(), 4);
    let before = disk.bytes(PART).unwrap();
    disk.put(STATE, b"damaged");
    assert!(matches!(each_synced().run(fs(&disk)), Err(Error::Store(StoreError::Damaged { .. }))));
    assert_eq!(text(&disk, STATE), "damaged");
    disk.restart();
    let mut job = each_synced().builder(fs(&disk)).restart().open().unwrap();
    let mut out = job.output(OUT).unwrap();
    assert_eq!(disk.bytes(job.set_aside().unwrap()).unwrap(), before);
    let records = job.lines(SOURCE).unwrap();
    crate::harness::each(records, |record| out.write(record, result(record))).unwrap();
    job.finish().unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&lines(COUNT)));
    assert_eq!(text(&disk, format!("{STATE}.aside-1")), "damaged");
}

#[test]
fn damage_of_the_state_at_any_byte_never_gives_a_wrong_output() {
    for json in [false, true] {
        let work = Work { json, ..each_synced() };
        let whole = stopped(work, 6);
        let (state, part) = (whole.bytes(STATE).unwrap(), whole.bytes(PART).unwrap());
        let (mut stopped, mut finished) = (0, 0);
        for at in 0..state.len() {
            let disk = disk(1, &lines(COUNT));
            let mut bytes = state.clone();
            bytes[at] ^= 0x40;
            for (path, bytes) in [(STATE, &bytes), (PART, &part)] {
                disk.put(path, bytes);
                disk.give(path, 0, 0o600);
            }
            match work.run(fs(&disk)) {
                Ok(()) => {
                    finished += 1;
                    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&lines(COUNT)), "byte {at}");
                }
                Err(_) => {
                    stopped += 1;
                    assert!(disk.bytes(OUT).is_none(), "byte {at}");
                }
            }
        }
        assert!(stopped > finished, "{stopped} stopped, {finished} finished");
    }
}

#[test]
fn a_second_run_at_once_is_refused() {
    let disk = disk(1, &lines(COUNT));
    let job = each_synced().builder(fs(&disk)).open().unwrap();
    let error = each_synced().run(fs(&disk)).unwrap_err();
    assert!(matches!(error, Error::Store(StoreError::Locked { .. })) && error.is_transient());
    drop(job);
    each_synced().run(fs(&disk)).unwrap();
}

/// Two runs where locks do nothing: the older one reads half, then the newer one does all, then the older one goes on.
fn two_runs(store: &dyn Fn(&SimDisk) -> Arc<dyn Store>) -> (Result<(), Error>, SimDisk) {
    let disk = disk(1, &lines(COUNT));
    disk.ignore_locks();
    let how = Checkpoints::Records { commit: 1, sync: 1 };
    let open = || Job::builder("/job").file_system(fs(&disk)).store(store(&disk)).checkpoints(how);
    let mut older = open().open().unwrap();
    let mut out = older.append(OUT).unwrap();
    let mut records = older.lines(SOURCE).unwrap();
    for _ in 0..3 {
        let record = records.next().unwrap().unwrap();
        out.write(&record, older_result(&record)).unwrap();
    }
    let mut newer = open().open().unwrap();
    let mut its_out = newer.append(OUT).unwrap();
    let its_records = newer.lines(SOURCE).unwrap();
    crate::harness::each(its_records, |record| its_out.write(record, result(record))).unwrap();
    newer.finish().unwrap();
    let rest = crate::harness::each(records, |record| out.write(record, older_result(record)));
    let result = rest.and_then(|()| older.finish());
    (result, disk)
}

/// The older run has another version of the program.
fn older_result(record: &[u8]) -> Vec<u8> {
    [b"older ", &result(record)[..]].concat()
}

/// Each record once: the first two by the older run, which had committed them.
fn by_both() -> Vec<u8> {
    let input = lines(COUNT);
    let records = input.split(|byte| *byte == b'\n').enumerate();
    records.flat_map(|(n, it)| if n < 2 { older_result(it) } else { result(it) }).collect()
}

#[test]
fn where_locks_do_nothing_the_older_run_stops_before_it_writes() {
    let (older, disk) = two_runs(&|disk| Arc::new(JournalStore::new(fs(disk), STATE)));
    assert!(matches!(older, Err(Error::Store(StoreError::Fenced { .. }))), "{older:?}");
    assert_eq!(disk.bytes(OUT).unwrap(), by_both());
}

#[test]
fn a_store_without_epochs_is_caught() {
    let (older, disk) = two_runs(&|disk| {
        Arc::new(Deaf {
            inner: JournalStore::new(fs(disk), STATE),
            last: std::sync::Mutex::new(None),
        })
    });
    let out = disk.bytes(OUT).unwrap();
    assert!(older.is_ok() && out != by_both(), "{}", String::from_utf8_lossy(&out));
}

/// A store that does not care whether a later run has taken it.
struct Deaf {
    inner: JournalStore,
    last: std::sync::Mutex<Option<Mark>>,
}

impl Store for Deaf {
    fn take(&self) -> Result<Taken, StoreError> {
        self.inner.take()
    }
    fn commit(&self, state: &[u8]) -> Result<Mark, StoreError> {
        let mut last = self.last.lock().unwrap();
        match self.inner.commit(state) {
            Err(StoreError::Fenced { .. }) if last.is_some() => Ok(last.unwrap()),
            result => {
                let mark = result?;
                *last = Some(mark);
                Ok(mark)
            }
        }
    }
    fn sync(&self, through: Mark) -> Result<(), StoreError> {
        match self.inner.sync(through) {
            Err(StoreError::Fenced { .. }) => Ok(()),
            result => result,
        }
    }
    fn remove(&self) -> Result<(), StoreError> {
        self.inner.remove()
    }
    fn place(&self) -> String {
        self.inner.place()
    }
    fn survives(&self) -> Survives {
        self.inner.survives()
    }
}

/// Every commit is believed as it is, as if its output were always durable before it.
struct Credulous(JournalStore);

impl Store for Credulous {
    fn take(&self) -> Result<Taken, StoreError> {
        let mut taken = self.0.take()?;
        taken.durable = taken.later.pop().or(taken.durable);
        taken.later.clear();
        Ok(taken)
    }
    fn commit(&self, state: &[u8]) -> Result<Mark, StoreError> {
        self.0.commit(state)
    }
    fn sync(&self, through: Mark) -> Result<(), StoreError> {
        self.0.sync(through)
    }
    fn remove(&self) -> Result<(), StoreError> {
        self.0.remove()
    }
    fn place(&self) -> String {
        self.0.place()
    }
    fn survives(&self) -> Survives {
        self.0.survives()
    }
}

#[test]
fn a_position_that_is_believed_before_its_output_is_caught() {
    use piton_testkit::disk::{Failure, Fault, When};
    let run = |disk: &SimDisk| -> Result<(), Error> {
        let how = Checkpoints::Records { commit: 1, sync: 4 };
        let store = Arc::new(Credulous(JournalStore::new(fs(disk), STATE)));
        let job = Job::builder("/job").file_system(fs(disk)).store(store).checkpoints(how);
        let mut job = job.open()?;
        let mut out = job.output(OUT)?;
        crate::harness::each(job.lines(SOURCE)?, |record| out.write(record, result(record)))?;
        job.finish()
    };
    let untouched = disk(1, &lines(COUNT));
    run(&untouched).unwrap();
    let caught = (1..=untouched.operations()).any(|at| {
        let disk = disk(1, &lines(COUNT));
        disk.inject(Fault { at, failure: Failure::Crash(Crash::Kill, When::After) });
        let _ = run(&disk);
        disk.restart();
        run(&disk).is_err() || disk.bytes(OUT).unwrap() != wanted(&lines(COUNT))
    });
    assert!(caught);
}
