//! Commands: how they end, what they write, and what is left behind.

mod ends;
mod given;
mod output;
mod stopped;

use std::path::Path;
use std::time::{Duration, Instant};

use piton_records::command::{Body, CommandLine, Limits, Ran, RunError, Runner, Stop};

/// Longer than anything takes here; only a hang reaches it.
const LONG: Duration = Duration::from_secs(120);

/// A folder for spilled output, and how commands are run there.
struct Bench {
    folder: tempfile::TempDir,
    stop: Stop,
    timeout: Duration,
    memory: usize,
}

impl Bench {
    fn new() -> Self {
        let (folder, stop) = (tempfile::tempdir().unwrap(), Stop::new().unwrap());
        Self { folder, stop, timeout: LONG, memory: 1 << 20 }
    }

    fn runner(&self) -> Runner {
        let mut limits = Limits::new(self.folder.path());
        limits.timeout = Some(self.timeout);
        limits.memory = self.memory;
        Runner::new(limits, &self.stop)
    }

    fn run(&self, words: &[&str], input: Option<&[u8]>) -> Result<Ran, RunError> {
        self.runner().run(&line(words).as_given(), input, &[], &mut |_| ())
    }

    /// A script of /bin/sh; `$1` is the folder.
    fn sh(&self, script: &str, input: Option<&[u8]>) -> Ran {
        let folder = self.folder.path().to_str().unwrap();
        self.run(&["sh", "-c", script, "sh", folder], input).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn assert_empty(&self) {
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0);
    }
}

fn line(words: &[&str]) -> CommandLine {
    CommandLine::new(words.iter().map(Into::into).collect()).unwrap()
}

/// All of an output, wherever it is.
fn bytes(output: &Body) -> Vec<u8> {
    match output {
        Body::Memory(bytes) => bytes.clone(),
        Body::File { file, len } => {
            let mut bytes = vec![0; usize::try_from(*len).unwrap()];
            let read = piton_durable::fs::read_full_at(&**file, &mut bytes, 0).unwrap();
            assert_eq!((read as u64, file.stat().unwrap().len), (*len, *len));
            bytes
        }
    }
}

fn text(output: &Body) -> String {
    String::from_utf8(bytes(output)).unwrap()
}

/// Waits until it holds.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a process whose number is in this file has ended. A zombie has ended too.
fn wait_for_end_of(pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    wait_until(&stat, || {
        let stat = std::fs::read_to_string(&stat).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}
