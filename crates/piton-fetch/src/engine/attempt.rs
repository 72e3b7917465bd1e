//! One download, as a straight line: look, ask, decide, begin, transfer, verify, finish.
//!
//! [`Attempt::run`] is that line. Each step returns its value to it, and none calls the next. What a
//! step finds that calls for another attempt is an [`Again`], and [`download`] alone makes it.

mod begin;
mod decide;
mod describe;
mod fetch;
mod here;
mod look;
mod question;
mod reply;
mod small;

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use piton_checkpoint::Change;
use piton_durable::part::PartError;
use tokio::time::{Instant, sleep};

use self::decide::Decision;
pub(super) use self::describe::{describe, name_asked_for};
use self::here::{Here, Looked};
use self::reply::Answered;
use super::mirrors::Sources;
use super::open::OpenedPart;
use super::retry::{BAD_ANSWERS, Next, Retries};
use super::tools::{RangeRefusal, Tools};
use super::transfer_error::TransferError;
use crate::download::{Download, IfChanged, Outcome};
use crate::failure::{Failure, Fault};
use crate::meta::Meta;
use crate::monitor::{Event, Monitor, Phase};
use crate::stop::Stop;

/// How often one run starts over because the source changed under it.
const RESTARTS: u32 = 3;

/// After a wrong digest at most this many URLs are tried alone: each costs the whole file.
const ALONE: usize = 4;

/// Downloads: attempt after attempt, until the file is there or there is a reason why not.
pub(crate) async fn download(
    tools: &Tools,
    what: Download,
    monitor: Monitor,
    stop: Stop,
) -> Result<Outcome, Failure> {
    let mut attempt = Attempt::new(tools, what, monitor.clone(), stop);
    let mut repeats = Repeats {
        streams: Retries::new(attempt.what.retries),
        garbage: 0,
        changes: 0,
        wrong_digest: None,
        refused: None,
        in_one_answer: None,
    };
    let result = loop {
        let end = match attempt.run().await {
            Ok(outcome) => break Ok(outcome),
            Err(end) => end,
        };
        if let Err(failure) = attempt.again(end, &mut repeats).await {
            break Err(failure);
        }
    };
    monitor.shared().progress.phase = Phase::Ended;
    result
}

/// Why an attempt did not end well.
pub(super) enum End {
    /// For good.
    Failed(Failure),
    /// Another attempt may do.
    Again(Box<Again>),
}

/// What another attempt is to do differently, and why.
pub(super) enum Again {
    /// The source is another version: nothing of what is here is of use.
    StartOver(Change),
    /// All bytes are here and are not the file that they should be: one URL alone at a time.
    WrongDigest(Failure),
    /// The server answers ranges wrongly: ask without.
    WithoutRanges,
    /// It refuses a question for a range: once without, before that is believed.
    RangeRefused(Failure),
    /// A stream without ranges ended early: from its start.
    StreamBroke(TransferError),
    /// Another file got the name that was free: look for the next.
    NameTaken,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<PartError> for End {
    fn from(error: PartError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Again> for End {
    fn from(again: Again) -> Self {
        Self::Again(Box::new(again))
    }
}

/// What the attempts before have used up.
struct Repeats {
    /// Streams that broke. To begin one again is no progress, so nothing refills this.
    streams: Retries,
    /// Streams in which something came that is no answer.
    garbage: u32,
    /// Changes of the source.
    changes: u32,
    /// The first verdict of a digest.
    wrong_digest: Option<Failure>,
    /// What a question for a range was refused with.
    refused: Option<Failure>,
    /// Ranges are not asked for any more, since the source changed so again and again.
    in_one_answer: Option<Change>,
}

/// What becomes of the bytes that are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Old {
    /// They are used if the answer allows it.
    Use,
    /// They are not used, whatever the answer.
    Discard,
}

/// How the first question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// For a range, whose body is the first segment.
    Range,
    /// For the whole, since this server cannot cope with ranges.
    Whole,
    /// For the whole, to see whether it was the range that was refused.
    WholeInstead,
}

/// Which URLs are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// All, as their sharing allows.
    All,
    /// After a wrong digest: the n-th alone.
    Alone(usize),
}

