//! The end: every digest agrees, then the final name.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use piton_checkpoint::IntervalSet;
use piton_durable::fs::Existing;
use piton_durable::part::{Durability, Finish, Part, PartError};
use piton_remote::{Head, modified};

use super::existing::attributes;
use super::job::Job;
use super::tools::Tools;
use super::worker::SegmentLease;
use crate::digest::Digest;
use crate::download::{Download, IfExists};
use crate::failure::Failure;
use crate::sink::{BadPiece, Hashing};
use crate::stop::Stop;
use piton_remote::blocking;

/// A digest that the whole must have, and who says so.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) digest: Digest,
    pub(super) named_by: Named,
}

/// Who names a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// The user, in this run or the one that began the download.
    User,
    /// The list of digests that the user gave.
    List,
    /// The server, in this header.
    Server(String),
}

impl Named {
    /// In words, for the user.
    pub(super) fn describe(self) -> String {
        match self {
            Self::User => "given by you".to_owned(),
            Self::List => "from the list of checksums".to_owned(),
            Self::Server(header) => header,
        }
    }
}

/// All that is known of the whole: what the user gave, what a list says of this name, and what the
/// server sent along (G1).
pub(super) fn expected(
    what: &Download,
    name: &str,
    kept: Vec<Expected>,
    head: Option<&Head>,
) -> Result<Vec<Expected>, Failure> {
    let mut all: Vec<Expected> = Vec::new();
    let mut add = |digest: Digest, named_by: Named| {
        if !all.iter().any(|known| known.digest == digest) {
            all.push(Expected { digest, named_by });
        }
    };
    what.digests.iter().for_each(|digest| add(digest.clone(), Named::User));
    if let Some(list) = &what.checksum_file {
        let Some(digest) = list.lookup(name) else {
            return Err(Failure::Usage(format!("the list of checksums has no entry for {name}")));
        };
        add(digest, Named::List);
    }
    let said = head.map(Head::digests).unwrap_or_default();
    for Expected { digest, named_by } in kept {
        // A resume keeps to the digests of the first run, unless the server now says otherwise.
        let corrected = said.iter().any(|said| {
            named_by == Named::Server(said.named_by.clone())
                && said.digest.algorithm() == digest.algorithm()
        });
        if !corrected {
            add(digest, named_by);
        }
    }
    said.into_iter().for_each(|said| add(said.digest, Named::Server(said.named_by)));
    Ok(all)
}

/// How a comparison with the expected digests ended.
pub(super) enum Verified {
    /// All agree (or there are none).
    Agrees(Vec<Digest>),
    /// The first that does not.
    Differs { expected: Expected, got: Digest },
    /// The user stopped it.
    Stopped,
}

/// Waits for the digest thread and compares.
pub(super) async fn verify(
    job: &Arc<Job>,
    hashing: Hashing,
    expected: &[Expected],
    size: u64,
    stop: &Stop,
) -> Result<Verified, PartError> {
    let canceller = hashing.canceller();
    let mut finishing = std::pin::pin!(blocking(move || hashing.finish(size)));
    let digests = tokio::select! {
        digests = &mut finishing => digests?,
        () = stop.stopped() => {
            canceller.cancel();
            finishing.await?;
            return Ok(Verified::Stopped);
        }
    };
    if let Some(error) = job.sink.take_failure() {
        return Err(error);
    }
    for expected in expected {
        let got = digests.iter().find(|got| got.algorithm() == expected.digest.algorithm());
        match got {
            Some(got) if *got == expected.digest => {}
            Some(got) => {
                return Ok(Verified::Differs { expected: expected.clone(), got: got.clone() });
            }
            None => {
                let path = job.sink.part().path();
                let source = std::io::Error::other("a digest was not computed");
                return Err(PartError::Io { what: "verify", path, source });
            }
        }
    }
    Ok(Verified::Agrees(digests))
}

