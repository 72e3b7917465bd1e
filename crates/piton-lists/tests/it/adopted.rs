//! Taking over a done file, at the level of the library: groups, and what an early end leaves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use piton_checkpoint::ledger::{self, How, Known, Ledger, Reader, State};
use piton_durable::fs::OsFs;
use piton_fetch::Stop;
use piton_lists::adopt::{AdoptError, Adoption};
use piton_lists::name::Naming;
use piton_lists::source::{Keyed, Source};
use piton_testkit::syscalls::{Action, Ended, Plan, Program, available, run};

const NOW: u64 = 1_700_000_000_000;
const DIR: &str = "PITON_LISTS_ADOPTING_CHILD_DIR";
/// Of the adoption that is killed: three groups and a piece of one.
const ITEMS: u64 = 14;
const GROUP: usize = 4;
/// Far beyond what any of them takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn adoption(folder: &Path) -> Adoption {
    let how = How { durability: ledger::Durability::Power, create: true, now: NOW };
    Adoption {
        fs: Arc::new(OsFs),
        path: folder.join("done"),
        source: Source::new(folder.join("list")),
        ledger: Ledger::open(&folder.join("list.piton.db"), &how).unwrap(),
        folder: folder.to_owned(),
        naming: Naming::Flat,
        trust: true,
        remember: "as before".to_owned(),
        now: NOW,
        group: Adoption::GROUP,
    }
}

pub(super) fn done(folder: &Path) -> u64 {
    let reader = Reader::open(&folder.join("list.piton.db")).unwrap();
    reader.totals().unwrap().of(State::Done).items
}

/// Nobody can look for the file of an item in the midst of the list: those before it are marked, and kept.
#[test]
fn what_was_marked_before_a_failure_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let list: String = (0..14).map(|n| format!("http://h/{n}\n  out=o{n}/x\n")).collect();
    std::fs::write(folder.join("list"), list).unwrap();
    let lines: String = (0..14).map(|n| format!("http://h/{n}\n")).collect();
    std::fs::write(folder.join("done"), lines).unwrap();
    for n in 0..14 {
        std::fs::create_dir(folder.join(format!("o{n}"))).unwrap();
        std::fs::write(folder.join(format!("o{n}/x")), "x").unwrap();
    }
    std::fs::rename(folder.join("o9"), folder.join("away")).unwrap();
    std::os::unix::fs::symlink("o9", folder.join("o9")).unwrap();
    let adoption = || Adoption { trust: false, group: 4, ..adoption(folder) };
    let failed = adoption().adopt(&Stop::new());
    assert!(matches!(failed, Err(AdoptError::Folder(_))), "{failed:?}");
    assert_eq!(done(folder), 9);

    std::fs::remove_file(folder.join("o9")).unwrap();
    std::fs::rename(folder.join("away"), folder.join("o9")).unwrap();
    let report = adoption().adopt(&Stop::new()).unwrap();
    assert_eq!((report.already, report.marked, report.strangers), (9, 5, 0));
    assert_eq!((report.items, done(folder)), (14, 14));
    let runs = Reader::open(&folder.join("list.piton.db")).unwrap().runs(2).unwrap();
    assert!(runs.iter().all(|run| run.run.options == "as before" && run.ended >= Some(NOW)));
    assert_eq!(runs.len(), 2);
}

/// The list is cut short in the midst of a member. What it says up to there is not acted on.
#[test]
fn a_list_that_cannot_be_read_to_its_end_marks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let whole: String = (0..20_000).map(|n| format!("http://h/{n}\n")).collect();
    let compressed = zstd::encode_all(whole.as_bytes(), 1).unwrap();
    std::fs::write(dir.path().join("done"), &whole).unwrap();
    std::fs::write(dir.path().join("list"), &compressed[..compressed.len() * 2 / 3]).unwrap();
    let failed = adoption(dir.path()).adopt(&Stop::new());
    assert!(matches!(failed, Err(AdoptError::List(_))), "{failed:?}");
    assert_eq!(done(dir.path()), 0);
    std::fs::write(dir.path().join("list"), &compressed).unwrap();
    assert_eq!(adoption(dir.path()).adopt(&Stop::new()).unwrap().marked, 20_000);
}

#[test]
fn it_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["list", "done"] {
        std::fs::write(dir.path().join(name), "http://h/a\n").unwrap();
    }
    let stop = Stop::new();
    stop.stop();
    let stopped = adoption(dir.path()).adopt(&stop);
    assert!(matches!(stopped, Err(AdoptError::Stopped)), "{stopped:?}");
    assert_eq!(adoption(dir.path()).adopt(&Stop::new()).unwrap().marked, 1);
}

