//! The stores of jobs: the suite that each has to pass, crashes at every operation, damage at every byte.

use std::collections::BTreeSet;
use std::sync::Arc;

use piton_checkpoint::store::{JournalStore, JsonStore, Mark, Store, StoreError, Taken};
use piton_durable::fs::{Fs, OsFs};
use piton_testkit::disk::{Broken, Crash, Failure, Fault, Sabotage, SimDisk, When};
use piton_testkit::stores::{Subject, check};
use serde_json::json;

const PATH: &str = "/job.piton-job";

type Open = fn(Arc<dyn Fs>, &str) -> Arc<dyn Store>;

fn journal(fs: Arc<dyn Fs>, path: &str) -> Arc<dyn Store> {
    Arc::new(JournalStore::new(fs, path))
}

fn json(fs: Arc<dyn Fs>, path: &str) -> Arc<dyn Store> {
    Arc::new(JsonStore::new(fs, path))
}

const ALL: [Open; 2] = [journal, json];

fn conforms(open: Open, disk: &SimDisk, locks: bool) {
    let crash = |crash| {
        disk.crash(crash);
        disk.restart();
    };
    check(&Subject {
        open: &|| open(Arc::new(disk.clone()), PATH),
        cut: Some(&|| crash(Crash::Power)),
        kill: &|| crash(Crash::Kill),
        locks,
    });
}

#[test]
fn the_journal_conforms() {
    conforms(journal, &SimDisk::seeded(1), true);
}

#[test]
fn the_json_file_conforms() {
    conforms(json, &SimDisk::seeded(1), true);
}

#[test]
fn without_locks_the_older_run_is_fenced() {
    for open in ALL {
        let disk = SimDisk::seeded(1);
        disk.ignore_locks();
        conforms(open, &disk, false);
    }
}

#[test]
fn on_a_real_disk() {
    for open in ALL {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.piton-job");
        let path = path.to_str().unwrap();
        check(&Subject {
            open: &|| open(Arc::new(OsFs), path),
            cut: None,
            kill: &|| (),
            locks: true,
        });
    }
}

/// Runs of five commits each, of which some are settled. Returns what was begun and what was acknowledged as durable.
fn work(fs: Arc<dyn Fs>, open: Open, from: u64) -> (u64, u64, u64) {
    let (mut begun, mut committed, mut durable) = (from, from, from);
    let _ = (|| -> Result<(), StoreError> {
        let store = open(fs, PATH);
        let taken = store.take()?;
        let mut mark: Option<Mark> = None;
        for n in from + 1..=from + 5 {
            begun = n;
            let next = store.commit(json!({ "n": n }).to_string().as_bytes())?;
            committed = n;
            if n % 2 == 0 {
                store.sync(next)?;
                durable = n;
            } else if let Some(mark) = mark {
                store.sync(mark)?;
                durable = durable.max(n - 1);
            }
            mark = Some(next);
        }
        drop(taken);
        Ok(())
    })();
    (begun, committed, durable)
}

fn last(taken: &Taken) -> u64 {
    let last = taken.later.last().or(taken.durable.as_ref());
    last.map_or(0, |state| {
        serde_json::from_slice::<serde_json::Value>(state).unwrap()["n"].as_u64().unwrap()
    })
}

/// Crashes at every operation, once or twice in a row; each time what survives is checked.
fn crash_everywhere(open: Open, break_it: &dyn Fn(SimDisk) -> Arc<dyn Fs>) -> Result<u64, String> {
    let mut cases = 0;
    let disk = SimDisk::seeded(1);
    work(break_it(disk.clone()), open, 0);
    let operations = disk.operations();
    for crash in [Crash::Kill, Crash::Power] {
        for at in 1..=operations {
            for when in [When::Before, When::Half, When::After] {
                for seed in 1..4 {
                    let disk = SimDisk::seeded(seed);
                    let mut had = (0, 0, 0);
                    for turn in 0..2 {
                        disk.inject(Fault { at: at + turn, failure: Failure::Crash(crash, when) });
                        let next = work(break_it(disk.clone()), open, had.2);
                        had = (
                            had.0.max(next.0),
                            if next.0 > next.2 { next.1 } else { had.1 },
                            next.2,
                        );
                        disk.crash(crash);
                        disk.restart();
                        cases += 1;
                        let what = format!("{crash:?} {when:?} at {at} turn {turn} seed {seed}");
                        let taken = open(break_it(disk.clone()), PATH)
                            .take()
                            .map_err(|error| format!("{what}: {error}"))?;
                        let kept = last(&taken);
                        if kept < had.2 || kept > had.0 || (crash == Crash::Kill && kept < next.1) {
                            return Err(format!("{what}: {kept} is left of {had:?}"));
                        }
                        disk.restart();
                    }
                }
            }
        }
    }
    Ok(cases)
}

