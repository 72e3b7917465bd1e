//! A job that is killed again and again, and what its commands noted.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use piton::records::parallel::Letter;
use piton_testkit::seed::{draw, seed};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Place, spool_in};

/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

/// Each command notes the chunk and itself, in one write, and takes a moment of its own.
const NOTE: &str = "echo \"$PITON_CHUNK_ID $$\" >> runs; sleep 0.0$((PITON_LINE % 4)); ";

/// How piton is called.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    arguments: &'a [&'a str],
    stdout: &'a str,
    /// Commands that a chunk may take.
    each: u64,
}

impl<'a> Shape<'a> {
    pub(crate) fn new(arguments: &'a [&'a str]) -> Self {
        Self { arguments, stdout: "/dev/null", each: 1 }
    }

    /// A chunk may take so many commands.
    pub(crate) fn each(self, each: u64) -> Self {
        Self { each, ..self }
    }

    /// Standard output is appended to this file.
    pub(crate) fn stdout(self, stdout: &'a str) -> Self {
        Self { stdout, ..self }
    }
}

pub(crate) struct Bench<'a> {
    place: Place,
    shape: Shape<'a>,
    script: String,
    round: u64,
}

impl fmt::Display for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {}, PITON_TEST_SEED={}", self.round, seed())
    }
}

impl<'a> Bench<'a> {
    /// The commands are this script, which gets a chunk on its standard input or a record as `$1`.
    pub(crate) fn new(round: u64, input: &[u8], shape: Shape<'a>, script: &str) -> Self {
        let place = Place::new();
        place.write("in", input);
        Self { place, shape, script: format!("{NOTE}{script}"), round }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        self.place.write(name, bytes);
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.place.path(name)).unwrap_or_default()
    }

    /// The first file of the spool.
    pub(crate) fn spool(&self) -> Vec<u8> {
        let path = spool_in(&self.place.path("out.piton-spool"));
        path.and_then(|path| std::fs::read(path).ok()).unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.read(name)).into_owned()
    }

    pub(crate) fn letters(&self, name: &str) -> Vec<Letter> {
        let text = self.read(name);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Letter::parse(line).unwrap()).collect()
    }

    /// Beside the source and what the test itself has made.
    pub(crate) fn nothing_else_is_left(&self, names: &[&str]) {
        let own = ["in", "runs", "stderr", "effects"];
        for entry in std::fs::read_dir(self.place.path("")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(own.contains(&&*name) || names.contains(&&*name), "{name} is left: {self}");
        }
    }

    /// How often each chunk was run.
    pub(crate) fn runs(&self) -> BTreeMap<String, u64> {
        let mut runs = BTreeMap::new();
        for line in self.text("runs").lines() {
            *runs.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
        }
        runs
    }

    fn begun(&self) -> u64 {
        self.runs().values().sum()
    }

    /// Executions beyond the first one of each chunk.
    pub(crate) fn repeated(&self) -> u64 {
        self.runs().values().map(|count| count - 1).sum()
    }

    /// Starts piton in a session of its own, with so many workers.
    pub(crate) fn start(&self, workers: u64) -> Child {
        let stderr = File::create(self.place.path("stderr")).unwrap();
        let stdout = self.place.path(self.shape.stdout);
        let stdout = OpenOptions::new().append(true).create(true).open(stdout).unwrap();
        let mut command = Command::new("setsid");
        command.arg(env!("CARGO_BIN_EXE_piton")).args(self.shape.arguments);
        command.args(["--jobs", &workers.to_string(), "--", "sh", "-c", &self.script]);
        command.args(["command", "{}"].iter().take(self.names()));
        command.current_dir(&self.place.dir).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", self.place.dir.path()).stdin(Stdio::null());
        command.stdout(stdout).stderr(stderr).spawn().unwrap()
    }

    /// `each` replaces `{}`, and `lines` leaves it.
    fn names(&self) -> usize {
        if self.shape.arguments[0] == "each" { 2 } else { 1 }
    }

    /// The number of executions that piton said a kill may cost.
    pub(crate) fn promised(&self) -> u64 {
        let text = self.text("stderr");
        let effects = text.lines().find(|line| line.starts_with("side effects"));
        let Some((_, rest)) = effects.and_then(|line| line.split_once("at most ")) else {
            return 0;
        };
        rest.split(' ').next().unwrap().parse::<u64>().unwrap() * self.shape.each
    }

    /// Kills it so often at random moments, and then lets it end.
    pub(crate) fn kill_until_done(&self, kills: u64) {
        let (mut killed, mut budget) = (0, 0);
        while killed < kills {
            let draw = |what: u64, bound| draw((self.round << 20) + (killed << 8) + what, bound);
            let mut child = self.start(1 + draw(0, 4));
            let (begun, wait) = (self.begun(), Duration::from_millis(draw(1, 40)));
            // Some kills come before a command runs.
            let more = draw(2, 8);
            let until = Instant::now() + PATIENCE;
            while more > 0 && self.begun() < begun + more && child.try_wait().unwrap().is_none() {
                assert!(Instant::now() < until, "it hangs: {self}");
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(wait);
            match draw(3, 2) {
                0 => child.kill().unwrap(),
                _ => kill_session(&mut child),
            }
            let status = child.wait().unwrap();
            assert!(status.code() != Some(9) || killed > 0, "{}: {self}", self.text("stderr"));
            match status.code() {
                None => {}
                // A command that was just being started has its lock for a moment.
                Some(9) => continue,
                // So fast: what is left of the kills is left out.
                Some(_) => break,
            }
            killed += 1;
            budget += self.promised();
            assert!(self.repeated() <= budget, "{} > {budget}: {self}", self.repeated());
        }
        assert!(killed * 2 > kills, "only {killed} kills: {self}");
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.start(1 + draw(self.round, 4)).wait().unwrap();
            let is_over = matches!(status.code(), Some(code) if code != 9);
            if is_over || Instant::now() > until {
                break;
            }
        }
        assert!(self.repeated() <= budget, "{} > {budget}: {self}", self.repeated());
        let stderr = self.text("stderr");
        assert!(stderr.contains("done"), "{stderr}: {self}");
    }
}

/// Kills piton, and all that it has started.
pub(crate) fn kill_session(leader: &mut Child) {
    let session = leader.id();
    leader.kill().unwrap();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let Some(pid) = entry.unwrap().file_name().to_str().and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if session_of(pid) == Some(session) {
            // It may be over.
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
    }
}

/// The sixth field of `/proc/PID/stat`, behind the name in brackets.
fn session_of(pid: i32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse().ok()
}
