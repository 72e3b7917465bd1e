//! Whether the promises were kept.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use piton_durable::fs::OsFs;
use piton_durable::part::{Extent, OpenPart, Opened, Part, Recovered};

use super::file::{File, OLD};
use super::promises::{Ledger, OfFile, Promised};
use super::{LIVES, live};

/// Looks at all downloads below `dir` after a crash, and with `go_on` brings them to their end.
pub(crate) fn check(dir: &Path, promised: &Promised, go_on: bool) -> Result<(), String> {
    File::all().try_for_each(|file| {
        let promised = promised.of(file);
        check_final(dir, file, promised.finished)
            .and_then(|()| check_part(dir, file, promised))
            .and_then(|()| if go_on { finish(dir, file) } else { Ok(()) })
            .map_err(|problem| format!("{file:?}: {problem}"))
    })
}

/// G1: under the final name there is the right file, or what was there before.
fn check_final(dir: &Path, file: File, finished: bool) -> Result<(), String> {
    match fs::read(file.path(dir)) {
        Ok(bytes) if file.is_right(&bytes) => Ok(()),
        Ok(bytes) if bytes == OLD && file.has_old() && !finished => Ok(()),
        Ok(bytes) => Err(format!("{} wrong bytes under the final name", bytes.len())),
        Err(error) if error.kind() == ErrorKind::NotFound && !file.has_old() && !finished => Ok(()),
        Err(error) => Err(format!("not under the final name: {error}")),
    }
}

/// G2 and G3: what was promised is there, and what is believed is right.
fn check_part(dir: &Path, file: File, promised: &OfFile) -> Result<(), String> {
    let target = file.target(dir);
    // Killed right behind its last step, before it could say that it had finished.
    let landed = || fs::read(file.path(dir)).is_ok_and(|bytes| file.is_right(&bytes));
    if !target.part().exists() && !target.journal().exists() && (!promised.begun || landed()) {
        return Ok(());
    }
    if promised.finished && !target.journal().exists() {
        return Ok(());
    }
    match Part::open(Arc::new(OsFs), &target, OpenPart::default()) {
        Ok(Opened::Finished) => check_final(dir, file, true),
        Ok(Opened::Part(..)) if promised.finished => Err("finished, and is to go on".to_owned()),
        Ok(Opened::Part(part, recovered)) => check_recovered(&part, &recovered, file, promised),
        Err(error) => Err(format!("opening: {error}")),
    }
}

fn check_recovered(
    part: &Part,
    recovered: &Recovered,
    file: File,
    promised: &OfFile,
) -> Result<(), String> {
    if promised.begun && recovered.meta.is_none() {
        return Err("begun, and nothing is known of it".to_owned());
    }
    for extent in &recovered.extents {
        let mut bytes = vec![0; extent.len as usize];
        let read = part.read(&mut bytes, extent.start).map_err(|error| error.to_string())?;
        if read < bytes.len() || !file.is_right_at(extent.start, &bytes) {
            return Err(format!("{extent:?} is believed and wrong"));
        }
    }
    match promised.kept.iter().find(|range| !covers(&recovered.extents, range)) {
        Some(range) => Err(format!("{range:?} was promised and is lost")),
        None if recovered.verified && !covers(&recovered.extents, &(0..file.len())) => {
            Err("verified, and not all is there".to_owned())
        }
        None => Ok(()),
    }
}

/// The next run ends with the right file and leaves nothing beside it.
fn finish(dir: &Path, file: File) -> Result<(), String> {
    let target = file.target(dir);
    let begun = target.part().exists() || target.journal().exists();
    if begun || !fs::read(file.path(dir)).is_ok_and(|bytes| file.is_right(&bytes)) {
        live(&(Arc::new(OsFs) as _), dir, file, LIVES, &Ledger::default())
            .map_err(|error| format!("going on: {error}"))?;
    }
    check_final(dir, file, true)?;
    if target.part().exists() || target.journal().exists() {
        return Err("something is left beside the file".to_owned());
    }
    Ok(())
}

/// Whether one of `extents`, or several that touch, hold the range.
pub(super) fn covers(extents: &[Extent], range: &Range<u64>) -> bool {
    let mut start = range.start;
    for extent in extents {
        if extent.range().contains(&start) {
            start = extent.range().end;
        }
    }
    start >= range.end
}
