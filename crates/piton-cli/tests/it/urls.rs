//! One file under one URL or several, one of which has other bytes under the same length; what the command is
//! given to judge that, and what may come of it (G1, G4).
//!
//! The bytes differ in one stretch. So even where nothing but comparisons tells, each result is foreseeable:
//! either an edge of a gap lies in the stretch and the difference is found, or what was joined is, as a whole,
//! the file of one URL.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton::fetch::digest::{Algorithm, Hasher};
use piton_testkit::server::{Fault, KIB, Reply, Resource, Server, Site, pattern};
use piton_testkit::syscalls::Program;
use tempfile::TempDir;

pub(crate) const NAME: &str = "file.bin";
const RIGHT: u64 = 11;
const OTHER: u64 = 12;
const PIECE: u64 = 256 * KIB;
/// Far beyond what any run takes: only a hang gets there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Where the URL that differs has other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Differs {
    FromTheStart,
    InTheMiddle,
    FromHalfWay,
    /// A few bytes that no comparison is likely to meet.
    Hardly,
}

impl Differs {
    fn range(self, len: u64) -> Range<u64> {
        match self {
            Self::FromTheStart => 0..len,
            Self::InTheMiddle => len / 3..len / 2,
            Self::FromHalfWay => len / 2..len,
            Self::Hardly => len / 5..len / 5 + 64,
        }
    }
}

/// What the command is given that judges the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    Nothing,
    Digest,
    Pieces,
    Both,
}

/// A file and its URLs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) judge: Judge,
    /// How many URLs.
    pub(crate) urls: usize,
    /// Which of them has other bytes; the digests are those of the others' file.
    pub(crate) odd: usize,
    pub(crate) differs: Differs,
    /// The first URL has only so many bytes of its file; for the rest it says 404.
    pub(crate) ends_at: Option<u64>,
}

/// The bytes of both versions, and what is known of the right one.
pub(crate) struct Files {
    pub(crate) right: Vec<u8>,
    sha256: String,
    pieces: Vec<String>,
}

impl Files {
    pub(crate) fn new(len: u64) -> Self {
        let right = pattern::bytes(RIGHT, len as usize);
        let pieces = right.chunks(PIECE as usize).map(sha256).collect();
        Self { sha256: sha256(&right), pieces, right }
    }

    pub(crate) fn len(&self) -> u64 {
        self.right.len() as u64
    }

    fn other(&self, differs: Differs) -> Vec<u8> {
        let mut bytes = self.right.clone();
        let range = differs.range(self.len());
        let place = range.start as usize..range.end as usize;
        pattern::fill(OTHER, range.start, &mut bytes[place]);
        bytes
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    hasher.finalize().to_string().trim_start_matches("sha256:").to_owned()
}

/// How the command is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) connections: u64,
    /// This one alone and nothing that judges; else all, with what the case has.
    pub(crate) only: Option<usize>,
}

impl Ask {
    pub(crate) fn all(connections: u64) -> Self {
        Self { connections, only: None }
    }

    pub(crate) fn only(url: usize, connections: u64) -> Self {
        Self { connections, only: Some(url) }
    }
}

/// The servers of a case, and the folder that the file goes to.
pub(crate) struct Urls<'a> {
    pub(crate) case: Case,
    files: &'a Files,
    other: Vec<u8>,
    pub(crate) servers: Vec<Server>,
    home: TempDir,
    folder: PathBuf,
}

impl<'a> Urls<'a> {
    /// With a folder of its own.
    pub(crate) fn new(case: Case, files: &'a Files, rate: u64) -> Self {
        let mut urls = Self::into(PathBuf::new(), case, files, rate);
        urls.folder = urls.home.path().join("folder");
        fs::create_dir(&urls.folder).unwrap();
        urls
    }

