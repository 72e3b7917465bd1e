//! Few threads are allowed (`ulimit -u`, `pids.max`): a list, a file and what goes on with one end, with an
//! error or all of it done.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use piton_testkit::server::{MIB, Resource, Server, Site};

use crate::command::{Place, Ran};
use crate::urls::{Ask, Case, Differs, Files, Judge, Urls};

/// Enough for everything.
const ENOUGH: u32 = 12;
/// Ends a hang; no verdict comes from it otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_list_of_small_files_ends_however_few_there_are() {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
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
        let command = place.command(&["--config", "none", "get", "-i", "list.txt", "-d", "files"]);
        let ran = limited(&command, place.dir.path(), 0, threads);
        assert!(!ran.stderr.contains("panicked"), "{threads}: {ran:?}");
        assert!(ran.code == 0 || ran.stderr.contains("piton: "), "{threads}: {ran:?}");
        codes.push(ran.code);
    }
    assert!(codes.first() != Some(&0) && codes.last() == Some(&0), "{codes:?}");
}

#[test]
fn one_file_with_a_digest_ends() {
    one_file(Judge::Digest, 1);
}

#[test]
fn one_file_with_digests_of_pieces_ends() {
    one_file(Judge::Pieces, 2);
}

#[test]
fn one_file_with_both_ends() {
    one_file(Judge::Both, 3);
}

/// From its first byte; from the middle, by the same command; and by `piton resume`.
fn one_file(judge: Judge, user: u32) {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    let files = Files::new(3 * MIB + 777);
    for way in ["get", "get again", "resume"] {
        let mut codes = Vec::new();
        for threads in 1..=ENOUGH {
            let case = Case { judge, urls: 2, odd: 1, differs: Differs::Hardly, ends_at: None };
            let urls = Urls::new(case, &files, 2 * MIB);
            if way != "get" {
                begin(&urls);
            }
            let mut command = urls.program(Ask::all(2)).command();
            if way == "resume" {
                command = Command::new(command.get_program());
                command.args(["--config", "none", "resume", "--quiet"]).arg(urls.folder());
            }
            let ran = limited(&command, urls.home(), user, threads);
            let at = format!("{judge:?} {way} {threads}: {ran:?}");
            let resumes_alone = way == "resume" && urls.is_list() && ran.code != 0;
            let checked = match resumes_alone {
                // Without the pieces that judge it begins again from one URL.
                true => urls.check_between(true),
                false => urls.check_ended(Ask::all(2), ran.code, &ran.stderr),
            };
            assert_eq!(checked, Ok(()), "{at}");
            assert!(!ran.stderr.contains("panicked"), "{at}");
            // With threads again, the rest is no more than the same command.
            if ran.code != 0 {
                let command = urls.program(Ask::all(2)).command();
                let ran = limited(&command, urls.home(), user, ENOUGH);
                let done = urls.check_done(Ask::all(2));
                assert_eq!((ran.code, done), (0, Ok(())), "{at}, then {ran:?}");
            }
            codes.push(ran.code);
        }
        let all = codes.first() != Some(&0) && codes.last() == Some(&0);
        assert!(all, "{judge:?} {way}: {codes:?}");
    }
}

/// Until there is something to go on with.
fn begin(urls: &Urls<'_>) {
    let mut child = urls.start(Ask::all(2));
    let journal = urls.file().with_extension("bin.piton");
    while !journal.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it began nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Whether such a limit can be set here.
fn available() -> Result<(), &'static str> {
    if !rustix::process::geteuid().is_root() {
        return Err("needs root, to be another user");
    }
    match Command::new("prlimit").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => Err("prlimit (Debian package util-linux) is not there"),
    }
}

/// Runs the command as somebody who may have so many threads, and who owns all below `home`.
fn limited(command: &Command, home: &Path, user: u32, threads: u32) -> Ran {
    // Nobody else on the machine: the limit counts all threads of a user.
    let user = 1_000_000 + std::process::id() * 8 + user;
    // Where that user can run it.
    let program = home.join("piton");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_piton"), &program).unwrap();
    }
    std::fs::set_permissions(home, PermissionsExt::from_mode(0o755)).unwrap();
    give(home, user);
    let mut child = Command::new("prlimit")
        .arg(format!("--nproc={threads}:{threads}"))
        .arg(program)
        .args(command.get_args())
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .uid(user)
        .gid(user)
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
    Ran::from(child.wait_with_output().unwrap())
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}
