//! The places that items have while they are in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use piton_checkpoint::ledger::InFlight;
use piton_fetch::Share;
use tokio::sync::Notify;

use crate::flow::Moment;

/// Whoever is under way for so long does not kill: what kills does it at once, as a rule.
pub(super) const HARMLESS: Duration = Duration::from_secs(10);

/// The slots that tries hold: each lets a host be asked by one more, and a file be fetched.
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

/// Told of tries whose bytes are all here: what waits for nothing but the disk, together with many
/// others, holds up neither the network nor a host.
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
    /// Where tries say that they land.
    pub(super) fn landing(&self) -> &Landing {
        &self.landing
    }

    /// This try holds this slot.
    pub(super) fn hold(&mut self, number: u64, slot: Slot) {
        self.held.insert(number, slot);
    }

    /// Those that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = &Slot> {
        self.held.values()
    }

    /// The slot of a try that is over, if it still had one.
    pub(super) fn give_back(&mut self, number: u64) -> Option<Slot> {
        self.held.remove(&number)
    }

    /// Notes for a run after a crash which items this process has survived for long.
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
    /// The bytes of this try are all here.
    pub(super) fn tell(&self, number: u64) {
        self.numbers().push(number);
        self.shared.told.notify_one();
    }

    /// Waits until a try has told.
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
