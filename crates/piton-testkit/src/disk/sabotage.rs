//! Broken protocols, to be caught.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use piton_durable::fs::{Existing, Fs, FsFile, FsSync, Open, Stat, parent_dir};

/// One rule of the crash protocol that is not kept. A harness that does not notice proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The journal says "synced" of bytes that were not.
    RecordBeforeDataSync,
    /// What is appended to the journal is never synced.
    JournalNotSynced,
    /// A new journal is put in place without having been synced.
    CompactionWithoutSync,
    /// Creations and renames are never made durable.
    NoDirectorySync,
    /// At the end the journal goes before the part has its final name.
    JournalRemovedBeforeRename,
    /// At the end the removal of the journal is not made durable.
    JournalRemovalNotSynced,
    /// A failed sync is tried again, and the second answer believed.
    RetriedSync,
    /// Every journal has the same salt.
    NoSaltAtCompaction,
    /// A file that was made without a name gets one before its bytes are synced.
    NamedBeforeDataSync,
    /// The sync of a whole file system is believed, whichever file system it is.
    FsSyncBelieved,
    /// Of a file without a name nothing but its own sync is done, on any file system.
    SyncedAlone,
    /// A new directory is not made durable in its parent.
    NewDirectoryNotSynced,
    /// What has the name of a file that was opened is taken for that file.
    NamesNotChecked,
}

/// A file system that breaks one rule and keeps all others. Files are told apart by their names:
/// `*.part`; `*.piton` and `*.piton-job` with their `*.tmp`.
#[derive(Clone)]
pub struct Sabotage<F> {
    inner: F,
    broken: Broken,
    unnamed: Arc<Mutex<Unnamed>>,
    /// Which file was last opened under a name, or got it by a rename.
    named: Arc<Mutex<BTreeMap<PathBuf, Weak<dyn FsFile>>>>,
    /// Nothing has happened to the directory since a journal was removed.
    just_removed: Arc<AtomicBool>,
    /// Directories in which one was created since.
    grown: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// The files that were made without a name, and the folders in which.
#[derive(Default)]
struct Unnamed {
    files: Vec<Weak<dyn FsFile>>,
    folders: BTreeSet<PathBuf>,
}

impl<F: Fs + Clone + 'static> Sabotage<F> {
    /// Breaks `broken` on `inner`.
    pub fn new(inner: F, broken: Broken) -> Self {
        Self {
            inner,
            broken,
            unnamed: Arc::default(),
            named: Arc::default(),
            just_removed: Arc::default(),
            grown: Arc::default(),
        }
    }

