//! The first question and its answer.

use std::sync::Arc;

use piton_checkpoint::{Change, Identity};

use super::here::Here;
use super::{Again, Asking, Attempt, End};
use crate::blocking::blocking;
use crate::download::Outcome;
use crate::engine::mirrors::Source;
use crate::engine::probe::{Probed, Prober, Question};
use crate::engine::trouble::Trouble;
use crate::failure::Failure;
use crate::monitor::Event;
use crate::parse::content_coding::content_coding;
use crate::resume::Answer;
use crate::transport::{Lane, Response};

/// What the first question leads to.
pub(super) enum Answered {
    /// The file, or some of it.
    Reply(Box<Reply>),
    /// It is not newer than what is here.
    NotNewer,
}

/// An answer with bytes of the file.
pub(super) struct Reply {
    pub(super) source: Arc<Source>,
    pub(super) question: Question,
    /// Of the whole.
    pub(super) identity: Identity,
    /// Content-Encoding, if the body is not as it is stored.
    pub(super) encoding: Option<String>,
    pub(super) holds: Holds,
    /// The body, which is waiting, and the connection that it comes over. `None`: only a byte was asked for.
    pub(super) exchange: Option<Exchange>,
}

/// A body that is waiting.
pub(super) struct Exchange {
    pub(super) lane: Lane,
    pub(super) response: Response,
}

/// What the body of the first answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// All, from byte 0.
    Whole,
    /// From the first number up to and without the second.
    Range(u64, u64),
}

impl Reply {
    /// Whether the server gives ranges.
    pub(super) fn is_ranged(&self) -> bool {
        matches!(self.holds, Holds::Range(..))
    }
}

impl Attempt<'_> {
    /// Asks, and reads the answer. `repeat` is asked instead of what is usual.
    pub(super) async fn ask(&self, here: &Here, repeat: Option<Question>) -> Result<Answered, End> {
        let prober = Prober {
            transport: &self.tools.transport,
            what: &self.what,
            monitor: &self.monitor,
            stop: &self.stop,
        };
        let question = |source: &Source| match &repeat {
            Some(question) => question.clone(),
            None => self.question(here, source),
        };
        let asked = prober.ask(&self.sources, question).await;
        asked.map_err(End::from).and_then(|probed| self.read(here, probed)).map_err(|end| match end
        {
            End::Failed(Failure::Protocol { .. }) if self.asking == Asking::Range => {
                Again::WithoutRanges.into()
            }
            end => end,
        })
    }

    fn read(&self, here: &Here, probed: Probed) -> Result<Answered, End> {
        let Probed { source, question, lane, response, answer } = probed;
        let (identity, holds) = match answer {
            Answer::Part { first, end, identity } => (identity, Holds::Range(first, end)),
            Answer::Whole(identity) => (identity, Holds::Whole),
            Answer::NotModified => return Ok(Answered::NotNewer),
            Answer::Unsatisfied(total) => return Err(self.unsatisfied(here, total, &question)),
        };
        let known = question.known.as_ref().and_then(|known| known.size);
        if matches!(holds, Holds::Range(..)) && identity.size.or(known).is_none() {
            // Where it ends would be found out only by asking beyond it.
            let why = "a range of a file whose length it does not say".to_owned();
            return Err(Failure::Protocol { host: source.host(), why }.into());
        }
        if let Some(limit) = self.what.max_size
            && identity.size.is_some_and(|size| size > limit)
        {
            return Err(Failure::TooLarge { limit }.into());
        }
        let encoding = content_coding(&response.headers);
        let exchange = Some(Exchange { lane, response });
        let reply = Reply { source, question, identity, encoding, holds, exchange };
        Ok(Answered::Reply(Box::new(reply)))
    }

    /// 416: an empty file, a server that refuses every range, or a file that is no longer as long
    /// as what was asked for.
    fn unsatisfied(&self, here: &Here, total: Option<u64>, question: &Question) -> End {
        let was = match here {
            Here::Part(part) => part.meta.as_ref().and_then(|meta| meta.identity.size),
            _ => None,
        };
        match (question.range, was, total) {
            (Some(range), Some(was), Some(is)) if range.first > 0 && was != is => {
                Again::StartOver(Change::Size { was, is }).into()
            }
            (Some(_), ..) => Again::WithoutRanges.into(),
            (None, ..) => {
                let host = self.what.url.host_str().unwrap_or_default().to_owned();
                let why = "status 416 to a request without a range".to_owned();
                Failure::Protocol { host, why }.into()
            }
        }
    }

    /// There is no answer to work with. A part that was never begun is not left behind.
    pub(super) async fn leave(&self, here: Here, end: End) -> End {
        let (mut saved, mut place) = (0, None);
        match here {
            Here::Vacant(path) => place = Some(path),
            Here::Part(part) => {
                saved = part.have().len();
                place = Some(part.target.path().to_owned());
                if part.recovered.meta.is_none() {
                    // Failing to remove an empty file changes nothing.
                    let _ = blocking(move || part.part.discard()).await;
                }
            }
            Here::Unnamed { .. } | Here::File(_) => {}
        }
        match end {
            End::Failed(Failure::Stopped { .. }) => {
                Failure::Stopped { have: saved, path: place }.into()
            }
            end => end,
        }
    }

    /// The file that is here is as new as that of the server.
    pub(super) async fn not_newer(&self, here: Here) -> Result<Outcome, Failure> {
        let path = match here {
            Here::File(existing) => existing.path,
            _ => Default::default(),
        };
        Ok(Outcome { not_newer: true, ..self.already(path).await? })
    }

    /// `source` has another file than the one that was begun: the others are asked.
    ///
    /// # Errors
    /// There is no other.
    pub(super) fn give_up(&self, source: &Source, change: Change) -> Result<(), End> {
        let given_up = self.sources.give_up(source, Trouble::OtherFile(change), 1, &self.monitor);
        given_up.map_err(|(trouble, tries)| trouble.into_failure(tries, self.what.max_size).into())
    }

    /// Says where the body is not as it is stored.
    pub(super) fn report_coding(&self, reply: &Reply) {
        if let Some(coding) = reply.encoding.clone() {
            self.monitor.tell(Event::Encoded { coding });
        }
    }
}
