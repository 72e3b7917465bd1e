//! Files of this machine as sources: `file:` URLs (RFC 8089).
//!
//! A file is what its inode, length and times say. Its bytes are read from one open handle, and each
//! read is followed by a look at the file: bytes that are handed out were read while it was the version that
//! the head said. A file that was modified a moment ago may change again within the same tick of its clock, so
//! its validator is weak, and the engine compares bytes wherever two answers meet.

mod body;
mod local;
mod version;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::Identity;
use piton_durable::fs::{Fs, FsFile, Open, Stat};
use tokio::time::sleep;
use url::{Host, Url};

pub(crate) use self::body::Body;
pub use self::local::LocalBytes;
pub(crate) use self::version::modified_of;
use self::version::{identity, is_same, is_unchanged, unsettled_for};
use crate::ask::Ask;
use crate::blocking::blocking;
use crate::connection::AskError;
use crate::error::RemoteError;
use crate::origin::THIS_MACHINE;
use crate::refusal::{Refusal, RefusalKind};
use crate::reply::{Fields, Head, Holds, Protocol};
use crate::time::compare_times;

/// Answers a question with the file that its URL names.
pub(crate) async fn answer(fs: &Arc<dyn Fs>, ask: &Ask) -> Result<(Head, Holds, Body), AskError> {
    let open = || {
        let (fs, url) = (Arc::clone(fs), ask.url.clone());
        // It may wait for a disk, or for a server of a network file system.
        blocking(move || open(fs.as_ref(), &url))
    };
    let (mut file, mut stat) = open().await?;
    if let Some(wait) = unsettled_for(&stat) {
        // A change within the same tick of the clock would not be seen. Once: a file that is written to all
        // the time is only ever known by a weak validator.
        sleep(wait).await;
        (file, stat) = open().await?;
    }
    let identity = identity(&stat);
    let holds = holds(ask, &stat, &identity);
    let bytes = match holds {
        Holds::Whole => 0..stat.len,
        Holds::Part { first, end } => first..end,
        Holds::NotNewer | Holds::OutOfRange { .. } => 0..0,
    };
    let path = local_path(&ask.url).unwrap_or_default();
    let body = Body::new(LocalBytes { file, stat, path, range: bytes });
    let head = Head {
        identity,
        encoding: None,
        url: ask.url.clone(),
        redirected: false,
        protocol: Protocol::File,
        fields: Fields::File,
    };
    Ok((head, holds, body))
}

/// The file of this machine that `url` names, whether it is there or not; `None` for a URL of anything else.
pub fn local_path(url: &Url) -> Option<PathBuf> {
    let is_here = match url.host() {
        None => true,
        Some(Host::Domain(host)) => host == "localhost",
        Some(_) => false,
    };
    (url.scheme() == "file" && is_here).then(|| url.to_file_path().ok()).flatten()
}

fn open(fs: &dyn Fs, url: &Url) -> Result<(Arc<dyn FsFile>, Stat), AskError> {
    let Some(path) = local_path(url) else {
        return Err(
            RemoteError::BadUrl { why: "a file: URL must name a path on this machine" }.into()
        );
    };
    // Before it is opened: that of a FIFO or a device may wait, or do something.
    let refused = |error: io::Error| refusal(&path, error);
    let seen = fs.stat(&path).map_err(refused)?;
    let Some(seen) = seen else { return Err(gone("no such file", &path)) };
    if !seen.is_file {
        let what = if seen.is_dir { "that is a folder" } else { "that is not a regular file" };
        return Err(gone(what, &path));
    }
    let file = fs.open(&path, Open::Read).map_err(refused)?;
    let stat = file.stat().map_err(refused)?;
    if !stat.is_file {
        return Err(gone("that is not a regular file", &path));
    }
    // Those of /proc call themselves empty.
    let behind = file.read_at(&mut [0], stat.len).map_err(refused)?;
    if behind > 0 && is_unchanged(&stat, &file.stat().map_err(refused)?) {
        return Err(gone("that file does not say how long it is", &path));
    }
    Ok((file, stat))
}

fn gone(what: &str, path: &Path) -> AskError {
    refused(RefusalKind::Gone, format!("{what}: {}", path.display()))
}

fn refused(kind: RefusalKind, text: String) -> AskError {
    Refusal { host: THIS_MACHINE.to_owned(), kind, code: None, text, retry_after: None }.into()
}

fn refusal(path: &Path, error: io::Error) -> AskError {
    let text = format!("{error}: {}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => gone("no such file", path),
        io::ErrorKind::PermissionDenied => refused(RefusalKind::Permanent, text),
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidFilename => {
            refused(RefusalKind::Gone, text)
        }
        _ => RemoteError::Source { path: path.to_owned(), source: error }.into(),
    }
}

/// What the body is to be.
fn holds(ask: &Ask, stat: &Stat, identity: &Identity) -> Holds {
    if ask.newer_than.is_some_and(|since| compare_times(stat.modified, since).is_le()) {
        return Holds::NotNewer;
    }
    let is_other = |wanted: &Identity| !is_same(wanted, identity);
    match ask.range {
        None => Holds::Whole,
        Some(_) if ask.same_as.as_ref().is_some_and(is_other) => Holds::Whole,
        Some(range) if range.first >= stat.len => Holds::OutOfRange { size: Some(stat.len) },
        Some(range) => {
            let end = range.last.map_or(stat.len, |last| last.saturating_add(1).min(stat.len));
            match range.first < end {
                true => Holds::Part { first: range.first, end },
                false => Holds::OutOfRange { size: Some(stat.len) },
            }
        }
    }
}