#[test]
fn a_crash_at_every_operation_loses_nothing_that_was_settled() {
    for open in ALL {
        let cases = crash_everywhere(open, &|disk| Arc::new(disk)).unwrap();
        assert!(cases > 500, "{cases}");
    }
}

#[test]
fn broken_rules_are_caught() {
    for broken in [Broken::JournalNotSynced, Broken::NoDirectorySync, Broken::CompactionWithoutSync]
    {
        let caught = crash_everywhere(journal, &|disk| Arc::new(Sabotage::new(disk, broken)));
        assert!(caught.is_err(), "{broken:?} was not noticed");
    }
}

#[test]
fn an_error_at_every_operation_is_an_error_or_nothing() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    for open in ALL {
        let disk = SimDisk::seeded(1);
        work(Arc::new(disk.clone()), open, 0);
        for code in [EIO, ENOSPC] {
            for at in 1..=disk.operations() {
                let disk = SimDisk::seeded(1);
                disk.inject(Fault { at, failure: Failure::Error(code) });
                let (begun, _, durable) = work(Arc::new(disk.clone()), open, 0);
                disk.crash(Crash::Power);
                disk.restart();
                let kept = last(&open(Arc::new(disk.clone()), PATH).take().unwrap());
                assert!((durable..=begun).contains(&kept), "{code} at {at}: {kept}");
            }
        }
    }
}

#[test]
fn damage_at_every_byte_is_named_or_harmless() {
    for open in ALL {
        let disk = SimDisk::seeded(1);
        work(Arc::new(disk.clone()), open, 0);
        let whole = disk.bytes(PATH).unwrap();
        let (mut named, mut left) = (0, BTreeSet::new());
        for at in 0..whole.len() {
            let disk = SimDisk::seeded(1);
            let mut bytes = whole.clone();
            bytes[at] ^= 0x80;
            disk.put(PATH, &bytes);
            disk.give(PATH, 0, 0o600);
            match open(Arc::new(disk.clone()), PATH).take() {
                Ok(taken) => {
                    left.insert(last(&taken));
                }
                Err(error) => {
                    named += 1;
                    assert!(error.to_string().contains(PATH), "{error}");
                    assert!(
                        matches!(error, StoreError::Damaged { .. } | StoreError::Newer { .. }),
                        "{error}"
                    );
                    assert_eq!(disk.bytes(PATH).unwrap(), bytes);
                }
            }
        }
        // At most the last commit is lost.
        assert!(left.is_subset(&BTreeSet::from([4, 5])), "{left:?}");
        assert!(named > whole.len() / 2);
    }
}

#[test]
fn a_damaged_state_is_set_aside_when_asked() {
    let disk = SimDisk::seeded(1);
    disk.put(PATH, b"not a state");
    disk.give(PATH, 0, 0o600);
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    for open in ALL {
        let error = open(Arc::clone(&fs), PATH).take().unwrap_err();
        assert_eq!(error.damaged().as_deref(), Some(PATH.as_ref()), "{error}");
    }
    let aside = JournalStore::set_aside(&fs, PATH.as_ref()).unwrap();
    assert_eq!(disk.bytes(&aside).unwrap(), b"not a state");
    assert_eq!(journal(fs, PATH).take().unwrap().epoch, 1);
}

#[test]
fn what_others_can_write_to_is_no_state() {
    for open in ALL {
        let disk = SimDisk::seeded(1);
        work(Arc::new(disk.clone()), open, 0);
        disk.give(PATH, 0, 0o666);
        assert!(matches!(open(Arc::new(disk.clone()), PATH).take(), Err(StoreError::File(_))));
    }
}

#[test]
fn people_can_read_and_edit_the_json_file() {
    let disk = SimDisk::seeded(1);
    work(Arc::new(disk.clone()), json, 0);
    let text = String::from_utf8(disk.bytes(PATH).unwrap()).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["durable"]["n"], 4, "{text}");
    value["later"] = json!([]);
    value["durable"]["n"] = json!(2);
    disk.put(PATH, value.to_string().as_bytes());
    let store = json(Arc::new(disk.clone()), PATH);
    assert_eq!(last(&store.take().unwrap()), 2);
    // But not while a run uses it, and then the edit stays.
    let edit = value.to_string().replace('2', "3");
    disk.put(PATH, edit.as_bytes());
    assert!(matches!(store.commit(b"{}"), Err(StoreError::Fenced { .. })));
    assert_eq!(disk.bytes(PATH).unwrap(), edit.as_bytes());
}

#[test]
fn a_failed_sync_is_final() {
    for open in ALL {
        let disk = SimDisk::seeded(1);
        let store = open(Arc::new(disk.clone()), PATH);
        store.take().unwrap();
        let mark = store.commit(b"{}").unwrap();
        for at in disk.operations()..disk.operations() + 30 {
            disk.inject(Fault { at, failure: Failure::Error(5) });
        }
        store.sync(mark).unwrap_err();
        disk.restart();
        assert!(store.commit(b"{}").is_err());
    }
}
