//! Adopting a file that another program began (`docs/journal-format.md`, step 8).

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::names::place_journal;
use super::open::{JournalFile, LockedFiles, OnDisk};
use super::{Durability, Extent, JournalState, Part, PartError, Target, finish};
use crate::crc;
use crate::extent::longest;
use crate::fs::{FileId, Fs, FsFile, Open, Stat, parent_dir, read_full_at};
use crate::journal::Record;
use crate::journal::log::Log;
use crate::named::{self, Overwrite};
use crate::own::{self, NotOurs};
use crate::part::OpenPart;
use crate::verify;

/// A file that another program began and that may become the part of a target. It and the target are
/// locked (G5), and it stays unchanged until [`Foreign::adopt`]; dropping this leaves no trace.
///
/// A lock keeps out only other processes of piton. If the program that began the file still writes
/// to it, only its length and time show that: it should have ended.
pub struct Foreign {
    fs: Arc<dyn Fs>,
    target: Target,
    path: PathBuf,
    file: Arc<dyn FsFile>,
    /// As the file was found.
    stat: Stat,
    /// The empty file that holds the lock of the target until the foreign one has its name. `None`:
    /// the foreign file has the name of the part already.
    placeholder: Option<Placeholder>,
    /// An existing journal, which is not used, and stays locked while it has the name.
    journal: Option<JournalFile>,
}

/// `NAME.part` while it is ours and empty; removed when dropped, if it still is that.
struct Placeholder {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Arc<dyn FsFile>,
    id: FileId,
}

impl Foreign {
    /// Locks the file at `path` and the part of `target`, which may be the same.
    ///
    /// # Errors
    /// [`PartError::Begun`] if there is a download of piton that can be resumed; [`PartError::Exists`]
    /// if another file has the name of the part, or the target is found finished;
    /// [`PartError::NotOurs`] if the file belongs to another user or has other names;
    /// [`PartError::Locked`], [`PartError::NewerFormat`] and [`PartError::Io`] as with [`Part::open`].
    pub fn open(fs: Arc<dyn Fs>, target: &Target, path: &Path) -> Result<Self, PartError> {
        let look = |path: &Path| fs.stat(path).map_err(PartError::io("inspect", path));
        let part_path = target.part();
        let Some(there) = look(path)? else {
            // It may have been adopted already.
            return Err(match (look(&part_path)?, look(&target.journal())?) {
                (Some(_), Some(_)) => PartError::Begun { path: part_path },
                _ => {
                    let none = io::Error::new(io::ErrorKind::NotFound, "No such file");
                    PartError::io("adopt", path)(none)
                }
            });
        };
        if !there.is_file {
            let odd = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(PartError::io("adopt", path)(odd));
        }
        let mut files = LockedFiles::lock(&*fs, target)?;
        // On overlayfs opening it to write made another file of it.
        let has_the_name = look(path)?.is_some_and(|there| there.id == files.stat.id);
        let placeholder = (!has_the_name).then(|| Placeholder {
            fs: Arc::clone(&fs),
            path: part_path.clone(),
            file: Arc::clone(&files.part),
            id: files.stat.id,
        });
        match files.look(Durability::Power)? {
            OnDisk::Journal { .. } if files.stat.len > 0 => {
                return Err(PartError::Begun { path: part_path });
            }
            OnDisk::Journal { journal, fold } => {
                let how = OpenPart::default();
                if finish::was_finished(&*fs, target, &files.part, &journal, &fold, how)? {
                    return Err(PartError::Exists { path: target.path().to_owned() });
                }
                // Claims of bytes that no part has: those of an adoption that a crash ended
                // before its rename.
            }
            OnDisk::Untrusted { part: true, .. } if !has_the_name => {
                return Err(PartError::Exists { path: part_path });
            }
            OnDisk::Untrusted { .. } | OnDisk::Nothing => {}
        }
        let (file, flaw) = match &placeholder {
            Some(_) => own::lock_movable(&*fs, path, Open::ReadWrite)
                .map_err(|error| PartError::lock(error, path, path))?,
            None => (files.part, files.flaw),
        };
        // Others may write to it: other programs leave what the umask gives. See `Foreign::adopt`.
        if let Some(why @ NotOurs::Linked { .. }) = flaw {
            return Err(PartError::NotOurs { path: path.to_owned(), why });
        }
        let stat = file.stat().map_err(PartError::io("inspect", path))?;
        let (target, path) = (target.clone(), path.to_owned());
        Ok(Self { fs, target, path, file, stat, placeholder, journal: files.journal.take() })
    }

    /// The length of the file in bytes, as it was found.
    pub fn len(&self) -> u64 {
        self.stat.len
    }

    /// Whether it was found empty.
    pub fn is_empty(&self) -> bool {
        self.stat.len == 0
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is to become the part of.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Reads at `offset`; fills `buf` as far as the file goes.
    ///
    /// # Errors
    /// Where the system cannot read.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, PartError> {
        read_full_at(&*self.file, buf, offset).map_err(PartError::io("read", &self.path))
    }

    /// The first run of bytes at or after `from` that is not a hole.
    ///
    /// # Errors
    /// Where the system does not report holes.
    pub fn data_run(&self, from: u64) -> Result<Option<Range<u64>>, PartError> {
        self.file.data_run(from).map_err(PartError::io("find the holes of", &self.path))
    }

