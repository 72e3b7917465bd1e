//! The end of a part: finished, found finished, or given up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::open::Journal;
use super::{Durability, Finish, OpenPart, Part, PartError, Target, guard};
use crate::extent::cover;
use crate::fs::{FileId, Fs, FsFile, Open, Stat, is_of_the_disk, parent_dir};
use crate::journal::{Fold, Record};
use crate::metadata::apply_metadata;
use crate::named::{self, NameError};
use crate::own::{self, NotOurs};
use crate::verify;

impl Part {
    /// Step 6 of `docs/journal-format.md`: sets length, mode and times, syncs, records Verified, renames,
    /// syncs the directory, allows others to write to the file if its mode says so, removes the journal,
    /// syncs the directory again.
    /// Returns the final path.
    ///
    /// A crash after any step leaves what the next [`Part::open`] continues from: first
    /// `Recovered::verified`, and from the rename on [`Opened::Finished`](super::Opened::Finished). Once
    /// this has returned, nothing is left to do, even after a power cut: no journal comes back that
    /// nobody would look at.
    ///
    /// # Errors
    /// [`PartError::Exists`] and [`PartError::NotAFile`] with part and journal left in place;
    /// [`PartError::Exchanged`] if those now belong to another program, or if another program's file got
    /// the final name in the instant of the rename: that never counts as finished. After any other error
    /// they are in place too, or the file has its final name, and the next open reports it as long as
    /// the journal is there.
    pub fn finish(self, finish: Finish) -> Result<PathBuf, PartError> {
        let _turn = guard(&self.turn);
        self.check()?;
        let mode = match finish.mode {
            Some(mode) => mode,
            None => new_file_mode(&*self.fs, &self.target)?,
        };
        self.apply_metadata(&finish, mode)?;
        self.sync_whole()?;
        self.record_in_turn(Record::Verified { len: finish.len })?;
        self.sync_journal()?;

        self.check_names()?;
        self.rename(&finish)?;
        self.gone.store(true, Ordering::Relaxed);
        self.sync_directory()?;
        allow_others(&*self.file, self.target.path(), mode, self.durability)?;
        if let Some(journal) = self.journal_id() {
            remove_journal(&*self.fs, &self.target, journal, self.durability)?;
        }
        Ok(self.target.path().to_owned())
    }

    /// Everything that the final file has besides its bytes.
    fn apply_metadata(&self, finish: &Finish, mode: u32) -> Result<(), PartError> {
        let path = self.target.part();
        self.file.set_len(finish.len).map_err(PartError::io("truncate", &path))?;
        // While it is a part, nobody else may write to it: a part that others can write to is not believed.
        set_mode(&*self.file, &path, mode & !OTHERS)?;
        apply_metadata(&*self.file, &path, &finish.attributes, finish.modified)
    }

    fn rename(&self, finish: &Finish) -> Result<(), PartError> {
        let (part, path) = (self.target.part(), self.target.path());
        named::rename(&*self.fs, self.id, &part, path, finish.existing.into()).map_err(|error| {
            match error {
                NameError::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    PartError::Exists { path: path.to_owned() }
                }
                error => PartError::name("move into place", path)(error),
            }
        })
    }

    /// Removes part and journal: abandons the download.
    ///
    /// # Errors
    /// Where the system cannot remove one. A journal without a part claims nothing that would be
    /// believed. [`PartError::Exchanged`]: another file has the name now, and stays.
    pub fn discard(self) -> Result<(), PartError> {
        let _turn = guard(&self.turn);
        let (part, journal) = (self.target.part(), self.target.journal());
        self.remove(self.id, &part)?;
        self.gone.store(true, Ordering::Relaxed);
        if let Some(id) = self.journal_id() {
            self.remove(id, &journal)?;
        }
        self.sync_directory()
    }
}

impl Drop for Part {
    /// Gives back the space that was not used. Removes a part that holds nothing and never began.
    fn drop(&mut self) {
        if !self.gone.load(Ordering::Relaxed) {
            self.release_unused();
        }
        let clutter = !self.begun.load(Ordering::Acquire) && !self.gone.load(Ordering::Relaxed);
        if clutter && self.file.stat().is_ok_and(|stat| stat.len == 0) {
            // If it stays it holds nothing, and there is nobody to report to.
            let _ = self.remove(self.id, &self.target.part());
        }
    }
}

