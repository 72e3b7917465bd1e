//! Taking over a done file, at the level of the library: what an early end leaves.

use std::path::Path;
use std::sync::Arc;

use piton_checkpoint::ledger::{Durability, How, Ledger, Reader, State};
use piton_durable::fs::OsFs;
use piton_fetch::Stop;
use piton_lists::adopt::{AdoptError, Adoption};
use piton_lists::name::Naming;
use piton_lists::source::Source;

const NOW: u64 = 1_700_000_000_000;

fn adoption(folder: &Path) -> Adoption {
    let how = How { durability: Durability::Process, create: true, now: NOW };
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
    }
}

fn done(folder: &Path) -> u64 {
    let reader = Reader::open(&folder.join("list.piton.db")).unwrap();
    reader.totals().unwrap().of(State::Done).items
}

/// The list is cut short in the midst of a member: what came before that is marked, and kept.
#[test]
fn what_was_marked_before_a_failure_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let whole: String = (0..20_000).map(|n| format!("http://h/{n}\n")).collect();
    let compressed = zstd::encode_all(whole.as_bytes(), 1).unwrap();
    std::fs::write(folder.join("done"), &whole).unwrap();
    std::fs::write(folder.join("list"), &compressed[..compressed.len() * 2 / 3]).unwrap();
    let failed = adoption(folder).adopt(&Stop::new());
    assert!(matches!(failed, Err(AdoptError::List(_))), "{failed:?}");
    let kept = done(folder);
    assert!((1..20_000).contains(&kept), "{kept}");

    std::fs::write(folder.join("list"), &compressed).unwrap();
    let report = adoption(folder).adopt(&Stop::new()).unwrap();
    assert_eq!((report.already, report.marked, report.strangers), (kept, 20_000 - kept, 0));
    assert_eq!((report.items, done(folder)), (20_000, 20_000));
    let runs = Reader::open(&folder.join("list.piton.db")).unwrap().runs(2).unwrap();
    assert!(runs.iter().all(|run| run.run.options == "as before" && run.ended >= Some(NOW)));
    assert_eq!(runs.len(), 2);
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
