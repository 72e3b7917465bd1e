//! Finished items on their way into the ledger.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use piton_checkpoint::ledger::{Found, Key, LedgerError, Reader, State};

use super::{AdoptError, Adoption};
use crate::Item;
use crate::name::{Folder, FolderError, TargetPath, claim};

/// The number of items handed to the ledger at a time, to spare its thread.
const BATCH: usize = 1024;
/// Batches that may wait between the two threads.
const BATCHES: usize = 16;

/// The result for an item that a line names as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Recorded as done now.
    Marked,
    /// Already done.
    Already,
    /// Its file is missing: it keeps its state.
    Missing,
}

/// Records items as done, one group at a time. The ledger takes the items of a group as they come, so none
/// of them waits in memory for the end of the group.
pub(super) struct Marking<'a> {
    what: &'a Adoption,
    folder: &'a Folder,
    /// `None`: the ledger had no items at the start.
    known: Option<Reader>,
    batch: Vec<Found>,
    group: Option<Group>,
    /// Groups that are complete and not known to be committed.
    committing: Option<Committing>,
}

/// A group that is being written.
struct Group {
    to: SyncSender<Vec<Found>>,
    items: usize,
    committing: Committing,
}

type Committing = Receiver<Result<(), LedgerError>>;

impl<'a> Marking<'a> {
    pub(super) fn new(what: &'a Adoption, folder: &'a Folder) -> Result<Self, LedgerError> {
        what.ledger.expect_many()?;
        let reader = what.ledger.reader()?;
        let known = (reader.totals()?.all().items > 0).then_some(reader);
        Ok(Self { what, folder, known, batch: Vec::new(), group: None, committing: None })
    }

    /// Marks an item that a line names as done, if its file exists.
    pub(super) fn take(&mut self, item: &Item, key: Key) -> Result<Taken, AdoptError> {
        if let Some(known) = &mut self.known
            && known.lookup(&key)?.is_some_and(|known| known.state == State::Done)
        {
            return Ok(Taken::Already);
        }
        let Ok(wanted) = TargetPath::of(item, self.what.naming, self.folder.path()) else {
            // It fails for good in a run, whatever was done elsewhere.
            return Ok(Taken::Missing);
        };
        // In the order of the list, as in a run, so that it is the name that a run would have given.
        let target = claim(&self.what.ledger, &key, &wanted)?;
        let size = match self.what.trust {
            true => None,
            false => match self.look(item, &target)? {
                None => return Ok(Taken::Missing),
                size => size,
            },
        };
        let path = (target != wanted).then(|| target.as_str().into());
        self.batch.push(Found { key, size, path });
        if self.batch.len() >= BATCH.min(self.what.group) {
            self.hand_over()?;
        }
        Ok(Taken::Marked)
    }

    /// The length of the file, if it exists and matches the item.
    fn look(&self, item: &Item, target: &TargetPath) -> Result<Option<u64>, FolderError> {
        let path = self.folder.join(target);
        let stat = match self.folder.fs().stat(&path) {
            // A name that no file can have is the list's fault, and what lies elsewhere is no file of it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidFilename | io::ErrorKind::CrossesDevices
                ) =>
            {
                None
            }
            Err(source) => return Err(FolderError::Io { what: "look at", path, source }),
            Ok(stat) => stat,
        };
        let fits = |len| item.size.is_none_or(|size| size == len);
        Ok(stat.filter(|stat| stat.is_file && fits(stat.len)).map(|stat| stat.len))
    }

    fn hand_over(&mut self) -> Result<(), LedgerError> {
        let batch = std::mem::take(&mut self.batch);
        let mut group = self.group.take().unwrap_or_else(|| self.begin());
        group.items = group.items.saturating_add(batch.len());
        // The ledger takes no more where it has failed; the end of the group tells why.
        let is_over = group.to.send(batch).is_err() || group.items >= self.what.group;
        match is_over {
            true => self.end(group),
            false => {
                self.group = Some(group);
                Ok(())
            }
        }
    }

    fn begin(&self) -> Group {
        let (to, batches) = sync_channel::<Vec<Found>>(BATCHES);
        let (tell, committing) = sync_channel(1);
        // Nobody is left to care if this end is gone.
        let done = Box::new(move |result| drop(tell.send(result)));
        self.what.ledger.record_found(batches.into_iter().flatten(), self.what.now, done);
        Group { to, items: 0, committing }
    }

    /// Commits a group, once the previous one is committed.
    fn end(&mut self, group: Group) -> Result<(), LedgerError> {
        drop(group.to);
        let before = self.committing.replace(group.committing);
        before.map_or(Ok(()), |before| self.committed(&before))
    }

    fn committed(&self, committing: &Committing) -> Result<(), LedgerError> {
        let closed = |_| LedgerError::Closed { path: self.what.ledger.path().to_owned() };
        committing.recv().map_err(closed).flatten()
    }

    /// Waits until all marked items are committed.
    pub(super) fn settle(mut self) -> Result<(), LedgerError> {
        if !self.batch.is_empty() {
            self.hand_over()?;
        }
        if let Some(group) = self.group.take() {
            self.end(group)?;
        }
        self.committing.take().map_or(Ok(()), |last| self.committed(&last))
    }
}
