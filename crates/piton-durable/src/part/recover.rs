//! Resuming from a journal (`docs/journal-format.md`, step 7).

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::open::Journal;
use super::{Durability, JournalState, OpenPart, Part, PartError, Recovered, Target, Unsynced};
use crate::extent::cover;
use crate::fs::{Fs, FsFile, Stat, parent_dir};
use crate::journal::log::Log;
use crate::journal::{Fold, Record};
use crate::room::is_full;
use crate::verify;

/// The journal is written to right after the part, so the part changes later than its journal only by
/// the resolution of the file system clock (10 ms at most), or by one write that a kill cut off from its
/// claim.
const LATER: Duration = Duration::from_millis(20);

pub(super) fn recover(
    fs: Arc<dyn Fs>,
    target: &Target,
    how: OpenPart,
    file: Arc<dyn FsFile>,
    journal: Journal,
    mut fold: Fold,
) -> Result<(Part, Recovered), PartError> {
    let path = target.part();
    let stat = file.stat().map_err(PartError::io("inspect", &path))?;
    let durability = match how.durability {
        Durability::None => Durability::Process,
        kept => kept,
    };
    let durable = durability == Durability::Power;

    // The journal is about one file, as it was left. Another file under its name (a copy, a backup, an
    // exchange) was not synced by us, nor was what somebody else wrote into this one.
    let journal_stat = journal.file.stat().map_err(PartError::io("inspect", &target.journal()))?;
    let same_file = journal.parsed.header.is_about(stat.id);
    let as_left = same_file && !changed_later(&stat, &journal_stat);
    // What was synced of this very file still is, if it has not changed.
    let synced_through = if same_file { fold.synced_through } else { 0 };
    if !as_left {
        fold.synced_through = 0;
    }

    let rewrite_after = durable.then_some(synced_through);
    let Lost { damaged, forgotten } =
        lost(&*file, &fold, stat.len, how, rewrite_after).map_err(PartError::io("write", &path))?;
    for range in damaged.iter().chain(&forgotten) {
        fold.apply(0, &Record::Forget(range.clone()));
    }

    let Journal { file: journal_file, bytes, parsed } = journal;
    let log = Log::resume(journal_file, &bytes, &parsed, durable)
        .map_err(PartError::io("recover", &target.journal()))?;
    if durable {
        // The last run may have died between a rename and this.
        fs.sync_dir(parent_dir(&path)).map_err(PartError::io("sync the directory of", &path))?;
    }

    let extents = fold.claims.extents();
    let recovered = Recovered {
        meta: fold.meta.clone(),
        hashes: fold.hashes.clone(),
        verified: fold.verified.is_some_and(|len| cover(&extents, len) && stat.len >= len),
        extents,
        set_aside: None,
        damaged,
    };
    let rewrite = !as_left || !recovered.damaged.is_empty() || !forgotten.is_empty();
    let full = log.is_nearly_full();
    let state = JournalState { log: Some(log), fold, since_compaction: None };
    let part = Part::new(fs, target, durability, file, stat.id, state);
    part.begun.store(true, Ordering::Release);
    if rewrite {
        // Before anything is written: after the next crash, when the part may have grown over it, a
        // claim that was found wrong must not be there to be believed.
        part.compact()?;
    } else if full {
        // This merges what is synced, and what is never synced too.
        part.checkpoint()?;
    }
    Ok((part, recovered))
}

/// Whether somebody else changed the part after the journal: we write to the journal after each write to
/// the part.
fn changed_later(part: &Stat, journal: &Stat) -> bool {
    part.changed.duration_since(journal.changed).is_ok_and(|later| later > LATER)
}

/// Claimed ranges that are not to be believed.
#[derive(Default)]
struct Lost {
    /// The part does not hold them.
    damaged: Vec<Range<u64>>,
    /// They may not be on the disk, and are not written again.
    forgotten: Vec<Range<u64>>,
}

/// Looks for claims that are not to be believed. Synced claims are believed without reading them, unless
/// `verify_all`; but never beyond the end of the file. Those of later records than `rewrite_after` are written
/// again, or forgotten.
fn lost(
    file: &dyn FsFile,
    fold: &Fold,
    part_len: u64,
    how: OpenPart,
    rewrite_after: Option<u64>,
) -> io::Result<Lost> {
    let mut buffer = verify::buffer();
    let mut lost = Lost::default();
    for (extent, sequence) in fold.claims.iter() {
        let rewrite = rewrite_after.is_some_and(|synced_through| sequence > synced_through);
        if rewrite && how.unsynced == Unsynced::Forget {
            lost.forgotten.push(extent.range());
            continue;
        }
        let believed = sequence <= fold.synced_through && !how.verify_all;
        // Bytes that cannot be read are damaged too: writing them again may repair the sector.
        let holds = extent.range().end <= part_len
            && (believed || verify::matches(file, &extent, &mut buffer).unwrap_or(false));
        if !holds {
            lost.damaged.push(extent.range());
            continue;
        }
        let rewritten = match rewrite {
            true => verify::rewrite(file, &extent, &mut buffer),
            false => Ok(()),
        };
        match rewritten {
            // Bytes in their place need new space where they are shared, or where a file system never overwrites.
            Err(error) if is_full(&error) => lost.forgotten.push(extent.range()),
            rewritten => rewritten?,
        }
    }
    lost.damaged = verify::join(lost.damaged.into_iter());
    Ok(lost)
}
