//! Downloads onto a real file system: three writers and a thread of checkpoints beside them, in
//! several lives each; and what must hold of them after a crash.

mod check;
mod file;
mod promises;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use piton_durable::crc::crc32c;
use piton_durable::fs::{Existing, Fs};
use piton_durable::part::{Extent, Finish, OpenPart, Opened, Part, PartError};

use self::promises::Promise;

pub(crate) use self::check::check;
pub(crate) use self::file::{File, lay_out};
pub(crate) use self::promises::{Ledger, Promised};

/// How many downloads there are, one after the other.
const FILES: u64 = 6;
const WRITERS: usize = 3;
/// Each download is begun, left twice, and finished.
const LIVES: u64 = 3;
/// A few of these make a compaction pay.
const META_LEN: usize = 30_000;

/// Downloads all files into `dir`; `ledger` learns what each call promised.
///
/// # Errors
/// That of the disk, when it is gone.
pub(crate) fn run(fs: &Arc<dyn Fs>, dir: &Path, ledger: &Ledger) -> Result<(), PartError> {
    File::all().try_for_each(|file| run_one(fs, dir, file, ledger))
}

/// Downloads one file.
///
/// # Errors
/// That of the disk.
pub(crate) fn run_one(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    file: File,
    ledger: &Ledger,
) -> Result<(), PartError> {
    (1..=LIVES).try_for_each(|life| live(fs, dir, file, life, ledger))
}

/// Goes on with one download; up to its end in its last life, and otherwise as far as a third of it
/// per life, ending as by a kill.
fn live(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    file: File,
    life: u64,
    ledger: &Ledger,
) -> Result<(), PartError> {
    let last = life == LIVES;
    let (part, extents) = match Part::open(Arc::clone(fs), &file.target(dir), OpenPart::default())?
    {
        Opened::Finished => {
            ledger.promise([Promise::Finished(file)]);
            return Ok(());
        }
        Opened::Part(part, recovered) if recovered.meta.is_some() => (part, recovered.extents),
        Opened::Part(part, _) => {
            part.begin(b"the beginning", Some(file.len()))?;
            ledger.promise([Promise::Begun(file)]);
            (part, Vec::new())
        }
    };
    let reach = file.len() * life / LIVES;
    let pieces = file.pieces().filter(|piece| piece.start < reach || last);
    let missing: Vec<_> = pieces.filter(|piece| !check::covers(&extents, piece)).collect();

    let claimed = Mutex::new(Vec::new());
    let writing = AtomicUsize::new(WRITERS);
    thread::scope(|scope| {
        let (part, missing, claimed, writing) = (&part, &missing, &claimed, &writing);
        let writers = (0..WRITERS).map(|writer| {
            scope.spawn(move || {
                let mine = missing.iter().skip(writer).step_by(WRITERS);
                let done = mine.into_iter().enumerate().try_for_each(|(turn, piece)| {
                    write(part, file, piece, turn)?;
                    ledger.promise([Promise::Claimed(file, piece.clone())]);
                    claimed.lock().unwrap().push(piece.clone());
                    // The disk is slower than the memory, and is to be busy beside the writers.
                    thread::sleep(Duration::from_millis(1));
                    Ok::<_, PartError>(())
                });
                writing.fetch_sub(1, Ordering::SeqCst);
                done
            })
        });
        let writers: Vec<_> = writers.collect();
        let checkpoints = scope.spawn(move || {
            loop {
                let ends = writing.load(Ordering::SeqCst) == 0;
                if ends && !last {
                    // What came in since the last checkpoint is claimed and not synced.
                    return Ok(());
                }
                let claimed = std::mem::take(&mut *claimed.lock().unwrap());
                part.checkpoint()?;
                ledger.promise(claimed.into_iter().map(|range| Promise::Synced(file, range)));
                if ends {
                    return Ok(());
                }
            }
        });
        writers.into_iter().chain([checkpoints]).try_for_each(|thread| thread.join().unwrap())
    })?;

    if last {
        let existing = if file.has_old() { Existing::Replace } else { Existing::Keep };
        let attributes = vec![("user.piton".to_owned(), b"done".to_vec())];
        let len = file.len();
        part.finish(Finish { len, existing, mode: Some(0o640), modified: None, attributes })?;
        ledger.promise([Promise::Finished(file)]);
    }
    Ok(())
}

fn write(part: &Part, file: File, piece: &Range<u64>, turn: usize) -> Result<(), PartError> {
    let bytes = file.bytes(piece);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    part.write(second, piece.start + first.len() as u64)?;
    part.write(first, piece.start)?;
    part.claim(Extent { start: piece.start, len: bytes.len() as u64, crc: crc32c(&bytes) })?;
    if turn % 4 == 3 {
        part.start_writeback(piece.clone());
        part.put_meta(&vec![turn as u8; META_LEN])?;
        part.put_hash(1, &[turn as u8; 100])?;
    }
    Ok(())
}
