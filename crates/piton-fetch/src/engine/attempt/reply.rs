//! The first question and its answer.

use std::sync::Arc;

use piton_checkpoint::Change;
use piton_durable::part::PartError;

use super::here::Here;
use super::{Again, Asking, Attempt, End};
use crate::download::Outcome;
use crate::engine::mirrors::Source;
use crate::engine::probe::{Probed, Prober, Question, Tries};
use crate::engine::tools::RangeRefusal;
use crate::engine::transfer_error::{TransferError, not_the_file};
use crate::failure::{Failure, NotTheFile};
use crate::monitor::Event;
use crate::resume::{is_among, media_type, odd_type};
use piton_remote::blocking;
use piton_remote::{Body, Connection, Head, Holds};

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
    pub(super) head: Head,
    pub(super) holds: Holds,
    /// The body, which is waiting, and the connection that it comes over. `None`: only a byte was asked for.
    pub(super) exchange: Option<Exchange>,
}

/// A body that is waiting.
pub(super) struct Exchange {
    pub(super) connection: Connection,
    pub(super) body: Body,
}

impl Reply {
    /// Whether the server gives ranges.
    pub(super) fn is_ranged(&self) -> bool {
        matches!(self.holds, Holds::Part { .. })
    }
}

impl Attempt<'_> {
    /// Asks, and reads the answer. `repeat` is asked instead of what is usual.
    pub(super) async fn ask(&self, here: &Here, repeat: Option<Question>) -> Result<Answered, End> {
        let prober = self.prober(match self.asking {
            Asking::WholeInstead => Tries::One,
            Asking::Range | Asking::Whole => Tries::Usual,
        });
        let question = |source: &Source| match &repeat {
            Some(question) => question.clone(),
            None => self.question(here, source),
        };
        self.sources.refill();
        let asked = prober.ask(&self.sources, question).await;
        let refusal = match &asked {
            Ok(_) => Some(RangeRefusal::OfRanges),
            Err(Failure::Refused { .. }) => Some(RangeRefusal::OfTheFile),
            Err(_) => None,
        };
        if let Some(refusal) = refusal.filter(|_| self.asking == Asking::WholeInstead) {
            self.tools.remember_refusal(&self.what.url, refusal);
        }
        asked.map_err(End::from).and_then(|probed| self.read(probed)).map_err(|end| match end {
            End::Failed(Failure::Protocol { .. }) if self.asking == Asking::Range => {
                Again::WithoutRanges.into()
            }
            End::Failed(failure) if self.may_mind_the_range(&failure) => {
                Again::RangeRefused(failure).into()
            }
            end => end,
        })
    }

    pub(super) fn prober(&self, tries: Tries) -> Prober<'_> {
        let Self { tools, what, monitor, stop, .. } = self;
        Prober { remote: &tools.remote, what, monitor, stop, tries }
    }

    /// Whether a refusal may be one of the range, which is piton's wish and nobody else's. Asked without it
    /// once, and then remembered for the host.
    fn may_mind_the_range(&self, failure: &Failure) -> bool {
        let Failure::Refused { refusal, .. } = failure else { return false };
        let may_be = refusal.kind.may_mind_the_range();
        let known = self.tools.refusal_of(&self.what.url);
        self.asking == Asking::Range && may_be && known.is_none()
    }

    fn read(&self, probed: Probed) -> Result<Answered, End> {
        let Probed { source, question, connection, reply } = probed;
        let piton_remote::Reply { head, holds, body, .. } = reply;
        match holds {
            Holds::Whole | Holds::Part { .. } => {}
            Holds::NotNewer => return Ok(Answered::NotNewer),
            Holds::OutOfRange { .. } => return Err(self.out_of_range(&question)),
        }
        let identity = &head.identity;
        let known = question.known.as_ref().and_then(|known| known.identity.size);
        if matches!(holds, Holds::Part { .. }) && identity.size.or(known).is_none() {
            // Where it ends would be found out only by asking beyond it.
            let why = "a range of a file whose length it does not say".to_owned();
            return Err(Failure::Protocol { host: source.host(), why }.into());
        }
        if let Some(limit) = self.what.max_size
            && identity.size.is_some_and(|size| size > limit)
        {
            return Err(Failure::TooLarge { limit }.into());
        }
        if !self.what.expect_types.is_empty()
            && let Some(media_type) = media_type(&head)
            && !is_among(&media_type, &self.what.expect_types)
        {
            let why = NotTheFile::Unexpected(self.what.expect_types.clone().into());
            return Err(not_the_file(&head.url, &media_type, why).into());
        }
        let exchange = Some(Exchange { connection, body });
        let reply = Reply { source, question, head, holds, exchange };
        Ok(Answered::Reply(Box::new(reply)))
    }

    /// An empty file, a server that refuses every range, a file that is no longer as long as what was asked
    /// for, or a page in its place. The whole tells which.
    fn out_of_range(&self, question: &Question) -> End {
        match question.range {
            Some(_) => Again::WithoutRanges.into(),
            None => {
                let host = piton_remote::host_of(&self.what.url);
                let why = "it refuses a range that was not requested".to_owned();
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
        let error = TransferError::OtherFile(change);
        let given_up = self.sources.give_up(source, error, &self.monitor);
        given_up.map_err(|error| error.into_failure().into())
    }

    /// A page that would replace a file is no version of it; where nothing is lost, it is saved with a warning.
    pub(super) fn check_type(&self, here: &Here, reply: &Reply) -> Result<(), End> {
        let path = match here {
            Here::Vacant(path) => path.as_path(),
            // What was begun looks like that, or is compared with what it looked like.
            Here::Part(part) if part.have().is_empty() => part.target.path(),
            _ => return Ok(()),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let media_type = reply.head.media_type().and_then(|value| odd_type(&name, value));
        let Some(media_type) = media_type else { return Ok(()) };
        if !self.what.expect_types.is_empty() {
            return Ok(());
        }
        let io = |source| PartError::Io { what: "look at", path: path.to_owned(), source };
        let replaces = self.tools.fs.stat(path).map_err(io)?.is_some_and(|there| there.len > 0);
        if replaces {
            return Err(not_the_file(&reply.head.url, &media_type, NotTheFile::Replaces).into());
        }
        self.monitor.tell(Event::OddType { path: path.to_owned(), media_type });
        Ok(())
    }

    /// Says where the body is not as it is stored.
    pub(super) fn report_coding(&self, reply: &Reply) {
        if let Some(coding) = reply.head.encoding.clone() {
            self.monitor.tell(Event::Encoded { coding });
        }
    }
}
