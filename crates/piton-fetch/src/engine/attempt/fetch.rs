//! From the first byte to the final name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use piton_checkpoint::Class;
use piton_durable::part::PartError;

use super::begin::{file_name, kept_digests};
use super::{Attempt, End, FirstAnswer, Holds, OnDisk, Shape};
use crate::blocking::blocking;
use crate::digest::{Digest, Hasher, Pieces};
use crate::download::Outcome;
use crate::engine::compare::compare;
use crate::engine::finish::{
    Expected, Verified, damaged, expected, land, pieces_failure, take_back, verify,
};
use crate::engine::job::Job;
use crate::engine::mirrors::{Sharing, Source, Trust};
use crate::engine::open::OpenedPart;
use crate::engine::probe::check_size;
use crate::engine::transfer::{First, Transfer};
use crate::engine::trouble::Trouble;
use crate::engine::worker::Opened;
use crate::error::Failure;
use crate::meta::Meta;
use crate::monitor::{Event, Phase};
use crate::plan::Planner;
use crate::resume::OVERLAP;
use crate::sink::{BadPiece, HashSteps, Hashing, Sink, bad_pieces, restore};

/// How often bytes that the disk did not keep are fetched again after a wrong digest.
const REPAIRS: u32 = 3;

/// No segment is split into parts shorter than this, in bytes.
const FLOOR: u64 = 512 << 10;