/// What the ledger says of each item of the list, in its order; `None` of those it does not know.
fn known(folder: &Path) -> Vec<Option<Known>> {
    let mut reader = Reader::open(&folder.join("list.piton.db")).unwrap();
    let list = Source::new(folder.join("list"));
    let keys = list.keyed().unwrap().map(|entry| match entry.unwrap() {
        Keyed::Item(_, key) => key,
        other => panic!("{other:?}"),
    });
    keys.map(|key| reader.lookup(key.as_bytes()).unwrap()).collect()
}

/// The files of the items that are done, which all want one name.
fn files(known: &[Option<Known>]) -> BTreeSet<String> {
    let done = known.iter().flatten().filter(|known| known.state == State::Done);
    done.map(|known| known.path.clone().unwrap_or_else(|| "x.bin".to_owned())).collect()
}

/// Items that want one name, the first ones last in the done file.
pub(super) fn lay_out(folder: &Path, items: u64) {
    let list: Vec<String> = (0..items).map(|n| format!("http://h/{n}/x.bin\n")).collect();
    std::fs::write(folder.join("list"), list.concat()).unwrap();
    std::fs::write(folder.join("done"), list.into_iter().rev().collect::<String>()).unwrap();
}

/// Each length ends differently: before, at and after the end of a group.
#[test]
fn groups_of_any_length_mark_each_item_once_under_a_name_of_its_own() {
    for group in [1, 2, 3, 7, 13, 14, 15] {
        let dir = tempfile::tempdir().unwrap();
        lay_out(dir.path(), ITEMS);
        let report = Adoption { group, ..adoption(dir.path()) }.adopt(&Stop::new()).unwrap();
        assert_eq!((report.items, report.marked, report.strangers), (ITEMS, ITEMS, 0), "{group}");
        assert_eq!(done(dir.path()), ITEMS);
        let known = known(dir.path());
        let named = |n: usize| known[n].as_ref().unwrap().path.clone();
        assert_eq!((named(0), named(13)), (None, Some("x.13.bin".to_owned())), "{group}");
        assert_eq!(files(&known).len() as u64, ITEMS, "{group}");
    }
}

#[test]
fn the_folder_is_made_where_nobody_looks_into_it() {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), 1);
    let folder = dir.path().join("a/b");
    let adoption = |trust| Adoption { folder: folder.clone(), trust, ..adoption(dir.path()) };
    let missing = adoption(false).adopt(&Stop::new());
    assert!(matches!(missing, Err(AdoptError::Folder(_))), "{missing:?}");
    assert_eq!(adoption(true).adopt(&Stop::new()).unwrap().marked, 1);
    assert!(folder.is_dir());
}

/// Not a test: what the killed process does.
#[test]
#[ignore = "is run by another test, in a process of its own"]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let ended = Adoption { group: GROUP, ..adoption(&dir) }.adopt(&Stop::new());
    exit(ended.map_or(1, |_| 0));
}

/// Whatever a kill leaves, whole groups are marked, and the same call again marks the rest.
#[test]
fn a_kill_at_every_syscall_loses_no_group_and_marks_nothing_twice() {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    let actions = [Action::KillBefore, Action::KillHalfway, Action::KillAfter];
    let mut left = BTreeSet::new();
    for (at, action) in (1..).zip(actions.into_iter().cycle()) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        lay_out(folder, ITEMS);
        let program = Program::new(std::env::current_exe().unwrap())
            .args(["--exact", "adopted::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIR, folder);
        let outcome = run(&program, folder, Some(Plan { at, action }), PATIENCE).unwrap();
        if outcome.ended == Ended::Exit(0) {
            break;
        }
        let (ended, hit) = (&outcome.ended, &outcome.hit);
        assert_eq!(*ended, Ended::Killed, "{at}: {hit:?}");
        let again = Adoption { group: GROUP, ..adoption(folder) };
        let before = done(folder);
        let whole = before.is_multiple_of(GROUP as u64) || before == ITEMS;
        assert!(whole, "{at}: {before} marked, {hit:?}");
        left.insert(before);
        let report = again.adopt(&Stop::new()).unwrap();
        assert_eq!((report.already, report.marked), (before, ITEMS - before), "{at}: {hit:?}");
        drop(again);
        let known = known(folder);
        assert_eq!((done(folder), files(&known).len() as u64), (ITEMS, ITEMS), "{at}: {hit:?}");
        let totals = Reader::open(&folder.join("list.piton.db")).unwrap().totals().unwrap();
        assert_eq!(totals.all().items, ITEMS, "{at}: {hit:?}");
    }
    // Groups that have queued up are committed together, so not every number comes.
    assert!(left.contains(&0) && left.contains(&ITEMS) && left.len() > 2, "{left:?}");
}
