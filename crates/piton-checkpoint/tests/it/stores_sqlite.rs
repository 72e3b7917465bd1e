//! The store in SQLite: the suite, other programs, damage, full and read-only disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::store::{SqliteStore, Store, StoreError, Survival};
use piton_testkit::SmallDisk;
use piton_testkit::stores::{Subject, check};
use rusqlite::Connection;

use crate::commits::{numbers, state, work};

fn store(path: &Path, job: &str) -> SqliteStore {
    SqliteStore::new(path, job).unwrap()
}

fn in_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    (folder, path)
}

#[test]
fn it_conforms() {
    let (folder, path) = in_folder();
    check(&Subject {
        open: &|| Arc::new(store(&path, "job")),
        cut: None,
        kill: &|| (),
        locks: true,
    });
    // Of another job in the same database nothing is known.
    check(&Subject {
        open: &|| Arc::new(store(&path, "other")),
        cut: None,
        kill: &|| (),
        locks: true,
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "one file at rest");
}

#[test]
fn where_locks_do_nothing_the_older_run_is_fenced() {
    let (_folder, path) = in_folder();
    let lock = path.with_file_name("jobs.db-job.lock");
    check(&Subject {
        open: &|| {
            let _ = fs::remove_file(&lock);
            Arc::new(store(&path, "job"))
        },
        cut: None,
        kill: &|| (),
        locks: false,
    });
}

#[test]
fn it_says_what_it_survives() {
    let (_folder, path) = in_folder();
    let survives = store(&path, "job").survives();
    assert_eq!((survives.commit, survives.sync), (Survival::Kill, Survival::PowerCut));
    assert_eq!(
        survives.to_string(),
        "a commit survives a kill, and perhaps a power cut; a sync survives a power cut"
    );
}

#[test]
fn jobs_in_one_database_do_not_know_of_each_other() {
    let (_folder, path) = in_folder();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let path = path.clone();
            std::thread::spawn(move || {
                let store = store(&path, &format!("job-{n}"));
                store.take().unwrap();
                for commit in 0..50 {
                    let mark = store.commit(&state(1000 * n + commit)).unwrap();
                    if commit % 9 == 0 {
                        store.sync(mark).unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for n in 0..4 {
        let taken = store(&path, &format!("job-{n}")).take().unwrap();
        let (durable, later) = numbers(&taken);
        assert_eq!((taken.epoch, durable), (2, Some(1000 * n + 45)));
        assert_eq!(later.last(), Some(&(1000 * n + 49)));
    }
    store(&path, "job-0").set_aside().unwrap();
    assert_eq!(store(&path, "job-0").take().unwrap().epoch, 1);
    assert_eq!(store(&path, "job-1").take().unwrap().epoch, 3);
}

#[test]
fn a_job_is_set_aside_under_another_name() {
    let (_folder, path) = in_folder();
    assert_eq!(store(&path, "job").set_aside().unwrap(), None);
    for aside in ["job.aside-1", "job.aside-2"] {
        let running = store(&path, "job");
        work(&running);
        let refused = store(&path, "job").set_aside();
        assert!(matches!(refused, Err(StoreError::Locked { .. })), "{refused:?}");
        drop(running);
        assert_eq!(store(&path, "job").set_aside().unwrap().as_deref(), Some(aside));
        assert_eq!(numbers(&store(&path, aside).take().unwrap()), (Some(3), vec![4, 5]));
    }
    assert_eq!(store(&path, "job").take().unwrap().epoch, 1);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let foreign = |sql: &str| -> Vec<u8> {
        let (_folder, path) = in_folder();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(sql).unwrap();
        drop(conn);
        fs::read(path).unwrap()
    };
    let ours = {
        let (_folder, path) = in_folder();
        work(&store(&path, "job"));
        fs::read(path).unwrap()
    };
    let newer = {
        let mut newer = ours.clone();
        newer[63] = 9;
        newer
    };
    for (bytes, wanted) in [
        (foreign("CREATE TABLE t(x);"), "belongs to another program"),
        (foreign("PRAGMA journal_mode=WAL; CREATE TABLE t(x);"), "belongs to another program"),
        (foreign("PRAGMA application_id = 7; CREATE TABLE t(x);"), "belongs to another program"),
        (newer, "newer version of piton (format 9)"),
        (
            b"a text, long enough to be read as the header of a database, and more".repeat(9),
            "damaged",
        ),
        (ours[..4096].to_vec(), "damaged"),
        (ours[..5000].to_vec(), "damaged"),
    ] {
        let (folder, path) = in_folder();
        fs::write(&path, &bytes).unwrap();
        let error = store(&path, "job").take().unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(error.to_string().contains("jobs.db"), "{error}");
        assert!(!error.is_transient());
        assert!(fs::read(&path).unwrap() == bytes, "{error}: it was written to");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{error}");
    }
}

/// A database of another program with something in its WAL, and one with a rollback journal, as after a kill.
#[test]
fn a_foreign_database_that_was_killed_stays_as_it_was() {
    for mode in ["WAL", "DELETE"] {
        let (folder, path) = in_folder();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!(
            "PRAGMA journal_mode={mode}; CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(9000));
             PRAGMA cache_size = 1; BEGIN; UPDATE t SET x = randomblob(90000);"
        ))
        .unwrap();
        let killed = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let (from, name) = {
                let entry = entry.unwrap();
                (entry.path(), entry.file_name())
            };
            let to = killed.path().join(name);
            fs::copy(&from, &to).unwrap();
            files.push((to.clone(), fs::read(&to).unwrap()));
        }
        assert!(files.len() > 1);
        let error = store(&killed.path().join("jobs.db"), "job").take().unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        for (file, bytes) in &files {
            assert!(fs::read(file).unwrap() == *bytes, "{}", file.display());
        }
        assert_eq!(fs::read_dir(killed.path()).unwrap().count(), files.len());
    }
}

#[test]
fn what_others_can_write_to_is_no_state() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = in_folder();
    work(&store(&path, "job"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(store(&path, "job").take(), Err(StoreError::File(_))));
}

/// A file as a run leaves it, with each of many bytes changed: the right state, or an error that names the file.
#[test]
fn damage_at_many_bytes_is_named_or_harmless() {
    let (_folder, path) = in_folder();
    work(&store(&path, "job"));
    let whole = fs::read(&path).unwrap();
    let (mut named, mut tried) = (0, 0);
    // All of the headers, of pages and of the file, and every byte that is not zero.
    let places = (0..whole.len()).filter(|at| *at < 120 || at % 4096 < 24 || whole[*at] != 0);
    for at in places.chain((0..whole.len()).step_by(911)) {
        let (_folder, path) = in_folder();
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        fs::write(&path, &bytes).unwrap();
        tried += 1;
        match store(&path, "job").take() {
            Ok(taken) => assert_eq!(numbers(&taken), (Some(3), vec![4, 5]), "byte {at}"),
            Err(error) => {
                named += 1;
                assert!(error.to_string().contains("jobs.db"), "{error}");
                use StoreError as E;
                let named =
                    matches!(error, E::Damaged { .. } | E::Foreign { .. } | E::Newer { .. });
                // SQLite reads a file whose version for writing is a later one than its own.
                assert!(
                    named || at == 18 && matches!(error, E::ReadOnly { .. }),
                    "byte {at}: {error}"
                );
            }
        }
    }
    eprintln!("{named} of {tried}");
    assert!(named > tried / 2, "{named} of {tried}");
}

/// A WAL ends where its checksums do: commits may be missing from the end, back to where the run began, but the job is
/// there.
#[test]
fn damage_of_the_wal_takes_commits_from_the_end() {
    let (folder, path) = in_folder();
    work(&store(&path, "job"));
    let running = store(&path, "job");
    running.take().unwrap();
    let mark = running.commit(&state(6)).unwrap();
    running.commit(&state(7)).unwrap();
    running.sync(mark).unwrap();
    running.commit(&state(8)).unwrap();
    let (whole, wal) =
        (fs::read(&path).unwrap(), fs::read(folder.path().join("jobs.db-wal")).unwrap());
    let mut seen = std::collections::BTreeSet::new();
    for at in (0..wal.len()).step_by(101) {
        let (folder, path) = in_folder();
        let mut bytes = wal.clone();
        bytes[at] ^= 1;
        fs::write(&path, &whole).unwrap();
        fs::write(folder.path().join("jobs.db-wal"), bytes).unwrap();
        let taken = store(&path, "job").take().unwrap();
        assert_eq!(taken.epoch, 3, "byte {at}");
        seen.insert(numbers(&taken));
    }
    let older = (Some(3), vec![4, 5]);
    assert!(seen.contains(&older), "{seen:?}");
    assert!(
        seen.iter().all(|(durable, later)| {
            let all: Vec<u64> = durable.iter().chain(later).copied().collect();
            all.windows(2).all(|pair| pair[0] + 1 == pair[1])
                && [Some(3), Some(6)].contains(durable)
        }),
        "{seen:?}"
    );
}

/// A power cut while the WAL is copied into the database: its first page is there, and speaks of pages that are not.
#[test]
fn a_database_that_is_shorter_than_it_says_has_the_rest_in_its_wal() {
    let (folder, path) = in_folder();
    let running = store(&path, "job");
    running.take().unwrap();
    let text = format!("{{\"n\":1,\"filler\":\"{}\"}}", "x".repeat(100_000));
    running.commit(text.as_bytes()).unwrap();
    let (mut bytes, wal) =
        (fs::read(&path).unwrap(), fs::read(folder.path().join("jobs.db-wal")).unwrap());
    let pages = u32::from_be_bytes(bytes[28..32].try_into().unwrap());
    bytes[28..32].copy_from_slice(&(pages + 25).to_be_bytes());
    let (folder, path) = in_folder();
    fs::write(&path, bytes).unwrap();
    fs::write(folder.path().join("jobs.db-wal"), wal).unwrap();
    let taken = store(&path, "job").take().unwrap();
    assert_eq!((taken.epoch, numbers(&taken)), (2, (None, vec![1])));
}

#[test]
fn a_database_that_is_exchanged_or_removed_ends_the_run() {
    let (_folder, path) = in_folder();
    let running = store(&path, "job");
    work(&running);
    fs::rename(&path, path.with_extension("moved")).unwrap();
    assert!(matches!(running.commit(&state(6)), Err(StoreError::Fenced { .. })));
    // An older copy under its name.
    let (_folder, path) = in_folder();
    let first = store(&path, "job");
    work(&first);
    drop(first);
    let copy = fs::read(&path).unwrap();
    let running = store(&path, "job");
    running.take().unwrap();
    fs::write(path.with_extension("old"), copy).unwrap();
    fs::rename(path.with_extension("old"), &path).unwrap();
    assert!(matches!(running.commit(&state(6)), Err(StoreError::Fenced { .. })));
}

#[test]
fn a_row_that_others_changed_ends_the_run() {
    for sql in [
        "UPDATE jobs SET epoch = epoch + 1",
        "UPDATE jobs SET run = run + 1",
        "UPDATE jobs SET last = last - 1",
        "DELETE FROM jobs",
    ] {
        let (_folder, path) = in_folder();
        let running = store(&path, "job");
        work(&running);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        assert!(matches!(running.commit(&state(6)), Err(StoreError::Fenced { .. })), "{sql}");
        drop(running);
        // The row has a checksum, and a missing one leaves its commits.
        let error = store(&path, "job").take().unwrap_err();
        assert!(matches!(error, StoreError::Damaged { file: None, .. }), "{sql}: {error}");
    }
}

#[test]
fn a_damaged_row_is_set_aside_when_asked() {
    let (_folder, path) = in_folder();
    work(&store(&path, "job"));
    work(&store(&path, "other"));
    Connection::open(&path)
        .unwrap()
        .execute_batch("UPDATE jobs SET last = 9 WHERE id = 1")
        .unwrap();
    assert!(matches!(store(&path, "job").take(), Err(StoreError::Damaged { .. })));
    assert!(store(&path, "job").set_aside().unwrap().is_some());
    assert_eq!(store(&path, "job").take().unwrap().epoch, 1);
    assert_eq!(store(&path, "other").take().unwrap().epoch, 2);
}

#[test]
fn a_commit_waits_for_another_writer_but_not_forever() {
    let (_folder, path) = in_folder();
    let running = store(&path, "job");
    work(&running);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = running.commit(&state(6)).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }) && error.is_transient(), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    running.commit(&state(6)).unwrap();
    drop(running);
    assert_eq!(numbers(&store(&path, "job").take().unwrap()).1, [4, 5, 6]);
}

#[test]
fn a_full_disk_keeps_what_was_acknowledged() {
    let Some(disk) = SmallDisk::mount("size=1m") else { return };
    let path = disk.path().join("jobs.db");
    let running = store(&path, "job");
    running.take().unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match running.commit(&state(acknowledged + 1)) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }) && error.is_transient(), "{error}");
    assert!(acknowledged > 10, "{acknowledged}");
    disk.remount("size=8m");
    running.commit(&state(acknowledged + 1)).unwrap();
    drop(running);
    let (_, later) = numbers(&store(&path, "job").take().unwrap());
    assert_eq!(later, (1..=acknowledged + 1).collect::<Vec<_>>());
}

#[test]
fn without_room_to_begin_it_says_so() {
    for options in ["size=4k", "size=12k", "size=24k", "nr_inodes=2", "nr_inodes=3", "nr_inodes=4"]
    {
        let Some(disk) = SmallDisk::mount(options) else { return };
        let path = disk.path().join("jobs.db");
        let Err(error) = store(&path, "job").take() else { continue };
        assert!(
            error.is_transient() || matches!(error, StoreError::Rejected { .. }),
            "{options}: {error:?}"
        );
        disk.remount("size=8m,nr_inodes=100");
        assert_eq!(store(&path, "job").take().unwrap().epoch, 1, "{options}");
    }
}

#[test]
fn a_read_only_disk_is_named() {
    let Some(disk) = SmallDisk::mount("size=4m") else { return };
    let path = disk.path().join("jobs.db");
    work(&store(&path, "job"));
    disk.remount("ro");
    let error = store(&path, "job").take().unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(!error.is_transient());
    disk.remount("rw");
    assert_eq!(numbers(&store(&path, "job").take().unwrap()), (Some(3), vec![4, 5]));
}
