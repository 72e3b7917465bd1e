//! The items of a list on their way into the ledger as done.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, sync_channel};

use piton_checkpoint::ledger::{Found, Key, LedgerError, Reader, State};
use piton_fetch::Stop;

use super::matching::{Progress, Taken};
use super::{AdoptError, Adoption};
use crate::Item;
use crate::format::{Lines, ListError};
use crate::name::{Folder, FolderError, TargetPath, claim};
use crate::source::Keyed;

/// So many items are committed at once. The indexes of the ledger are in random order: in a group of this
/// length a page of theirs takes many entries before it is written.
const GROUP: usize = 1 << 18;

/// An item of the list, as a script may know it.
pub(super) struct Listed {
    item: Item,
    key: Key,
    /// Its line, if that is one and more than its address.
    line: Option<String>,
}

/// The items of a list with their lines; wrong lines are counted.
pub(super) struct Entries<'a, E> {
    entries: E,
    /// The same list, as text.
    lines: Lines<Box<dyn BufRead + Send>>,
    stop: &'a Stop,
    bad_lines: &'a mut u64,
}

impl<'a, E> Entries<'a, E> {
    pub(super) fn new(
        what: &Adoption,
        entries: E,
        stop: &'a Stop,
        bad_lines: &'a mut u64,
    ) -> Result<Self, ListError> {
        let lines = Lines::new(what.source.open()?, Lines::<&[u8]>::LIMIT);
        Ok(Self { entries, lines, stop, bad_lines })
    }
}

impl<E: Iterator<Item = Result<Keyed, ListError>>> Iterator for Entries<'_, E> {
    type Item = Result<Listed, AdoptError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.stop.is_stopped() {
                return Some(Err(AdoptError::Stopped));
            }
            let (item, key) = match self.entries.next()? {
                Ok(Keyed::Item(item, key)) => (item, key),
                Ok(Keyed::Bad(_)) => {
                    *self.bad_lines += 1;
                    continue;
                }
                Ok(Keyed::Notice(_)) => continue,
                Err(error) => return Some(Err(error.into())),
            };
            let listed = self.line_of(&item).map(|line| Listed { item, key: key.into(), line });
            return Some(listed.map_err(|error| ListError::from(error).into()));
        }
    }
}

impl<E> Entries<'_, E> {
    /// The line on which an item begins. `None` where it is nothing but its address, is no text, or has
    /// been passed: of what is not made of lines, such as XML, many items may begin on one.
    fn line_of(&mut self, item: &Item) -> io::Result<Option<String>> {
        while self.lines.number() < item.line {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            if line.number < item.line {
                continue;
            }
            let is_address = |text: &&str| {
                let [only] = item.addresses.as_slice() else { return false };
                text.trim() == only.url.as_str()
            };
            let text = line.text.ok().filter(|text| !is_address(text));
            return Ok(text.map(str::to_owned));
        }
        Ok(None)
    }
}

/// Writes items down as done, a group at a time.
pub(super) struct Marking<'a> {
    what: &'a Adoption,
    folder: &'a Folder,
    /// `None`: the ledger knew no item when this began.
    known: Option<Reader>,
    found: Vec<Found>,
    /// The group that is being committed, if any.
    committing: Option<Receiver<Result<(), LedgerError>>>,
}

impl<'a> Marking<'a> {
    pub(super) fn new(what: &'a Adoption, folder: &'a Folder) -> Result<Self, LedgerError> {
        let reader = what.ledger.reader()?;
        let known = (reader.totals()?.all().items > 0).then_some(reader);
        Ok(Self { what, folder, known, found: Vec::new(), committing: None })
    }

    /// Waits until all that was marked is committed.
    pub(super) fn settle(mut self) -> Result<(), LedgerError> {
        self.commit()?;
        self.committed()
    }

    /// Has the group committed while the next one is gathered.
    fn commit(&mut self) -> Result<(), LedgerError> {
        self.committed()?;
        if self.found.is_empty() {
            return Ok(());
        }
        let (tell, told) = sync_channel(1);
        let found = std::mem::take(&mut self.found);
        // Nobody is left to care if this end is gone.
        let done = Box::new(move |result| drop(tell.send(result)));
        self.what.ledger.record_found(found, self.what.now, done);
        self.committing = Some(told);
        Ok(())
    }

    fn committed(&mut self) -> Result<(), LedgerError> {
        let Some(told) = self.committing.take() else { return Ok(()) };
        let closed = |_| LedgerError::Closed { path: self.what.ledger.path().to_owned() };
        told.recv().map_err(closed).flatten()
    }

    /// The length of the file, if it is there and can be that of the item.
    fn look(&self, item: &Item, target: &TargetPath) -> Result<Option<u64>, FolderError> {
        let path = self.folder.join(target);
        let stat = match self.what.fs.stat(&path) {
            // A name that no file can have is the list's fault.
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => None,
            Err(source) => return Err(FolderError::Io { what: "look at", path, source }),
            Ok(stat) => stat,
        };
        let fits = |len| item.size.is_none_or(|size| size == len);
        Ok(stat.filter(|stat| stat.is_file && fits(stat.len)).map(|stat| stat.len))
    }
}

impl Progress for Marking<'_> {
    type Item = Listed;
    type Error = AdoptError;

    fn texts(&self, listed: &Listed, each: &mut dyn FnMut(&str)) {
        for address in &listed.item.addresses {
            each(address.url.as_str());
        }
        if let Some(line) = &listed.line {
            each(line);
        }
    }

    fn take(&mut self, listed: Listed) -> Result<Taken, AdoptError> {
        let Listed { item, key, .. } = listed;
        if let Some(known) = &mut self.known
            && known.lookup(&key)?.is_some_and(|known| known.state == State::Done)
        {
            return Ok(Taken::Already);
        }
        let Ok(wanted) = TargetPath::of(&item, self.what.naming, self.folder.path()) else {
            // It fails for good in a run, whatever was done elsewhere.
            return Ok(Taken::Missing);
        };
        // In the order of the list, as in a run, so that it is the name that a run would have given.
        let target = claim(&self.what.ledger, &key, &wanted)?;
        let size = match self.what.trust {
            true => None,
            false => match self.look(&item, &target)? {
                None => return Ok(Taken::Missing),
                size => size,
            },
        };
        let path = (target != wanted).then(|| target.as_str().into());
        self.found.push(Found { key, size, path });
        if self.found.len() >= GROUP {
            self.commit()?;
        }
        Ok(Taken::Marked)
    }
}
