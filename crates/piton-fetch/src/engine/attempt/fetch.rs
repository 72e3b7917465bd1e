//! Transfer, verify, finish: from an open part to the final name.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use piton_checkpoint::Class;
use piton_durable::fs::Lack;
use piton_durable::part::PartError;

use super::reply::Exchange;
use super::{Again, Attempt, End};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::download::Outcome;
use crate::engine::compare::compare;
use crate::engine::finish::{Expected, Verified, damaged, land, pieces_failure, take_back, verify};
use crate::engine::job::Job;
use crate::engine::mirrors::{Sharing, Source, Trust};
use crate::engine::open::OpenedPart;
use crate::engine::probe::check_size;
use crate::engine::transfer::{First, Transfer};
use crate::engine::transfer_error::TransferError;
use crate::engine::worker::Opened;
use crate::failure::Failure;
use crate::meta::Meta;
use crate::monitor::{Event, Phase};
use crate::plan::Planner;
use crate::resume::OVERLAP;
use crate::sink::{HashSteps, Hashing, Sink, bad_pieces, restore};
use piton_remote::Holds;
use piton_remote::blocking;

/// How often bytes that the disk did not keep are fetched again after a wrong digest.
const REPAIRS: u32 = 3;

/// No segment is split into parts shorter than this, in bytes.
const FLOOR: u64 = 512 << 10;

/// What a fetch starts with.
pub(super) struct Ready {
    pub(super) part: Box<OpenedPart>,
    pub(super) meta: Meta,
    /// The one that answered.
    pub(super) source: Arc<Source>,
    pub(super) expected: Vec<Expected>,
    pub(super) first: Option<FirstBody>,
    pub(super) delivery: Delivery,
    pub(super) joined: Joined,
}

/// The body of the first answer, which is waiting.
pub(super) struct FirstBody {
    pub(super) exchange: Exchange,
    pub(super) holds: Holds,
}

/// How the server gives the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// In ranges, over any number of connections.
    Ranges,
    /// From its start to its end over one connection.
    Stream,
}

/// What the bytes join that are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// Those of an earlier run, which were not compared yet with what the server has now.
    Old,
    /// Nothing.
    Nothing,
}

/// A part that is filled, verified, and gets its final name.
pub(super) struct Fetch<'a> {
    attempt: &'a Attempt<'a>,
    job: Arc<Job>,
    source: Arc<Source>,
    path: PathBuf,
    meta: Meta,
    expected: Vec<Expected>,
    /// For the digests that are expected; where the digest thread starts.
    hashers: Vec<Hasher>,
    first: Option<FirstBody>,
    delivery: Delivery,
    /// Bytes of an earlier run.
    resumed: u64,
    repairs: u32,
}

/// What the digests say of all bytes.
enum Checked {
    /// They are right; these agree.
    Right(Vec<Digest>),
    /// The disk did not keep these.
    Damaged(Vec<Range<u64>>),
}

impl<'a> Fetch<'a> {
    /// Starts the threads that save and hash.
    pub(super) fn start(attempt: &'a Attempt<'a>, ready: Ready) -> Result<Self, End> {
        let Ready { part, meta, source, expected, first, delivery, joined } = ready;
        let what = &attempt.what;
        let have = part.have();
        let (resumed, size) = (have.len(), meta.identity.size);
        let path = part.target.path().to_owned();
        if let Some(size) = size {
            // The journal may say what the answer does not.
            let checked = check_size(what, &source.host(), size);
            checked.map_err(TransferError::into_failure)?;
        }
        let window = match size {
            // Whole blocks: what begins within one cannot be shared with a source on this machine.
            Some(size) if !expected.is_empty() => {
                (size / 64).next_multiple_of(1 << 20).clamp(8 << 20, 64 << 20)
            }
            _ => u64::MAX,
        };
        // A stream cannot fetch again what a state covers and the disk did not keep: all is hashed afresh.
        let trusted = match delivery {
            Delivery::Ranges => have.end_of_run(0).unwrap_or(0),
            Delivery::Stream => 0,
        };
        let (hashers, unread) = restore(algorithms(&expected), &part.recovered.hashes, trusted);
        let no_thread = |source| PartError::Io {
            what: "start a thread that saves",
            path: path.clone(),
            source,
        };
        let mut sink = Sink::new(part.part, have.clone(), what.durability).map_err(no_thread)?;
        match (&what.pieces, size) {
            // Every piece is read, and so is all that a digest state covers.
            (Some(pieces), Some(size)) => {
                sink.check_pieces(pieces.clone(), size).map_err(no_thread)?;
            }
            _ if unread > 0 => sink.recheck(unread).map_err(no_thread)?,
            _ => {}
        }
        attempt.prepare_sources(&source, &meta, joined);
        let job = Arc::new(Job::new(
            what.clone(),
            attempt.tools.remote.clone(),
            attempt.monitor.clone(),
            sink,
            Arc::clone(&attempt.sources),
            meta.clone(),
            Planner::new(size, have, FLOOR, window),
        ));
        let repairs = 0;
        Ok(Self {
            attempt,
            job,
            source,
            path,
            meta,
            expected,
            hashers,
            first,
            delivery,
            resumed,
            repairs,
        })
    }

