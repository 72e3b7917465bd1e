//! A list with the server of its files, and what must be there after a power cut.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton::checkpoint::ledger::{How, Ledger, LedgerError, Reader, State};
use piton::lists::source::{Keyed, Source};
use piton_testkit::server::{KIB, MIB, Resource, Server, Site, pattern};

use crate::command::Place;

pub(super) const FILES: u64 = 250;
/// One file in so many has a part and a journal; the others land in groups.
const LARGE: u64 = 60;
/// Of each connection: the large files take a while, the small ones none.
const RATE: u64 = 16 * MIB;
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

/// The numbers of items that the ledger calls done.
pub(super) type Done = BTreeSet<u64>;

/// Where a run keeps what it makes.
pub(super) struct Room {
    pub(super) files: PathBuf,
    pub(super) ledger: PathBuf,
}

impl Room {
    /// Files and ledger on one file system.
    pub(super) fn in_one(dir: &Path) -> Self {
        Self { files: dir.join("files"), ledger: dir.join("list.piton.db") }
    }
}

/// Items are known by their number: it is the path of the file and its name.
pub(super) struct Job {
    pub(super) server: Server,
    pub(super) place: Place,
}

impl Job {
    pub(super) fn new() -> Self {
        let site = (0..FILES).fold(Site::new(), |site, number| {
            let file = Resource::pattern(number, len(number)).etag("\"1\"");
            site.with(&format!("/{number}"), file)
        });
        let server = Server::start(site.rate_per_connection(RATE));
        let place = Place::new();
        let lines: String =
            (0..FILES).map(|number| server.url(&format!("/{number}")) + "\n").collect();
        place.write("list.txt", lines.as_bytes());
        Self { server, place }
    }

    pub(super) fn list(&self) -> PathBuf {
        self.place.path("list.txt")
    }

    pub(super) fn requests(&self) -> usize {
        self.server.stats().requests.len()
    }

    /// Starts the command.
    pub(super) fn start(&self, room: &Room, options: &[&str]) -> Child {
        let args = [&["--config", "none", "get", "--quiet", "-i", "list.txt"], options].concat();
        let mut command = self.place.command(&args);
        command.arg("-d").arg(&room.files).arg("--state").arg(&room.ledger);
        command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What a ledger says that a process may have open: all of it was committed and synced, if it is
    /// synced at all.
    pub(super) fn claimed(&self, ledger: &Path) -> Result<Done, LedgerError> {
        match Reader::open(ledger) {
            Ok(reader) => self.done(reader),
            Err(LedgerError::Missing { .. }) => Ok(Done::new()),
            Err(error) => Err(error),
        }
    }

    fn done(&self, mut reader: Reader) -> Result<Done, LedgerError> {
        let mut done = Done::new();
        for scanned in Source::new(self.list()).keyed().unwrap() {
            let Keyed::Item(item, key) = scanned.unwrap() else { panic!("no item") };
            let known = reader.lookup(key.as_bytes())?;
            if known.is_some_and(|known| known.state == State::Done) {
                done.insert(item.line - 1);
            }
        }
        Ok(done)
    }

    /// Looks at what a cut left: the ledger opens, and what it calls done is there and right (as is
    /// everything under a final name, G1). Returns what it calls done.
    pub(super) fn check(&self, room: &Room) -> Result<Done, String> {
        let how = How { durability: Default::default(), create: false, now: 1 };
        let done = match Ledger::open(&room.ledger, &how) {
            Ok(ledger) => {
                let done = ledger.reader().and_then(|reader| self.done(reader)).map_err(said)?;
                ledger.close().map_err(said)?;
                done
            }
            Err(LedgerError::Missing { .. }) => Done::new(),
            Err(error) => return Err(said(error)),
        };
        for name in names(&room.files) {
            // Parts, journals and temporary names are none of numbers.
            let Ok(number) = name.parse() else { continue };
            let bytes = fs::read(room.files.join(&name)).map_err(|error| error.to_string())?;
            if !is_right(number, &bytes) {
                let called = if done.contains(&number) { "done" } else { "not done" };
                return Err(format!("{name} is wrong, with {} bytes, and {called}", bytes.len()));
            }
        }
        match done.iter().find(|number| !room.files.join(number.to_string()).exists()) {
            Some(number) => Err(format!("{number} is called done, and is not there")),
            None => Ok(done),
        }
    }

    /// The same command again ends with every file, leaves nothing beside them, and asks for nothing
    /// that was done.
    pub(super) fn goes_on(&self, room: &Room, done: &Done) -> Result<(), String> {
        let before = self.requests();
        let status = wait(&mut self.start(room, &[]));
        if !status.success() {
            return Err(format!("going on: {status}"));
        }
        let requests = self.server.stats().requests;
        let number = |path: &str| path[1..].parse::<u64>().unwrap();
        if let Some(again) =
            requests[before..].iter().find(|request| done.contains(&number(&request.path)))
        {
            return Err(format!("{} was done, and is asked for again", again.path));
        }
        if self.check(room)?.len() as u64 != FILES {
            return Err("it ended well, and not all is done".to_owned());
        }
        // Not even the journal of a file that was done already.
        let left: Vec<String> =
            names(&room.files).into_iter().filter(|name| name.parse::<u64>().is_err()).collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("left beside the files: {left:?}")),
        }
    }
}

/// The end of a process, which is killed if it hangs.
pub(super) fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status,
            None if Instant::now() > end => {
                child.kill().unwrap();
                return child.wait().unwrap();
            }
            None => sleep(Duration::from_millis(5)),
        }
    }
}

fn len(number: u64) -> u64 {
    match number % LARGE {
        LARGE_AT => 2 * MIB + number * 3 * KIB + 1,
        _ => 1 + number * 977 % 20_000,
    }
}

/// Not at the ends of the list.
const LARGE_AT: u64 = LARGE / 2;

fn is_right(number: u64, bytes: &[u8]) -> bool {
    bytes.len() as u64 == len(number) && pattern::first_difference(number, 0, bytes).is_none()
}

/// What is in the folder, if it is there.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn said(error: LedgerError) -> String {
    error.to_string()
}
