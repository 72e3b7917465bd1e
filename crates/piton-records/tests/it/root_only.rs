//! Power cuts on real file systems, by their shutdown ioctl. Only root can set them up.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use piton_testkit::power::{FsKind, Volume};
use piton_testkit::seed::{draw, seed};
use piton_testkit::syscalls::Program;

use crate::harness::wanted;
use crate::killed::{CHILD, SOURCE, STATE, program};

/// A round of cuts, until one run reaches the end. The state is where this says, of the folder of the job.
fn cuts(kind: FsKind, rounds: u64, state: Option<fn(&Path) -> String>) {
    let input: Vec<u8> = (0..300_000)
        .flat_map(|n| format!("line {n} {}\n", "z".repeat(n % 40)).into_bytes())
        .collect();
    let source = tempfile::tempdir().unwrap();
    let source = source.path().join("in");
    std::fs::write(&source, &input).unwrap();
    let whole = wanted(input.strip_suffix(b"\n").unwrap());
    let mut cuts = 0;
    for round in 0..rounds {
        let mut volume = match Volume::create(kind, 400 << 20) {
            Ok(volume) => volume,
            Err(reason) => return piton_testkit::skip(reason),
        };
        let run = |folder: &Path| -> Program {
            let program = program().env(CHILD, folder).env(SOURCE, &source);
            match state {
                Some(state) => program.env(STATE, state(folder)),
                None => program,
            }
        };
        for turn in 0..100 {
            let mut child = run(&volume.path())
                .command()
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(100 + draw(round * 1000 + turn, 2500)));
            let ended = child.try_wait().unwrap();
            volume.cut_power().unwrap();
            // It may be over.
            let _ = child.kill();
            child.wait().unwrap();
            volume.remount().unwrap();
            match ended {
                None => cuts += 1,
                Some(status) => {
                    assert!(status.success(), "{}, turn {turn}, seed {}", kind.name(), seed());
                    break;
                }
            }
        }
        // Its end was durable, and there is nothing to do.
        assert!(std::fs::read(volume.path().join("out")).unwrap() == whole, "seed {}", seed());
        assert!(run(&volume.path()).command().stdout(Stdio::null()).status().unwrap().success());
        assert!(std::fs::read(volume.path().join("out")).unwrap() == whole, "seed {}", seed());
    }
    assert!(cuts > 1, "{cuts} cuts");
    eprintln!("{}: {cuts} cuts", kind.name());
}

#[test]
fn power_cuts_on_ext4() {
    cuts(FsKind::Ext4, 4, None);
}

#[test]
fn power_cuts_on_xfs() {
    cuts(FsKind::Xfs, 3, None);
}

#[test]
fn power_cuts_with_a_state_in_sqlite() {
    let state = |folder: &Path| format!("sqlite:{}", folder.join("jobs.db").display());
    cuts(FsKind::Ext4, 3, Some(state));
}