    /// Fetches what is missing, verifies, and gives the file its name.
    pub(super) async fn run(mut self) -> Result<Outcome, End> {
        loop {
            let hashing = self.start_hashing()?;
            let checked = match self.transfer().await {
                Ok(()) => self.verify(hashing).await,
                Err(end) => {
                    drop(hashing);
                    Err(end)
                }
            };
            match checked {
                Ok(Checked::Right(digests)) => return self.finish(digests).await,
                Ok(Checked::Damaged(ranges)) => self.take_back(ranges).await?,
                Err(end) => return Err(self.save(end).await),
            }
        }
    }

    fn start_hashing(&mut self) -> Result<Hashing, PartError> {
        let hashers = std::mem::take(&mut self.hashers);
        let started = Hashing::start(self.job.sink.shared(), hashers, HashSteps::default());
        started.map_err(|source| {
            let path = self.path.clone();
            PartError::Io { what: "start a thread that saves", path, source }
        })
    }

    /// Fetches what is missing, until every byte is in the part.
    async fn transfer(&mut self) -> Result<(), End> {
        let job = Arc::clone(&self.job);
        self.attempt.monitor.shared().progress.phase = Phase::Fetching;
        let first = match self.first.take() {
            Some(first) => match self.first_segment(first).await {
                Ok(first) => first,
                Err(error) if self.is_ranged() && error.class() == Class::Transient => {
                    let (why, pause) = (error.describe(), Duration::ZERO);
                    self.attempt.monitor.tell(Event::Retrying { why, pause, tries: 1 });
                    None
                }
                Err(error) => return Err(self.end(error)),
            },
            None => None,
        };
        let transfer = Transfer::new(Arc::clone(&job), self.attempt.stop.clone(), self.is_ranged());
        let ended = transfer.run(first).await;
        ended.map_err(|error| self.end(error))?;
        let size = job.planner().size().unwrap_or(0);
        let checked = check_size(&self.attempt.what, &self.source.host(), size);
        checked.map_err(|error| self.end(error))?;
        if !job.sink.holds(size) {
            // Whatever kept a write from being reported: no file gets its name with a hole (G1).
            let source = std::io::Error::other("some bytes were not written to it");
            let error = PartError::Io { what: "write", path: self.path.clone(), source };
            return Err(self.end(error.into()));
        }
        Ok(())
    }

    /// Makes the answer that is there already the first segment. `None`: it is of no use here.
    async fn first_segment(&self, first: FirstBody) -> Result<Option<First>, TransferError> {
        let FirstBody { exchange: Exchange { connection, mut body, .. }, holds } = first;
        let (job, source) = (&self.job, Arc::clone(&self.source));
        let (start, end) = match holds {
            Holds::Whole => {
                let segment = job.planner().stream();
                let opened = Opened { body, end: job.planner().size() };
                return Ok(Some(First { source, connection, segment, opened }));
            }
            Holds::Part { first, end } => (first, end),
            Holds::NotNewer | Holds::OutOfRange { .. } => return Ok(None),
        };
        let here = job.planner().done().end_of_run(start).unwrap_or(start);
        if here - start > OVERLAP || (here == start && start > 0) {
            return Ok(None);
        }
        if job.needs_introduction(&source) {
            return Ok(None);
        }
        if here > start {
            compare(job, &source, &mut body, start, here - start).await?;
            source.set_trust(Trust::Proven);
        }
        let Some(segment) = job.planner().adopt(here) else { return Ok(None) };
        let opened = Opened { body, end: Some(end) };
        Ok(Some(First { source, connection, segment, opened }))
    }

    /// Compares the digests of what is in the part with those that it should have.
    async fn verify(&mut self, hashing: Hashing) -> Result<Checked, End> {
        let (job, what) = (&self.job, &self.attempt.what);
        let size = job.planner().size().unwrap_or(0);
        if let Some(pieces) = what.pieces.clone().filter(|_| self.meta.identity.size.is_none()) {
            // The length was not known before, and so no piece was checked.
            let own = Arc::clone(job);
            let bad = blocking(move || bad_pieces(own.sink.part(), &pieces, size)).await?;
            if let Some(failure) = pieces_failure(self.path.clone(), &bad) {
                return Err(Again::WrongDigest(failure).into());
            }
        }
        if !self.expected.is_empty() {
            self.attempt.monitor.shared().progress.phase = Phase::Verifying;
            self.attempt.monitor.tell(Event::Verifying);
        }
        let verified = verify(job, hashing, &self.expected, size, &self.attempt.stop).await?;
        let (wanted, got) = match verified {
            Verified::Agrees(digests) => return Ok(Checked::Right(digests)),
            Verified::Stopped => return Err(self.end(TransferError::Stopped)),
            Verified::Differs { expected, got } => (expected, got),
        };
        // Bytes that the disk did not keep are fetched again, and only those.
        if self.is_ranged() && self.repairs < REPAIRS && what.pieces.is_none() {
            let damaged = damaged(job).await?;
            if !damaged.is_empty() {
                return Ok(Checked::Damaged(damaged));
            }
        }
        let failure = Failure::Integrity {
            path: self.path.clone(),
            expected: wanted.digest,
            got,
            source_of: wanted.named_by.describe(),
            pieces: Box::default(),
        };
        Err(match what.pieces {
            // Each of them is right: to fetch them again cannot help.
            Some(_) => failure.into(),
            None => Again::WrongDigest(failure).into(),
        })
    }

