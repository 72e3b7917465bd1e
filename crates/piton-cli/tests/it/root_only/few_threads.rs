//! Few threads are allowed (`ulimit -u`, `pids.max`): a list ends, with an error or all of it done.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use piton_testkit::server::{Resource, Server, Site};

use crate::command::{Place, Ran};

/// Nobody else on the machine: the limit counts all threads of a user.
const USER: u32 = 64_321;
/// Enough for everything.
const ENOUGH: u32 = 12;
/// Ends a hang; no verdict comes from it otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_list_of_small_files_ends_however_few_there_are() {
    if !rustix::process::geteuid().is_root() {
        return piton_testkit::skip("needs root, to be another user");
    }
    if Command::new("prlimit").arg("--version").output().is_err() {
        return piton_testkit::skip("prlimit (Debian package util-linux) is not there");
    }
    let site = (0..8).fold(Site::new(), |site, number| {
        site.with(&format!("/{number}"), Resource::pattern(1, 4096).etag("\"1\""))
    });
    let server = Server::start(site);
    let list: String = (0..8).map(|number| server.url(&format!("/{number}")) + "\n").collect();
    let mut codes = Vec::new();
    for threads in 1..=ENOUGH {
        let place = Place::new();
        place.write("list.txt", list.as_bytes());
        // Where that user can run it.
        let program = place.path("piton");
        std::fs::copy(env!("CARGO_BIN_EXE_piton"), &program).unwrap();
        std::fs::set_permissions(&place.dir, PermissionsExt::from_mode(0o755)).unwrap();
        chown(&place.dir, Some(USER), Some(USER)).unwrap();
        let mut child = Command::new("prlimit")
            .arg(format!("--nproc={threads}:{threads}"))
            .arg(program)
            .args(["--config", "none", "get", "-i", "list.txt", "-d", "files"])
            .current_dir(&place.dir)
            .env("HOME", place.dir.path())
            .uid(USER)
            .gid(USER)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{threads}: it stands still: {:?}", child.wait_with_output().unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert!(!ran.stderr.contains("panicked"), "{threads}: {ran:?}");
        assert!(ran.code == 0 || ran.stderr.contains("piton: "), "{threads}: {ran:?}");
        codes.push(ran.code);
    }
    assert!(codes.first() != Some(&0) && codes.last() == Some(&0), "{codes:?}");
}
