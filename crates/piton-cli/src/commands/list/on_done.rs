//! `--on-done`: a command for each finished file.
//!
//! It runs after the file is durable and recorded, so it runs at most once: a kill between the record and
//! the command skips it. A few run at a time. If all of them are busy and enough files wait, the ledger
//! waits too, and eventually the downloads do: nothing is skipped, and memory stays bounded (G8).

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use piton::lists;

use crate::screen::human;
use crate::screen::list::Shared as Screen;
use crate::trouble::Trouble;

/// Commands in parallel.
const AT_ONCE: usize = 8;
/// Files that may wait for a free one.
const WAITING: usize = 64;
/// A command that takes longer is reported, once.
const SLOW: Duration = Duration::from_secs(60);

/// A file that is done and recorded as such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DoneFile {
    pub(super) path: PathBuf,
    /// Without a login.
    pub(super) url: String,
    pub(super) size: u64,
    /// `alg:hex`, or nothing.
    pub(super) digest: String,
}

impl From<lists::run::DoneFile> for DoneFile {
    fn from(done: lists::run::DoneFile) -> Self {
        let digest = done.verified.first();
        let digest = digest.map(|digest| format!("{}:{digest}", digest.algorithm()));
        let digest = digest.unwrap_or_default();
        Self { path: done.path, url: done.url, size: done.size, digest }
    }
}

/// Runs the commands.
pub(super) struct OnDone {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    command: Words,
    screen: Screen,
    state: Mutex<State>,
    /// There is room, or nothing more is accepted.
    room: Condvar,
    /// There is work, or there will be none.
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<DoneFile>,
    running: Vec<Running>,
    closed: bool,
    abandoned: bool,
    tally: Tally,
}

struct Running {
    path: PathBuf,
    since: Instant,
    reported: bool,
}

/// The results of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Ran and ended with 0.
    pub(super) good: u64,
    /// Could not be run, or failed.
    pub(super) failed: u64,
    /// Were not run, because the run was stopped.
    pub(super) left_out: u64,
    /// Were still running then, and continue on their own.
    pub(super) left_running: u64,
}

impl Tally {
    /// Whether no command failed or has an unknown result.
    pub(super) fn is_good(self) -> bool {
        self == Self { good: self.good, ..Self::default() }
    }
}

/// A command, split into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    program: OsString,
    arguments: Vec<OsString>,
}

impl Words {
    /// Splits as a shell does; nothing is expanded.
    pub(super) fn of(text: &str) -> Result<Self, Trouble> {
        let wrong = |why| Trouble::usage(format!("--on-done {why}"));
        let words = shlex::split(text).ok_or_else(|| wrong("has an unclosed quote"))?;
        let mut words = words.into_iter().map(OsString::from);
        let program = words.next().filter(|program| !program.is_empty());
        let program = program.ok_or_else(|| wrong("needs a command"))?;
        Ok(Self { program, arguments: words.collect() })
    }
}

