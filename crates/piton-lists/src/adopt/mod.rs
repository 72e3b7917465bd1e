//! Taking over a "done" file: a line per finished item, as scripts write them.
//!
//! The done file is read twice and the list once, each from front to end. What is held in memory is eight
//! bytes per line of the done file, and a bounded rest, whatever the length of the list (G8).

mod lines;
mod marking;
mod matching;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use piton_checkpoint::ledger::{Ledger, LedgerError, Run as Entry};
use piton_durable::fs::Fs;
use piton_fetch::Stop;

use crate::format::ListError;
use crate::name::{Folder, FolderError, Naming};
use crate::run::{fingerprint, parse};
use crate::source::Source;

use lines::DoneLines;
use marking::{Entries, Marking};
use matching::match_lines;

pub use matching::DoneReport;

/// A done file with all it takes to write down in a ledger what it says.
pub struct Adoption {
    /// Where folders and files are looked at.
    pub fs: Arc<dyn Fs>,
    /// The done file, compressed or not. It is read twice: nobody should be writing it.
    pub path: PathBuf,
    /// The list.
    pub source: Source,
    /// The ledger of the list.
    pub ledger: Ledger,
    /// Where the files of the list are; it must be there.
    pub folder: PathBuf,
    /// How items without a name of their own are named.
    pub naming: Naming,
    /// Whether to believe the done file without looking for files.
    pub trust: bool,
    /// What the ledger is to keep of the caller's own options, as [`crate::run::Options::remember`].
    pub remember: String,
    /// The time, in milliseconds since 1970.
    pub now: u64,
}

/// Why a done file could not be taken over, or not to its end. What was marked by then stays marked, but
/// for the last quarter of a million items if it is the ledger that fails; the same call again goes on
/// from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The done file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Done {
        /// The done file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The folder of the files is not there, or cannot be looked at.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It was stopped. All that was marked is in the ledger.
    #[error("stopped; what was marked as done by then is kept")]
    Stopped,
}

impl Adoption {
    /// Marks each item of the list as done that a line is about: as one of its addresses or as its line in
    /// the list, spaces and logins left out. Its file must be there under the name that
    /// [`Run`](crate::run::Run) gives it, with the length that the list says, if it says one; with
    /// [`trust`](Adoption::trust) nobody looks. What the files hold is not read.
    ///
    /// The ledger has it as a run, whose options the next run finds. Blocks. Once this has returned, what
    /// it reports survives what the ledger was opened for; the items are committed a quarter of a million
    /// at a time.
    ///
    /// # Errors
    /// [`AdoptError`].
    pub fn adopt(&self, stop: &Stop) -> Result<DoneReport, AdoptError> {
        let begun = Instant::now();
        // Before anything is written for what is not there.
        DoneLines::open(&self.path)?;
        self.source.open().map_err(ListError::from)?;
        let folder = Folder::find(Arc::clone(&self.fs), &self.folder)?;
        let run = self.ledger.begin_run(Entry {
            began: self.now,
            list: self.source.path().to_string_lossy().into_owned(),
            fingerprint: fingerprint(&self.source),
            options: self.remember.clone(),
        })?;
        let report = self.mark(&folder, stop);
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ended = self.ledger.end_run(run, self.now.saturating_add(took));
        let report = report?;
        ended?;
        Ok(report)
    }

    fn mark(&self, folder: &Folder, stop: &Stop) -> Result<DoneReport, AdoptError> {
        let mut marking = Marking::new(self, folder)?;
        let mut bad_lines = 0;
        let report = std::thread::scope(|scope| {
            let parsed = parse(scope, &self.source)?.into_iter().flatten();
            let items = Entries::new(self, parsed, stop, &mut bad_lines)?;
            match_lines(|| DoneLines::open(&self.path), items, &mut marking)
        });
        let settled = marking.settle();
        let report = report?;
        settled?;
        Ok(DoneReport { bad_lines, ..report })
    }
}