    /// Into this folder, which exists.
    pub(crate) fn into(folder: PathBuf, case: Case, files: &'a Files, rate: u64) -> Self {
        let other = files.other(case.differs);
        let serve = |number: usize| {
            let bytes = if number == case.odd { other.clone() } else { files.right.clone() };
            // Each server has validators of its own: they say nothing of one another.
            let file = Resource::bytes(bytes).etag(&format!("\"{number}\""));
            let site = Site::new().with("/file.bin", file).rate_per_connection(rate);
            match case.ends_at.filter(|_| number == 0) {
                Some(at) => Server::start(site.fault(ends_at(at))),
                None => Server::start(site),
            }
        };
        let servers = (0..case.urls).map(serve).collect();
        let urls = Self { case, files, other, servers, home: tempfile::tempdir().unwrap(), folder };
        if matches!(case.judge, Judge::Pieces | Judge::Both) {
            fs::write(urls.list(), urls.metalink()).unwrap();
        }
        urls
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What belongs to the user that runs the command.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    pub(crate) fn url(&self, number: usize) -> String {
        self.servers[number].url("/file.bin")
    }

    fn list(&self) -> PathBuf {
        self.home.path().join("file.meta4")
    }

    fn metalink(&self) -> String {
        let Files { sha256, pieces, .. } = self.files;
        let whole = match self.case.judge {
            Judge::Both => format!("<hash type=\"sha-256\">{sha256}</hash>"),
            _ => String::new(),
        };
        let pieces: String = pieces.iter().map(|hex| format!("<hash>{hex}</hash>")).collect();
        let urls: String = (0..self.case.urls)
            .map(|number| format!("<url priority=\"{}\">{}</url>", number + 1, self.url(number)))
            .collect();
        format!(
            "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"{NAME}\">\
             <size>{}</size>{whole}<pieces length=\"{PIECE}\" type=\"sha-256\">{pieces}</pieces>\
             {urls}</file></metalink>",
            self.files.len()
        )
    }

    /// The command; pieces are given by a Metalink, whose ledger is not in the folder.
    pub(crate) fn program(&self, ask: Ask) -> Program {
        let program = Program::new(env!("CARGO_BIN_EXE_piton")).env_clear();
        let program = program.env("HOME", self.home.path()).current_dir(self.home.path());
        let program = program.args(["--config", "none", "get", "--quiet", "--retries", "2"]);
        let program = program.args(["-x", &ask.connections.to_string()]);
        match (ask.only, self.case.judge) {
            (Some(number), _) => program.arg("-o").arg(self.file()).arg(self.url(number)),
            (None, Judge::Pieces | Judge::Both) => {
                program.arg("-i").arg(self.list()).arg("-d").arg(&self.folder)
            }
            (None, judge) => {
                let mut program = program.arg("-o").arg(self.file()).arg(self.url(0));
                for number in 1..self.case.urls {
                    program = program.arg("--mirror").arg(self.url(number));
                }
                match judge {
                    Judge::Digest => {
                        program.arg(format!("--checksum=sha256:{}", self.files.sha256))
                    }
                    _ => program,
                }
            }
        }
    }

    /// An item of a list that failed is tried again by this.
    pub(crate) fn retry(&self) -> Program {
        let program = Program::new(env!("CARGO_BIN_EXE_piton")).env_clear();
        let program = program.env("HOME", self.home.path()).current_dir(self.home.path());
        program.args(["--config", "none", "retry", "--quiet"]).arg(self.list())
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.case.judge, Judge::Pieces | Judge::Both)
    }

    /// Begins to run it.
    pub(crate) fn start(&self, ask: Ask) -> Child {
        start(&self.program(ask))
    }

    /// Runs it to its end: the exit code and what was said. An item of a list that had failed before is tried
    /// again.
    pub(crate) fn run(&self, ask: Ask) -> (i32, String) {
        match end_within(self.start(ask), PATIENCE) {
            Some((13, _)) if self.is_list() && ask.only.is_none() => {
                end_within(start(&self.retry()), PATIENCE)
            }
            ended => ended,
        }
        .unwrap_or_else(|| (-1, "it does not end".to_owned()))
    }

