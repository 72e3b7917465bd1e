//! The first question: a ranged GET whose body is already the first segment.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use piton_checkpoint::Class;
use tokio::time::{Instant, sleep_until, timeout};

use super::mirrors::{Source, Sources};
use super::trouble::Trouble;
use crate::download::Download;
use crate::failure::Failure;
use crate::monitor::{Event, Monitor};
use crate::resume::{Answer, Appearance, Begun, read_answer};
use crate::stop::Stop;
use crate::transport::{ByteRange, Lane, Response, Transport};

/// With other sources left to ask, one that is silent is waited for no longer than this.
const SILENCE: Duration = Duration::from_secs(4);

/// What the first request asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    /// `None`: without a Range header, for servers that cannot cope with one.
    pub(super) range: Option<ByteRange>,
    pub(super) if_range: Option<HeaderValue>,
    pub(super) if_modified_since: Option<HeaderValue>,
    /// The version of which some is here, if any.
    pub(super) known: Option<Begun>,
}

impl Question {
    /// The same, for whatever version there is now.
    pub(super) fn without_if_range(&self) -> Self {
        Self { if_range: None, ..self.clone() }
    }
}

/// An answer that can be worked with, and the connection it came over.
pub(super) struct Probed {
    pub(super) source: Arc<Source>,
    pub(super) question: Question,
    pub(super) lane: Lane,
    pub(super) response: Response,
    pub(super) answer: Answer,
}

/// Asks until there is an answer to work with or the retries are used up.
pub(super) struct Prober<'a> {
    pub(super) transport: &'a Transport,
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
        let end = |trouble: Trouble, tries| trouble.into_failure(tries, self.what.max_size);
        sources.refill();
        let mut last = None;
        loop {
            let Some(source) = sources.first() else { return Err(end(Trouble::Stopped, 1)) };
            let ready = source.standing().hold;
            let pause = ready.saturating_duration_since(Instant::now());
            // All of them want to be left alone for longer than is waited here.
            if pause > self.what.patience
                && let Some((trouble, tried)) = last.take()
            {
                return Err(end(trouble, tried));
            }
            if !pause.is_zero() {
                tokio::select! {
                    () = sleep_until(ready) => {}
                    () = self.stop.stopped() => return Err(end(Trouble::Stopped, 1)),
                }
            }
            let question = question(&source);
            let asked = Instant::now();
            let trouble = match self.once(&source, &question, sources.others(&source)).await {
                Ok((lane, response, answer)) => {
                    return Ok(Probed { source, question, lane, response, answer });
                }
                Err(trouble) => trouble,
            };
            // One node of a farm may answer badly; two bad answers are the server's way.
            let tried = source.standing().budget.spent() + 1;
            let hopeless =
                matches!(trouble, Trouble::Protocol { .. } | Trouble::OtherPage(_)) && tried > 1;
            let spent =
                match trouble.class() == Class::Fatal || hopeless || self.tries == Tries::One {
                    true => None,
                    false => source.standing().spend(trouble.backoff(), trouble.patience(), false),
                };
            let took = asked.elapsed();
            let bearable =
                |pause: Duration| pause.max(took) <= self.what.patience || sources.others(&source);
            let spent = spent.filter(|(_, pause)| bearable(*pause));
            match spent {
                Some((tries, pause)) => {
                    let why = trouble.describe();
                    self.monitor.tell(Event::Retrying { why, pause, tries });
                    last = Some((trouble, tried));
                }
                None if matches!(trouble, Trouble::Stopped) => return Err(end(trouble, tried)),
                None => sources
                    .give_up(&source, trouble, tried, self.monitor)
                    .map_err(|(trouble, tries)| end(trouble, tries))?,
            }
        }
    }

    async fn once(
        &self,
        source: &Source,
        question: &Question,
        others: bool,
    ) -> Result<(Lane, Response, Answer), Trouble> {
        let mut lane = self.transport.lane();
        let (mut request, original, generation) =
            source.request(question.range, &self.what.headers);
        request.if_range.clone_from(&question.if_range);
        request.if_modified_since.clone_from(&question.if_modified_since);
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let limit = source.standing().answer_timeout(self.what.answer_timeout());
        let limit = if others { limit.min(SILENCE) } else { limit };
        let response = {
            // By reference: it is large, and `timeout` would move it.
            let mut asking = pin!(lane.get_for(&original, &request));
            tokio::select! {
                response = timeout(limit, asking.as_mut()) => {
                    response.map_err(|_| {
                        source.standing().did_not_answer();
                        Trouble::NoAnswer { host: host.clone(), after: limit }
                    })??
                }
                () = self.stop.stopped() => return Err(Trouble::Stopped),
            }
        };
        let host = response.url.host_str().unwrap_or_default().to_owned();
        let answer = read_answer(&response, question.range, SystemTime::now())
            .map_err(|refusal| Trouble::refused(refusal, host.clone(), false))?;
        if let (Answer::Part { identity, .. } | Answer::Whole(identity), Some(known)) =
            (&answer, &question.known)
            && known.is_displaced_by(identity, || Appearance::of(&response.headers, &response.url))
        {
            return Err(Trouble::other_page(&response));
        }
        if matches!(answer, Answer::NotModified) && question.if_modified_since.is_none() {
            return Err(Trouble::protocol(host, "status 304 to an unconditional request"));
        }
        if let Answer::Part { identity, .. } | Answer::Whole(identity) = &answer
            && let Some(is) = identity.size
        {
            check_size(self.what, &host, is)?;
        }
        source.resolved(&response.url, response.redirected, generation);
        Ok((lane, response, answer))
    }
}

/// Whether a file of `is` bytes can be the one that is asked for.
pub(super) fn check_size(what: &Download, host: &str, is: u64) -> Result<(), Trouble> {
    let wanted = match (what.size, &what.pieces) {
        (Some(size), _) if size != is => size..=size,
        (_, Some(pieces)) if !pieces.fits(is) => pieces.sizes(),
        _ => return Ok(()),
    };
    Err(Trouble::Final(Box::new(Failure::WrongSize { host: host.to_owned(), is, wanted })))
}
