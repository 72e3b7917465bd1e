//! Running a program such as the built `piton`, with an end at a chosen moment.
//!
//! Only the tests of `piton-cli` know where the program is (`env!("CARGO_BIN_EXE_piton")`), so its
//! path is given.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::SeekFrom;
use rustix::process::Signal;

use super::group::Group;

/// A run of a program with an environment of its own: only `PATH`, `HOME` (the working directory)
/// and `LC_ALL` are set.
pub struct Invocation<'a> {
    command: Command,
    timeout: Duration,
    stop: Option<(Signal, StopWhen<'a>)>,
}

/// The moment at which a run is stopped.
pub enum StopWhen<'a> {
    /// So long after the start.
    After(Duration),
    /// Once this file holds so many bytes of data, holes and reservations not counted (see
    /// [`data_bytes`]).
    Holds(PathBuf, u64),
    /// Once this holds; asked each millisecond.
    Is(Box<dyn FnMut() -> bool + 'a>),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; `None` when a signal ended the run.
    pub code: Option<i32>,
    /// The signal that ended the run.
    pub signal: Option<i32>,
    /// Whether the time was up and the run was killed for it.
    pub timed_out: bool,
    /// Whether the asked-for signal was sent before the run ended by itself.
    pub stopped: bool,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl<'a> Invocation<'a> {
    /// A run of `program` in `dir`, with a minute to end.
    pub fn new(program: impl AsRef<OsStr>, dir: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(dir).env_clear().env("HOME", dir).env("LC_ALL", "C.UTF-8");
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Self { command, timeout: Duration::from_secs(60), stop: None }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Kills it when it has not ended after so long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// `kill -9` at this moment.
    pub fn kill(self, when: StopWhen<'a>) -> Self {
        self.signal(Signal::KILL, when)
    }

    /// Ctrl-C at this moment.
    pub fn interrupt(self, when: StopWhen<'a>) -> Self {
        self.signal(Signal::INT, when)
    }

    /// This signal at this moment.
    pub fn signal(mut self, signal: Signal, when: StopWhen<'a>) -> Self {
        self.stop = Some((signal, when));
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn run(mut self) -> Outcome {
        let start = Instant::now();
        let program = self.command.get_program().to_owned();
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", program.display()));
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let mut group = Group::new(child);
        let (mut stopped, mut timed_out) = (false, false);
        while !group.has_ended() && !timed_out {
            timed_out = start.elapsed() > self.timeout;
            if let Some((signal, when)) = &mut self.stop
                && !stopped
                && when.is_now(start)
            {
                stopped = true;
                group.signal(*signal);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let elapsed = start.elapsed();
        // This ends what it left running as well, which would keep the pipes open.
        let status = group.end();
        let text = |thread: JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned()
        };
        Outcome {
            code: status.code(),
            signal: status.signal(),
            timed_out,
            stopped,
            stdout: text(stdout),
            stderr: text(stderr),
            elapsed,
        }
    }
}

impl fmt::Debug for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(f)
    }
}

impl StopWhen<'_> {
    fn is_now(&mut self, start: Instant) -> bool {
        match self {
            Self::After(time) => start.elapsed() >= *time,
            Self::Holds(path, bytes) => data_bytes(path).is_ok_and(|data| data >= *bytes),
            Self::Is(holds) => holds(),
        }
    }
}

impl fmt::Debug for StopWhen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(time) => write!(f, "After({time:?})"),
            Self::Holds(path, bytes) => write!(f, "Holds({}, {bytes})", path.display()),
            Self::Is(_) => f.write_str("Is(..)"),
        }
    }
}

/// How many bytes of a file hold data, by the file system's own account (`SEEK_DATA`): whole
/// blocks, without holes and without what is only reserved. The length of a part file says nothing
/// of the kind.
pub fn data_bytes(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    let (mut at, mut sum) = (0, 0);
    loop {
        let data = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => return Ok(sum),
            Err(e) => return Err(e.into()),
        };
        let hole = rustix::fs::seek(&file, SeekFrom::Hole(data))?;
        sum += hole - data;
        at = hole;
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh<'a>(script: &str, dir: &Path) -> Invocation<'a> {
        Invocation::new("/bin/sh", dir).args(["-c", script])
    }

    #[test]
    fn what_a_program_says_and_how_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = sh("echo out; echo $X $HOME >&2; exit 7", dir.path()).env("X", "y").run();
        assert_eq!((outcome.code, outcome.signal, outcome.timed_out), (Some(7), None, false));
        assert_eq!(
            (&*outcome.stdout, outcome.stderr),
            ("out\n", format!("y {}\n", dir.path().display()))
        );
    }

    #[test]
    fn ends_by_time_and_by_signal() {
        let dir = tempfile::tempdir().unwrap();
        let late = sh("sleep 60 & sleep 60", dir.path()).timeout(Duration::from_millis(50)).run();
        assert_eq!((late.timed_out, late.stopped, late.signal), (true, false, Some(9)));
        let killed =
            sh("sleep 60", dir.path()).kill(StopWhen::After(Duration::from_millis(20))).run();
        assert_eq!((killed.stopped, killed.signal), (true, Some(9)));
        let script = "trap 'echo saved; exit 130' INT; touch ready; while :; do sleep 0.01; done";
        let ready = dir.path().join("ready");
        let interrupted =
            sh(script, dir.path()).interrupt(StopWhen::Is(Box::new(|| ready.exists()))).run();
        assert_eq!((interrupted.code, &*interrupted.stdout), (Some(130), "saved\n"));
    }

    #[test]
    fn a_kill_once_a_file_holds_enough() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("f.part");
        let script = "truncate -s 10M f.part; i=0; while :; do \
            dd if=/dev/zero of=f.part bs=64k count=1 seek=$i conv=notrunc 2>/dev/null; \
            i=$((i+1)); sleep 0.005; done";
        let killed = sh(script, dir.path()).kill(StopWhen::Holds(part.clone(), 300_000)).run();
        assert!(killed.stopped);
        let data = data_bytes(&part).unwrap();
        assert!((300_000..5_000_000).contains(&data), "{data}");
        assert_eq!(std::fs::metadata(&part).unwrap().len(), 10 << 20);
    }
}