    /// A list that was never gone through: its ledger says what is no longer so.
    pub(crate) fn forget_ledger(&self) {
        for entry in fs::read_dir(self.home.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().contains(".piton.") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// From now on every server gives all that it has.
    pub(crate) fn heal(&self) {
        self.servers.iter().for_each(Server::clear_faults);
    }

    /// Whether these bytes may have the final name: where something judged, those of the digests; else the
    /// file of one URL, whichever.
    pub(crate) fn may_be(&self, bytes: &[u8], judged: bool) -> bool {
        let served = self.case.odd < self.case.urls;
        bytes == self.files.right || (!judged && served && bytes == self.other)
    }

    /// What the exit code and stderr of a run say fits what is there: done and right, or a sentence.
    pub(crate) fn check_ended(&self, ask: Ask, code: i32, said: &str) -> Result<(), String> {
        if said.contains("panicked") {
            return Err(format!("a panic: {said}"));
        }
        match code {
            0 => self.check_done(ask),
            _ if said.contains("piton: ") => Ok(()),
            // A list says it item by item, to those who ask.
            13 if self.is_list() && said.contains("to list failed items: ") => Ok(()),
            _ => Err(format!("exit code {code} without a sentence: {said:?}")),
        }
    }

    /// The right file, and nothing of piton's beside it.
    pub(crate) fn check_done(&self, ask: Ask) -> Result<(), String> {
        self.check_final(ask.only.is_none())?;
        for name in [".part", ".piton"] {
            if fs::symlink_metadata(self.folder.join(format!("{NAME}{name}"))).is_ok() {
                return Err(format!("done, and {NAME}{name} is left"));
            }
        }
        Ok(())
    }

    /// Under the final name there is the right file.
    pub(crate) fn check_final(&self, judged: bool) -> Result<(), String> {
        let judged = judged && self.case.judge != Judge::Nothing;
        let bytes = fs::read(self.file()).map_err(|error| format!("done, and: {error}"))?;
        match self.may_be(&bytes, judged) {
            true => Ok(()),
            false => Err(format!("done, and {}", self.describe(&bytes))),
        }
    }

    /// Under the final name there is nothing, or what one URL has; the digests' file if every run so far was
    /// given them.
    pub(crate) fn check_between(&self, judged: bool) -> Result<(), String> {
        let judged = judged && self.case.judge != Judge::Nothing;
        match fs::read(self.file()) {
            Ok(bytes) if self.may_be(&bytes, judged) => Ok(()),
            Ok(bytes) => Err(format!("the final name has {}", self.describe(&bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Wrong bytes, for whoever has to find out why.
    fn describe(&self, bytes: &[u8]) -> String {
        if bytes == self.other {
            return "the file of the URL that differs".to_owned();
        }
        let of = |whole: &[u8], at: usize| {
            bytes.get(at..(at + 4096).min(bytes.len()))
                == whole.get(at..(at + 4096).min(whole.len()))
        };
        let mut runs: Vec<(usize, &str)> = Vec::new();
        for at in (0..bytes.len()).step_by(4096) {
            let whose = match (of(&self.files.right, at), of(&self.other, at)) {
                (true, true) => "both",
                (true, false) => "right",
                (false, true) => "other",
                (false, false) => "neither",
            };
            if runs.last().is_none_or(|(_, last)| *last != whose) {
                runs.push((at, whose));
            }
        }
        format!("{} bytes, from: {runs:?}", bytes.len())
    }
}

fn start(program: &Program) -> Child {
    let mut command = program.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Its exit code and what it said, or `None` if it was killed after `limit`.
pub(crate) fn end_within(mut child: Child, limit: Duration) -> Option<(i32, String)> {
    let end = Instant::now() + limit;
    while child.try_wait().unwrap().is_none() && Instant::now() < end {
        sleep(Duration::from_millis(5));
    }
    // It may have ended in this instant.
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.code().map(|code| (code, said))
}

/// Nothing from this offset on.
fn ends_at(at: u64) -> Fault {
    Fault::in_reply(move |reply, _| {
        let (start, len) = (reply.payload.start(), reply.payload.len());
        if reply.status != 206 || start >= at {
            *reply = Reply::text(404, "no longer here\n");
        } else if start + len > at {
            reply.move_to(start, at - start);
        }
    })
}
