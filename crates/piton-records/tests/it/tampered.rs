//! A file system that treats the part of an output in a way of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use piton_durable::fs::{Existing, Fs, FsFile, Open, Stat};
use piton_testkit::disk::SimDisk;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// It is never cut: what is appended comes behind all that is there.
    NoCut,
    /// Of its syncs, this one fails, counted from 1.
    FailsSync {
        /// Which.
        at: u32,
    },
}

pub(crate) struct Tampered {
    inner: SimDisk,
    rule: Rule,
    synced: Arc<AtomicU32>,
}

impl Tampered {
    pub(crate) fn new(inner: SimDisk, rule: Rule) -> Arc<Self> {
        Arc::new(Self { inner, rule, synced: Arc::default() })
    }

    /// How often the part was synced, or was to be.
    pub(crate) fn syncs(&self) -> u32 {
        self.synced.load(Ordering::SeqCst)
    }
}

impl Fs for Tampered {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        let inner = self.inner.open(path, how)?;
        match path.extension().is_some_and(|it| it == "part") {
            true => {
                Ok(Arc::new(PartFile { inner, rule: self.rule, synced: Arc::clone(&self.synced) }))
            }
            false => Ok(inner),
        }
    }
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.inner.stat(path)
    }
    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        self.inner.rename(from, to, existing)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path)
    }
    fn user(&self) -> u32 {
        self.inner.user()
    }
    fn new_file_mode(&self, dir: &Path) -> io::Result<u32> {
        self.inner.new_file_mode(dir)
    }
    fn random(&self) -> io::Result<u64> {
        self.inner.random()
    }
}

struct PartFile {
    inner: Arc<dyn FsFile>,
    rule: Rule,
    synced: Arc<AtomicU32>,
}

impl FsFile for PartFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        match self.rule {
            Rule::NoCut => {
                let end = self.inner.stat()?.len;
                self.inner.write_at(buf, offset.max(end))
            }
            Rule::FailsSync { .. } => self.inner.write_at(buf, offset),
        }
    }
    fn sync_data(&self) -> io::Result<()> {
        let before = self.synced.fetch_add(1, Ordering::SeqCst);
        match self.rule {
            // Once; then it is a success, as on Linux.
            Rule::FailsSync { at } if at == before + 1 => Err(io::Error::from_raw_os_error(5)),
            Rule::FailsSync { .. } | Rule::NoCut => self.inner.sync_data(),
        }
    }
    fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.rule {
            Rule::NoCut => Ok(()),
            Rule::FailsSync { .. } => self.inner.set_len(len),
        }
    }
    fn reserve(&self, range: std::ops::Range<u64>) -> io::Result<bool> {
        self.inner.reserve(range)
    }
    fn start_writeback(&self, offset: u64, len: u64) {
        self.inner.start_writeback(offset, len);
    }
    fn stat(&self) -> io::Result<Stat> {
        self.inner.stat()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.inner.try_lock()
    }
    fn lock_holder(&self) -> Option<u32> {
        self.inner.lock_holder()
    }
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.inner.set_mode(mode)
    }
    fn set_owner(&self, owner: piton_durable::fs::Owner) -> io::Result<()> {
        self.inner.set_owner(owner)
    }
    fn set_modified(&self, time: std::time::SystemTime) -> io::Result<()> {
        self.inner.set_modified(time)
    }
    fn set_attribute(&self, name: &str, value: &[u8]) -> io::Result<bool> {
        self.inner.set_attribute(name, value)
    }
    fn attribute(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.inner.attribute(name)
    }
}
