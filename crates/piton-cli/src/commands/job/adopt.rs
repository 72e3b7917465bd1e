//! Where a job begins that another program has begun.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use piton::records::{Noted, NotedError, Start};

use crate::args::{AdoptAs, JobOptions};
use crate::out;
use crate::trouble::Trouble;

/// The longest note. A joblog has some 100 bytes per job.
const LONGEST: u64 = 4 << 30;

/// What `--adopt` says of this source.
pub(super) fn start(file: &Path, options: &JobOptions) -> Result<Option<Start>, Trouble> {
    let (Some(note), Some(what)) = (&options.source.adopt, options.source.adopt_as) else {
        return Ok(None);
    };
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(note)?.take(LONGEST).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| Trouble::file("read", note, &error))?;
    let stat = std::fs::metadata(file).map_err(|error| Trouble::file("inspect", file, &error))?;
    let start = Noted::from(what).start(&text, stat.ino());
    start.map(Some).map_err(|error| trouble(note, &error))
}

/// The joblog of GNU parallel numbers single records.
pub(super) fn refuse_joblog(options: &JobOptions) -> Result<(), Trouble> {
    match options.source.adopt_as {
        Some(AdoptAs::Joblog) => Err(Trouble::usage("--as joblog works with piton each only")),
        _ => Ok(()),
    }
}

fn trouble(note: &Path, error: &NotedError) -> Trouble {
    let trouble = Trouble::usage(format!("cannot adopt {}: {error}", out::path(note)));
    match error {
        NotedError::OtherFile { .. } => trouble.hint(
            "name the rotated file that it is for, or, if this is a copy of it, write the offset into a \
             file and use --as byte-offset",
        ),
        _ => trouble,
    }
}