/// Whether the last run had renamed its part already. If so, removes what it left.
///
/// The final file must have the length that the journal speaks of, and every byte of it is compared with
/// the claims. Its inode proves nothing: its name changed after the journal, and between two runs
/// anybody may have written to it.
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
    let Some(last) = fs.stat(path).map_err(PartError::io("inspect", path))? else {
        return Ok(false);
    };
    if !last.is_file || last.len != len || !is_own(fs, path, &last)? {
        return Ok(false);
    }
    let part_path = target.part();
    let there = part.stat().map_err(PartError::io("inspect", &part_path))?;
    // Opening has just created an empty part. Where a rename is a link and an unlink, a crash between
    // the two leaves one file with both names.
    if there.len > 0 && there.id != last.id {
        return Ok(false);
    }
    if !holds_claims(fs, path, fold, len)? {
        return Ok(false);
    }
    let journal = journal.file.stat().map_err(PartError::io("inspect", &target.journal()))?;
    let finished = fs.open(path, Open::Read).map_err(PartError::io("open", path))?;
    allow_others(&*finished, path, new_file_mode(fs, target)?, how.durability)?;
    named::remove(fs, there.id, &part_path).map_err(PartError::name("remove", &part_path))?;
    if how.durability == Durability::Power {
        // The last run may have died between its rename and this; the journal goes only after it.
        fs.sync_dir(parent_dir(path)).map_err(PartError::io("sync the directory of", path))?;
    }
    remove_journal(fs, target, journal.id, how.durability)?;
    Ok(true)
}

/// Whether the file under the final name belongs to this user, so that a run can have left it. Its mode is
/// whatever that run or the user chose.
fn is_own(fs: &dyn Fs, path: &Path, last: &Stat) -> Result<bool, PartError> {
    let there = fs.lstat(path).map_err(PartError::io("inspect", path))?;
    let is_itself = there.is_some_and(|there| there.id == last.id);
    let foreign = matches!(own::judge(fs, path, last), Err(NotOurs::OtherOwner { .. }));
    Ok(is_itself && !foreign)
}

/// Write permission for others than the owner.
const OTHERS: u32 = 0o022;

fn new_file_mode(fs: &dyn Fs, target: &Target) -> Result<u32, PartError> {
    let folder = parent_dir(target.path());
    let mode = fs.new_file_mode(folder).map_err(PartError::io("inspect", folder))?;
    Ok(mode & target.mode())
}

/// Gives a finished file the rest of its mode: others may write to it, if `mode` says so. It is no part
/// any more. A crash before this leaves the journal, and the next run does it.
fn allow_others(
    file: &dyn FsFile,
    path: &Path,
    mode: u32,
    durability: Durability,
) -> Result<(), PartError> {
    if mode & OTHERS != 0 && set_mode(file, path, mode)? && durability == Durability::Power {
        file.sync_all().map_err(PartError::io("sync", path))?;
    }
    Ok(())
}

/// Returns whether there was something to set.
fn set_mode(file: &dyn FsFile, path: &Path, mode: u32) -> Result<bool, PartError> {
    let now = file.stat().map_err(PartError::io("inspect", path))?.mode;
    if now == mode {
        return Ok(false);
    }
    match file.set_mode(mode) {
        Err(error) if is_of_the_disk(&error) => Err(PartError::io("set the mode of", path)(error)),
        // Set, or not supported: some file systems have one mode for all files.
        _ => Ok(true),
    }
}

/// The end of the journal of a file that is durable under its final name. The removal is durable too: nobody
/// opens a finished target again, so a journal that came back after a power cut would stay.
fn remove_journal(
    fs: &dyn Fs,
    target: &Target,
    file: FileId,
    durability: Durability,
) -> Result<(), PartError> {
    let (path, journal) = (target.path(), target.journal());
    named::remove(fs, file, &journal).map_err(PartError::name("remove", &journal))?;
    if durability == Durability::Power {
        fs.sync_dir(parent_dir(path)).map_err(PartError::io("sync the directory of", path))?;
    }
    Ok(())
}

/// Whether the file at `path` is what was claimed, all of its `len` bytes (G3).
fn holds_claims(fs: &dyn Fs, path: &Path, fold: &Fold, len: u64) -> Result<bool, PartError> {
    let claims = fold.claims.extents();
    if !cover(&claims, len) {
        return Ok(false);
    }
    let file = fs.open(path, Open::Read).map_err(PartError::io("open", path))?;
    let mut buffer = verify::buffer();
    // What cannot be read does not match: the download continues from what is believed.
    Ok(claims.iter().all(|extent| verify::matches(&*file, extent, &mut buffer).unwrap_or(false)))
}
