//! A file system that treats the part of an output in a way of its own.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use piton_durable::fs::{Fs, FsFile, Open};
use piton_testkit::disk::SimDisk;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// It is never cut: what is appended comes behind all that is there.
    NoCut,
    /// It is as always, but what earlier runs have left in the spool is not found.
    NoSpool,
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
        if let (Rule::NoSpool, Open::CreateNew { .. }, true) = (self.rule, how, in_spool(path)) {
            let _ = self.inner.remove(path);
        }
        let inner = self.inner.open(path, how)?;
        match path.extension().is_some_and(|it| it == "part") {
            true => {
                Ok(Arc::new(PartFile { inner, rule: self.rule, synced: Arc::clone(&self.synced) }))
            }
            false => Ok(inner),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<std::path::PathBuf>> {
        match self.rule {
            Rule::NoSpool if in_spool(&dir.join("0")) => Ok(Vec::new()),
            _ => self.inner.list(dir),
        }
    }

    piton_testkit::forward_fs!(this => this.inner;
        stat rename remove sync_dir create_dir canonicalize user new_file_mode random);
}

fn in_spool(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.to_string_lossy().ends_with(".piton-spool"))
}

struct PartFile {
    inner: Arc<dyn FsFile>,
    rule: Rule,
    synced: Arc<AtomicU32>,
}

impl FsFile for PartFile {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        match self.rule {
            Rule::NoCut => {
                let end = self.inner.stat()?.len;
                self.inner.write_at(buf, offset.max(end))
            }
            Rule::FailsSync { .. } | Rule::NoSpool => self.inner.write_at(buf, offset),
        }
    }
    fn sync_data(&self) -> io::Result<()> {
        let before = self.synced.fetch_add(1, Ordering::SeqCst);
        match self.rule {
            // Once; then it is a success, as on Linux.
            Rule::FailsSync { at } if at == before + 1 => Err(io::Error::from_raw_os_error(5)),
            Rule::FailsSync { .. } | Rule::NoCut | Rule::NoSpool => self.inner.sync_data(),
        }
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.rule {
            Rule::NoCut => Ok(()),
            Rule::FailsSync { .. } | Rule::NoSpool => self.inner.set_len(len),
        }
    }

    piton_testkit::forward_file!(this => this.inner;
        read_at sync_all reserve start_writeback stat try_lock lock_holder set_mode set_owner
        set_modified set_attribute attribute);
}
