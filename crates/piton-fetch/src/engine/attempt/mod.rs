//! One attempt at a download, from the look at the disk to the final name.

mod ask;
mod begin;
mod fetch;
mod place;
mod small;

pub(super) use begin::{describe, file_name};

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use piton_checkpoint::Change;
use piton_durable::part::PartError;
use tokio::time::Instant;

use super::existing::ExistingFile;
use super::mirrors::{Source, Sources};
use super::open::OpenedPart;
use super::probe::Prober;
use super::trouble::Trouble;
use crate::client::{Client, Stop};
use crate::download::{Download, Outcome};
use crate::error::Failure;
use crate::meta::Meta;
use crate::monitor::Monitor;
use crate::transport::{Lane, Response};

/// Why an attempt did not end well.
pub(super) enum End {
    /// For good.
    Failed(Failure),
    /// The source is another version: nothing of what is here is of use.
    Changed(Change),
    /// The server answers ranges wrongly: once more without asking for any.
    NoRanges,
    /// A stream without ranges ended early: it has to be begun again.
    StreamBroke(Trouble),
    /// All bytes are here and are not the file that they should be.
    WrongDigest(Failure),
    /// Another file got the name that was free, and this one shall have the next.
    NameTaken,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<PartError> for End {
    fn from(error: PartError) -> Self {
        Self::Failed(error.into())
    }
}

/// After a wrong digest at most this many addresses are tried alone: each costs the whole file.
const ALONE: usize = 4;

/// See [`Attempt::run`].
pub(super) struct Attempt<'a> {
    client: &'a Client,
    what: Download,
    sources: Arc<Sources>,
    monitor: Monitor,
    stop: Stop,
    begun: Instant,
    /// What is here already is not to be used.
    anew: bool,
    /// Ask without ranges.
    whole: bool,
    /// No file stood here and no journal when the server was asked, and it may name the file so.
    free: Option<PathBuf>,
    /// After a wrong digest: how many addresses were given a turn alone.
    alone: usize,
    /// Bytes that came over the network in the attempts before.
    fetched: Cell<u64>,
}

/// What the disk says.
#[derive(Default)]
struct OnDisk {
    /// A file under the final name that may be the one asked for; only the server can tell.
    existing: Option<ExistingFile>,
    opened: Option<Box<OpenedPart>>,
    /// Nothing at all stands here: no file, no part, no journal.
    vacant: Option<PathBuf>,
}

impl OnDisk {
    fn vacant(path: PathBuf) -> Self {
        Self { vacant: Some(path), ..Self::default() }
    }

    fn opened(opened: Box<OpenedPart>) -> Self {
        Self { opened: Some(opened), ..Self::default() }
    }
}

/// The first answer, whose body is waiting.
struct FirstAnswer {
    source: Arc<Source>,
    lane: Lane,
    response: Response,
    holds: Holds,
}

/// What the body of the first answer holds.
#[derive(Debug, Clone, Copy)]
enum Holds {
    /// All, from byte 0.
    Whole,
    /// From the first number up to and without the second.
    Range(u64, u64),
}

/// How the transfer can go about it.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// The server gives ranges.
    ranged: bool,
    /// `If-Range` is understood.
    if_range: bool,
    /// Bytes of an earlier run were not compared yet with what the server has now.
    unproven: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(client: &'a Client, what: Download, monitor: Monitor, stop: Stop) -> Self {
        let anew = what.restart;
        Self {
            client,
            sources: Arc::new(Sources::new(&what)),
            what,
            monitor,
            stop,
            begun: Instant::now(),
            anew,
            whole: false,
            free: None,
            alone: 0,
            fetched: Cell::new(0),
        }
    }

    /// From now on without Range headers.
    pub(super) fn ask_for_the_whole(&mut self) {
        self.whole = true;
    }

    /// The next attempt uses nothing of what is here.
    pub(super) fn start_over(&mut self) {
        self.anew = true;
        // Those that had another version may have the right one now.
        let turn = self.alone.checked_sub(1).and_then(|turn| Sources::only(&self.what, turn));
        self.sources = Arc::new(turn.unwrap_or_else(|| Sources::new(&self.what)));
    }

    /// The digest was wrong: the next attempt fetches everything again, from one address alone, so that
    /// this one answers for all of it. Each of the first few gets one such turn; `false` when all had theirs.
    pub(super) fn start_over_alone(&mut self) -> bool {
        let next = Sources::only(&self.what, self.alone).filter(|_| self.alone < ALONE);
        let Some(sources) = next else { return false };
        self.alone += 1;
        self.anew = true;
        self.whole = false;
        self.sources = Arc::new(sources);
        true
    }

    /// Whether one address after the other is tried alone.
    pub(super) fn is_alone(&self) -> bool {
        self.alone > 0
    }

    /// The final name, where it is known by now.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.monitor.shared().progress.path.clone()
    }

    /// Looks at the disk, asks the server, fetches, verifies, and gives the file its name.
    pub(super) async fn run(&mut self) -> Result<Outcome, End> {
        let mut disk = OnDisk::default();
        if let Some(path) = self.known_path() {
            match self.look(path, None).await? {
                Ok(outcome) => return Ok(outcome),
                Err(found) => disk = found,
            }
        }
        if let Some(outcome) = self.all_here(&mut disk).await? {
            return Ok(outcome);
        }
        self.sources.resolve_again();
        self.ask(disk).await
    }

    /// Whether the journal speaks of a download of the same file: it knows one of its addresses.
    fn is_ours(&self, meta: &Meta) -> bool {
        self.sources.iter().any(|source| meta.knows(&source.address))
    }

    fn prober(&self) -> Prober<'_> {
        Prober {
            transport: &self.client.transport,
            what: &self.what,
            monitor: &self.monitor,
            stop: &self.stop,
        }
    }
}
