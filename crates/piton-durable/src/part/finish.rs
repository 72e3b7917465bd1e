//! The end of a part: finished, found finished, or given up.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::open::Journal;
use super::{Durability, Finish, OpenPart, Part, PartError, Target, hold, verify};
use crate::dress::dress;
use crate::fs::{Fs, FsFile, Open, parent_dir};
use crate::journal::{Fold, Record};
use crate::replace::remove_if_there;

impl Part {
    /// Protocol step 6, from "verified" on: sets length, mode and times, syncs, says in the journal that
    /// all is verified, renames, syncs the directory, removes the journal, syncs the directory again.
    /// Returns the final path.
    ///
    /// A crash after any step leaves what the next [`Part::open`] goes on from: first
    /// `Recovered::verified`, and from the rename on [`Opened::Finished`](super::Opened::Finished). Once
    /// this has returned nothing is left to do, also after a power cut: no journal comes back that
    /// nobody would look at.
    ///
    /// # Errors
    /// [`PartError::Exists`] with part and journal left in place. After any other error they are too, or
    /// the file is under its final name, and the next open says so as long as the journal is there.
    pub fn finish(self, finish: Finish) -> Result<PathBuf, PartError> {
        let _turn = hold(&self.turn);
        self.check()?;
        self.dress(&finish)?;
        self.sync_whole()?;
        self.record_in_turn(Record::Verified { len: finish.len })?;
        self.sync_journal()?;

        self.rename(&finish)?;
        self.gone.store(true, Ordering::Relaxed);
        self.sync_directory()?;
        if self.durability != Durability::None {
            remove_journal(&*self.fs, &self.target, self.durability)?;
        }
        Ok(self.target.path().to_owned())
    }

    /// Everything that the final file has beside its bytes.
    fn dress(&self, finish: &Finish) -> Result<(), PartError> {
        let path = self.target.part();
        self.file.set_len(finish.len).map_err(PartError::io("cut", &path))?;
        if let Some(mode) = finish.mode {
            self.file.set_mode(mode).map_err(PartError::io("set the mode of", &path))?;
        }
        dress(&*self.file, &path, &finish.attributes, finish.modified)
    }

    fn rename(&self, finish: &Finish) -> Result<(), PartError> {
        let path = self.target.path();
        self.fs.rename(&self.target.part(), path, finish.existing).map_err(|error| {
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => PartError::Exists { path: path.to_owned() },
                _ => PartError::io("put in place", path)(error),
            }
        })
    }

    /// Removes part and journal: the download is given up.
    ///
    /// # Errors
    /// Where the system cannot remove one. A journal without a part claims nothing that would be
    /// believed.
    pub fn discard(self) -> Result<(), PartError> {
        let _turn = hold(&self.turn);
        let (part, journal) = (self.target.part(), self.target.journal());
        remove_if_there(&*self.fs, &part).map_err(PartError::io("remove", &part))?;
        self.gone.store(true, Ordering::Relaxed);
        remove_if_there(&*self.fs, &journal).map_err(PartError::io("remove", &journal))?;
        self.sync_directory()
    }
}

impl Drop for Part {
    /// A part that holds nothing and never began is clutter.
    fn drop(&mut self) {
        let clutter = !self.begun.load(Ordering::Acquire) && !self.gone.load(Ordering::Relaxed);
        if clutter && self.file.stat().is_ok_and(|stat| stat.len == 0) {
            // If it stays, the next run finds an empty part, which claims nothing.
            let _ = self.fs.remove(&self.target.part());
        }
    }
}

/// Whether the last run had renamed its part already; then its remains are removed.
///
/// Length and inode must be those that the journal speaks of: a file that somebody else put under
/// the final name is not ours, whatever its length.
pub(super) fn was_finished(
    fs: &dyn Fs,
    target: &Target,
    part: &Arc<dyn FsFile>,
    journal: &Journal,
    fold: &Fold,
    how: OpenPart,
) -> Result<bool, PartError> {
    let Some(len) = fold.verified else { return Ok(false) };
    let path = target.path();
    let Some(last) = fs.stat(path).map_err(PartError::io("look at", path))? else {
        return Ok(false);
    };
    if !last.is_file || last.len != len || last.id.inode != journal.parsed.header.part_inode {
        return Ok(false);
    }
    let part_path = target.part();
    let there = part.stat().map_err(PartError::io("look at", &part_path))?;
    // Opening has just made an empty part. Where renaming is linking and unlinking, a crash between
    // the two leaves one file with both names.
    if there.len > 0 && there.id != last.id {
        return Ok(false);
    }
    if !holds_unsynced(fs, target, fold)? {
        return Ok(false);
    }
    fs.remove(&part_path).map_err(PartError::io("remove", &part_path))?;
    if how.durability == Durability::Power {
        // The last run may have died between its rename and this; the journal goes only after it.
        fs.sync_dir(parent_dir(path)).map_err(PartError::io("sync the directory of", path))?;
    }
    remove_journal(fs, target, how.durability)?;
    Ok(true)
}

/// The end of the journal of a file that is durable under its final name. Durable as well: of what is
/// done nobody opens the target again, so a journal that came back with the power would stay for ever.
fn remove_journal(fs: &dyn Fs, target: &Target, durability: Durability) -> Result<(), PartError> {
    let (path, journal) = (target.path(), target.journal());
    remove_if_there(fs, &journal).map_err(PartError::io("remove", &journal))?;
    if durability == Durability::Power {
        fs.sync_dir(parent_dir(path)).map_err(PartError::io("sync the directory of", path))?;
    }
    Ok(())
}

/// Whether the final file holds what was claimed and never synced (a run without syncs) (G3).
fn holds_unsynced(fs: &dyn Fs, target: &Target, fold: &Fold) -> Result<bool, PartError> {
    let unsynced = fold.written();
    if unsynced.is_empty() {
        return Ok(true);
    }
    let path = target.path();
    let file = fs.open(path, Open::Read).map_err(PartError::io("open", path))?;
    let mut buffer = verify::buffer();
    // What cannot be read is not held: the download goes on from what is believed.
    Ok(unsynced.iter().all(|extent| verify::matches(&*file, extent, &mut buffer).unwrap_or(false)))
}