/// One attempt after the other at one download.
pub(super) struct Attempt<'a> {
    tools: &'a Tools,
    what: Download,
    sources: Arc<Sources>,
    monitor: Monitor,
    stop: Stop,
    started: Instant,
    old: Old,
    asking: Asking,
    turn: Turn,
    /// Bytes that came over the network in the attempts before.
    fetched: Cell<u64>,
}

impl<'a> Attempt<'a> {
    fn new(tools: &'a Tools, what: Download, monitor: Monitor, stop: Stop) -> Self {
        Self {
            tools,
            sources: Arc::new(Sources::new(&what)),
            monitor,
            stop,
            started: Instant::now(),
            old: if what.restart { Old::Discard } else { Old::Use },
            asking: match tools.refusal_of(&what.url) {
                Some(RangeRefusal::OfRanges) => Asking::Whole,
                _ => Asking::Range,
            },
            turn: Turn::All,
            fetched: Cell::new(0),
            what,
        }
    }

    /// One attempt, from the look at the disk to the final name.
    async fn run(&mut self) -> Result<Outcome, End> {
        // Look: what is here?
        let mut here = match self.look_before_asking().await? {
            Looked::Done(outcome) => return Ok(outcome),
            Looked::Complete(part) => return self.finish_complete(part).await,
            Looked::Here(here) => here,
        };
        self.sources.resolve_again();
        let mut repeat = None;
        let (part, reply, decision) = loop {
            // Ask.
            let mut reply = match self.ask(&here, repeat.take()).await {
                Ok(Answered::Reply(reply)) => reply,
                Ok(Answered::NotNewer) => return Ok(self.not_newer(here).await?),
                Err(end) => return Err(self.leave(here, end).await),
            };
            // Look where the answer says what the file is called, or which version it is.
            if matches!(here, Here::Unnamed { .. } | Here::File(_)) {
                here = match self.look_after_asking(here, &mut reply).await? {
                    Looked::Done(outcome) => return Ok(outcome),
                    Looked::Complete(part) => return self.finish_complete(part).await,
                    Looked::Here(here) => here,
                };
            }
            self.check_type(&here, &reply)?;
            self.report_coding(&reply);
            // A small file lands without a part.
            let part = match here {
                Here::Vacant(path) => match self.land_small(&path, &mut reply).await? {
                    Some(outcome) => return Ok(outcome),
                    None => self.open_vacant(path).await?,
                },
                Here::Part(part) => part,
                // The look was told what the server says, and decided.
                Here::Unnamed { .. } | Here::File(_) => return Err(Again::WithoutRanges.into()),
            };
            // Decide: does the answer join what is here?
            match self.decide(&part, &reply) {
                Decision::Resume => break (part, reply, Decision::Resume),
                Decision::Begin => break (part, reply, Decision::Begin),
                Decision::Changed(change) => return Err(Again::StartOver(change).into()),
                Decision::AskWithoutCondition => repeat = Some(reply.question.without_condition()),
                Decision::AskOthers(change) => self.give_up(&reply.source, change)?,
            }
            here = Here::Part(part);
        };
        let fetch = Box::pin(self.begin(part, reply, decision)).await?;
        Box::pin(fetch.run()).await
    }

    /// All bytes of the part are here: no request, only the end of the line.
    async fn finish_complete(&self, part: Box<OpenedPart>) -> Result<Outcome, End> {
        let fetch = Box::pin(self.begin_complete(part)).await?;
        Box::pin(fetch.run()).await
    }

