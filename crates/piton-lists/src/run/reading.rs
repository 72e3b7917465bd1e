//! The thread that reads the list: it skips finished items, by the ledger, and names the rest.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use piton_checkpoint::ledger::{ErrorClass, Key, Known, Ledger, LedgerError, Reader, State};
use piton_fetch::Stop;
use tokio::sync::mpsc::Sender;

use super::job::{Job, Nameless, Read};
use super::parsing::parse;
use super::{Event, Monitor, Options, RunError, Select, Suppressed};
use crate::Item;
use crate::format::ListError;
use crate::name::{Folder, NameError, Taken, TargetPath, claim};
use crate::source::{Keyed, Source};

/// The batch size for handing over items: small at first so that the run starts, then larger, since the
/// names of new items are committed first each time.
const FIRST_BATCH: usize = 64;
const BATCH: usize = 1024;
/// The same, in bytes of the items.
const BATCH_WEIGHT: usize = 1 << 20;
/// A batch is handed over after this many items were looked at, even if it is not full.
const SEEN: usize = 4096;
/// When no one takes items any more, the rest is counted for at most this long.
pub(super) const COUNTING: Duration = Duration::from_secs(2);

/// The number of invalid lines, and of notices, to report; more would bury everything else.
const TELL: u64 = 20;

/// What was reported about the list.
#[derive(Debug, Default)]
pub(super) struct Reported {
    bad_lines: u64,
    notices: u64,
}

/// What happens to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Run { first: bool, check: bool },
    LeftOut(Option<State>),
}

/// What happens to an item in this state and, if it failed, with this class of failure.
fn fate(state: Option<State>, class: Option<&ErrorClass>, select: &Select, check: bool) -> Fate {
    let run = |first| Fate::Run { first, check: false };
    match (select, state) {
        (_, Some(State::Done)) if check && *select == Select::All => {
            Fate::Run { first: false, check: true }
        }
        (_, Some(State::Done)) => Fate::LeftOut(state),
        (Select::All, None | Some(State::Transient)) => run(false),
        (Select::All, Some(State::Interrupted)) => run(true),
        (Select::All, _) => Fate::LeftOut(state),
        (Select::Retry { .. }, None) => Fate::LeftOut(state),
        (Select::Retry { classes }, Some(_)) => {
            let wanted = |class| classes.iter().any(|classes| classes.contain(class));
            match classes.is_empty() || class.is_some_and(wanted) {
                true => run(false),
                false => Fate::LeftOut(state),
            }
        }
    }
}

/// Everything that the thread works with.
pub(super) struct Reading {
    pub(super) source: Source,
    /// What the ledger had when the run started; `None` if it was empty.
    pub(super) known: Option<Reader>,
    pub(super) ledger: Ledger,
    pub(super) folder: Folder,
    /// Names that no item may have.
    pub(super) taken: Taken,
    pub(super) options: Arc<Options>,
    pub(super) monitor: Monitor,
    /// Also ends the reading of `source`.
    pub(super) stop: Stop,
    pub(super) reported: Reported,
}