    /// These bytes are to be fetched again, and all to be hashed again.
    async fn take_back(&mut self, ranges: Vec<Range<u64>>) -> Result<(), End> {
        self.repairs += 1;
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        drop(take_back(&self.job, ranges).await?);
        self.attempt.monitor.tell(Event::FetchingAgain { bytes });
        self.job.reopen();
        self.hashers = algorithms(&self.expected).into_iter().map(Hasher::new).collect();
        Ok(())
    }

    /// Gives the file its times, its attributes and its final name.
    async fn finish(self, verified: Vec<Digest>) -> Result<Outcome, End> {
        let Self { attempt, job, mut meta, path, resumed, .. } = self;
        let fetched = attempt.fetched.get() + job.fetched();
        let size = job.planner().size().unwrap_or(0);
        meta.identity.size = Some(size);
        let sink = Arc::into_inner(job).map(|job| job.sink);
        let part = blocking(move || sink.and_then(Sink::close)).await;
        let Some(part) = part else {
            let source = std::io::Error::other("a connection still uses it");
            return Err(PartError::Io { what: "finish", path, source }.into());
        };
        let (tools, what) = (&attempt.tools, &attempt.what);
        let done = land(tools, part, what, meta.identity, size, meta.overwrite).await?;
        if !done.has_time {
            tools.tell_lack(&attempt.monitor, Lack::Times, &done.path);
        }
        Ok(attempt.landed(done.path, size, fetched, resumed, verified))
    }

    /// Closes the part of a fetch that ends here, with all that came in, and passes on why.
    async fn save(self, end: End) -> End {
        // After a failure of the disk nothing more of it is believed.
        let checkpoint = !matches!(end, End::Failed(Failure::Local(_)));
        let Self { attempt, job, .. } = self;
        attempt.fetched.set(attempt.fetched.get() + job.fetched());
        let sink = Arc::into_inner(job).map(|job| job.sink);
        let saved = blocking(move || match sink.and_then(Sink::close) {
            Some(part) if checkpoint => part.checkpoint(),
            _ => Ok(()),
        });
        match saved.await {
            Ok(()) => end,
            Err(error) => error.into(),
        }
    }

    /// What an error means that ends the transfer.
    fn end(&self, error: TransferError) -> End {
        // A bad piece of a stream, or of the only URL that is asked, is had only by starting over.
        let is_alone = !self.is_ranged() || self.job.sharing == Sharing::FailOver;
        let is_integrity = |failure: &Failure| matches!(failure, Failure::Integrity { .. });
        match error {
            TransferError::Changed(change) => Again::StartOver(change).into(),
            // Of none of the URLs: bytes of several are here, and the digest would not agree.
            TransferError::OtherFile(change) if self.job.sharing == Sharing::SideBySide => {
                Again::StartOver(change).into()
            }
            TransferError::NoRanges | TransferError::OutOfRange(_) => Again::WithoutRanges.into(),
            TransferError::Failed(failure) if is_alone && is_integrity(&failure) => {
                Again::WrongDigest(*failure).into()
            }
            // Where ranges came, the whole would not do better, and what is here may be given up for it.
            error if error.is_broken() && self.is_ranged() && !self.source.gives_ranges() => {
                Again::WithoutRanges.into()
            }
            TransferError::Stopped => {
                let have = self.job.planner().done().len();
                Failure::Stopped { have, path: self.attempt.path() }.into()
            }
            other if !self.is_ranged() && other.class() == Class::Transient => {
                Again::StreamBroke(other).into()
            }
            other => other.into_failure().into(),
        }
    }

    fn is_ranged(&self) -> bool {
        self.delivery == Delivery::Ranges
    }
}

impl Attempt<'_> {
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
            took: self.started.elapsed(),
            verified,
            already_complete: false,
            not_newer: false,
        }
    }
}

/// Each algorithm that is needed, once.
fn algorithms(expected: &[Expected]) -> Vec<Algorithm> {
    let mut algorithms: Vec<_> = expected.iter().map(|one| one.digest.algorithm()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    algorithms
}