    /// Whether another attempt is to be made after `end`, and what it does differently.
    ///
    /// # Errors
    /// Why the download is over.
    async fn again(&mut self, end: End, repeats: &mut Repeats) -> Result<(), Failure> {
        let again = match end {
            End::Again(again) => *again,
            // The URL whose turn it was fails, and another one may have the file.
            End::Failed(failure)
                if self.turn != Turn::All
                    && !matches!(failure.meaning().fault, Fault::Caller | Fault::Local) =>
            {
                return match self.start_over_alone() {
                    true => Ok(()),
                    false => Err(repeats.wrong_digest.take().unwrap_or(failure)),
                };
            }
            // What was said to the usual question says most.
            End::Failed(failure) if self.asking == Asking::WholeInstead => {
                return Err(repeats.refused.take().unwrap_or(failure));
            }
            End::Failed(failure) => return Err(failure),
        };
        match again {
            Again::WithoutRanges => self.asking = Asking::Whole,
            Again::RangeRefused(failure) => {
                self.asking = Asking::WholeInstead;
                repeats.refused = Some(failure);
            }
            Again::NameTaken => {}
            Again::StreamBroke(error) => {
                self.asking = Asking::Whole;
                if let Some(change) = repeats.in_one_answer.clone() {
                    // It did not come in one answer either.
                    self.count_change(change, repeats)?;
                }
                repeats.garbage += u32::from(error.is_garbage());
                if repeats.garbage > BAD_ANSWERS {
                    return Err(error.after(repeats.garbage).into_failure());
                }
                self.pause(error, &mut repeats.streams).await?;
            }
            Again::StartOver(change) => {
                self.asking = Asking::Range;
                if repeats.changes > 0 {
                    // Another version with each answer: in one answer there is one.
                    self.asking = Asking::Whole;
                    repeats.in_one_answer = Some(change.clone());
                }
                self.count_change(change.clone(), repeats)?;
                self.start_over();
                self.monitor.tell(Event::StartedOver { change });
            }
            Again::WrongDigest(failure) => {
                // The first verdict says most: that of all URLs together, or of the first alone.
                let failure = repeats.wrong_digest.take().unwrap_or(failure);
                if !self.start_over_alone() {
                    return Err(failure);
                }
                repeats.wrong_digest = Some(failure);
                let bytes = self.monitor.shared().progress.size.unwrap_or(0);
                self.monitor.tell(Event::FetchingAgain { bytes });
            }
        }
        Ok(())
    }

    /// The source changed once more; an error where that was too often.
    fn count_change(&self, change: Change, repeats: &mut Repeats) -> Result<(), Failure> {
        if self.what.if_changed == IfChanged::Stop || repeats.changes == RESTARTS {
            return Err(Failure::Changed { change, restarts: repeats.changes });
        }
        repeats.changes += 1;
        Ok(())
    }

    /// Waits before a stream that broke is begun again.
    async fn pause(&self, error: TransferError, streams: &mut Retries) -> Result<(), Failure> {
        let (tries, pause) = match streams.next(&error, self.what.longest_pause) {
            Next::Again { tries, pause } => (tries, pause),
            Next::GiveUp { tries } => return Err(error.after(tries).into_failure()),
        };
        self.monitor.tell(Event::Retrying { why: error.describe(), pause, tries });
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.stop.stopped() => Err(Failure::Stopped { have: 0, path: self.path() }),
        }
    }

    /// The next attempt uses nothing of what is here.
    fn start_over(&mut self) {
        self.old = Old::Discard;
        // Those that had another version may have the right one now.
        let sources = match self.turn {
            Turn::All => None,
            Turn::Alone(turn) => Sources::only(&self.what, turn),
        };
        self.sources = Arc::new(sources.unwrap_or_else(|| Sources::new(&self.what)));
    }

    /// The digest was wrong: the next attempt fetches everything again, from one URL alone, so that
    /// this one answers for all of it. Each of the first few gets one such turn; `false` when all had theirs.
    fn start_over_alone(&mut self) -> bool {
        let turn = match self.turn {
            Turn::All => 0,
            Turn::Alone(turn) => turn + 1,
        };
        let next = Sources::only(&self.what, turn).filter(|_| turn < ALONE);
        let Some(sources) = next else { return false };
        self.sources = Arc::new(sources);
        (self.turn, self.old, self.asking) = (Turn::Alone(turn), Old::Discard, Asking::Range);
        true
    }

    /// The final name, where it is known by now.
    fn path(&self) -> Option<PathBuf> {
        self.monitor.shared().progress.path.clone()
    }

    /// Whether the journal speaks of a download of the same file: it knows one of its URLs.
    fn is_ours(&self, meta: &Meta) -> bool {
        self.sources.iter().any(|source| meta.knows(&source.url))
    }
}
