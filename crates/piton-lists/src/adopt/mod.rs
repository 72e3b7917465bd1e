//! Taking over a "done" file: a line per finished item, as scripts write them.
//!
//! First the lines of the done file are compared with the items (`matching`), then those that are done are
//! written down (`marking`): so what the two hold is never in memory at once. List and done file are read
//! twice, each from front to end; of a done file of more than four million lines, once more for every
//! four million. Memory is bounded whatever their length (G8), but for one bit per item.

mod hashes;
mod lines;
mod marking;
mod matching;
mod texts;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use piton_checkpoint::ledger::{Ledger, LedgerError, Run as Entry};
use piton_durable::fs::Fs;
use piton_durable::part::Durability;
use piton_fetch::Stop;

use crate::format::ListError;
use crate::name::{Folder, FolderError, Naming};
use crate::run::{ahead, fingerprint, parse};
use crate::source::{Keyed, Source};
use crate::{Census, Occurrences};

use lines::DoneLines;
use marking::{Marking, Taken};
use matching::{Said, said};
use texts::{ListTexts, Texts};

/// So many lines of the done file are held at once, by a hash of eight bytes.
const PIECE: usize = 1 << 22;

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
    /// Where the files of the list are; it must be there, unless nobody looks for them.
    pub folder: PathBuf,
    /// How items without a name of their own are named.
    pub naming: Naming,
    /// Whether to believe the done file without looking for files.
    pub trust: bool,
    /// What the ledger is to keep of the caller's own options, as [`crate::run::Options::remember`].
    pub remember: String,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// So many items are committed at once; [`Adoption::GROUP`] serves well. Fewer cost more writing, since
    /// the ledger has them in random order; more cost more memory, some 50 bytes each.
    pub group: usize,
}

/// What became of the lines of a done file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoneReport {
    /// Items in the list.
    pub items: u64,
    /// Lines of the list that are wrong; not counted among the items.
    pub bad_lines: u64,
    /// Lines of the done file that say something: neither blank nor a comment.
    pub lines: u64,
    /// Items that are marked done now.
    pub marked: u64,
    /// Items that were done before.
    pub already: u64,
    /// Items that a line says are done, whose file is not there: left as they were.
    pub missing: u64,
    /// Lines that are about no item of the list.
    pub strangers: u64,
    /// The first of those, with its number, counted from 1; without a login.
    pub first_stranger: Option<(u64, String)>,
    /// The last of those.
    pub last_stranger: Option<(u64, String)>,
    /// The last line that says something is one of them. A list is known by its items, so nothing is lost
    /// by that; a script that goes on behind the last line that it finished would start over.
    pub last_is_stranger: bool,
}

/// Why a done file could not be imported, or not to its end. What was marked by then stays marked, but
/// for the last two groups if it is the ledger that fails; the same call again continues from there.
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
    /// The list was changed while it was gone through.
    #[error("{} changed while it was being read{}", path.display(), match marked {
        true => "; some marked items may not be done",
        false => "; nothing is marked",
    })]
    Changed {
        /// The list.
        path: PathBuf,
        /// Whether items were being marked by then: it may have been others than the done file says.
        marked: bool,
    },
    /// It was stopped. All that was marked is in the ledger.
    #[error("stopped; items already marked as done stay marked")]
    Stopped,
}

impl Adoption {
    /// Items that are committed at once: of the pages of the ledger most take several of them then.
    pub const GROUP: usize = 1 << 19;

