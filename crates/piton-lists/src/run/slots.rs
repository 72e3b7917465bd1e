use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use piton_fetch::Share;
use tokio::sync::Notify;

use crate::flow::Moment;

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
