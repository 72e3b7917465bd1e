//! What a failed connection calls for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use piton_checkpoint::{Change, Class};
use tokio::time::Instant;

use super::{LOOK, SILENCE, Transfer};
use crate::engine::mirrors::{Sharing, Source};
use crate::engine::retry::{Next, requested_pause};
use crate::engine::transfer_error::TransferError;
use crate::monitor::Event;

/// Beside connections that are served, a server is not left alone for longer than this.
const CROWDED: Duration = Duration::from_secs(60);

impl Transfer {
    /// Decides what a failed connection to `source` calls for that began at `begun`: `Ok` to continue, `Err` to end
    /// the transfer.
    pub(super) fn on_failure(
        &mut self,
        source: &Arc<Source>,
        error: TransferError,
        begun: Instant,
    ) -> Result<(), TransferError> {
        if !self.ranged || error.ends_all() {
            return Err(error);
        }
        match error.is_creeping() {
            // Its few bytes are no progress: it could continue like that for ever.
            true => source.standing().crept(source.fetched()),
            false => source.standing().progressed(source.fetched()),
        }
        let working = source.working.load(Ordering::Relaxed);
        let others = self.job.sources.others(source);
        match error {
            TransferError::Replaced => {
                self.job.monitor.tell(Event::Replaced);
                return Ok(());
            }
            // What is under way is one version, and may well bring all of it: only a second answer cannot be
            // joined with it, and piton asked for that one on its own account.
            TransferError::Changed(Change::Tag | Change::Time { .. } | Change::Nameless)
                if working == 1 && !others && self.workers.len() == 1 =>
            {
                self.count.single();
                return Ok(());
            }
            // Where digests judge, the others carry on without it.
            TransferError::Changed(_) if self.job.sharing != Sharing::SideBySide => {
                return Err(error);
            }
            TransferError::Changed(_) => return self.give_up(source, error),
            _ => {}
        }
        // Only beside connections that are served does it mean that they are too many; a server
        // that is away refuses all of them.
        if source.serving.load(Ordering::Relaxed) > 0 && error.is_crowding() {
            self.crowded(source, working, &error);
            return Ok(());
        }
        if error.class() != Class::Fatal && source.standing().was_counted(begun) {
            return Ok(());
        }
        let longest = match (others, self.job.sharing) {
            (false, _) => self.job.what.longest_pause,
            (true, Sharing::FailOver) if error.is_silence() => Duration::ZERO,
            (true, Sharing::FailOver) => SILENCE,
            (true, _) => Duration::MAX,
        };
        let next = source.standing().failed(&error, longest);
        match next {
            Next::Again { tries, pause } => {
                self.job.monitor.tell(Event::Retrying { why: error.describe(), pause, tries });
                Ok(())
            }
            // What is under way continues; nothing new is asked for beside it.
            Next::GiveUp { .. }
                if working > 0
                    && !others
                    && (error.is_bad_answer() || matches!(error, TransferError::NoRanges)) =>
            {
                self.count.single();
                Ok(())
            }
            Next::GiveUp { tries } => self.give_up(source, error.after(tries)),
        }
    }

    /// `source` serves, and minds one more connection beside `others`.
    fn crowded(&mut self, source: &Source, others: u32, error: &TransferError) {
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
        let pause = requested_pause(error).filter(|pause| *pause <= longest);
        source.standing().hold_for(pause.unwrap_or(LOOK));
    }

    /// `source` is of no more use; ends the transfer if nobody else is.
    pub(super) fn give_up(
        &mut self,
        source: &Source,
        error: TransferError,
    ) -> Result<(), TransferError> {
        let sources = &self.job.sources;
        sources.give_up(source, error, &self.job.monitor)?;
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
