//! The ways to process a job's records in pieces.

use piton_durable::fs::with_suffix;
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::items::{ItemPiece, ItemPlan};
use super::letters::Letter;
use super::order::Track;
use super::piece::{FilePiece, FilePlan};
use super::plan::{Piece, Plan};
use super::run::{Done, Run};
use super::spool::{Outcome, Spool};
use super::worker::{Attempt, End, Failed, Failure, Gone, Process, Worker};
use super::{Order, Parallel, Size};
use crate::body::Body;
use crate::error::Error;
use crate::framing::Framing;
use crate::job::{ItemSource, Job, Own, SourceOpen, files_from, own_from, range_from};
use crate::record::{Item, RecordRef};
use crate::state::{Phase, State, WorkState};

/// What is done with each piece of a file. Several threads do it at once.
pub trait Work: Sync {
    /// Processes a piece; `number` counts its attempts, from 1.
    fn attempt(&self, piece: &FilePiece, number: u32) -> Attempt;

    /// The dead letter of a piece that failed. `None`: the usual one.
    fn letter(&self, _piece: &FilePiece, _failed: &Failed, _attempts: u32) -> Option<Letter> {
        None
    }

    /// The run ends by an error: whatever can be stopped is stopped.
    fn stop(&self) {}
}

impl Job {
    /// Processes the records of a file on several threads; each result is in the output once. A record that fails goes to
    /// the [dead letters](Job::dead_letters), or ends the run; without them, everything before it is done, and what was
    /// finished behind it is kept for the next run.
    ///
    /// ```
    /// use piton_records::parallel::{Failed, Parallel};
    /// use piton_records::{Framing, Job};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = |name| dir.path().join(name);
    /// # std::fs::write(path("numbers"), "1\n2\n3\n")?;
    /// let mut job = Job::open(path("square"))?;
    /// job.output(path("squares"))?;
    /// let how = Parallel::new(4.try_into()?).what("square");
    /// job.par_map(path("numbers"), Framing::LINES, &how, |record| {
    ///     let number: u64 = String::from_utf8_lossy(record).parse().map_err(|_| Failed::from("no number"))?;
    ///     Ok(format!("{}\n", number * number))
    /// })?;
    /// job.finish()?;
    /// assert_eq!(std::fs::read_to_string(path("squares"))?, "1\n4\n9\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Job::lines`]; [`Error::PieceFailed`]; [`Error::TooManyFailures`].
    pub fn par_map<R: AsRef<[u8]>>(
        &mut self,
        path: impl AsRef<Path>,
        framing: Framing,
        how: &Parallel,
        map: impl Fn(&RecordRef<'_>) -> Result<R, Failed> + Sync,
    ) -> Result<Done, Error> {
        self.pieces(path.as_ref(), framing, how, &Map(map))
    }

    /// The same for whole pieces: see [`Work`].
    ///
    /// # Errors
    /// As [`Job::par_map`].
    pub fn process(
        &mut self,
        path: impl AsRef<Path>,
        framing: Framing,
        how: &Parallel,
        work: &impl Work,
    ) -> Result<Done, Error> {
        self.pieces(path.as_ref(), framing, how, &Whole(work))
    }

    /// As [`Job::par_map`], for the numbers of a range.
    ///
    /// # Errors
    /// As [`Job::par_map`].
    pub fn par_range<R: AsRef<[u8]>>(
        &mut self,
        range: Range<u64>,
        how: &Parallel,
        map: impl Fn(&Item<u64>) -> Result<R, Failed> + Sync,
    ) -> Result<Done, Error> {
        let last = self.last()?;
        let (inner, records) = range_from(last.as_ref(), &range)?;
        self.item_pieces(inner, ItemSource::Range(range), records, None, last.as_ref(), how, &map)
    }

    /// As [`Job::par_map`], for the files of a folder: see [`Job::files`].
    ///
    /// # Errors
    /// As [`Job::files`] and [`Job::par_map`].
    pub fn par_files<R: AsRef<[u8]>>(
        &mut self,
        dir: impl AsRef<Path>,
        how: &Parallel,
        map: impl Fn(&Item<PathBuf>) -> Result<R, Failed> + Sync,
    ) -> Result<Done, Error> {
        let (dir, last) = (dir.as_ref(), self.last()?);
        let (files, done) = files_from(&self.core.fs, last.as_ref(), dir)?;
        let (source, records) =
            (ItemSource::Files(dir.to_owned()), done.as_ref().map_or(0, |done| done.files));
        self.item_pieces(files, source, records, done, last.as_ref(), how, &map)
    }

    /// As [`Job::par_map`], for an iterator of the program's own: see [`Job::positions`].
    ///
    /// # Errors
    /// As [`Job::par_map`].
    pub fn par_positions<P, T, I, R>(
        &mut self,
        from: impl FnOnce(Option<P>) -> I,
        how: &Parallel,
        map: impl Fn(&Item<T>) -> Result<R, Failed> + Sync,
    ) -> Result<Done, Error>
    where
        P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        T: Send + Sync + 'static,
        I: IntoIterator<Item = (P, T)>,
        I::IntoIter: 'static,
        R: AsRef<[u8]>,
    {
        let last = self.last()?;
        let (done, records) = own_from::<P>(last.as_ref())?;
        let inner = Own(from(done.clone()).into_iter());
        self.item_pieces(inner, ItemSource::Own, records, done, last.as_ref(), how, &map)
    }

    #[allow(clippy::too_many_arguments, reason = "what a source is made of, once")]
    fn item_pieces<P, T, I, R>(
        &mut self,
        inner: I,
        source: ItemSource,
        records: u64,
        done: Option<P>,
        last: Option<&State>,
        how: &Parallel,
        map: &(impl Fn(&Item<T>) -> Result<R, Failed> + Sync),
    ) -> Result<Done, Error>
    where
        P: Serialize + Clone + Send + Sync + 'static,
        T: Send + Sync + 'static,
        I: Iterator<Item = Result<(P, T), Error>> + 'static,
        R: AsRef<[u8]>,
    {
        let size = match how.size {
            Size::Records(size) => size.get(),
            Size::Bytes(_) => return Err(Error::Order("items have no size in bytes")),
        };
        let known = self.work(last, how)?;
        let plan = ItemPlan::new(inner, source, records, size, done);
        let head = plan.begin();
        let finished = last.is_some_and(|last| last.phase == Phase::Finished);
        self.run_pieces(plan, head, known, how, finished, &MapItems(map))
    }

    fn pieces(
        &mut self,
        path: &Path,
        framing: Framing,
        how: &Parallel,
        work: &impl Process<FilePiece>,
    ) -> Result<Done, Error> {
        let last = self.last()?;
        let mut known = self.work(last.as_ref(), how)?;
        let SourceOpen { reader, batch, position, finished, ahead } =
            self.open_source(path, framing, last.as_ref())?;
        if !ahead.is_empty() {
            if known.order == Order::Source {
                return Err(Error::StartOutOfOrder { first: position.records + 1 });
            }
            known.ahead = ahead;
        }
        how.monitor.replays.store(reader.replays(), Relaxed);
        let mut plan = FilePlan::new(path.to_owned(), reader, batch, position, how.size.unit());
        plan.long_ones = self.has_letters();
        if how.header {
            plan.keep_header()?;
        }
        let head = plan.begin();
        self.run_pieces(plan, head, known, how, finished, work)
    }

    /// What is done with the records, compared with what earlier runs did.
    fn work(&self, last: Option<&State>, how: &Parallel) -> Result<WorkState, Error> {
        let apart = if how.header { ", the first record apart" } else { "" };
        let size = format!("{}{apart}", how.size);
        // Without an output nothing has an order.
        let had_output = last.is_some_and(|last| last.output.is_some());
        let order = if self.has_output() || had_output { how.order } else { Order::Any };
        let differs = |what, was: &str, now: &str| {
            Err(Error::JobDiffers { what, was: was.to_owned(), now: now.to_owned() })
        };
        let Some(last) = last else {
            let id = self.random()?;
            let what = how.what.clone();
            let (ahead, failed, header, ends) = (Vec::new(), 0, None, Vec::new());
            return Ok(WorkState { id, what, size, order, ahead, failed, header, ends });
        };
        let Some(was) = &last.work else { return differs("pieces of", "none", &size) };
        if was.size != size {
            return differs("pieces of", &was.size, &size);
        }
        if was.order != order {
            let name = |order| if order == Order::Any { "any order" } else { "source order" };
            return differs("results in", name(was.order), name(order));
        }
        if was.what != how.what && !how.accept_other_work {
            return differs("the work", &was.what, &how.what);
        }
        Ok(WorkState { what: how.what.clone(), ..was.clone() })
    }

    fn run_pieces<S: Plan + 'static>(
        &mut self,
        plan: S,
        head: S::Behind,
        work_state: WorkState,
        how: &Parallel,
        finished: bool,
        work: &impl Process<S::Piece>,
    ) -> Result<Done, Error> {
        let (position, records) = plan.position(&head);
        let dir = how.spool.clone().unwrap_or_else(|| spool_beside(self.name()));
        let (id, failed) = (work_state.id, work_state.failed);
        let spool = Spool::open(&self.core.fs, &dir, id, how.spool_limit, position)?;
        if finished {
            self.core.set_finished();
            spool.remove()?;
            return Ok(Done { pieces: 0, records, failed, stopped: false });
        }
        let monitor = &how.monitor;
        monitor.begun_at.store(position, Relaxed);
        let track = Rc::new(Track::new(plan, head, work_state));
        self.core.watch(how.monitor.clone());
        self.core.start(Rc::clone(&track) as Rc<dyn crate::job::Cursor>)?;
        let (core, letters) = (Rc::clone(&self.core), self.has_letters());
        let (done, spool) =
            Run { core, track, spool, options: how, letters, held: HashMap::new() }.all(work)?;
        self.spool = Some(spool);
        Ok(done)
    }
}

