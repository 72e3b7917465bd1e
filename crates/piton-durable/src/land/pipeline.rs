//! Cycle after cycle: the sync that makes one group's bytes durable does so for the names of the one before.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::steps::{DurableFolders, Naming, name, stage};
use super::{Landed, Landing, Told};
use crate::fs::{Fs, FsFile, FsSync, parent_dir};
use crate::part::{Durability, PartError};

/// Up to this many files are synced one by one: the sync of a whole file system also waits for the bytes of
/// other programs, which a single download should not.
const FEW: usize = 2;

/// Lands groups of files. What [`Pipeline::cycle`] has named is reported by the next cycle, or by
/// [`Pipeline::settle`].
pub struct Pipeline {
    fs: Arc<dyn Fs>,
    /// Under their final names, which are not durable yet.
    named: Vec<NamedFile>,
    folders: DurableFolders,
}

struct StagedFile {
    landing: Landing,
    told: Told,
    file: Arc<dyn FsFile>,
    device: u64,
}

struct NamedFile {
    path: PathBuf,
    told: Told,
    device: u64,
}

impl Pipeline {
    /// A pipeline without files.
    pub fn new(fs: Arc<dyn Fs>) -> Self {
        Self { fs, named: Vec::new(), folders: DurableFolders::default() }
    }

    /// Whether every file that has its name was reported.
    pub fn is_settled(&self) -> bool {
        self.named.is_empty()
    }

    /// How many files have their name and wait to be told of.
    pub fn named(&self) -> usize {
        self.named.len()
    }

    /// Makes the bytes of `group` and the names of the group before durable, reports those, and
    /// gives `group` its names. Files that need no sync are reported at once.
    pub fn cycle(&mut self, group: Vec<(Landing, Told)>) {
        let mut written: Vec<StagedFile> = Vec::new();
        for (landing, told) in group {
            let file = match stage(&*self.fs, &landing, &mut self.folders) {
                Ok(Some(file)) => file,
                Ok(None) => {
                    told(Ok(Landed::NotHere(landing.bytes)));
                    continue;
                }
                Err(error) => {
                    told(Err(error));
                    continue;
                }
            };
            if landing.durability != Durability::Power {
                let named = self.name(StagedFile { landing, told, file, device: 0 });
                named.into_iter().for_each(|named| (named.told)(Ok(Landed::There)));
                continue;
            }
            let dir = parent_dir(&landing.path);
            let beside = written.last().filter(|last| parent_dir(&last.landing.path) == dir);
            let device = match beside {
                Some(beside) => Ok(beside.device),
                None => file.stat().map(|stat| stat.id.device),
            };
            match device {
                Ok(device) => written.push(StagedFile { landing, told, file, device }),
                Err(error) => told(Err(PartError::io("inspect", &landing.path)(error))),
            }
        }
        let mut named = std::mem::take(&mut self.named);
        let devices: BTreeSet<u64> = written.iter().map(|file| file.device).collect();
        for device in devices {
            let group = take(&mut written, |file| file.device == device);
            let before = take(&mut named, |file| file.device == device);
            let synced = self.sync(group, before);
            let given = synced.into_iter().filter_map(|file| self.name(file)).collect::<Vec<_>>();
            self.named.extend(given);
        }
        self.settle_names(named);
    }

    /// Makes the names of the last cycle durable and reports them: nothing more comes for now.
    pub fn settle(&mut self) {
        let named = std::mem::take(&mut self.named);
        self.settle_names(named);
    }

    /// Makes these bytes and these names of one file system durable and reports the names. Returns
    /// the files whose bytes are. After an error neither is believed, and nothing is tried again (G7).
    fn sync(&mut self, group: Vec<StagedFile>, before: Vec<NamedFile>) -> Vec<StagedFile> {
        match sync_together(&group) {
            Ok(FsSync::Proven) => {
                before.into_iter().for_each(|file| (file.told)(Ok(Landed::There)));
                group
            }
            Ok(FsSync::NotTold) => {
                self.settle_names(before);
                group.into_iter().filter_map(sync_one).collect()
            }
            Err(error) => {
                let failed =
                    |path: PathBuf| Err(PartError::GroupSync { path, source: same(&error) });
                before.into_iter().for_each(|file| (file.told)(failed(file.path)));
                group.into_iter().for_each(|file| (file.told)(failed(file.landing.path)));
                Vec::new()
            }
        }
    }

    /// `None`: it did not get its name, and that was reported.
    fn name(&self, written: StagedFile) -> Option<NamedFile> {
        let StagedFile { landing, told, file, device } = written;
        match name(&*self.fs, &*file, &landing.path, landing.existing) {
            Ok(Naming::Given) => Some(NamedFile { path: landing.path, told, device }),
            Ok(Naming::NotHere) => {
                told(Ok(Landed::NotHere(landing.bytes)));
                None
            }
            Err(error) => {
                told(Err(error));
                None
            }
        }
    }

    /// One sync for each folder.
    fn settle_names(&mut self, mut named: Vec<NamedFile>) {
        while let Some(dir) = named.first().map(|file| parent_dir(&file.path).to_owned()) {
            let synced = self.folders.sync(&*self.fs, &dir);
            for file in take(&mut named, |file| parent_dir(&file.path) == dir) {
                (file.told)(match &synced {
                    Ok(()) => Ok(Landed::There),
                    Err(error) => Err(unsynced_name(&file.path, error)),
                });
            }
        }
    }
}

/// One sync for all of them, if they are many, or if the file system needs that. Even where it proves nothing it
/// pays: the bytes of all are written and committed at once, so that the sync of each finds little to do.
fn sync_together(group: &[StagedFile]) -> io::Result<FsSync> {
    // The handle of the first is older than the bytes of any: every failed write is reported to it.
    match group.first() {
        Some(first) if group.len() > FEW || !first.file.syncs_alone() => {
            first.file.sync_fs(parent_dir(&first.landing.path))
        }
        _ => Ok(FsSync::NotTold),
    }
}

fn sync_one(written: StagedFile) -> Option<StagedFile> {
    match written.file.sync_all() {
        Ok(()) => Some(written),
        Err(error) => {
            (written.told)(Err(PartError::io("sync", &written.landing.path)(error)));
            None
        }
    }
}

fn unsynced_name(path: &Path, error: &io::Error) -> PartError {
    PartError::io("sync the directory of", path)(same(error))
}

/// An error for each of many files.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Takes out the wanted ones, in order.
fn take<T>(from: &mut Vec<T>, wanted: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, left) = std::mem::take(from).into_iter().partition(wanted);
    *from = left;
    taken
}
