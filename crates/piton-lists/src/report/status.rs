//! The progress of a list, from the ledger.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use piton_checkpoint::ledger::{
    ErrorClass, HostTotal, Known, PastRun, Rate, Reader, State, flight,
};

use super::ReportError;
use crate::format::ListError;
use crate::source::{Keyed, Source};

/// Minutes over which the rate is computed.
const MINUTES: u32 = 10;
/// Hosts to name.
const HOSTS: u32 = 10;

/// The progress of a list. Counts refer to the items that are in it now.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Items in the list.
    pub items: u64,
    /// Invalid lines; not counted among the items.
    pub bad_lines: u64,
    /// Never started, or started by the current run.
    pub pending: u64,
    /// Done: their files were complete and durable.
    pub done: u64,
    /// Failed in a way that may pass.
    pub transient: u64,
    /// Failed permanently.
    pub fatal: u64,
    /// In flight when a run died.
    pub interrupted: u64,
    /// In flight at too many such deaths.
    pub quarantined: u64,
    /// Bytes of the finished files.
    pub bytes: u64,
    /// Failures by class, the most frequent first.
    pub classes: Vec<(ErrorClass, u64)>,
    /// Items that the ledger knows but the list no longer has.
    pub elsewhere: u64,
    /// Items in flight, in the current run or one that died.
    pub in_flight: usize,
    /// Hosts with the most failures, over everything in the ledger.
    pub worst_hosts: Vec<HostTotal>,
    /// What was finished in the last ten minutes, over everything in the ledger.
    pub rate: Rate,
    /// The last run.
    pub last_run: Option<PastRun>,
}

impl Status {
    /// Items that the current or next run will try.
    pub fn remaining(&self) -> u64 {
        self.pending.saturating_add(self.transient).saturating_add(self.interrupted)
    }

    /// How long these take at the rate of the last minutes; `None` if nothing was done then.
    pub fn time_left(&self) -> Option<Duration> {
        let tries = self.rate.done.saturating_add(self.rate.failed);
        let each = (tries > 0).then(|| self.rate.over as f64 / tries as f64 / 1000.0)?;
        Duration::try_from_secs_f64(each * self.remaining() as f64).ok()
    }
}

/// The progress of the list in `source`, by the ledger at `ledger`; `now` is in milliseconds since 1970.
/// Takes no lock. Reads the whole list: about a second for a million items.
///
/// # Errors
/// [`ReportError`].
pub fn status(source: &Source, ledger: &Path, now: u64) -> Result<Status, ReportError> {
    let mut reader = Reader::open(ledger)?;
    let mut status = Status {
        items: 0,
        bad_lines: 0,
        pending: 0,
        done: 0,
        transient: 0,
        fatal: 0,
        interrupted: 0,
        quarantined: 0,
        bytes: 0,
        classes: Vec::new(),
        elsewhere: 0,
        in_flight: flight::in_flight(ledger)?.len(),
        worst_hosts: reader.worst_hosts(HOSTS)?,
        rate: reader.rate(now, MINUTES)?,
        last_run: reader.runs(1)?.pop(),
    };
    let mut classes = BTreeMap::new();
    for keyed in source.keyed().map_err(ListError::from)? {
        match keyed? {
            Keyed::Item(_, key) => {
                status.count(reader.lookup(key.as_bytes())?.as_ref(), &mut classes);
            }
            Keyed::Bad(_) => status.bad_lines += 1,
            Keyed::Notice(_) => {}
        }
    }
    status.classes = classes.into_iter().collect();
    status.classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let here = status.items.saturating_sub(status.pending);
    status.elsewhere = reader.totals()?.all().items.saturating_sub(here);
    Ok(status)
}

impl Status {
    fn count(&mut self, known: Option<&Known>, classes: &mut BTreeMap<ErrorClass, u64>) {
        self.items += 1;
        let Some(known) = known else {
            self.pending += 1;
            return;
        };
        match known.state {
            State::Done => {
                self.done += 1;
                self.bytes = self.bytes.saturating_add(known.size.unwrap_or(0));
            }
            State::Transient => self.transient += 1,
            State::Fatal => self.fatal += 1,
            State::Interrupted => self.interrupted += 1,
            State::Quarantined => self.quarantined += 1,
            _ => self.pending += 1,
        }
        if let Some(class) = &known.class {
            *classes.entry(class.clone()).or_default() += 1;
        }
    }
}