/// Where the job of this name keeps results that wait for their turn.
pub(crate) fn spool_beside(name: &Path) -> PathBuf {
    with_suffix(name, ".piton-spool")
}

/// Whole pieces.
struct Whole<'a, W>(&'a W);

impl<W: Work> Process<FilePiece> for Whole<'_, W> {
    fn process(&self, piece: &FilePiece, worker: &Worker<'_>) -> End {
        let letter = |piece: &FilePiece, failed: &Failed, attempts| {
            let own = self.0.letter(piece, failed, attempts);
            own.unwrap_or_else(|| piece.letter(failed, attempts))
        };
        worker.finish(piece, &mut |piece, number| self.0.attempt(piece, number), &letter)
    }

    fn stop(&self) {
        self.0.stop();
    }
}

/// Record by record.
struct Map<F>(F);

impl<R: AsRef<[u8]>, F> Process<FilePiece> for Map<F>
where
    F: Fn(&RecordRef<'_>) -> Result<R, Failed> + Sync,
{
    fn process(&self, piece: &FilePiece, worker: &Worker<'_>) -> End {
        if let Some(why) = piece.refused() {
            return End::Done(Outcome::of_letter(piece, &Failed::permanent(why), 0));
        }
        let only = |index| piece.only(index);
        one_by_one(worker, piece.start(), piece.records(), &self.0, only)
    }
}

/// Item by item.
struct MapItems<'a, F>(&'a F);

