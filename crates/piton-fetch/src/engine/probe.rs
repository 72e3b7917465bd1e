//! The first question: a ranged GET whose body is already the first segment.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use piton_checkpoint::{Backoff, Budget, Class, Identity};
use tokio::time::{sleep, timeout};

use super::job::Link;
use super::trouble::Trouble;
use crate::client::Stop;
use crate::download::Download;
use crate::error::Failure;
use crate::monitor::{Event, Monitor};
use crate::resume::{Answer, STRANGER, is_stranger, read_answer};
use crate::transport::{ByteRange, Lane, Request, Response, Transport};

/// What the first request asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    /// `None`: without a Range header, for servers that cannot cope with one.
    pub(super) range: Option<ByteRange>,
    pub(super) if_range: Option<HeaderValue>,
    pub(super) if_modified_since: Option<HeaderValue>,
    /// The version of which some is here, if any.
    pub(super) known: Option<Identity>,
}

/// An answer that can be worked with, and the connection it came over.
pub(super) struct Probed {
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
}

impl Prober<'_> {
    /// Asks. `link` learns where redirects lead to.
    ///
    /// # Errors
    /// [`Failure`] of any kind that an answer can mean; 304 and 416 are answers, not errors.
    pub(super) async fn ask(
        &self,
        link: &mut Link,
        question: &Question,
    ) -> Result<Probed, Failure> {
        let mut budget = Budget::new(self.what.retries);
        let backoff = Backoff::default();
        loop {
            let trouble = match self.once(link, question).await {
                Ok(probed) => return Ok(probed),
                Err(trouble) => trouble,
            };
            // One node of a farm may answer badly; two bad answers are the server's way.
            let tried = budget.spent() + 1;
            let hopeless = matches!(trouble, Trouble::Protocol { .. }) && tried > 1;
            if trouble.class() == Class::Fatal || hopeless {
                return Err(trouble.into_failure(tried, self.what.max_size));
            }
            let Some(tries) = budget.spend() else {
                return Err(trouble.into_failure(tried, self.what.max_size));
            };
            let random = getrandom::u64().unwrap_or(u64::MAX);
            let pause = trouble.patience().unwrap_or_else(|| backoff.pause(tries, random));
            if pause > self.what.patience {
                return Err(trouble.into_failure(tried, self.what.max_size));
            }
            let why = trouble.describe();
            self.monitor.tell(Event::Retrying { why, pause, tries });
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.stopped() => return Err(Failure::Stopped { have: 0, path: None }),
            }
        }
    }

    async fn once(&self, link: &mut Link, question: &Question) -> Result<Probed, Trouble> {
        let mut lane = self.transport.lane();
        let mut request = Request::new(link.address().clone());
        request.range = question.range;
        request.if_range.clone_from(&question.if_range);
        request.if_modified_since.clone_from(&question.if_modified_since);
        let original = link.original.clone();
        let host = request.url.host_str().unwrap_or_default().to_owned();
        // An address that has to be connected to, redirected and thought over takes its time.
        let limit = self.what.stall_timeout.max(Duration::from_secs(1));
        let response = tokio::select! {
            response = timeout(limit, lane.get_for(&original, &request)) => {
                response.map_err(|_| Trouble::Stalled { host: host.clone(), after: limit })??
            }
            () = self.stop.stopped() => return Err(Trouble::Stopped),
        };
        let host = response.url.host_str().unwrap_or_default().to_owned();
        let answer = read_answer(&response, question.range, SystemTime::now())
            .map_err(|refusal| Trouble::refused(refusal, host.clone(), false))?;
        if let (Answer::Whole(now), Some(known)) = (&answer, &question.known)
            && is_stranger(known, now)
        {
            return Err(Trouble::protocol(host, STRANGER));
        }
        if matches!(answer, Answer::NotModified) && question.if_modified_since.is_none() {
            return Err(Trouble::protocol(host, "status 304 to an unconditional request"));
        }
        if response.redirected {
            link.resolved = Some(response.url.clone());
        }
        Ok(Probed { lane, response, answer })
    }
}
