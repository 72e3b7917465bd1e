//! The run of a list over files that are not landed as they must be, with a ledger as it must be.

use std::sync::Arc;

use piton::checkpoint::ledger::{How, Ledger};
use piton::durable::fs::{Fs, OsFs};
use piton::fetch::{Client, Stop};
use piton::lists::run::{Monitor, Options, Run};
use piton::lists::source::Source;
use piton::remote::{Remote, http::Config};
use piton_testkit::disk::{Broken, Sabotage};
use piton_testkit::power::{FsKind, Volume};
use piton_testkit::server::MIB;

use super::job::{Job, Room};

/// Goes through the list, by the library, to its end.
pub(super) fn run(job: &Job, room: &Room, broken: Option<Broken>) {
    let fs: Arc<dyn Fs> = match broken {
        Some(broken) => Arc::new(Sabotage::new(OsFs, broken)),
        None => Arc::new(OsFs),
    };
    let how = How { durability: Default::default(), create: true, now: 1 };
    let ledger = Ledger::open(&room.ledger, &how).unwrap();
    let client = Client::new(Remote::new(Config::default()).unwrap(), fs);
    let options = Options::new(room.files.clone());
    let run = Run::new(client, ledger.clone(), Source::new(job.list()), options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let summary = runtime.block_on(run.go(Monitor::new(None), Stop::new())).unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    drop((run, runtime));
    ledger.close().unwrap();
}

/// A name that is not durable goes with the power, and the outcome stays on a disk that keeps it.
#[test]
fn a_word_before_the_name_is_synced_is_caught() {
    for kind in [FsKind::Ext4, FsKind::Xfs] {
        for broken in [None, Some(Broken::NoDirectorySync)] {
            let mut volume = match Volume::create(kind, 256 * MIB) {
                Ok(volume) => volume,
                Err(reason) => return piton_testkit::skip(reason),
            };
            let job = Job::new();
            let room = Room {
                files: volume.path().join("files"),
                ledger: job.place.path("list.piton.db"),
            };
            run(&job, &room, broken);
            volume.cut_power_and_remount().unwrap();
            let checked = job.check(&room);
            assert_eq!(checked.is_err(), broken.is_some(), "{} {checked:?}", kind.name());
        }
    }
}