impl<P, T, R, F> Process<ItemPiece<P, T>> for MapItems<'_, F>
where
    P: Serialize + Send + Sync + 'static,
    T: Send + Sync + 'static,
    R: AsRef<[u8]>,
    F: Fn(&Item<T>) -> Result<R, Failed> + Sync,
{
    fn process(&self, piece: &ItemPiece<P, T>, worker: &Worker<'_>) -> End {
        let (map, only) = (|item: &&Item<T>| (self.0)(item), |index| piece.only(index));
        one_by_one(worker, piece.start(), piece.items(), map, only)
    }
}

/// The results of all records of the piece that begins `at` there, one after the other; `only` gives the piece of a single one.
fn one_by_one<E, R: AsRef<[u8]>, P: Piece>(
    worker: &Worker<'_>,
    at: u64,
    records: impl Iterator<Item = E>,
    map: impl Fn(&E) -> Result<R, Failed>,
    only: impl Fn(usize) -> P,
) -> End {
    let mut results = Vec::new();
    let mut outcome = Outcome::default();
    for (index, record) in records.enumerate() {
        let attempt = worker.attempts(at, |_| match map(&record) {
            Ok(result) => {
                results.extend_from_slice(result.as_ref());
                Attempt::Done(Body::default())
            }
            Err(failed) => Attempt::Failed(failed),
        });
        match attempt {
            Ok(_) => {}
            Err(Gone::Stopped) => return End::Stopped,
            Err(Gone::Broken(error)) => return End::Broken(error),
            Err(Gone::Failed(failed, attempts)) if worker.letters => {
                outcome.append(Outcome::of_letter(&only(index), &failed, attempts));
            }
            Err(Gone::Failed(failed, attempts)) => {
                let alone = only(index);
                let (line, offset) = (alone.line(), alone.start());
                return End::Failed(Failure { line, offset, records: 1, attempts, failed });
            }
        }
    }
    outcome.body = results.into();
    End::Done(outcome)
}
