//! One download in a folder of its own, and what must hold there after whatever happened to it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use piton_testkit::server::{GIB, KIB, MIB, Resource, Server, Site, pattern};
use piton_testkit::syscalls::{Action, Ended, Outcome, Plan, Program, Scope, run};
use tempfile::TempDir;

const NAME: &str = "file.bin";
const PATTERN: u64 = 11;
const OLD: &[u8] = b"what stood under the final name before";
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the file comes from.
pub(super) struct Source {
    from: From,
    len: u64,
}

enum From {
    Server(Server),
    /// A file of this machine, in a folder of its own.
    File(TempDir),
}

impl Source {
    /// One answer has it all.
    pub(super) fn small() -> Self {
        Self::new(40 * KIB + 77, GIB)
    }

    /// Several connections share it, and so slowly that a checkpoint comes while the bytes do.
    pub(super) fn segmented() -> Self {
        Self::new(3 * MIB + 777, 3 * MIB / 2)
    }

    fn new(len: u64, rate: u64) -> Self {
        let file = Resource::pattern(PATTERN, len).etag("\"1\"");
        let file = file.last_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        let site = Site::new().with("/file", file).rate_per_connection(rate);
        Self { from: From::Server(Server::start(site)), len }
    }

    /// A file of this machine, of several checkpoints, somewhere below `dir`.
    pub(crate) fn file(dir: &Path) -> Self {
        let (len, folder) = (3 * MIB + 777, tempfile::tempdir_in(dir).unwrap());
        fs::write(folder.path().join("source"), pattern::bytes(PATTERN, len as usize)).unwrap();
        // A file that was changed a moment ago is not known by its times alone.
        std::thread::sleep(Duration::from_millis(200));
        Self { from: From::File(folder), len }
    }

    fn url(&self) -> String {
        match &self.from {
            From::Server(server) => server.url("/file"),
            From::File(folder) => format!("file://{}/source", folder.path().display()),
        }
    }

    /// What of the command makes it last long enough for a checkpoint.
    fn options(&self) -> &[&str] {
        match self.from {
            From::Server(_) => &[],
            From::File(_) => &["--limit-rate", "4M"],
        }
    }

    fn is_right(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.len && pattern::first_difference(PATTERN, 0, bytes).is_none()
    }
}

/// The folder, and a home beside it.
pub(super) struct Place<'a> {
    source: &'a Source,
    dir: TempDir,
    /// Another file stood under the final name when it began.
    old: bool,
}

impl<'a> Place<'a> {
    pub(super) fn new(source: &'a Source, old: bool) -> Self {
        Self::below(&std::env::temp_dir(), source, old)
    }

    /// The same somewhere below `dir`.
    pub(super) fn below(dir: &Path, source: &'a Source, old: bool) -> Self {
        let place = Self { source, dir: tempfile::tempdir_in(dir).unwrap(), old };
        fs::create_dir(place.folder()).unwrap();
        if old {
            fs::write(place.file(), OLD).unwrap();
        }
        place
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.dir.path().join("folder")
    }

    fn file(&self) -> PathBuf {
        self.folder().join(NAME)
    }

    fn program(&self, connections: u64) -> Program {
        let program = Program::new(env!("CARGO_BIN_EXE_piton"))
            .env_clear()
            .env("HOME", self.dir.path())
            .args(["--config", "none", "get", "--quiet", "-x", &connections.to_string(), "-o"])
            .arg(self.file());
        let program = if self.old { program.arg("--overwrite") } else { program };
        program.args(self.source.options()).arg(self.source.url())
    }

    /// Runs the command until it ends, one way or another.
    pub(super) fn get(&self, connections: u64, plan: Option<Plan>) -> Outcome {
        let scope = Scope::below(self.folder());
        run(&self.program(connections), scope, plan, PATIENCE).unwrap()
    }

    /// The same; reads count too.
    pub(super) fn get_with_reads(&self, connections: u64, plan: Option<Plan>) -> Outcome {
        let scope = Scope::below(self.folder()).with_reads();
        run(&self.program(connections), scope, plan, PATIENCE).unwrap()
    }

    /// G7: killed as planned, or done, or a clear error.
    pub(super) fn check_ended(&self, action: Action, outcome: &Outcome) -> Result<(), String> {
        let said = String::from_utf8_lossy(&outcome.stderr);
        let killing =
            matches!(action, Action::KillBefore | Action::KillHalfway | Action::KillAfter);
        match outcome.ended {
            Ended::Killed if killing && outcome.hit.is_some() => Ok(()),
            Ended::Exit(0) if !killing || outcome.hit.is_none() => self.check_done(),
            // A short write is no error: the rest is written.
            Ended::Exit(3) if matches!(action, Action::Fail(_)) && self.is_named_in(&said) => {
                Ok(())
            }
            ended => Err(format!("{ended:?} with {said:?}")),
        }
    }

    /// The file, or the folder where that is what failed.
    fn is_named_in(&self, said: &str) -> bool {
        said.contains(NAME) || said.contains(&*self.folder().to_string_lossy())
    }

    /// G1: under the final name there is the right file, or what was there before.
    pub(super) fn check_between(&self) -> Result<(), String> {
        match fs::read(self.file()) {
            Ok(bytes) if self.source.is_right(&bytes) => Ok(()),
            Ok(bytes) if self.old && bytes == OLD => Ok(()),
            Ok(bytes) => Err(format!("{} wrong bytes under the final name", bytes.len())),
            Err(error) if error.kind() == ErrorKind::NotFound && !self.old => Ok(()),
            Err(error) => Err(format!("what stood there is gone: {error}")),
        }
    }

    /// The same command again ends with the right file.
    pub(super) fn check_goes_on(&self, connections: u64) -> Result<(), String> {
        let outcome = self.get(connections, None);
        match outcome.ended {
            Ended::Exit(0) => self.check_done(),
            ended => {
                let said = String::from_utf8_lossy(&outcome.stderr);
                Err(format!("going on ended with {ended:?} and {said:?}"))
            }
        }
    }

    /// The right file, and nothing else.
    fn check_done(&self) -> Result<(), String> {
        let names = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.collect();
        if names != [Path::new(NAME)] {
            return Err(format!("done, and the folder has {names:?}"));
        }
        if self.source.is_right(&fs::read(self.file()).unwrap()) {
            Ok(())
        } else {
            Err("done, and the file is wrong".to_owned())
        }
    }
}
