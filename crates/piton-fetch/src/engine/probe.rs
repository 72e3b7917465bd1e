//! The first question: a ranged GET whose body is already the first segment.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use piton_checkpoint::Identity;
use tokio::time::{Instant, sleep_until};

use super::exchange::exchange;
use super::mirrors::{Source, Sources};
use super::retry::Next;
use super::transfer_error::TransferError;
use crate::download::Download;
use crate::failure::Failure;
use crate::monitor::{Event, Monitor};
use crate::resume::{Appearance, Begun};
use crate::stop::Stop;
use piton_remote::{ByteRange, Connection, Holds, Remote, Reply};

/// With other sources left to ask, one that is silent is waited for no longer than this.
pub(super) const SILENCE: Duration = Duration::from_secs(4);

/// Nobody is left to ask, or it is no longer wanted.
const STOPPED: Failure = Failure::Stopped { have: 0, path: None };

/// What the first request asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    /// `None`: all, for servers that cannot cope with one.
    pub(super) range: Option<ByteRange>,
    /// The range only of this version.
    pub(super) same_as: Option<Identity>,
    pub(super) newer_than: Option<SystemTime>,
    /// The version of which some is here, if any.
    pub(super) known: Option<Begun>,
}

impl Question {
    /// The same, for whatever version there is now.
    pub(super) fn without_condition(&self) -> Self {
        Self { same_as: None, ..self.clone() }
    }
}

/// An answer that can be worked with, and the connection it came over.
pub(super) struct Probed {
    pub(super) source: Arc<Source>,
    pub(super) question: Question,
    pub(super) connection: Connection,
    pub(super) reply: Reply,
}

/// Asks until there is an answer to work with or the retries are used up.
pub(super) struct Prober<'a> {
    pub(super) remote: &'a Remote,
    pub(super) what: &'a Download,
    pub(super) monitor: &'a Monitor,
    pub(super) stop: &'a Stop,
    pub(super) tries: Tries,
}

/// How often a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tries {
    /// As often as the download allows.
    Usual,
    /// Once: it was asked in other words before.
    One,
    /// Once, and not waited for long: it can be done without.
    Aside,
}

impl Prober<'_> {
    /// Asks one source after the other, the preferred one first. `question` is what each is asked.
    ///
    /// # Errors
    /// [`Failure`] of any kind that an answer can mean; 304 and 416 are answers, not errors.
    pub(super) async fn ask(
        &self,
        sources: &Sources,
        question: impl Fn(&Source) -> Question,
    ) -> Result<Probed, Failure> {
        let mut last = None;
        loop {
            let Some(source) = sources.first() else { return Err(STOPPED) };
            let mut ready = source.standing().hold;
            // All of them want to be left alone for longer than is waited here.
            if ready.saturating_duration_since(Instant::now()) > self.what.longest_pause {
                if let Some(failure) = last.take() {
                    return Err(failure);
                }
                // Why is not known any more: it has to say so again.
                source.standing().hold_at_most(self.what.longest_pause);
                ready = source.standing().hold;
            }
            if ready > Instant::now() {
                tokio::select! {
                    () = sleep_until(ready) => {}
                    () = self.stop.stopped() => return Err(STOPPED),
                }
            }
            let question = question(&source);
            let asked = Instant::now();
            match self.once(&source, &question, sources.others(&source)).await {
                Ok((connection, reply)) => {
                    return Ok(Probed { source, question, connection, reply });
                }
                Err(error) => last = self.on_failure(sources, &source, error, asked)?.or(last),
            }
        }
    }

    /// Decides what the failure of a question calls for that was asked at `asked`: `Ok` to ask again whoever is
    /// left, with the failure if that may be the same source.
    ///
    /// # Errors
    /// The one that says most, if none may.
    pub(super) fn on_failure(
        &self,
        sources: &Sources,
        source: &Source,
        error: TransferError,
        asked: Instant,
    ) -> Result<Option<Failure>, Failure> {
        if matches!(error, TransferError::Stopped) {
            return Err(error.into_failure());
        }
        let longest = match sources.others(source) {
            true => Duration::MAX,
            // Whoever waits for no long pause does not wait for long answers either.
            false if asked.elapsed() > self.what.longest_pause => Duration::ZERO,
            false => self.what.longest_pause,
        };
        let next = source.standing().failed(&error, longest);
        match next {
            Next::Again { tries, pause } if self.tries == Tries::Usual => {
                let why = error.describe();
                self.monitor.tell(Event::Retrying { why, pause, tries });
                Ok(Some(error.after(tries).into_failure()))
            }
            Next::Again { tries, .. } | Next::GiveUp { tries } => {
                let given_up = sources.give_up(source, error.after(tries), self.monitor);
                given_up.map_err(TransferError::into_failure).map(|()| None)
            }
        }
    }

    async fn once(
        &self,
        source: &Source,
        question: &Question,
        others: bool,
    ) -> Result<(Connection, Reply), TransferError> {
        let mut connection = self.remote.connection();
        let (mut ask, generation) = source.question(question.range, &self.what.extra);
        ask.same_as.clone_from(&question.same_as);
        ask.newer_than = question.newer_than;
        let limit = source.standing().answer_timeout(self.what.answer_timeout());
        let impatient = others || self.tries == Tries::Aside;
        let limit = if impatient { limit.min(SILENCE) } else { limit };
        let (asked, stopped) = ((ask, generation), self.stop.stopped());
        let reply = exchange(source, &mut connection, &asked, limit, stopped).await?;
        if matches!(reply.holds, Holds::Whole | Holds::Part { .. }) {
            let (head, is) = (&reply.head, reply.head.identity.size);
            if let Some(known) = &question.known
                && known.is_displaced_by(&head.identity, || Appearance::of(head))
            {
                return Err(TransferError::other_page(head));
            }
            if let Some(is) = is {
                check_size(self.what, &piton_remote::host_of(&head.url), is)?;
            }
        }
        source.resolved(&reply.head.url, reply.head.redirected, generation);
        Ok((connection, reply))
    }
}

/// Whether a file of `is` bytes can be the one that is asked for.
pub(super) fn check_size(what: &Download, host: &str, is: u64) -> Result<(), TransferError> {
    let wanted = match (what.size, &what.pieces) {
        (Some(size), _) if size != is => size..=size,
        (_, Some(pieces)) if !pieces.fits(is) => pieces.sizes(),
        _ => return Ok(()),
    };
    Err(Failure::WrongSize { host: host.to_owned(), is, wanted }.into())
}
