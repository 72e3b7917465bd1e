//! What a failed connection calls for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use piton_checkpoint::{Change, Class};
use tokio::time::Instant;

use super::{LOOK, SILENCE, Transfer};
use crate::engine::mirrors::{Sharing, Source};
use crate::engine::transfer_error::TransferError;
use crate::monitor::Event;
use piton_remote::RemoteError;

/// Beside connections that are served, a server is not left alone for longer than this.
const CROWDED: Duration = Duration::from_secs(60);

/// One node of a farm may answer badly; more bad answers than this are the server's way.
const BAD_ANSWERS: u32 = 2;

impl Transfer {
    /// Decides what a failed connection to `source` calls for: `Ok` to go on, `Err` to end the
    /// transfer.
    pub(super) fn on_failure(
        &mut self,
        source: &Arc<Source>,
        trouble: TransferError,
        begun: Instant,
    ) -> Result<(), (TransferError, u32)> {
        let whoever = matches!(
            trouble,
            TransferError::Local(_) | TransferError::Stopped | TransferError::TooLarge
        );
        if !self.ranged || whoever {
            return Err((trouble, 1));
        }
        match trouble {
            // Its few bytes are no progress: it could go on like that for ever.
            TransferError::Remote(RemoteError::TooSlow { .. }) => {
                source.standing().crept(source.fetched());
            }
            _ => source.standing().progressed(source.fetched()),
        }
        match trouble {
            TransferError::Replaced => {
                self.job.monitor.tell(Event::Replaced);
                return Ok(());
            }
            // What is under way is one version, and may well bring all of it: only a second answer cannot be
            // joined with it, and piton asked for that one on its own account.
            TransferError::Changed(Change::Tag | Change::Time { .. } | Change::Nameless)
                if source.working.load(Ordering::Relaxed) == 1
                    && !self.job.sources.others(source)
                    && self.workers.len() == 1 =>
            {
                self.count.single();
                return Ok(());
            }
            TransferError::Changed(change) => return self.changed(source, change),
            _ => {}
        }
        let others = source.working.load(Ordering::Relaxed);
        // Only beside connections that are served does it mean that they are too many; a server
        // that is away refuses all of them.
        if source.serving.load(Ordering::Relaxed) > 0 && trouble.is_crowding() {
            self.crowded(source, others, &trouble);
            return Ok(());
        }
        let bad_answers = {
            let mut standing = source.standing();
            if trouble.is_broken() || matches!(trouble, TransferError::OtherPage(_)) {
                standing.bad_answers += 1;
            }
            standing.bad_answers
        };
        let unfit = matches!(trouble, TransferError::NoRanges) || bad_answers > BAD_ANSWERS;
        if others > 0 && unfit && !self.job.sources.others(source) {
            // What is under way continues; nothing new is asked for beside it.
            self.count.single();
            return Ok(());
        }
        let tried = source.standing().budget.spent() + 1;
        if trouble.class() == Class::Fatal || bad_answers > BAD_ANSWERS {
            return self.give_up(source, trouble, tried);
        }
        let spent = {
            let mut standing = source.standing();
            // Connections that were under way when the last failure was borne failed with it: an
            // outage counts once, not once for each connection.
            if standing.budget.spent() > 0 && begun <= standing.spent_at.1 {
                return Ok(());
            }
            standing.spend(
                trouble.backoff(),
                trouble.requested_pause(),
                trouble.class() == Class::ResolveAgain,
            )
        };
        let others = self.job.sources.others(source);
        if others
            && self.job.sharing == Sharing::FailOver
            && matches!(trouble, TransferError::Stalled { .. } | TransferError::NoAnswer { .. })
        {
            return self.give_up(source, trouble, tried);
        }
        let longest = match (others, self.job.sharing) {
            (false, _) => self.job.what.longest_pause,
            (true, Sharing::FailOver) => SILENCE,
            (true, _) => Duration::MAX,
        };
        let bearable = |pause| pause <= longest;
        let Some((tries, pause)) = spent.filter(|(_, pause)| bearable(*pause)) else {
            return self.give_up(source, trouble, tried);
        };
        self.job.monitor.tell(Event::Retrying { why: trouble.describe(), pause, tries });
        Ok(())
    }

    /// `source` serves, and minds one more connection beside `others`.
    fn crowded(&mut self, source: &Source, others: u32, trouble: &TransferError) {
        let limit = if self.job.sources.several() {
            let mut standing = source.standing();
            let limit = others.clamp(1, standing.limit);
            let changed = limit < standing.limit;
            standing.limit = limit;
            changed.then_some(limit)
        } else {
            self.count.refused(others + 1)
        };
        if let Some(limit) = limit {
            self.job.monitor.tell(Event::FewerConnections { limit });
        }
        // Asked again when it is alone: what it says then counts.
        let longest = if self.job.sources.others(source) { SILENCE } else { CROWDED };
        let pause = trouble.requested_pause().filter(|pause| *pause <= longest);
        source.standing().hold_for(pause.unwrap_or(LOOK));
    }

    /// The file at `source` is another one now. Where digests judge, the others carry on without it.
    fn changed(&mut self, source: &Source, change: Change) -> Result<(), (TransferError, u32)> {
        match self.job.sharing {
            Sharing::SideBySide => self.give_up(source, TransferError::Changed(change), 1),
            Sharing::One | Sharing::FailOver => Err((TransferError::Changed(change), 1)),
        }
    }

    /// `source` is of no more use; ends the transfer if nobody else is.
    pub(super) fn give_up(
        &mut self,
        source: &Source,
        trouble: TransferError,
        tries: u32,
    ) -> Result<(), (TransferError, u32)> {
        let sources = &self.job.sources;
        sources.give_up(source, trouble, tries, &self.job.monitor)?;
        // Beside others it may have been left alone for hours. Now it has to say so again.
        if let Some(last) = sources.alive().next().filter(|last| !sources.others(last)) {
            last.standing().hold_at_most(self.job.what.longest_pause);
        }
        if self.job.sharing == Sharing::FailOver {
            // Nothing of it may come in beside bytes of the next one.
            self.call_back(source.id);
        }
        Ok(())
    }
}
