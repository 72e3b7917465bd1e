//! Importing a "done" file: one line per finished item, as scripts write them.
//!
//! First the lines of the done file are compared with the items (`matching`), then the finished items are
//! recorded (`marking`), so the data of the two is never in memory at once. List and done file are read
//! twice, each from start to end; for a done file of more than four million lines, once more for every four
//! million. Memory is bounded whatever their length (G8), except for one bit per item.

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
use matching::{Matches, match_lines};
use texts::{ListTexts, Texts};

/// The number of lines of the done file held at once, each as a hash of eight bytes.
const PIECE: usize = 1 << 22;

/// A done file, and everything needed to record its content in a ledger.
pub struct Adoption {
    /// Where folders and files are looked up.
    pub fs: Arc<dyn Fs>,
    /// The done file, compressed or not. It is read twice: no one should write to it meanwhile.
    pub path: PathBuf,
    /// The list.
    pub source: Source,
    /// The ledger of the list.
    pub ledger: Ledger,
    /// The folder with the files of the list; it must exist, unless files are not checked.
    pub folder: PathBuf,
    /// How items without their own name are named.
    pub naming: Naming,
    /// Whether to trust the done file without checking that the files exist.
    pub trust: bool,
    /// The caller's own options for the ledger to keep, as in [`crate::run::Options::remember`].
    pub remember: String,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// The number of items committed at once; [`Adoption::GROUP`] is a good choice. Smaller groups cost
    /// more writing, since the ledger stores items in random order; larger ones cost more memory, about 50
    /// bytes per item.
    pub group: usize,
}

/// The result of importing a done file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoneReport {
    /// Items in the list.
    pub items: u64,
    /// Invalid lines of the list; not counted among the items.
    pub bad_lines: u64,
    /// Lines of the done file that are neither blank nor a comment.
    pub lines: u64,
    /// Items that are marked as done now.
    pub marked: u64,
    /// Items that were already done.
    pub already: u64,
    /// Items named as done whose file is missing; they keep their state.
    pub missing: u64,
    /// Lines that name no item of the list.
    pub strangers: u64,
    /// The first of those, with its number, counted from 1; without a login.
    pub first_stranger: Option<(u64, String)>,
    /// The last of those.
    pub last_stranger: Option<(u64, String)>,
    /// The last line is one of them. piton identifies items by content, so nothing is lost; a script that
    /// continues after its last finished line would start over.
    pub last_is_stranger: bool,
}

/// Why a done file could not be imported, or not completely. Items already marked stay marked, except the
/// last two groups if the ledger failed; the same call again continues from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The done file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Done {
        /// The done file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The folder of the files does not exist, or cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The list changed while it was being read.
    #[error("{} changed while it was being read{}", path.display(), match marked {
        true => "; some marked items may not be done",
        false => "; nothing is marked",
    })]
    Changed {
        /// The list.
        path: PathBuf,
        /// Whether items were already being marked: some may be wrong.
        marked: bool,
    },
    /// It was stopped. All marked items are in the ledger.
    #[error("stopped; items already marked as done stay marked")]
    Stopped,
}

impl Adoption {
    /// Items committed at once: large enough that most pages of the ledger get several of them.
    pub const GROUP: usize = 1 << 19;

    /// Marks each item of the list as done that a line names: by one of its URLs or by its line in the
    /// list, ignoring spaces and logins. Its file must exist under the name that [`Run`](crate::run::Run)
    /// gives it, with the length that the list says, if any; with [`trust`](Adoption::trust) files are not
    /// checked, and the folder is created if missing. The content of the files is not read.
    ///
    /// The ledger records it as a run, whose options the next run finds. Blocks. Once this has returned,
    /// the reported items survive what the ledger was opened for; they are committed [a
    /// group](Adoption::group) at a time.
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
        let report = self.match_lines(PIECE, stop).and_then(|(matches, occurrences)| {
            unchanged(false)?;
            let report = self.mark(matches, occurrences, &folder, stop)?;
            unchanged(true)?;
            Ok(report)
        });
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ended = self.ledger.end_run(run, self.now.saturating_add(took));
        let report = report?;
        ended?;
        Ok(report)
    }

    /// What the done file names, and which items of the list may repeat.
    fn match_lines(&self, piece: usize, stop: &Stop) -> Result<(Matches, Occurrences), AdoptError> {
        let source = self.source.clone().until(stop.clone(), Duration::ZERO);
        let (census, is_taken) = (RefCell::new(Census::default()), Cell::new(false));
        let matches = std::thread::scope(|scope| {
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
            match_lines(done, items, piece)
        })?;
        let occurrences = match is_taken.get() {
            true => census.into_inner().into(),
            false => Occurrences::new(),
        };
        Ok((matches, occurrences))
    }

    fn mark(
        &self,
        matches: Matches,
        occurrences: Occurrences,
        folder: &Folder,
        stop: &Stop,
    ) -> Result<DoneReport, AdoptError> {
        let Matches { items, lines, strangers } = matches;
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

/// The items of `entries`, until it is stopped.
fn unless<T>(
    stop: &Stop,
    entries: impl Iterator<Item = Result<T, AdoptError>>,
) -> impl Iterator<Item = Result<T, AdoptError>> {
    entries.map(|entry| if stop.is_stopped() { Err(AdoptError::Stopped) } else { entry })
}