/// Which bytes on disk are no longer the ones that came in, as the journal's checksums tell.
pub(super) async fn damaged(job: &Arc<Job>) -> Result<Vec<Range<u64>>, PartError> {
    let own = Arc::clone(job);
    blocking(move || own.sink.part().damaged()).await
}

/// The message for bad pieces.
pub(super) fn pieces_failure(path: PathBuf, bad: &[BadPiece]) -> Option<Failure> {
    bad.first().map(|first| Failure::Integrity {
        path,
        expected: first.expected.clone(),
        got: first.got.clone(),
        source_of: "given with the file".to_owned(),
        pieces: bad.iter().map(|piece| piece.number).collect(),
    })
}

/// Takes back what is here of these ranges: they are to be fetched again, by nobody before the
/// claims on them that are returned are dropped.
pub(super) async fn take_back(
    job: &Arc<Job>,
    ranges: Vec<Range<u64>>,
) -> Result<Vec<SegmentLease>, PartError> {
    // First nobody may compare anything with them any more, nor write there.
    let mut held = Vec::new();
    for range in &ranges {
        let segment = {
            let mut planner = job.planner();
            planner.forget(range.clone());
            planner.claim(range.clone())
        };
        held.push(SegmentLease::new(job, segment));
        job.sink.unwrite(range.clone());
        job.origins().forget(range.clone());
        job.forget_seams(range);
    }
    let own = Arc::clone(job);
    blocking(move || ranges.into_iter().try_for_each(|range| own.sink.forget(range))).await?;
    // Extents that reach beyond a range lose their claim whole: what nobody claims is fetched too.
    if job.what.durability != Durability::None {
        let extents = job.sink.part().extents();
        let lease: IntervalSet =
            extents.iter().map(|extent| extent.start..extent.start + extent.len).collect();
        let size = job.planner().size().unwrap_or(0);
        for gap in lease.gaps(0..size) {
            job.sink.unwrite(gap.clone());
            job.planner().forget(gap);
        }
    }
    Ok(held)
}

/// A file under its final name.
pub(super) struct Done {
    pub(super) path: PathBuf,
    /// Whether it has the time that it was given, as closely as file systems keep it.
    pub(super) has_time: bool,
}

/// FAT counts in two seconds.
const COARSEST: Duration = Duration::from_secs(2);

/// Gives the part its times and attributes and its final name (docs/journal-format.md, step 6).
pub(super) async fn land(
    tools: &Tools,
    part: Part,
    what: &Download,
    identity: piton_checkpoint::Identity,
    size: u64,
    replace: bool,
) -> Result<Done, PartError> {
    let Metadata { modified, attributes } = metadata_of(what, &identity);
    let replace = replace || what.if_exists == IfExists::Overwrite;
    let finish = Finish {
        len: size,
        existing: if replace { Existing::Replace } else { Existing::Keep },
        mode: None,
        modified: Some(modified),
        attributes,
    };
    let fs = Arc::clone(&tools.fs);
    blocking(move || {
        let path = part.finish(finish)?;
        // Where it cannot be looked at there is nothing to tell of it.
        let is = fs.stat(&path).ok().flatten().map_or(modified, |stat| stat.modified);
        let apart = is.duration_since(modified).unwrap_or_else(|before| before.duration());
        Ok(Done { path, has_time: apart <= COARSEST })
    })
    .await
}

/// What a finished file has beside its bytes.
pub(super) struct Metadata {
    pub(super) modified: SystemTime,
    pub(super) attributes: Vec<(String, Vec<u8>)>,
}

/// What a file of this version gets.
pub(super) fn metadata_of(what: &Download, identity: &piton_checkpoint::Identity) -> Metadata {
    let source_time = modified(identity);
    let modified = source_time.filter(|_| what.keep_time).unwrap_or_else(SystemTime::now);
    Metadata { modified, attributes: attributes(identity, modified, what.mark.as_deref()) }
}
