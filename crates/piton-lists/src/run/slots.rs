//! The slots of items in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use piton_checkpoint::ledger::InFlight;
use piton_fetch::Share;
use tokio::sync::Notify;

use crate::flow::Moment;

/// An item in progress for this long is not the cause of a crash: a cause usually acts at once.
pub(super) const HARMLESS: Duration = Duration::from_secs(10);

/// The slots that tries hold: each allows one more request to a host, and one more file.
#[derive(Default)]
pub(super) struct Slots {
    held: HashMap<u64, Slot>,
    landing: Landing,
}

/// A slot, as the queue gave it.
pub(super) struct Slot {
    pub(super) host: Arc<str>,
    pub(super) begun: Moment,
    pub(super) flight: Weak<InFlight>,
    /// The connections that it may use.
    pub(super) share: Share,
}

/// Notified of tries that have received all bytes: they wait only for the disk, together with many others,
/// and hold up neither the network nor a host.
#[derive(Clone, Default)]
pub(super) struct Landing {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    numbers: Mutex<Vec<u64>>,
    told: Notify,
}

impl Slots {
    /// Where tries report that they land.
    pub(super) fn landing(&self) -> &Landing {
        &self.landing
    }

    /// This try holds this slot.
    pub(super) fn hold(&mut self, number: u64, slot: Slot) {
        self.held.insert(number, slot);
    }

    /// Slots in use.
    pub(super) fn held(&self) -> impl Iterator<Item = &Slot> {
        self.held.values()
    }

    /// The slot of a finished try, if it still had one.
    pub(super) fn give_back(&mut self, number: u64) -> Option<Slot> {
        self.held.remove(&number)
    }

    /// Records, for a run after a crash, which items this process has survived for long.
    pub(super) fn note_the_harmless(&self, now: Moment) {
        let long = |slot: &&Slot| now.saturating_sub(slot.begun) >= HARMLESS;
        let flights = self.held.values().filter(long).filter_map(|slot| slot.flight.upgrade());
        flights.for_each(|flight| flight.mark_harmless());
    }

    /// The slots of tries that have landed since the last call.
    pub(super) fn landed(&mut self) -> Vec<Slot> {
        let numbers = std::mem::take(&mut *self.landing.numbers());
        numbers.into_iter().filter_map(|number| self.held.remove(&number)).collect()
    }
}

impl Landing {
    /// This try has received all bytes.
    pub(super) fn tell(&self, number: u64) {
        self.numbers().push(number);
        self.shared.told.notify_one();
    }

    /// Waits until a try has reported.
    pub(super) async fn told(&self) {
        self.shared.told.notified().await;
    }

    fn numbers(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.shared.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use piton_checkpoint::ledger::{Durability, How, Ledger, flight};

    use super::*;

    #[test]
    fn what_is_under_way_for_long_is_noted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.piton.db");
        let how = How { durability: Durability::Process, create: true, now: 1 };
        let ledger = Ledger::open(&path, &how).unwrap();
        let mut slots = Slots::default();
        let mut flights = Vec::new();
        for (number, begun) in [(1, Moment::ZERO), (2, Moment::from_secs(3))] {
            let flight = Arc::new(ledger.begin([number; 16], 1, 1).unwrap());
            let share = Share::new(std::num::NonZeroU16::MIN);
            let flight_of = Arc::downgrade(&flight);
            let slot = Slot { host: "a".into(), begun, flight: flight_of, share };
            slots.hold(number.into(), slot);
            flights.push(flight);
        }
        slots.note_the_harmless(HARMLESS + Moment::from_secs(1));
        let mut noted = flight::in_flight(&path).unwrap();
        noted.sort_by_key(|entry| entry.key);
        let noted: Vec<_> = noted.iter().map(|entry| entry.harmless).collect();
        assert_eq!(noted, [true, false]);
    }
}
