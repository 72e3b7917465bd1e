//! Keys at a terminal while a job runs.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::{names, numbers, read};
use crate::command::Place;

/// piton at a terminal of its own, in the foreground.
struct AtTerminal {
    child: Child,
    keys: File,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl AtTerminal {
    /// `shell` is CMD, for each of the lines 1 to 40.
    fn start(place: &Place, shell: &str, stdout: Stdio) -> Self {
        numbers(place, "n", 40);
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || {
            let mut options = std::fs::OpenOptions::new();
            Stdio::from(options.read(true).write(true).open(&name).unwrap())
        };
        let args = ["each", "n", "-o", "out", "-j", "1", "--", "/bin/sh", "-c", shell, "x"];
        // A session of its own, with that terminal.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(env!("CARGO_BIN_EXE_piton")).args(args).current_dir(&place.dir);
        command.env_clear().env("HOME", place.dir.path()).env("TERM", "xterm");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let child = command.stdin(slave()).stdout(stdout).stderr(slave()).spawn().unwrap();
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It ends when nobody has the other side open any more.
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                seen.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, keys, shown }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    fn shows(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).contains(text)
    }

    /// Whether it hands out lines, as terminals usually do.
    fn is_as_before(&self) -> bool {
        let modes = tcgetattr(&self.keys).unwrap().local_modes;
        assert_eq!(modes.contains(LocalModes::ICANON), modes.contains(LocalModes::ECHO));
        modes.contains(LocalModes::ICANON)
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            let shown = String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned();
            assert!(began.elapsed() < Duration::from_secs(30), "never: {what}; {shown}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "it did not end: {}",
                self.threads()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What its threads do, and what it shows.
    fn threads(&self) -> String {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let mut text = String::new();
        for task in tasks {
            let task = task.unwrap().path();
            let read = |name| std::fs::read_to_string(task.join(name)).unwrap_or_default();
            let state: String =
                read("status").lines().filter(|it| it.starts_with("State")).collect();
            text += &format!("{} {state} {}\n", read("comm").trim(), read("wchan"));
        }
        let shown = self.shown.lock().unwrap();
        let last = shown.len().saturating_sub(600);
        text + &String::from_utf8_lossy(&shown[last..])
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.rsplit_once(')').unwrap().1.trim_start().starts_with('T')
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SLOW: &str = "echo $1 >> ran; sleep 0.05; echo $1";

fn ran(place: &Place) -> usize {
    std::fs::read_to_string(place.path("ran")).map_or(0, |ran| ran.lines().count())
}

#[test]
fn p_pauses_and_continues() {
    let place = Place::new();
    let mut piton = AtTerminal::start(&place, SLOW, Stdio::null());
    piton.until("it runs", |_| ran(&place) > 2);
    piton.until("it takes keys", |it| !it.is_as_before());
    piton.press(b"?");
    piton.until("it shows the keys", |it| it.shows("keys: p or space pauses"));
    piton.press(b"p");
    piton.until("it is paused", |it| it.shows("paused: what runs is finished"));
    // What was handed out before is finished: at most one that runs and those that wait for the worker.
    std::thread::sleep(Duration::from_millis(500));
    let before = ran(&place);
    assert!(before < 40, "{before}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ran(&place), before);
    piton.press(b" ");
    assert_eq!(piton.end().code(), Some(0));
    assert!(piton.is_as_before());
    assert_eq!(read(&place, "out").lines().count(), 40);
    assert_eq!(ran(&place), 40);
}

#[test]
fn q_stops_as_ctrl_c_does_and_the_terminal_is_as_before() {
    let place = Place::new();
    let mut piton = AtTerminal::start(&place, SLOW, Stdio::null());
    piton.until("it takes keys", |it| !it.is_as_before() && ran(&place) > 2);
    piton.press(b"q");
    assert_eq!(piton.end().code(), Some(130));
    assert!(piton.is_as_before());
    assert!(names(&place).contains(&"out.part".to_owned()));
    // Ctrl-C still is one.
    let mut piton = AtTerminal::start(&place, SLOW, Stdio::null());
    piton.until("it takes keys", |it| !it.is_as_before());
    piton.press(&[3]);
    assert_eq!(piton.end().code(), Some(130));
    assert!(piton.is_as_before());
}

#[test]
fn the_terminal_is_as_before_after_an_error_and_after_signals() {
    let wait = "touch waits; while test -e n; do sleep 0.02; done";
    // It does not end when it is asked to, so that the second signal finds piton at work.
    let deaf = &format!("trap '' TERM; {wait}");
    for (shell, ends, code) in [
        ("sleep 0.5; exit 1", &[][..], Some(13)),
        (wait, &["-TERM"], Some(143)),
        (deaf, &["-TERM", "-TERM"], Some(143)),
        (deaf, &["-INT", "-HUP"], Some(143)),
    ] {
        let place = Place::new();
        let mut piton = AtTerminal::start(&place, shell, Stdio::null());
        piton.until("it takes keys", |it| !it.is_as_before());
        for signal in ends {
            piton.until("CMD runs", |_| place.path("waits").exists());
            piton.signal(signal);
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(piton.end().code(), code, "{shell} {ends:?}");
        assert!(piton.is_as_before(), "{shell} {ends:?}");
    }
    // Ctrl-\ ends it as it always does.
    let place = Place::new();
    let mut piton = AtTerminal::start(&place, wait, Stdio::null());
    piton.until("it takes keys", |it| !it.is_as_before());
    piton.press(&[0x1c]);
    assert_eq!(piton.end().signal(), Some(3));
    assert!(piton.is_as_before());
}

#[test]
fn the_terminal_is_as_before_while_it_is_suspended() {
    let place = Place::new();
    let mut piton = AtTerminal::start(&place, SLOW, Stdio::null());
    for _ in 0..2 {
        piton.until("it takes keys", |it| !it.is_as_before());
        // Ctrl-Z.
        piton.press(&[0x1a]);
        piton.until("it is suspended", AtTerminal::is_stopped);
        assert!(piton.is_as_before());
        piton.signal("-CONT");
    }
    piton.until("it takes keys again", |it| !it.is_as_before());
    piton.press(b"q");
    assert_eq!(piton.end().code(), Some(130));
    assert!(piton.is_as_before());
}

#[test]
fn keys_that_are_for_a_pager_are_left_to_it() {
    let place = Place::new();
    let mut piton = AtTerminal::start(&place, SLOW, Stdio::piped());
    piton.until("it runs", |_| ran(&place) > 5);
    assert!(piton.is_as_before());
    piton.press(b"q");
    assert_eq!(piton.end().code(), Some(0));
}