    /// Marks each item of the list as done that a line is about: as one of its addresses or as its line in
    /// the list, spaces and logins left out. Its file must be there under the name that
    /// [`Run`](crate::run::Run) gives it, with the length that the list says, if it says one; with
    /// [`trust`](Adoption::trust) nobody looks, and the folder is made where there is none. What the files
    /// hold is not read.
    ///
    /// The ledger has it as a run, whose options the next run finds. Blocks. Once this has returned, what
    /// it reports survives what the ledger was opened for; the items are committed
    /// [a group](Adoption::group) at a time.
    ///
    /// # Errors
    /// [`AdoptError`].
    pub fn adopt(&self, stop: &Stop) -> Result<DoneReport, AdoptError> {
        let begun = Instant::now();
        // Before anything is written for what is not there.
        DoneLines::open(&self.path)?;
        self.source.open().map_err(ListError::from)?;
        let folder = match self.trust {
            true => Folder::open(Arc::clone(&self.fs), &self.folder, Durability::Power)?,
            false => Folder::find(Arc::clone(&self.fs), &self.folder)?,
        };
        let list = fingerprint(&self.source);
        let run = self.ledger.begin_run(Entry {
            began: self.now,
            list: self.source.path().to_string_lossy().into_owned(),
            fingerprint: list.clone(),
            options: self.remember.clone(),
        })?;
        let unchanged = |marked| match fingerprint(&self.source) == list {
            true => Ok(()),
            false => Err(AdoptError::Changed { path: self.source.path().to_owned(), marked }),
        };
        let report = self.said(PIECE, stop).and_then(|(said, occurrences)| {
            unchanged(false)?;
            let report = self.mark(said, occurrences, &folder, stop)?;
            unchanged(true)?;
            Ok(report)
        });
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ended = self.ledger.end_run(run, self.now.saturating_add(took));
        let report = report?;
        ended?;
        Ok(report)
    }

    /// What the done file says, and which items of the list may repeat.
    fn said(&self, piece: usize, stop: &Stop) -> Result<(Said, Occurrences), AdoptError> {
        let source = self.source.clone().until(stop.clone(), Duration::ZERO);
        let (census, is_taken) = (RefCell::new(Census::default()), Cell::new(false));
        let said = std::thread::scope(|scope| {
            let done = || {
                let io = |source| AdoptError::Done { path: self.path.clone(), source };
                let lines = ahead(scope, DoneLines::open(&self.path)?, DoneLines::weight);
                Ok(unless(stop, lines.map_err(io)?.into_iter().flatten()))
            };
            let items = || {
                let items = ahead(scope, ListTexts::read(&source)?, Texts::weight);
                let items = items.map_err(ListError::from)?.into_iter().flatten();
                let (census, counts) = (&census, !is_taken.replace(true));
                Ok(unless(stop, items).inspect(move |item| {
                    if let Ok(item) = item.as_ref()
                        && counts
                    {
                        census.borrow_mut().add(&item.content);
                    }
                }))
            };
            said(done, items, piece)
        })?;
        let occurrences = match is_taken.get() {
            true => census.into_inner().into(),
            false => Occurrences::new(),
        };
        Ok((said, occurrences))
    }

    fn mark(
        &self,
        said: Said,
        occurrences: Occurrences,
        folder: &Folder,
        stop: &Stop,
    ) -> Result<DoneReport, AdoptError> {
        let Said { items, lines, strangers } = said;
        let mut report = DoneReport {
            lines,
            strangers: strangers.count,
            first_stranger: strangers.first,
            last_stranger: strangers.last,
            last_is_stranger: strangers.at_the_end,
            ..DoneReport::default()
        };
        let source = self.source.clone().until(stop.clone(), Duration::ZERO);
        let mut marking = Marking::new(self, folder)?;
        let marked = std::thread::scope(|scope| {
            let entries = source.keyed_by(occurrences).map_err(ListError::from)?;
            let entries = parse(scope, entries).map_err(ListError::from)?.into_iter().flatten();
            let mut number = 0;
            for entry in unless(stop, entries.map(|entry| entry.map_err(AdoptError::from))) {
                let (item, key) = match entry? {
                    Keyed::Item(item, key) => (item, key),
                    Keyed::Bad(_) => {
                        report.bad_lines += 1;
                        continue;
                    }
                    Keyed::Notice(_) => continue,
                };
                if items.get(number) {
                    match marking.take(&item, key.into())? {
                        Taken::Marked => report.marked += 1,
                        Taken::Already => report.already += 1,
                        Taken::Missing => report.missing += 1,
                    }
                }
                number += 1;
                report.items += 1;
            }
            Ok::<(), AdoptError>(())
        });
        let settled = marking.settle();
        marked?;
        settled?;
        Ok(report)
    }
}

/// What `entries` give, until it is stopped.
fn unless<T>(
    stop: &Stop,
    entries: impl Iterator<Item = Result<T, AdoptError>>,
) -> impl Iterator<Item = Result<T, AdoptError>> {
    entries.map(|entry| if stop.is_stopped() { Err(AdoptError::Stopped) } else { entry })
}