impl OnDone {
    /// Starts the threads that run the commands. Messages are shown on `screen`.
    pub(super) fn start(command: Words, screen: Screen) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            command,
            screen,
            state: Mutex::default(),
            room: Condvar::new(),
            work: Condvar::new(),
        });
        let start = |_| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("on-done".to_owned()).spawn(move || shared.work())
        };
        let threads = (0..AT_ONCE).map(start).collect::<io::Result<_>>()?;
        Ok(Self { shared, threads })
    }

    /// Accepts files from any thread; waits while enough others wait.
    pub(super) fn taker(&self) -> impl Fn(DoneFile) + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |file| shared.take(file)
    }

    /// Reports commands that take long. Called from time to time.
    pub(super) fn tell_slow(&self) {
        let mut slow = Vec::new();
        for running in &mut self.shared.state().running {
            if !running.reported && running.since.elapsed() >= SLOW {
                running.reported = true;
                slow.push(running.path.clone());
            }
        }
        for path in slow {
            let (path, slow) = (path.display(), human::duration(SLOW));
            self.shared
                .say(&format!("the --on-done command for {path} has been running for {slow}"));
        }
    }

    /// Nothing more starts; waiting files are skipped and reported, running commands continue on their own.
    pub(super) fn abandon(&self) {
        let left_out = {
            let mut state = self.shared.state();
            state.abandoned = true;
            let left_out = std::mem::take(&mut state.waiting);
            state.tally.left_out = state.tally.left_out.saturating_add(left_out.len() as u64);
            left_out
        };
        self.shared.room.notify_all();
        self.shared.work.notify_all();
        for file in left_out {
            self.shared.left_out(&file.path);
        }
    }

    /// Whether commands run or files wait for one.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.shared.state();
        !state.running.is_empty() || !state.waiting.is_empty()
    }

    /// Nothing more comes. Waits for the commands, unless they were abandoned; blocks.
    pub(super) fn finish(self) -> Tally {
        self.shared.state().closed = true;
        self.shared.work.notify_all();
        for thread in self.threads {
            if self.shared.state().abandoned {
                break;
            }
            // A panic there has been printed.
            let _ = thread.join();
        }
        let state = self.shared.state();
        for running in &state.running {
            self.shared.say(&format!(
                "the --on-done command for {} is still running",
                running.path.display()
            ));
        }
        Tally { left_running: state.running.len() as u64, ..state.tally }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, line: &str) {
        self.screen.lock().complain(&format!("piton: {line}"));
    }

    fn left_out(&self, path: &Path) {
        self.say(&format!("the --on-done command for {} was not run", path.display()));
    }

    fn take(&self, file: DoneFile) {
        let mut state = self.state();
        while state.waiting.len() >= WAITING && !state.abandoned {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.abandoned {
            state.tally.left_out = state.tally.left_out.saturating_add(1);
            drop(state);
            return self.left_out(&file.path);
        }
        state.waiting.push_back(file);
        drop(state);
        self.work.notify_one();
    }

    /// A thread for commands.
    fn work(&self) {
        while let Some(file) = self.next() {
            let result = self.command.run(&file);
            let mut state = self.state();
            state.running.retain(|running| running.path != file.path);
            let Tally { good, failed, .. } = &mut state.tally;
            let count = if result.is_ok() { good } else { failed };
            *count = count.saturating_add(1);
            drop(state);
            if let Err(why) = result {
                self.say(&format!(
                    "the --on-done command for {} failed: {why}",
                    file.path.display()
                ));
            }
        }
    }

    fn next(&self) -> Option<DoneFile> {
        let mut state = self.state();
        loop {
            if let Some(file) = state.waiting.pop_front() {
                let (path, since) = (file.path.clone(), Instant::now());
                state.running.push(Running { path, since, reported: false });
                drop(state);
                self.room.notify_one();
                return Some(file);
            }
            if state.closed || state.abandoned {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Words {
    /// Runs it for a file. Its output goes to stderr: stdout is for data, not for the command's output.
    fn run(&self, file: &DoneFile) -> Result<(), String> {
        let status = Command::new(&self.program)
            .args(&self.arguments)
            .arg(&file.path)
            .env("PITON_PATH", &file.path)
            .env("PITON_URL", &file.url)
            .env("PITON_SIZE", file.size.to_string())
            .env("PITON_DIGEST", &file.digest)
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{} ended with {status}", self.program.display())),
            Err(error) => Err(format!("cannot run {}: {error}", self.program.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::OutputOptions;
    use crate::environment::Environment;
    use crate::screen::list::choose;

    fn screen() -> Screen {
        let output = OutputOptions { quiet: true, json: false };
        Screen::new(choose(output, &Environment::default()))
    }

    fn file(path: &Path) -> DoneFile {
        let (url, digest) = ("http://h/a".to_owned(), "md5:00".to_owned());
        DoneFile { path: path.to_owned(), url, size: 7, digest }
    }

    #[test]
    fn words_are_split_and_nothing_is_expanded() {
        let words = Words::of("sh -c 'mv \"$1\" $X' -").unwrap();
        assert_eq!(words.program, "sh");
        assert_eq!(words.arguments, ["-c", "mv \"$1\" $X", "-"]);
        for wrong in ["", "  ", "'a", "''"] {
            assert_eq!(Words::of(wrong).unwrap_err().exit, crate::exit::Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn each_file_has_its_command_whatever_becomes_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"echo "$1 $PITON_URL $PITON_SIZE $PITON_DIGEST" >> "$0"; case "$1" in *3) exit 9;; esac"#;
        let log = folder.path().join("log");
        let words = Words::of(&format!("sh -c '{script}' {}", log.display())).unwrap();
        let on_done = OnDone::start(words, screen()).unwrap();
        let take = on_done.taker();
        // More than may wait.
        for number in 0..200 {
            take(file(&folder.path().join(number.to_string())));
        }
        let tally = on_done.finish();
        // 3, 13, 23 and so on.
        assert_eq!(tally, Tally { good: 180, failed: 20, ..Tally::default() });
        let log = std::fs::read_to_string(log).unwrap();
        assert_eq!(log.lines().count(), 200);
        assert!(log.lines().all(|line| line.ends_with(" http://h/a 7 md5:00")), "{log}");
    }

    #[test]
    fn a_command_that_hangs_holds_nobody_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        // They end when the folder goes.
        let script = r#"while [ -e "$0" ]; do sleep 0.1; done"#;
        let words = format!("sh -c '{script}' {}", folder.path().display());
        let on_done = OnDone::start(Words::of(&words).unwrap(), screen()).unwrap();
        let take = on_done.taker();
        let taken = thread::spawn(move || {
            for number in 0..=AT_ONCE + WAITING {
                take(file(Path::new(&number.to_string())));
            }
        });
        let is_full =
            |state: &State| (state.running.len(), state.waiting.len()) == (AT_ONCE, WAITING);
        while !is_full(&on_done.shared.state()) {
            thread::yield_now();
        }
        assert!(on_done.is_busy());
        on_done.abandon();
        taken.join().unwrap();
        assert_eq!(on_done.shared.state().running.len(), AT_ONCE);
        let (left_out, left_running) = (WAITING as u64 + 1, AT_ONCE as u64);
        assert_eq!(on_done.finish(), Tally { left_out, left_running, ..Tally::default() });
    }
}
