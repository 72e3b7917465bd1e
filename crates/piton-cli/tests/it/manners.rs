//! The manners of a Unix process: signals that were ignored, limits, and streams that are closed.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton_testkit::server::{Fault, KIB, MIB, Resource, Server, Site, pattern};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Place, Ran};

/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);
const PATTERN: u64 = 3;

fn server(len: u64, rate: Option<u64>) -> Server {
    let site = Site::new().with("/file", Resource::pattern(PATTERN, len).etag("\"1\""));
    Server::start(match rate {
        Some(rate) => site.rate_per_connection(rate),
        None => site,
    })
}

/// The command, started by a shell after it has run `before`.
fn shell(place: &Place, before: &str, args: &[&str]) -> Command {
    let piton = place.command(args);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{before}\nexec \"$@\"")).arg("sh").arg(piton.get_program());
    command.args(piton.get_args()).current_dir(&place.dir).env_clear();
    command.env("HOME", place.dir.path()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::null());
    command
}

fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it never happens");
        sleep(Duration::from_millis(5));
    }
}

/// Starts a download under a shell that has run `before`, sends it the signals while bytes come in, and waits
/// for its end.
fn signalled(before: &str, signals: &[Signal]) -> (Place, Option<i32>) {
    let (place, server) = (Place::new(), server(3 * MIB, Some(MIB)));
    let args = ["--config", "none", "get", "--quiet", "-x", "1", &server.url("/file")];
    let mut child = shell(&place, before, &args).spawn().unwrap();
    until(|| fs::metadata(place.path("file.part")).is_ok_and(|part| part.len() > 0));
    for &signal in signals {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    let code = wait(&mut child);
    (place, code)
}

fn wait(child: &mut Child) -> Option<i32> {
    let mut status = None;
    until(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.and_then(|status| status.code())
}

fn is_whole(place: &Place, len: u64) -> bool {
    fs::read(place.path("file")).is_ok_and(|bytes| bytes == pattern::bytes(PATTERN, len as usize))
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let signals = [(Signal::HUP, "HUP"), (Signal::INT, "INT"), (Signal::TERM, "TERM")];
    for (signal, name) in signals {
        let (place, code) = signalled(&format!("trap '' {name}"), &[signal, signal]);
        assert_eq!(code, Some(0), "{name} was ignored");
        assert!(is_whole(&place, 3 * MIB), "{name}");
    }
    let (place, code) = signalled("trap '' HUP INT TERM", &signals.map(|(signal, _)| signal));
    assert_eq!(code, Some(0), "all were ignored");
    assert!(is_whole(&place, 3 * MIB));
}

/// One ignored signal says nothing of the others; and what was not ignored saves and ends, as ever.
#[test]
fn other_signals_than_those_that_were_ignored_still_stop_it() {
    for (before, signals, expected) in [
        ("trap '' HUP", [Signal::HUP, Signal::TERM], 143),
        ("trap '' HUP", [Signal::HUP, Signal::INT], 130),
        ("trap '' INT", [Signal::INT, Signal::HUP], 143),
    ] {
        let (place, code) = signalled(before, &signals);
        assert_eq!(code, Some(expected), "{before}, {signals:?}");
        assert!(place.path("file.part").exists() && !place.path("file").exists());
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_with_a_sentence() {
    // The shell counts in blocks of 512 bytes; what is left of the limit is enough for journal and ledger.
    let limit = |bytes: u64| format!("ulimit -f {}", bytes / 512);
    let server = server(3 * MIB, None);
    let url = server.url("/file");
    // The length is known: found before the transfer, and nothing is left.
    let place = Place::new();
    let args = ["--config", "none", "get", &url];
    let ran: Ran = shell(&place, &limit(2 * MIB), &args).output().unwrap().into();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("files here are limited to 2097152 bytes"), "{}", ran.stderr);
    assert!(ran.stderr.contains("ulimit -f"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 0, "something is left");

    // A list: the item fails, the others do not.
    let place = Place::new();
    place.write("list", format!("{url}\n").as_bytes());
    let args = ["--config", "none", "get", "-i", "list", "-d", "out"];
    let ran: Ran = shell(&place, &limit(2 * MIB), &args).output().unwrap().into();
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert!(ran.stderr.contains("too-large"), "{}", ran.stderr);
}

/// Where the length is not known, the write meets the limit.
#[test]
fn a_file_that_grows_beyond_the_limit_keeps_what_came_in() {
    let resource = Resource::pattern(PATTERN, 3 * MIB).etag("\"1\"");
    let no_ranges = Fault::in_request(|request| request.headers.remove("range"));
    let unsaid = no_ranges.and(Fault::chunked(64 << 10)).on("/file");
    let server = Server::start(Site::new().with("/file", resource).fault(unsaid));
    let place = Place::new();
    let args = ["--config", "none", "get", "-x", "1", &server.url("/file")];
    let before = format!("ulimit -f {}", 2 * MIB / 512);
    let ran: Ran = shell(&place, &before, &args).output().unwrap().into();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("File too large"), "{}", ran.stderr);
    assert!(ran.stderr.contains("ulimit -f"), "{}", ran.stderr);
    assert!(!place.path("file").exists());
    // Without the limit the same command ends well.
    let ran = place.piton(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(is_whole(&place, 3 * MIB));
}

#[test]
fn closed_streams_and_a_session_of_its_own_change_nothing() {
    let server = server(300 * KIB, None);
    let url = server.url("/file");
    for before in ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&- 2>&-"] {
        for screen in ["--quiet", "--json", "-x4"] {
            let place = Place::new();
            let args = ["--config", "none", "get", screen, &url];
            let ran = shell(&place, before, &args).output().unwrap();
            assert_eq!(ran.status.code(), Some(0), "{before} {screen}: {ran:?}");
            // No descriptor of the transfer was taken for one of the streams.
            assert!(is_whole(&place, 300 * KIB), "{before} {screen}");
        }
    }
    let place = Place::new();
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(env!("CARGO_BIN_EXE_piton"));
    command.args(["--config", "none", "get", &url]).current_dir(&place.dir).stdin(Stdio::null());
    let ran: Ran = command.output().unwrap().into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(is_whole(&place, 300 * KIB));
}

/// The reader of what piton says goes away in the middle: the download goes on.
#[test]
fn a_reader_that_goes_away_stops_no_download() {
    let server = server(2 * MIB, Some(MIB));
    for (screen, to_stderr) in [("--json", false), ("-x1", true)] {
        let place = Place::new();
        let url = server.url("/file");
        let mut command = place.command(&["--config", "none", "get", screen, &url]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let reader: &mut dyn Read = if to_stderr { &mut stderr } else { &mut stdout };
        let mut byte = [0];
        assert_eq!(reader.read(&mut byte).unwrap(), 1, "{screen} says something");
        drop((stdout, stderr));
        assert_eq!(wait(&mut child), Some(0), "{screen}");
        assert!(is_whole(&place, 2 * MIB), "{screen}");
    }
}

/// On a terminal, as `script` gives one.
#[test]
fn the_outcome_is_coloured_on_a_terminal() {
    let place = Place::new();
    fs::write(place.dir.path().join("in"), "a\nb\n").unwrap();
    let piton = place.command(&[]).get_program().to_string_lossy().into_owned();
    let url = format!("file://{}/in", place.dir.path().display());
    for (arguments, first) in [
        (format!("get {url} -o copy"), "\u{1b}[32mcopy\u{1b}[0m"),
        ("lines in -o out -- cat".to_owned(), "\u{1b}[32mdone:\u{1b}[0m"),
    ] {
        let line = format!("{piton} {arguments}");
        let ran = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(&place.dir)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{shown}");
        assert!(shown.contains(first), "{shown:?}");
        assert!(!shown.contains('\u{fffd}'), "{shown:?}");
    }
}