    fn named(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Weak<dyn FsFile>>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unnamed(&self) -> MutexGuard<'_, Unnamed> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sync of a whole file system with one half left out.
    fn sync_half(&self) -> io::Result<()> {
        let unnamed = self.unnamed();
        match self.broken {
            Broken::NamedBeforeDataSync => {
                unnamed.folders.iter().try_for_each(|dir| self.inner.sync_dir(dir))
            }
            _ => unnamed.files.iter().filter_map(Weak::upgrade).try_for_each(|f| f.sync_data()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Part,
    Journal,
    /// A journal that began under its temporary name: its first sync is that of a compaction.
    NewJournal,
    /// A file without a name.
    Unnamed,
    Other,
}

impl Role {
    fn of(path: &Path) -> Self {
        let name = path.as_os_str().as_encoded_bytes();
        if name.ends_with(b".part") {
            Self::Part
        } else if name.ends_with(b".piton") || name.ends_with(b".piton-job") {
            Self::Journal
        } else if name.ends_with(b".piton.tmp") || name.ends_with(b".piton-job.tmp") {
            Self::NewJournal
        } else {
            Self::Other
        }
    }
}

impl<F: Fs + Clone + 'static> Fs for Sabotage<F> {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        let inner = self.inner.open(path, how)?;
        self.named().insert(path.to_owned(), Arc::downgrade(&inner));
        let (fs, role) = (self.clone(), Role::of(path));
        Ok(Arc::new(SabotagedFile { inner, fs, role, synced: AtomicBool::new(false) }))
    }

    fn create_unnamed(&self, dir: &Path, mode: u32) -> io::Result<Arc<dyn FsFile>> {
        let inner = self.inner.create_unnamed(dir, mode)?;
        let mut unnamed = self.unnamed();
        unnamed.files.retain(|file| file.strong_count() > 0);
        unnamed.files.push(Arc::downgrade(&inner));
        unnamed.folders.insert(dir.to_owned());
        let (fs, role) = (self.clone(), Role::Unnamed);
        Ok(Arc::new(SabotagedFile { inner, fs, role, synced: AtomicBool::new(false) }))
    }

    fn lstat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let there = self.inner.lstat(path)?;
        let held = self.named().get(path).and_then(Weak::upgrade);
        match (self.broken, held) {
            (Broken::NamesNotChecked, Some(held)) => held.stat().map(Some),
            _ => Ok(there),
        }
    }

    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        if self.broken == Broken::JournalRemovedBeforeRename && Role::of(from) == Role::Part {
            let _ = self.inner.remove(&from.with_extension("piton"));
        }
        self.inner.rename(from, to, existing)?;
        let mut named = self.named();
        if let Some(file) = named.remove(from) {
            named.insert(to.to_owned(), file);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.just_removed.store(Role::of(path) == Role::Journal, Ordering::Relaxed);
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let just_removed = self.just_removed.swap(false, Ordering::Relaxed);
        let grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner).remove(dir);
        match self.broken {
            Broken::NewDirectoryNotSynced if grown => Ok(()),
            Broken::NoDirectorySync => Ok(()),
            Broken::JournalRemovalNotSynced if just_removed => Ok(()),
            _ => self.inner.sync_dir(dir),
        }
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        grown.insert(parent_dir(dir).to_owned());
        self.inner.create_dir(dir)
    }

    fn random(&self) -> io::Result<u64> {
        let random = self.inner.random()?;
        Ok(if self.broken == Broken::NoSaltAtCompaction { 4 } else { random })
    }

    crate::forward_fs!(this => this.inner;
        stat list canonicalize user new_file_mode);
}

struct SabotagedFile<F> {
    inner: Arc<dyn FsFile>,
    fs: Sabotage<F>,
    role: Role,
    synced: AtomicBool,
}

impl<F> SabotagedFile<F> {
    fn sync(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let first = !self.synced.swap(true, Ordering::Relaxed);
        let skipped = match (self.fs.broken, self.role) {
            (Broken::RecordBeforeDataSync, Role::Part) => true,
            (Broken::JournalNotSynced, Role::Journal) => true,
            (Broken::JournalNotSynced, Role::NewJournal) => !first,
            (Broken::CompactionWithoutSync, Role::NewJournal) => first,
            (Broken::NamedBeforeDataSync, Role::Unnamed) => true,
            _ => false,
        };
        match (skipped, self.fs.broken) {
            (true, _) => Ok(()),
            (false, Broken::RetriedSync) => sync().or_else(|_| sync()),
            (false, _) => sync(),
        }
    }
}

impl<F: Fs + Clone + 'static> FsFile for SabotagedFile<F> {
    fn sync_data(&self) -> io::Result<()> {
        self.sync(|| self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(|| self.inner.sync_all())
    }

    fn syncs_alone(&self) -> bool {
        self.fs.broken == Broken::SyncedAlone || self.inner.syncs_alone()
    }

    fn sync_fs(&self, dir: &Path) -> io::Result<FsSync> {
        let sync = || self.inner.sync_fs(dir);
        match self.fs.broken {
            Broken::NamedBeforeDataSync | Broken::NoDirectorySync => {
                self.fs.sync_half().map(|()| FsSync::Proven)
            }
            Broken::RetriedSync => sync().or_else(|_| sync()),
            Broken::SyncedAlone => Ok(FsSync::NotTold),
            Broken::FsSyncBelieved => sync().map(|_| FsSync::Proven),
            _ => sync(),
        }
    }

    crate::forward_file!(this => this.inner;
        read_at write_at share_from copy_from descriptor link_to set_len reserving_writes reserve
        release space start_writeback stat try_lock lock_holder set_mode set_owner set_modified
        set_attribute attribute);
}
