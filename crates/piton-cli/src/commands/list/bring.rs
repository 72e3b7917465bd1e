//! A list as a file, wherever it comes from.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use piton::durable::fs::{Fs, OsFs, parent_dir};
use piton::durable::own::{self, NotOurs, OwnError};
use piton::durable::part::PartError;
use piton::fetch::{Client, Download, Failure, IfExists, Monitor, Place as Target, Stop};
use piton::lists::format::Format;
use piton::lists::item_url::Base;
use piton::lists::source::{Origin, Source, spool};

use super::kept::Kept;
use super::place::Place;
use crate::args::{Bytes, ListSource};
use crate::exit::Exit;
use crate::redact;
use crate::trouble::Trouble;

/// How to read the list: as given now, or else as in the last run.
pub(super) fn source(place: &Place, given: &ListSource, kept: &Kept) -> Result<Source, Trouble> {
    let mut source = match &place.origin {
        Origin::Url(url) => Source::fetched(&place.file, url),
        _ => Source::new(&place.file),
    };
    if let Some(name) = given.list_format.as_ref().or(kept.format.as_ref()) {
        let format: Format =
            name.parse().map_err(|error| Trouble::usage(format!("--list-format: {error}")))?;
        source = source.format(format);
    }
    // The saved base URL has no login: the one that was given now may have one.
    let of_own = |base: &&String| match &place.origin {
        Origin::Url(url) => **base == redact::url(url),
        _ => false,
    };
    if let Some(text) = given.base.as_ref().or(kept.base.as_ref().filter(|base| !of_own(base))) {
        let base: Base = text.parse().map_err(|error| {
            Trouble::usage(format!("--base {}: {error}", redact::rubbish(text)))
        })?;
        source = source.base(base);
    }
    Ok(source)
}

/// What the ledger keeps about how to read the list.
pub(super) fn base_to_keep(place: &Place, given: &ListSource, kept: &Kept) -> Option<String> {
    let given = given.base.as_ref().map(|base| redact::text(base));
    given.or_else(|| match &place.origin {
        Origin::Url(url) => Some(redact::url(url)),
        _ => kept.base.clone(),
    })
}

/// The longest list that is fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    bytes: u64,
    /// The option that raises it.
    option: &'static str,
}

impl Limit {
    /// Hours of processing, and it does not fill the disk.
    const DEFAULT: u64 = 1 << 30;

    /// The smaller of `--max-list-size` and `--max-size`.
    pub(super) fn of(list: Option<Bytes>, all: Option<u64>) -> Self {
        let list = list.map_or(Self::DEFAULT, |Bytes(bytes)| bytes);
        match all {
            Some(bytes) if bytes < list => Self { bytes, option: "--max-size" },
            _ => Self { bytes: list, option: "--max-list-size" },
        }
    }
}

/// Saves a list that is not a file to one, durably and completely or not at all, readable only by its
/// owner: URLs can hold logins. The ledger must be locked: another run may be reading the file.
pub(super) async fn bring(
    place: &Place,
    client: &Client,
    limit: Limit,
    stop: &Stop,
) -> Result<(), Trouble> {
    match &place.origin {
        Origin::File(_) => Ok(()),
        Origin::Input => {
            sweep(&place.file);
            let (file, stopped) = (place.file.clone(), stop.clone());
            let spooled = tokio::task::spawn_blocking(move || spool_input(&file, stopped));
            tokio::select! {
                spooled = spooled => spooled.unwrap_or_else(|_| {
                    Err(Trouble::new(Exit::Unexpected, "cannot read standard input"))
                }),
                // The reading thread may wait forever, and is abandoned.
                () = stop.stopped() => {
                    sweep(&place.file);
                    Err(Trouble::new(
                        Exit::Interrupted,
                        "stopped before the end of standard input; nothing of it is kept",
                    ))
                }
            }
        }
        Origin::Url(url) => {
            let mut list = Download::new(url.clone(), Target::File(place.file.clone()));
            list.if_exists = IfExists::Overwrite;
            list.max_size = Some(limit.bytes);
            list.private = true;
            refuse_readable(&place.file)?;
            let fetched = client.download(list, Monitor::default(), stop.clone()).await;
            fetched.map(drop).map_err(|failure| {
                let trouble = Trouble::from(&failure);
                let trouble = match failure {
                    Failure::TooLarge { .. } => {
                        trouble.hint(format!("{} raises the limit", limit.option))
                    }
                    _ => trouble,
                };
                Trouble { message: format!("the list: {}", trouble.message), ..trouble }
            })
        }
    }
}

/// Refuses the copy of a list that is no longer what piton wrote, before it is read as that list.
pub(super) fn check_kept(place: &Place) -> Result<(), Trouble> {
    match place.is_copy() {
        true => own::check(&OsFs, &place.file).map_err(|error| not_ours(&place.file, error)),
        false => Ok(()),
    }
}

fn not_ours(file: &Path, error: OwnError) -> Trouble {
    match error {
        OwnError::NotOurs(why) => PartError::NotOurs { path: file.to_owned(), why }.into(),
        OwnError::Io(error) => Trouble::file("look at", file, &error),
        other => Trouble::new(Exit::Local, format!("{}: {other}", file.display())),
    }
}

/// A saved copy that others may read is not resumed: it would stay readable. Nor is one that somebody else
/// put there: it could pass for the server's list.
fn refuse_readable(file: &Path) -> Result<(), Trouble> {
    let io = |error| Trouble::file("replace", file, &error);
    match own::check(&OsFs, file) {
        Ok(()) | Err(OwnError::NotOurs(NotOurs::Writable { .. })) => {}
        Err(error) => return Err(not_ours(file, error)),
    }
    match OsFs.stat(file).map_err(io)? {
        Some(stat) if stat.mode & 0o077 != 0 => OsFs.remove(file).map_err(io),
        _ => Ok(()),
    }
}

/// Removes leftovers of an interrupted spooling. The lock of the ledger protects this file too.
fn sweep(file: &Path) {
    let mut temporary = file.file_name().unwrap_or_default().to_owned();
    temporary.push(".tmp-");
    let is_left = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.starts_with(temporary.as_encoded_bytes())
    };
    // At worst, litter stays.
    for path in OsFs.list(parent_dir(file)).unwrap_or_default().iter().filter(|path| is_left(path))
    {
        let _ = OsFs.remove(path);
    }
}

fn spool_input(file: &Path, stop: Stop) -> Result<(), Trouble> {
    let mut input = Input { input: io::stdin().lock(), stop };
    spool(&OsFs, &mut input, file).map(drop).map_err(Trouble::from)
}

/// Standard input. Its end counts only if nothing was stopped: a Ctrl-C also ends the program that writes
/// into the pipe, and half a list must not pass for a complete one.
struct Input<R> {
    input: R,
    stop: Stop,
}

/// The signal may still be on its way when the end of the pipe arrives.
const MOMENT: Duration = Duration::from_millis(50);

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        if read == 0 {
            std::thread::sleep(MOMENT);
            if self.stop.is_stopped() {
                return Err(io::Error::other("stopped before its end"));
            }
        }
        Ok(read)
    }
}