    /// Makes the file the part of its target, of which `ranges` (in order, not overlapping) are
    /// believed from now on, by the checksums of what they hold now. `meta` describes the download.
    ///
    /// The journal comes first; its claims do not count as long as the part is another file. Then
    /// one rename makes the file the part. So after a crash at any instant there is the file as it was,
    /// or the part with its journal; once this has returned, the latter, also after a power cut. A
    /// rename cannot leave the file system: [`Fs::rename`] refuses that, and nothing has changed.
    /// [`Durability::None`] counts as [`Durability::Process`] here: without a journal a part is
    /// useless.
    ///
    /// # Errors
    /// [`PartError::Changing`] if the file is no longer as it was found. Where the system refuses, the
    /// file is unchanged, or the part is as after a crash.
    pub fn adopt(
        mut self,
        meta: &[u8],
        ranges: &[Range<u64>],
        durability: Durability,
    ) -> Result<Part, PartError> {
        let durability = match durability {
            Durability::None => Durability::Process,
            kept => kept,
        };
        let durable = durability == Durability::Power;
        let records = self.records(meta, ranges)?;
        let now = self.file.stat().map_err(PartError::io("inspect", &self.path))?;
        if (now.len, now.modified) != (self.stat.len, self.stat.modified) {
            return Err(PartError::Changing { path: self.path.clone() });
        }

        if self.stat.mode & 0o077 != 0 {
            // As every part. Others who have it open can still write to it: the user vouches for
            // the file. Where there are no modes, none is checked later.
            let _ = self.file.set_mode(self.stat.mode & !0o077);
        }

        let (temporary, journal) = (self.target.temporary(), self.target.journal());
        let id = self.stat.id;
        let (log, fold) = Log::stage(&*self.fs, &temporary, id, &records, durable)?;
        let old = self.journal.as_ref().map(|journal| journal.id);
        place_journal(&*self.fs, &self.target, &log, old)?;
        self.sync_directory(self.target.path(), durable)?;
        // Held until the new part has the name: nobody else can take it in between.
        if let Some(placeholder) = self.placeholder.take() {
            let part = self.target.part();
            let over = Overwrite::Ours(placeholder.id);
            named::rename(&*self.fs, id, &self.path, &part, over).map_err(|error| {
                let moved = |there: Option<Stat>| there.is_some_and(|it| it.id == id);
                if self.fs.lstat(&part).is_ok_and(|there| !moved(there)) {
                    // Its claims do not count. Without it no later run has to find that out.
                    let _ = named::remove(&*self.fs, log.id(), &journal);
                }
                PartError::name("adopt", &self.path)(error)
            })?;
            self.sync_directory(&part, durable)?;
            self.sync_directory(&self.path, durable)?;
        }
        let state = JournalState { log: Some(log), fold, since_compaction: None };
        let file = Arc::clone(&self.file);
        let part = Part::new(Arc::clone(&self.fs), &self.target, durability, file, id, state);
        part.begun.store(true, Ordering::Release);
        // The program that began the file need not have synced it.
        part.checkpoint()?;
        Ok(part)
    }

    /// What the journal says: the description, and the ranges with their checksums.
    fn records(&self, meta: &[u8], ranges: &[Range<u64>]) -> Result<Vec<Record>, PartError> {
        let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start));
        let step = longest(bytes.fold(0, u64::saturating_add));
        let mut records = vec![Record::Meta(meta.to_vec())];
        let mut buffer = verify::buffer();
        for range in ranges {
            let mut start = range.start;
            while start < range.end {
                let len = (range.end - start).min(step);
                let crc = self.crc(start, len, &mut buffer)?;
                records.push(Record::Written(Extent { start, len, crc }));
                start += len;
            }
        }
        match records.iter().all(Record::is_writable) {
            true => Ok(records),
            false => Err(PartError::io("write", &self.target.journal())(
                io::ErrorKind::InvalidInput.into(),
            )),
        }
    }

    fn crc(&self, start: u64, len: u64, buffer: &mut [u8]) -> Result<u32, PartError> {
        let (extent, mut crc) = (Extent { start, len, crc: 0 }, 0);
        let whole = verify::for_each_chunk(&*self.file, extent.range(), buffer, |chunk, _| {
            crc = crc::combine(crc, crc::crc32c(chunk), chunk.len() as u64);
            Ok(())
        });
        match whole.map_err(PartError::io("read", &self.path))? {
            true => Ok(crc),
            // It was longer when it was found.
            false => Err(PartError::Changing { path: self.path.clone() }),
        }
    }

    fn sync_directory(&self, of: &Path, durable: bool) -> Result<(), PartError> {
        if !durable {
            return Ok(());
        }
        self.fs.sync_dir(parent_dir(of)).map_err(PartError::io("sync the directory of", of))
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        // The name may belong to the adopted file now.
        if self.file.stat().is_ok_and(|stat| stat.len == 0) {
            // If it stays it holds nothing, and there is nobody to report to.
            let _ = named::remove(&*self.fs, self.id, &self.path);
        }
    }
}
