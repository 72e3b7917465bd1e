//! One try of one item.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use piton_checkpoint::ledger::{ErrorClass, InFlight};
use piton_fetch::{
    Client, Download, Failure, IfExists, Mirror, Monitor, Outcome, Place, RateLimit, Share, Stop,
};
use piton_remote::Extra;

use super::job::Job;
use super::verdict::{self, Verdict};
use super::{Options, RunError, thread};
use crate::flow::Moment;
use crate::name::{Folder, FolderError, TargetPath};

/// Failures that a download retries itself, without progress between them: only those that show at once.
/// After a longer one, the slot goes to another item.
const QUICK_RETRIES: u32 = 2;
/// The maximum duration of one of these, or of the pause before it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A finished try.
pub(super) struct Tried {
    pub(super) job: Job,
    pub(super) host: Arc<str>,
    pub(super) begun: Moment,
    /// From its monitor.
    pub(super) number: u64,
    pub(super) monitor: Monitor,
    pub(super) flight: Option<Arc<InFlight>>,
    pub(super) result: Result<Outcome, Trouble>,
    /// The disk refused this item, and refuses small files, too.
    pub(super) disk_is_full: bool,
}

/// How a try failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Download(#[from] Failure),
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl Trouble {
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Download(failure) => Verdict::of(failure),
            Self::Folder(error) => Verdict::of_folder(error),
        }
    }

    pub(super) fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Download(failure) => verdict::class_of(failure),
            Self::Folder(_) => "folder".parse().ok(),
        }
    }
}

impl From<Trouble> for RunError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Download(failure) => Self::Disk(failure),
            Trouble::Folder(error) => Self::Folder(error),
        }
    }
}

/// The download for an item of the list with this ledger, if the item has a URL.
pub(super) fn download(
    job: &Job,
    ledger: u64,
    path: PathBuf,
    options: &Options,
    rate: Option<RateLimit>,
    share: Share,
) -> Result<Download, Failure> {
    let item = &job.item;
    let Some((first, others)) = item.urls.split_first() else {
        return Err(Failure::Usage("the item has no URL".to_owned()));
    };
    let mut what = Download::new(first.url.clone(), Place::File(path));
    what.mirrors =
        others.iter().map(|one| Mirror { url: one.url.clone(), priority: one.priority }).collect();
    what.extra = Extra::headers(item.headers.iter().cloned())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    what.digests.clone_from(&item.digests);
    what.pieces.clone_from(&item.pieces);
    what.size = item.size;
    what.share = Some(share);
    // A file that landed just before a kill or a power cut, without its outcome: this item's own, by the
    // word of the ledger that is asked now (G1).
    what.mark = Some(format!("{ledger:016x}{:032x}", u128::from_be_bytes(job.key)).into());
    what.durability = options.durability;
    what.rate_limit = rate;
    what.retries = QUICK_RETRIES;
    what.longest_pause = PATIENCE;
    if let Some(adjust) = &options.adjust {
        adjust(&mut what);
    }
    if job.check {
        what.if_exists = IfExists::Overwrite;
    }
    Ok(what)
}

/// Runs it.
pub(super) async fn attempt(
    client: Client,
    folder: Folder,
    target: TargetPath,
    what: Result<Download, Failure>,
    monitor: Monitor,
    stop: Stop,
) -> Result<Outcome, Trouble> {
    let what = what?;
    if !folder.has_room_for(&target) {
        let path = folder.path().to_owned();
        let no_thread = |source| FolderError::Io { what: "find a thread to create", path, source };
        thread::begin(move || folder.prepare(&target)).map_err(no_thread)?.await?;
    }
    Ok(client.download(what, monitor, stop).await?)
}

/// Whether a file that did not fit would not have fitted even if it were small. The size that one item
/// claims concerns only that item; the run ends only if no other item would fare better.
pub(super) async fn is_disk_full(folder: Folder, result: &Result<Outcome, Trouble>) -> bool {
    if !matches!(result, Err(trouble) if trouble.verdict() == Verdict::NoRoom) {
        return false;
    }
    match thread::begin(move || folder.probe()) {
        Ok(probe) => probe.await.is_err(),
        // Not known. The next item that fails asks again.
        Err(_) => false,
    }
}
