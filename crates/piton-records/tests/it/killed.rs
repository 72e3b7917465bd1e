//! A real process that is killed at random moments, with the threads and the cadence that programs get.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use piton_records::Job;
use piton_testkit::seed::draw;

use crate::harness::{result, wanted};

const CHILD: &str = "PITON_RECORDS_CHILD";

fn input() -> Vec<u8> {
    (0..300_000).flat_map(|n| format!("line {n} {}\n", "z".repeat(n % 40)).into_bytes()).collect()
}

/// The program: it is this test again, in a process of its own.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let path = |name: &str| Path::new(&folder).join(name);
    let mut job = Job::open(path("job")).unwrap();
    let mut out = job.output(path("out")).unwrap();
    for record in job.lines(path("in")).unwrap() {
        let record = record.unwrap();
        out.write(&record, result(&record)).unwrap();
        if record.line() % 1000 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    job.finish().unwrap();
}

#[test]
fn at_random_moments_until_it_is_done() {
    let mut kills = 0;
    for round in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("in"), input()).unwrap();
        for turn in 0..200 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "killed::child"])
                .env(CHILD, folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(20 + draw(round * 1000 + turn, 250)));
            // It may be over.
            let _ = child.kill();
            if child.wait().unwrap().success() {
                break;
            }
            kills += 1;
        }
        assert!(
            std::fs::read(path("out")).unwrap() == wanted(input().strip_suffix(b"\n").unwrap())
        );
        // Each byte behind a commit is explained: nothing was set aside.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
    assert!(kills > 4, "{kills} kills");
}
