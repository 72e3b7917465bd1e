//! From the first byte to the final name.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use piton_checkpoint::Class;
use piton_durable::part::PartError;

use super::begin::{file_name, kept_digests};
use super::{Attempt, End, FirstAnswer, Holds, OnDisk, Shape};
use crate::digest::Digest;
use crate::download::Outcome;
use crate::engine::compare::compare;
use crate::engine::finish::{Expected, Verified, expected, land, suspects, take_back, verify};
use crate::engine::job::Job;
use crate::engine::mirrors::Source;
use crate::engine::open::{OpenedPart, blocking};
use crate::engine::probe::check_size;
use crate::engine::transfer::{First, Transfer};
use crate::engine::trouble::Trouble;
use crate::engine::worker::Opened;
use crate::error::Failure;
use crate::meta::Meta;
use crate::monitor::{Event, Phase};
use crate::plan::Planner;
use crate::resume::OVERLAP;
use crate::sink::{Hashing, Sink, restore};

/// No segment is split into parts shorter than this, in bytes.
const FLOOR: u64 = 512 << 10;

impl Attempt<'_> {
    /// Every byte was here when the last run ended: only the finish is missing, and no request.
    pub(super) async fn all_here(&self, disk: &mut OnDisk) -> Result<Option<Outcome>, End> {
        let complete = disk.opened.as_ref().is_some_and(|opened| {
            let ours = |meta: &&Meta| self.is_ours(meta);
            let size = opened.meta.as_ref().filter(ours).and_then(|meta| meta.identity.size);
            let right = |size: u64| check_size(&self.what, "", size).is_ok();
            !self.anew && size.is_some_and(|size| right(size) && opened.have().covers(0..size))
        });
        let Some(opened) = disk.opened.take_if(|_| complete) else { return Ok(None) };
        let Some(meta) = opened.meta.clone() else { return Ok(None) };
        let name = file_name(opened.target.path());
        let no_headers = HeaderMap::new();
        let status = StatusCode::PARTIAL_CONTENT;
        let expected = expected(&self.what, &name, kept_digests(&meta), &no_headers, status)?;
        let Some(source) = self.sources.first() else { return Ok(None) };
        let shape = Shape { ranged: meta.ranges, if_range: true, unproven: true };
        self.monitor.shared().progress.path = Some(opened.target.path().to_owned());
        self.transfer(*opened, meta, source, expected, None, shape).await.map(Some)
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
        let window = match size {
            Some(size) if !expected.is_empty() => (size / 64).clamp(8 << 20, 64 << 20),
            _ => u64::MAX,
        };
        let mut algorithms: Vec<_> = expected.iter().map(|one| one.digest.algorithm()).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let trusted = have.end_of_run(0).unwrap_or(0);
        let hashers = restore(algorithms.iter().copied(), &opened.recovered.hashes, trusted);
        let mut sink = Sink::new(opened.part, have.clone(), self.what.durability);
        if let (Some(pieces), Some(size)) = (&self.what.pieces, size) {
            // What an earlier run left whole is covered by the digest of all, where there is one.
            let trusted = !expected.is_empty();
            sink.check_pieces(pieces.clone(), size, trusted).map_err(no_thread(&path))?;
        }
        let mut hashing = Hashing::start(sink.shared(), hashers).map_err(no_thread(&path))?;
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
        let mut all_again = false;
        loop {
            let transfer = Transfer::new(Arc::clone(&job), self.stop.clone(), shape.ranged);
            if let Err((trouble, tries)) = transfer.run(first.take()).await {
                drop(hashing);
                if !shape.ranged && self.streams_again(&job, &trouble).await? {
                    self.wind_up(job, Trouble::Stopped, 1, shape).await;
                    return Err(End::NoRanges);
                }
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
            let failure = || Failure::Integrity {
                path: path.clone(),
                expected: wanted.digest.clone(),
                got: got.clone(),
                source_of: wanted.named_by.clone().describe(),
                pieces: Box::default(),
            };
            // Only what is known to be bad is fetched again; all of it, only once from each source.
            let hopeless = size == 0 || (!shape.ranged && self.anew_for_digest.get());
            let bad = match hopeless {
                true => Vec::new(),
                false if all_again => self.blame(&job, size, failure()).await?,
                false => suspects(&job, size).await?,
            };
            if bad.is_empty() {
                self.wind_up(job, Trouble::Stopped, 1, shape).await;
                return Err(failure().into());
            }
            all_again = bad.contains(&(0..size));
            if all_again {
                job.sources.go_alone();
            }
            if !shape.ranged {
                self.anew_for_digest.set(true);
                self.wind_up(job, Trouble::Stopped, 1, shape).await;
                return Err(End::NoRanges);
            }
            job.reopen();
            let hashers = restore(algorithms.iter().copied(), &BTreeMap::new(), 0);
            hashing = Hashing::start(job.sink.shared(), hashers).map_err(no_thread(&path))?;
            self.monitor.shared().progress.phase = Phase::Fetching;
        }
    }

    /// What is known of each source before the first byte.
    fn prepare(&self, reference: &Source, meta: &Meta, shape: Shape) {
        self.sources.refer_to(reference);
        for source in self.sources.iter() {
            source.set_identity(meta.identity_at(&source.address).cloned());
            // The digests of the pieces tell of bytes that are not right, whoever gives them.
            source.set_proven(self.what.pieces.is_some());
        }
        if meta.identity_at(&reference.address).is_none() {
            reference.set_identity(Some(meta.identity.clone()));
        }
        reference.set_proven(!shape.unproven);
        reference.set_if_range(shape.if_range);
    }

    /// A piece of a stream is bad: it can only be had by beginning the stream again, which is done
    /// once.
    async fn streams_again(&self, job: &Arc<Job>, trouble: &Trouble) -> Result<bool, PartError> {
        let (Trouble::Final(failure), Some(known)) = (trouble, &self.what.pieces) else {
            return Ok(false);
        };
        let (Failure::Integrity { pieces, .. }, false) =
            (failure.as_ref(), self.anew_for_digest.replace(true))
        else {
            return Ok(false);
        };
        let size = job.planner().size().unwrap_or(0);
        let bad = pieces.iter().filter_map(|number| known.range(*number, size)).collect();
        drop(take_back(job, bad).await?);
        Ok(true)
    }

    /// All came from one source alone and is wrong: another one gets its turn, if there is one.
    /// Returns what is to be fetched again.
    async fn blame(
        &self,
        job: &Arc<Job>,
        size: u64,
        failure: Failure,
    ) -> Result<Vec<Range<u64>>, PartError> {
        let Some(lone) = job.sources.lone() else { return Ok(Vec::new()) };
        job.sources.readmit();
        let trouble = Trouble::Final(Box::new(failure));
        if !job.sources.others(&lone)
            || job.sources.give_up(&lone, trouble, 1, &self.monitor).is_err()
        {
            return Ok(Vec::new());
        }
        suspects(job, size).await
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
        if here > start {
            compare(job, &source, &mut response.body, start, here - start).await?;
            source.set_proven(true);
        }
        let Some(segment) = job.planner().adopt(here) else { return Ok(None) };
        let opened = Opened { response, end: Some(end) };
        Ok(Some(First { source, lane, segment, opened }))
    }

    /// Ends a transfer that did not get to its end: saves everything, says why.
    async fn wind_up(&self, job: Arc<Job>, trouble: Trouble, tries: u32, shape: Shape) -> End {
        let have = job.planner().done().len();
        let local = matches!(trouble, Trouble::Local(_));
        let sink = Arc::into_inner(job).map(|job| job.sink);
        let saved = blocking(move || match sink.and_then(Sink::close) {
            Some(part) if !local => part.checkpoint(),
            _ => Ok(()),
        });
        if let Err(error) = saved.await {
            return End::Failed(error.into());
        }
        match trouble {
            Trouble::Changed(change) => End::Changed(change),
            Trouble::NoRanges => End::NoRanges,
            Trouble::Protocol { .. } if shape.ranged => End::NoRanges,
            Trouble::Stopped => End::Failed(Failure::Stopped { have, path: self.path() }),
            other if !shape.ranged && other.class() == Class::Transient => End::StreamBroke(other),
            other => End::Failed(other.into_failure(tries, self.what.max_size)),
        }
    }

    async fn land(
        &self,
        job: Arc<Job>,
        mut meta: Meta,
        size: u64,
        resumed: u64,
        verified: Vec<Digest>,
    ) -> Result<Outcome, End> {
        let fetched = job.fetched();
        meta.identity.size = Some(size);
        let sink = Arc::into_inner(job).map(|job| job.sink);
        let part = blocking(move || sink.and_then(Sink::close)).await;
        let Some(part) = part else {
            let source = std::io::Error::other("a connection still holds it");
            let path = self.path().unwrap_or_default();
            return Err(PartError::Io { what: "finish", path, source }.into());
        };
        let path = land(part, &self.what, meta.identity, size, meta.overwrite).await?;
        let mut shared = self.monitor.shared();
        shared.progress.have = size;
        shared.progress.fetched = fetched;
        shared.progress.size = Some(size);
        shared.done = std::iter::once(0..size).collect();
        shared.fronts.clear();
        drop(shared);
        Ok(Outcome {
            path,
            size,
            fetched,
            resumed,
            took: self.begun.elapsed(),
            verified,
            already_complete: false,
            not_newer: false,
        })
    }
}

fn no_thread(path: &Path) -> impl Fn(std::io::Error) -> PartError {
    move |source| PartError::Io {
        what: "start the thread that verifies",
        path: path.to_owned(),
        source,
    }
}
