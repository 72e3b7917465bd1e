//! What a failed connection calls for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use piton_checkpoint::{Change, Class};
use tokio::time::Instant;

use super::{LOOK, Transfer};
use crate::engine::finish::take_back;
use crate::engine::mirrors::Source;
use crate::engine::trouble::Trouble;
use crate::monitor::Event;
use crate::transport::TransportError;

/// One node of a farm may answer badly; more bad answers than this are the server's way.
const BAD_ANSWERS: u32 = 2;

impl Transfer {
    /// Decides what a failed connection to `source` calls for: `Ok` to go on, `Err` to end the
    /// transfer.
    pub(super) fn bear(
        &mut self,
        source: &Arc<Source>,
        trouble: Trouble,
        begun: Instant,
    ) -> Result<(), (Trouble, u32)> {
        let whoever = matches!(trouble, Trouble::Local(_) | Trouble::Stopped | Trouble::TooLarge);
        if !self.ranged || whoever {
            return Err((trouble, 1));
        }
        match trouble {
            // Its few bytes are no progress: it could go on like that for ever.
            Trouble::Transport(TransportError::TooSlow { .. }) => {
                source.standing().crept(source.fetched());
            }
            _ => source.standing().progressed(source.fetched()),
        }
        match trouble {
            Trouble::Replaced => {
                self.job.monitor.tell(Event::Replaced);
                return Ok(());
            }
            Trouble::Changed(change) => return self.changed(source, change),
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
            if matches!(trouble, Trouble::Protocol { .. }) {
                standing.bad_answers += 1;
            }
            standing.bad_answers
        };
        let unfit = matches!(trouble, Trouble::NoRanges) || bad_answers > BAD_ANSWERS;
        if others > 0 && unfit && !self.job.sources.others(source) {
            // What is under way goes on; nothing new is asked for beside it.
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
            standing.spend(trouble.patience(), trouble.class() == Class::ResolveAgain)
        };
        let patience = self.job.what.patience;
        let bearable = |pause| pause <= patience || self.job.sources.others(source);
        let Some((tries, pause)) = spent.filter(|(_, pause)| bearable(*pause)) else {
            return self.give_up(source, trouble, tried);
        };
        self.job.monitor.tell(Event::Retrying { why: trouble.describe(), pause, tries });
        Ok(())
    }

    /// `source` serves, and minds one more connection beside `others`.
    fn crowded(&mut self, source: &Source, others: u32, trouble: &Trouble) {
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
        source.standing().hold_for(trouble.patience().unwrap_or(LOOK));
    }

    /// An answer of `source` shows that two versions are about: that of the reference counts, and who
    /// differs from it is dropped with all that it gave (G4).
    fn changed(&mut self, source: &Arc<Source>, change: Change) -> Result<(), (Trouble, u32)> {
        let sources = Arc::clone(&self.job.sources);
        let gave = match change {
            Change::Bytes { at } => {
                self.job.origins().of(at).and_then(|id| sources.get(id).cloned())
            }
            _ => None,
        };
        let wrong = if !sources.is_reference(source) {
            Arc::clone(source)
        } else {
            match gave {
                Some(gave) if gave.id != source.id => gave,
                // The file itself is another one now.
                _ => return Err((Trouble::Changed(change), 1)),
            }
        };
        self.purges.insert(wrong.id);
        self.give_up(&wrong, Trouble::Changed(change), 1)
    }

    /// `source` is of no more use; ends the transfer if nobody else is.
    pub(super) fn give_up(
        &mut self,
        source: &Source,
        trouble: Trouble,
        tries: u32,
    ) -> Result<(), (Trouble, u32)> {
        self.job.sources.give_up(source, trouble, tries, &self.job.monitor)
    }

    /// Takes back what came from sources that turned out to have another file, once none of their
    /// connections is at work any more.
    pub(super) async fn purge(&mut self) -> Result<(), (Trouble, u32)> {
        for id in self.purges.clone() {
            // To drop a connection is like a kill: nothing is half written.
            let of_source = self.sent.iter().filter(|(other, _)| *other == id);
            of_source.for_each(|(_, handle)| handle.abort());
            let source = self.job.sources.get(id);
            if source.is_some_and(|source| source.working.load(Ordering::Relaxed) > 0) {
                continue;
            }
            self.purges.remove(&id);
            let ranges = self.job.origins().from(id);
            let taken = take_back(&self.job, ranges).await;
            taken.map_err(|error| (Trouble::Local(error), 1))?;
        }
        Ok(())
    }
}