impl Reading {
    /// Reads to the end of the list. When no one takes items any more, the rest is counted, as far as that
    /// is quick.
    pub(super) fn run(mut self, to: &Sender<Vec<Read>>) -> Result<(), RunError> {
        let source = self.source.clone();
        std::thread::scope(|scope| {
            let entries = source.keyed().map_err(ListError::from)?;
            let entries = parse(scope, entries).map_err(ListError::from)?;
            match self.hand_over_all(entries.into_iter().flatten(), to) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // Whatever is wrong with the list, the next run finds it again.
                Err(RunError::List(_)) if self.stop.is_stopped() => return Ok(()),
                Err(error) => return Err(error),
            }
            let read = self.monitor.shared().read;
            self.monitor.counted(read);
            Ok(())
        })
    }

    /// `false`: it did not reach the end.
    fn hand_over_all(
        &mut self,
        entries: impl Iterator<Item = Result<Keyed, ListError>>,
        to: &Sender<Vec<Read>>,
    ) -> Result<bool, RunError> {
        let (mut batch, mut weight, mut seen) = (Vec::new(), 0, 0);
        let mut full = FIRST_BATCH;
        let mut counting_until = None;
        for entry in entries {
            let Some((item, key)) = self.item(entry?) else { continue };
            let known = match &mut self.known {
                Some(known) => known.lookup(&key)?,
                None => None,
            };
            let (state, class) = match &known {
                Some(known) => (Some(known.state), known.class.as_ref()),
                None => (None, None),
            };
            match fate(state, class, &self.options.select, self.options.check) {
                Fate::Run { first, check } if counting_until.is_none() => {
                    let read = match self.named(item, key, known.as_ref())? {
                        Read::Job(job) => Read::Job(Job { first, check, ..job }),
                        nameless => nameless,
                    };
                    weight += read.weight();
                    batch.push(read);
                }
                Fate::Run { check, .. } => self.count(check.then_some(State::Done)),
                Fate::LeftOut(state) => self.count(state),
            }
            seen += 1;
            if batch.len() < full && weight < BATCH_WEIGHT && seen < SEEN {
                continue;
            }
            (weight, seen) = (0, 0);
            if counting_until.is_some_and(|until| Instant::now() > until) {
                return Ok(false);
            }
            full = BATCH;
            if !self.hand_over(std::mem::take(&mut batch), to)? {
                counting_until.get_or_insert_with(|| Instant::now() + COUNTING);
            }
        }
        self.hand_over(batch, to)?;
        Ok(true)
    }

    /// The item, if it is one; anything else is reported, up to a limit.
    fn item(&mut self, entry: Keyed) -> Option<(Item, Key)> {
        match entry {
            Keyed::Item(item, key) => return Some((item, Key::from(key))),
            Keyed::Bad(bad) => {
                self.monitor.count(|summary| summary.bad_lines += 1);
                self.reported.bad_lines += 1;
                self.tell(self.reported.bad_lines, &Event::BadLine(&bad), Suppressed::BadLines);
            }
            Keyed::Notice(notice) => {
                self.reported.notices += 1;
                self.tell(self.reported.notices, &Event::Notice(&notice), Suppressed::Notices);
            }
        }
        None
    }

    /// Reports the `number`th event of its kind.
    fn tell(&self, number: u64, event: &Event<'_>, kind: Suppressed) {
        match number.cmp(&(TELL + 1)) {
            Ordering::Less => self.monitor.tell(event),
            Ordering::Equal => self.monitor.tell(&Event::Suppressed(kind)),
            Ordering::Greater => {}
        }
    }

    /// `false`: no one takes items any more.
    fn hand_over(&self, batch: Vec<Read>, to: &Sender<Vec<Read>>) -> Result<bool, LedgerError> {
        if batch.is_empty() {
            return Ok(!to.is_closed());
        }
        // What an item leaves on disk is under its name. Were that lost by a kill or a power cut, a list
        // in another order could give it to another item: that would find a part that is not its own
        // (G4), or a file in its way.
        self.ledger.commit_names()?;
        let items = batch.len() as u64;
        let Err(refused) = to.blocking_send(batch) else {
            self.monitor.shared().read += items;
            return Ok(true);
        };
        for read in refused.0 {
            let check = matches!(&read, Read::Job(job) if job.check);
            self.count(check.then_some(State::Done));
        }
        Ok(false)
    }

    fn named(&self, item: Item, key: Key, known: Option<&Known>) -> Result<Read, LedgerError> {
        let attempts = known.map_or(0, |known| known.attempts);
        let nameless = |item, error: NameError| {
            Ok(Read::Nameless(Nameless { item: Box::new(item), key, attempts, error }))
        };
        let wanted = match TargetPath::of(&item, self.options.naming, self.folder.path()) {
            Ok(wanted) => wanted,
            Err(error) => return nameless(item, error),
        };
        let target = claim(&self.ledger, &key, &wanted)?;
        if let Err(error) = self.taken.check(&self.folder, &target) {
            return nameless(item, error);
        }
        let renamed = target != wanted;
        Ok(Read::Job(Job { renamed, attempts, ..Job::new(item, key, target) }))
    }

    fn count(&self, state: Option<State>) {
        let mut shared = self.monitor.shared();
        shared.read += 1;
        let summary = &mut shared.summary;
        let count = match state {
            Some(State::Done) => &mut summary.done_before,
            Some(State::Transient) => &mut summary.transient,
            Some(State::Fatal) => &mut summary.fatal,
            Some(State::Quarantined) => &mut summary.quarantined,
            _ => &mut summary.remaining,
        };
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate_of(state: Option<State>, class: Option<&str>, select: &Select, check: bool) -> Fate {
        let class = class.map(|class| class.parse().unwrap());
        fate(state, class.as_ref(), select, check)
    }

    #[test]
    fn what_is_tried() {
        use State::{Done, Fatal, Interrupted, Quarantined, Transient};
        let run = Fate::Run { first: false, check: false };
        let all = |state| fate_of(state, None, &Select::All, false);
        assert_eq!(all(None), run);
        assert_eq!(all(Some(Transient)), run);
        assert_eq!(all(Some(Interrupted)), Fate::Run { first: true, check: false });
        for state in [Done, Fatal, Quarantined] {
            assert_eq!(all(Some(state)), Fate::LeftOut(Some(state)));
        }
        let check = fate_of(Some(Done), None, &Select::All, true);
        assert_eq!(check, Fate::Run { first: false, check: true });
    }

    #[test]
    fn what_is_tried_again() {
        use State::{Done, Fatal, Quarantined, Transient};
        let run = Fate::Run { first: false, check: false };
        let any = Select::Retry { classes: Vec::new() };
        assert_eq!(fate_of(None, None, &any, false), Fate::LeftOut(None));
        assert_eq!(fate_of(Some(Done), None, &any, true), Fate::LeftOut(Some(Done)));
        assert_eq!(fate_of(Some(Quarantined), None, &any, false), run);
        let classes = vec!["5xx".parse::<ErrorClass>().unwrap().into()];
        let some = Select::Retry { classes };
        assert_eq!(fate_of(Some(Transient), Some("503"), &some, false), run);
        let other = fate_of(Some(Fatal), Some("404"), &some, false);
        assert_eq!(other, Fate::LeftOut(Some(Fatal)));
    }
}
