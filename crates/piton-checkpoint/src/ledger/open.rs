//! Opening a ledger: lock, check, recover, begin.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::mpsc::channel;
use std::thread;

use piton_durable::fs::{Fs, OsFs, parent_dir, with_suffix};

use super::error::LedgerError;
use super::flight::{LockedRecorder, path_of};
use super::names::Names;
use super::owner::LedgerThread;
use super::schema::Access;
use super::writer::Writer;
use super::{How, Ledger, LedgerShared, Recovered, ours, schema};

/// The path of the ledger without links: its recorder is beside the file, not beside a link to it, so that
/// there is one lock for all names (G5).
pub(super) fn resolve(path: &Path) -> Result<PathBuf, LedgerError> {
    ours::check_link(path)?;
    let resolved = match OsFs.stat(path).map_err(LedgerError::io("inspect", path))? {
        Some(_) => OsFs.canonicalize(path),
        None => OsFs
            .canonicalize(parent_dir(path))
            .map(|parent| parent.join(path.file_name().unwrap_or_default())),
    };
    resolved.map_err(LedgerError::io("find", path))
}

pub(super) fn open(path: &Path, how: &How) -> Result<Ledger, LedgerError> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let path = resolve(path)?;
    let stat = || fs.stat(&path).map_err(LedgerError::io("inspect", &path));
    // Checked before the lock, so that a missing ledger leaves nothing behind, and again under it.
    if stat()?.is_none() && !how.create {
        return Err(LedgerError::Missing { path });
    }
    ours::check(&path)?;
    let found = LockedRecorder::lock(Arc::clone(&fs), &path)?;
    let there = stat().and_then(|stat| match stat {
        Some(stat) if stat.len == 0 => {
            let why = "it is empty".to_owned();
            Err(LedgerError::Damaged { path: path.clone(), why })
        }
        Some(_) => Ok(()),
        None => {
            let number = fs.random().map_err(LedgerError::io("get random bits for", &path))?;
            schema::create(&*fs, &path, number)
        }
    });
    match there.and_then(|()| recover(&*fs, &path, how, &found)) {
        Ok((writer, number, recovered)) => start(path, writer, found, number, recovered),
        Err(error) => {
            found.give_up();
            Err(error)
        }
    }
}

fn recover(
    fs: &dyn Fs,
    path: &Path,
    how: &How,
    found: &LockedRecorder,
) -> Result<(Writer, u64, Recovered), LedgerError> {
    let mut writer = Writer::open(fs, path, how.durability)?;
    let number = writer.number()?;
    // Committed before the slots are cleared: a kill in between finds the attempt in the row.
    let recovered = writer.interrupted(&found.entries(number), how.now)?;
    Ok((writer, number, recovered))
}

fn start(
    path: PathBuf,
    writer: Writer,
    found: LockedRecorder,
    number: u64,
    recovered: Recovered,
) -> Result<Ledger, LedgerError> {
    let next_run = AtomicI64::new(writer.next_run()?.0);
    let names = Arc::new(Names::open(&path)?);
    let recorder = Arc::new(found.begin(number)?);
    let unused = Arc::clone(&recorder);
    let owner = LedgerThread {
        writer,
        names: Arc::clone(&names),
        recorder: Arc::clone(&recorder),
        poison: None,
    };
    let (orders, inbox) = channel();
    let thread = thread::Builder::new()
        .name("piton-ledger".to_owned())
        .spawn(move || owner.run(&inbox))
        .map_err(|error| match unused.end() {
            Ok(()) => LedgerError::io("start a thread for", &path)(error),
            Err(left) => left,
        })?;
    drop(unused);
    Ok(Ledger {
        shared: Arc::new(LedgerShared {
            path: path.into(),
            number,
            orders: Some(orders),
            thread: Some(thread),
            names,
            recorder,
            recovered,
            next_run,
        }),
    })
}

/// See [`Ledger::remove`].
pub(super) fn remove(path: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let path = resolve(path)?;
    let look = |path: &Path| fs.stat(path).map_err(LedgerError::io("inspect", path));
    if look(&path)?.is_none() {
        return Err(LedgerError::Missing { path });
    }
    ours::check_removable(&path)?;
    // Held until everything is removed: an owner may be active (G5).
    let found = LockedRecorder::lock(Arc::clone(&fs), &path)?;
    if let Err(error @ LedgerError::Foreign { .. }) = schema::connect(&path, Access::Read, 1) {
        found.give_up();
        return Err(error);
    }
    let mut removed = Vec::new();
    // The database first: without it the other files are useless.
    let files = [path.clone(), with_suffix(&path, "-wal"), with_suffix(&path, "-shm")];
    for file in files.into_iter().chain([path_of(&path)]) {
        if look(&file)?.is_some() {
            fs.remove(&file).map_err(LedgerError::io("remove", &file))?;
            removed.push(file);
        }
    }
    let folder = parent_dir(&path);
    fs.sync_dir(folder).map_err(LedgerError::io("sync", folder))?;
    Ok(removed)
}
