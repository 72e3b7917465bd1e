//! File systems with less than ext4: strace answers single system calls as they do.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton_testkit::server::{KIB, MIB, Resource, Server, Site, pattern};

use crate::command::{Place, Ran};

/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);
const PATTERN: u64 = 4;
/// More than goes the short way.
const LEN: u64 = 2 * MIB;

fn server(rate: Option<u64>) -> Server {
    let time = "Mon, 02 Jan 2006 15:04:05 GMT";
    let file = Resource::pattern(PATTERN, LEN).etag("\"1\"").last_modified_text(time);
    let small = Resource::pattern(PATTERN, 20 * KIB).etag("\"2\"").last_modified_text(time);
    let site = Site::new().with("/file", file).with("/small", small);
    Server::start(match rate {
        Some(rate) => site.rate_per_connection(rate),
        None => site,
    })
}

/// Whether strace can be used here; says so where not.
fn can_inject() -> bool {
    let inject = ["-f", "-qq", "-e", "trace=flock", "-e", "inject=flock:error=ENOSYS", "true"];
    let works = Command::new("strace").args(inject).output().is_ok_and(|ran| ran.status.success());
    if !works {
        piton_testkit::skip("strace (Debian package strace) is missing, or may not trace");
    }
    works
}

/// The command, with these calls answered so: "flock:error=ENOSYS".
fn lesser(place: &Place, answers: &[&str], args: &[&str]) -> Command {
    let piton = place.command(args);
    let mut command = Command::new("strace");
    let calls: Vec<_> = answers.iter().filter_map(|answer| answer.split(':').next()).collect();
    // Nothing else stops it, so that it is as fast as ever.
    command.args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"]);
    command.arg("-e").arg(format!("trace={}", calls.join(",")));
    for answer in answers {
        command.arg("-e").arg(format!("inject={answer}"));
    }
    command.arg(piton.get_program()).args(piton.get_args());
    command.current_dir(&place.dir).env_clear().env("HOME", place.dir.path());
    command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

fn is_whole(place: &Place, name: &str, len: u64) -> bool {
    fs::read(place.path(name)).is_ok_and(|bytes| bytes == pattern::bytes(PATTERN, len as usize))
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Says, once, that its file system has no locks.
fn warns(stderr: &str) -> bool {
    stderr.matches("has no locks").count() == 1
}

#[test]
fn no_locks_are_said_once_and_the_file_is_whole() {
    if !can_inject() {
        return;
    }
    let server = server(None);
    // The last one grants every lock to everybody.
    for answer in ["error=ENOSYS", "error=EOPNOTSUPP", "error=ENOLCK", "retval=0"] {
        let place = Place::new();
        let args = ["--config", "none", "get", &server.url("/file")];
        let ran: Ran =
            lesser(&place, &[&format!("flock:{answer}")], &args).output().unwrap().into();
        assert_eq!(ran.code, 0, "{answer}: {}", ran.stderr);
        assert!(warns(&ran.stderr), "{answer}: {}", ran.stderr);
        assert!(is_whole(&place, "file", LEN), "{answer}");
        assert_eq!(names(&place), ["file"], "{answer}: something is left");
    }
    // Of a list too, however many items it has.
    let place = Place::new();
    let (file, small) = (server.url("/file"), server.url("/small"));
    place.write("list", format!("{file}\n out=a\n{file}\n out=b\n{small}\n out=c\n").as_bytes());
    let args = ["--config", "none", "get", "-i", "list", "-d", "out"];
    let ran: Ran = lesser(&place, &["flock:error=ENOLCK"], &args).output().unwrap().into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(warns(&ran.stderr), "{}", ran.stderr);
    assert!(is_whole(&place, "out/a", LEN) && is_whole(&place, "out/b", LEN));
    assert!(is_whole(&place, "out/c", 20 * KIB));
    // Where there are locks nothing is said.
    let ran = Place::new().piton(&["--config", "none", "get", &file]);
    assert!(ran.code == 0 && !ran.stderr.contains("locks"), "{}", ran.stderr);
}

fn started(place: &Place, answer: &str, url: &str) -> Child {
    let args = ["--config", "none", "get", "--quiet", "-x", "1", "-o", "file", url];
    let child = lesser(place, &[answer], &args).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    while !fs::metadata(place.path("file.part")).is_ok_and(|part| part.len() > 0) {
        assert!(Instant::now() < end, "it does not begin");
        sleep(Duration::from_millis(5));
    }
    child
}

/// Never one part for two: neither for two processes, nor for two downloads of one process.
#[test]
fn without_locks_a_part_in_use_is_noticed() {
    if !can_inject() {
        return;
    }
    let slow = server(Some(MIB));
    let (url, other) = (slow.url("/file"), slow.url("/file?other"));
    for answer in ["flock:error=ENOSYS", "flock:retval=0"] {
        let place = Place::new();
        let first = started(&place, answer, &url);
        let args = ["--config", "none", "get", "-o", "file", &other];
        let ran: Ran = lesser(&place, &[answer], &args).output().unwrap().into();
        assert_eq!(ran.code, 9, "{answer}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("is being written by another process (process "),
            "{}",
            ran.stderr
        );
        let first = first.wait_with_output().unwrap();
        assert_eq!(first.status.code(), Some(0), "{answer}: {first:?}");
        assert!(is_whole(&place, "file", LEN), "{answer}");
        assert_eq!(names(&place), ["file"], "{answer}");

        // Both of one process, to one name.
        let place = Place::new();
        let args = ["--config", "none", "get", "-x", "1", &url, &other];
        let ran: Ran = lesser(&place, &[answer], &args).output().unwrap().into();
        assert_eq!(ran.code, 9, "{answer}: {}", ran.stderr);
        assert!(ran.stderr.contains("for another URL of this command"), "{}", ran.stderr);
        assert!(is_whole(&place, "file", LEN), "{answer}");
    }
}

/// A kill leaves nothing that has to be cleared away before the next run.
#[test]
fn without_locks_a_killed_download_is_resumed() {
    if !can_inject() {
        return;
    }
    let slow = server(Some(MIB));
    let place = Place::new();
    let answer = "flock:error=ENOSYS";
    let mut first = started(&place, answer, &slow.url("/file"));
    // strace as well: what it traces ends with it.
    let traced = fs::read_to_string(format!("/proc/{0}/task/{0}/children", first.id())).unwrap();
    let traced = rustix::process::Pid::from_raw(traced.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(traced, rustix::process::Signal::KILL).unwrap();
    first.wait().unwrap();
    assert!(place.path("file.part").exists());
    let args = ["--config", "none", "get", "-o", "file", &slow.url("/file")];
    let ran: Ran = lesser(&place, &[answer], &args).output().unwrap().into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(is_whole(&place, "file", LEN));
}

#[test]
fn times_and_attributes_are_extras() {
    if !can_inject() {
        return;
    }
    let server = server(None);
    for (answers, warned) in [
        (&["utimensat:error=EPERM"][..], true),
        (&["utimensat:error=ENOSYS", "fsetxattr:error=EOPNOTSUPP"], true),
        (&["fsetxattr:error=ENOSYS", "fgetxattr:error=ENOSYS"], false),
        (&["fchmod:error=EPERM", "fsetxattr:error=EPERM"], false),
    ] {
        let place = Place::new();
        let args = ["--config", "none", "get", "--checksum", &sha256(), &server.url("/file")];
        let ran: Ran = lesser(&place, answers, &args).output().unwrap().into();
        assert_eq!(ran.code, 0, "{answers:?}: {}", ran.stderr);
        assert_eq!(
            ran.stderr.contains("does not allow file times to be set"),
            warned,
            "{}",
            ran.stderr
        );
        assert!(is_whole(&place, "file", LEN), "{answers:?}");
        assert_eq!(names(&place), ["file"], "{answers:?}");
    }
}

fn sha256() -> String {
    format!("sha256:{}", Resource::pattern(PATTERN, LEN).sha256())
}

/// Calls that newer kernels and better file systems have: the same file without them, large and small, new and
/// in the place of another.
#[test]
fn calls_that_are_missing_are_done_without() {
    if !can_inject() {
        return;
    }
    let server = server(None);
    for answers in [
        &["renameat2:error=EINVAL"][..],
        &["renameat2:error=ENOSYS", "linkat:error=EPERM"],
        &["fallocate:error=EOPNOTSUPP"],
        &["statx:error=ENOSYS"],
        &["statx:error=EPERM"],
        &["sync_file_range:error=ENOSYS"],
        &["openat2:error=ENOSYS"],
        &["copy_file_range:error=ENOSYS", "fallocate:error=ENOSYS", "fstatfs:error=ENOSYS"],
        &[
            "flock:error=ENOLCK",
            "renameat2:error=EINVAL",
            "linkat:error=EPERM",
            "statx:error=ENOSYS",
        ],
    ] {
        for (path, len) in [("/file", LEN), ("/small", 20 * KIB)] {
            let (place, url) = (Place::new(), server.url(path));
            let name = path.trim_start_matches('/');
            let args = ["--config", "none", "get", "--overwrite", &url];
            for round in ["new", "replaced"] {
                let ran: Ran = lesser(&place, answers, &args).output().unwrap().into();
                assert_eq!(ran.code, 0, "{answers:?}, {path}, {round}: {}", ran.stderr);
                assert!(is_whole(&place, name, len), "{answers:?}, {path}, {round}");
                assert_eq!(names(&place), [name], "{answers:?}, {path}, {round}");
                place.write(name, b"something else");
            }
        }
    }
}

/// As FAT, exFAT and shares of Windows say it: "invalid", or "no such file".
#[test]
fn a_name_that_cannot_be_is_said_with_its_character() {
    if !can_inject() {
        return;
    }
    let server = server(None);
    for answer in ["openat:error=EINVAL", "openat:error=ENOENT"] {
        let place = Place::new();
        let args = ["--config", "none", "get", "-o", "10:30.iso", &server.url("/file")];
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={answer}")]);
        command.args(["-P", "10:30.iso.part"]);
        let piton = place.command(&args);
        command.arg(piton.get_program()).args(piton.get_args());
        command.current_dir(&place.dir).env("HOME", place.dir.path()).stdin(Stdio::null());
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.code, 3, "{answer}: {}", ran.stderr);
        assert!(ran.stderr.contains("does not allow ':' in a name"), "{answer}: {}", ran.stderr);
        assert!(ran.stderr.contains("-o FILE chooses another name"), "{}", ran.stderr);
        assert_eq!(names(&place), Vec::<String>::new(), "{answer}");
    }
}