impl Attempt<'_> {
    /// Every byte was here when the last run ended: only the finish is missing, and no request.
    pub(super) async fn all_here(&self, disk: &mut OnDisk) -> Result<Option<Outcome>, End> {
        let complete = disk.opened.as_ref().is_some_and(|opened| {
            let ours = |meta: &&Meta| self.is_ours(meta);
            let size = opened.meta.as_ref().filter(ours).and_then(|meta| meta.identity.size);
            let right = |size: u64| check_size(&self.what, "", size).is_ok();
            !self.anew
                && self.can_judge(opened)
                && size.is_some_and(|size| right(size) && opened.have().covers(0..size))
        });
        match disk.opened.take_if(|_| complete) {
            // Apart: it is seldom so, and large.
            Some(opened) => Box::pin(self.only_finish(*opened)).await,
            None => Ok(None),
        }
    }

    async fn only_finish(&self, opened: OpenedPart) -> Result<Option<Outcome>, End> {
        let Some(meta) = opened.meta.clone() else { return Ok(None) };
        let name = file_name(opened.target.path());
        let no_headers = HeaderMap::new();
        let status = StatusCode::PARTIAL_CONTENT;
        let expected = expected(&self.what, &name, kept_digests(&meta), &no_headers, status)?;
        let Some(source) = self.sources.first() else { return Ok(None) };
        let shape = Shape { ranged: meta.ranges, if_range: true, unproven: true };
        self.monitor.shared().progress.path = Some(opened.target.path().to_owned());
        self.transfer(opened, meta, source, expected, None, shape).await.map(Some)
    }

    /// Fetches what is missing, verifies, and gives the file its name.
    pub(super) async fn transfer(
        &self,
        opened: OpenedPart,
        meta: Meta,
        source: Arc<Source>,
        expected: Vec<Expected>,
        first: Option<FirstAnswer>,
        shape: Shape,
    ) -> Result<Outcome, End> {
        let have = opened.have();
        let resumed = have.len();
        let path = opened.target.path().to_owned();
        let size = meta.identity.size;
        if let Some(size) = size {
            // The journal may say what the answer does not.
            let checked = check_size(&self.what, &source.host(), size);
            checked.map_err(|trouble| trouble.into_failure(1, self.what.max_size))?;
        }
        let window = match size {
            Some(size) if !expected.is_empty() => (size / 64).clamp(8 << 20, 64 << 20),
            _ => u64::MAX,
        };
        let mut algorithms: Vec<_> = expected.iter().map(|one| one.digest.algorithm()).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        // A stream cannot fetch again what a state covers and the disk did not keep: all is hashed afresh.
        let trusted = if shape.ranged { have.end_of_run(0).unwrap_or(0) } else { 0 };
        let saved = &opened.recovered.hashes;
        let (hashers, unread) = restore(algorithms.iter().copied(), saved, trusted);
        let no_thread = |source| PartError::Io {
            what: "start a thread that saves",
            path: path.clone(),
            source,
        };
        let mut sink =
            Sink::new(opened.part, have.clone(), self.what.durability).map_err(no_thread)?;
        match (&self.what.pieces, size) {
            // Every piece is read, and so is all that a digest state covers.
            (Some(pieces), Some(size)) => {
                sink.check_pieces(pieces.clone(), size).map_err(no_thread)?;
            }
            _ if unread > 0 => sink.recheck(unread).map_err(no_thread)?,
            _ => {}
        }
        let steps = HashSteps::default();
        let mut hashing = Hashing::start(sink.shared(), hashers, steps).map_err(no_thread)?;
        self.prepare(&source, &meta, shape);
        let job = Arc::new(Job::new(
            self.what.clone(),
            self.client.transport.clone(),
            self.monitor.clone(),
            sink,
            Arc::clone(&self.sources),
            meta.clone(),
            Planner::new(size, have, FLOOR, window),
        ));
        let mut first = match first {
            None => None,
            Some(first) => match self.first(&job, first).await {
                Ok(first) => first,
                Err(trouble) if shape.ranged && trouble.class() == Class::Transient => {
                    let (why, pause) = (trouble.describe(), Duration::ZERO);
                    self.monitor.tell(Event::Retrying { why, pause, tries: 1 });
                    None
                }
                Err(trouble) => {
                    drop(hashing);
                    return Err(self.wind_up(job, trouble, 1, shape).await);
                }
            },
        };
        let mut repairs = 0;
        loop {
            let transfer = Transfer::new(Arc::clone(&job), self.stop.clone(), shape.ranged);
            if let Err((trouble, tries)) = transfer.run(first.take()).await {
                drop(hashing);
                return Err(self.wind_up(job, trouble, tries, shape).await);
            }
            let size = job.planner().size().unwrap_or(0);
            if let Err(trouble) = check_size(&self.what, &source.host(), size) {
                drop(hashing);
                return Err(self.wind_up(job, trouble, 1, shape).await);
            }
            if !job.sink.holds(size) {
                // Whatever kept a write from being told of: no file gets its name with a hole (G1).
                let source = std::io::Error::other("some bytes did not reach it");
                let trouble = PartError::Io { what: "write", path: path.clone(), source };
                drop(hashing);
                return Err(self.wind_up(job, trouble.into(), 1, shape).await);
            }
            if let Some(pieces) = self.what.pieces.clone().filter(|_| meta.identity.size.is_none())
            {
                let bad = bad_pieces_of(&job, pieces, size).await?;
                if let Some(failure) = pieces_failure(path.clone(), &bad) {
                    drop(hashing);
                    self.save(job, true).await?;
                    return Err(End::WrongDigest(failure));
                }
            }
            if !expected.is_empty() {
                self.monitor.shared().progress.phase = Phase::Verifying;
                self.monitor.tell(Event::Verifying);
            }
            let (wanted, got) = match verify(&job, hashing, &expected, size, &self.stop).await? {
                Verified::Agrees(verified) => {
                    return self.land(job, meta, size, resumed, verified).await;
                }
                Verified::Stopped => {
                    return Err(self.wind_up(job, Trouble::Stopped, 1, shape).await);
                }
                Verified::Differs { expected, got } => (expected, got),
            };
            // Bytes that the disk did not keep are fetched again, and only those.
            let repairable = shape.ranged && repairs < REPAIRS && self.what.pieces.is_none();
            let bad = if repairable { damaged(&job).await? } else { Vec::new() };
            if bad.is_empty() {
                let failure = Failure::Integrity {
                    path,
                    expected: wanted.digest,
                    got,
                    source_of: wanted.named_by.describe(),
                    pieces: Box::default(),
                };
                let end = match self.what.pieces {
                    // Each of them is right: to fetch them again cannot help.
                    Some(_) => End::Failed(failure),
                    None => End::WrongDigest(failure),
                };
                self.save(job, true).await?;
                return Err(end);
            }
            repairs += 1;
            let bytes = bad.iter().map(|range| range.end - range.start).sum();
            drop(take_back(&job, bad).await?);
            self.monitor.tell(Event::FetchingAgain { bytes });
            job.reopen();
            let hashers = algorithms.iter().copied().map(Hasher::new).collect();
            hashing = Hashing::start(job.sink.shared(), hashers, steps).map_err(no_thread)?;
            self.monitor.shared().progress.phase = Phase::Fetching;
        }
    }

    /// What is known of each source before the first byte.
    fn prepare(&self, active: &Source, meta: &Meta, shape: Shape) {
        self.sources.activate(active);
        for source in self.sources.iter() {
            let identity = meta.identity_at(&source.address);
            let gave_all = identity.is_some() && !meta.is_mixed();
            source.set_identity(identity.cloned());
            source.set_trust(match shape.unproven {
                _ if self.what.pieces_judge() => Trust::Proven,
                true if gave_all => Trust::Returning,
                false if source.id == active.id => Trust::Proven,
                _ => Trust::Stranger,
            });
        }
        active.set_if_range(shape.if_range);
    }

    /// Makes the answer that is there already the first segment. `None`: it is of no use here.
    async fn first(&self, job: &Arc<Job>, first: FirstAnswer) -> Result<Option<First>, Trouble> {
        let FirstAnswer { source, lane, mut response, holds } = first;
        let (start, end) = match holds {
            Holds::Whole => {
                let segment = job.planner().stream();
                let opened = Opened { response, end: job.planner().size() };
                return Ok(Some(First { source, lane, segment, opened }));
            }
            Holds::Range(start, end) => (start, end),
        };
        let here = job.planner().done().end_of_run(start).unwrap_or(start);
        if here - start > OVERLAP || (here == start && start > 0) {
            return Ok(None);
        }
        if job.needs_introduction(&source) {
            return Ok(None);
        }
        if here > start {
            compare(job, &source, &mut response.body, start, here - start).await?;
            source.set_trust(Trust::Proven);
        }
        let Some(segment) = job.planner().adopt(here) else { return Ok(None) };
        let opened = Opened { response, end: Some(end) };
        Ok(Some(First { source, lane, segment, opened }))
    }

    /// Ends a transfer that did not get to its end: saves everything, says why.
    async fn wind_up(&self, job: Arc<Job>, trouble: Trouble, tries: u32, shape: Shape) -> End {
        let have = job.planner().done().len();
        // A bad piece of a stream, or of the only URL that is asked, is had only by starting over.
        let only_anew = !shape.ranged || job.sharing == Sharing::FailOver;
        let side_by_side = job.sharing == Sharing::SideBySide;
        // After a failure of the disk nothing more of it is believed.
        let checkpoint = !matches!(trouble, Trouble::Local(_));
        if let Err(error) = self.save(job, checkpoint).await {
            return End::Failed(error.into());
        }
        match trouble {
            Trouble::Changed(change) => End::Changed(change),
            // Of none of the URLs: bytes of several are here, and the digest would not agree.
            Trouble::OtherFile(change) if side_by_side => End::Changed(change),
            Trouble::NoRanges => End::NoRanges,
            Trouble::Final(failure) if only_anew && is_integrity(&failure) => {
                End::WrongDigest(*failure)
            }
            Trouble::Protocol { .. } if shape.ranged => End::NoRanges,
            Trouble::Stopped => End::Failed(Failure::Stopped { have, path: self.path() }),
            other if !shape.ranged && other.class() == Class::Transient => End::StreamBroke(other),
            other => End::Failed(other.into_failure(tries, self.what.max_size)),
        }
    }

    /// Closes the part, with a checkpoint if that is wanted.
    async fn save(&self, job: Arc<Job>, checkpoint: bool) -> Result<(), PartError> {
        self.fetched.set(self.fetched.get() + job.fetched());
        let sink = Arc::into_inner(job).map(|job| job.sink);
        blocking(move || match sink.and_then(Sink::close) {
            Some(part) if checkpoint => part.checkpoint(),
            _ => Ok(()),
        })
        .await
    }

    async fn land(
        &self,
        job: Arc<Job>,
        mut meta: Meta,
        size: u64,
        resumed: u64,
        verified: Vec<Digest>,
    ) -> Result<Outcome, End> {
        let fetched = self.fetched.get() + job.fetched();
        meta.identity.size = Some(size);
        let sink = Arc::into_inner(job).map(|job| job.sink);
        let part = blocking(move || sink.and_then(Sink::close)).await;
        let Some(part) = part else {
            let source = std::io::Error::other("a connection still holds it");
            let path = self.path().unwrap_or_default();
            return Err(PartError::Io { what: "finish", path, source }.into());
        };
        let path = land(part, &self.what, meta.identity, size, meta.overwrite).await?;
        Ok(self.landed(path, size, fetched, resumed, verified))
    }

    /// The file is under its final name.
    pub(super) fn landed(
        &self,
        path: PathBuf,
        size: u64,
        fetched: u64,
        resumed: u64,
        verified: Vec<Digest>,
    ) -> Outcome {
        let mut shared = self.monitor.shared();
        shared.progress.have = size;
        shared.progress.fetched = fetched;
        shared.progress.size = Some(size);
        shared.done = std::iter::once(0..size).collect();
        shared.fronts.clear();
        drop(shared);
        Outcome {
            path,
            size,
            fetched,
            resumed,
            took: self.begun.elapsed(),
            verified,
            already_complete: false,
            not_newer: false,
        }
    }
}

fn is_integrity(failure: &Failure) -> bool {
    matches!(failure, Failure::Integrity { .. })
}

/// The pieces that are bad, of a file whose length was not known before its end.
async fn bad_pieces_of(
    job: &Arc<Job>,
    pieces: Pieces,
    size: u64,
) -> Result<Vec<BadPiece>, PartError> {
    let own = Arc::clone(job);
    blocking(move || bad_pieces(own.sink.part(), &pieces, size)).await
}
