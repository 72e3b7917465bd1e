//! Which requests a fault is for.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Context;
use crate::server::pattern::mix;

type Condition = Arc<dyn Fn(&Context<'_>) -> bool + Send + Sync>;

/// The conditions of a fault; all must hold.
#[derive(Clone)]
pub(super) struct When {
    conditions: Vec<Condition>,
    /// Which of the requests that meet the conditions, counted from 1.
    turns: (Bound<u64>, Bound<u64>),
    /// Chance of each turn between 0 and 1, and a seed.
    chance: Option<(f64, u64)>,
    /// How many requests met the conditions so far.
    count: Arc<AtomicU64>,
}

impl When {
    pub(super) fn always() -> Self {
        Self {
            conditions: Vec::new(),
            turns: (Bound::Unbounded, Bound::Unbounded),
            chance: None,
            count: Arc::new(AtomicU64::new(0)),
        }
    }

    pub(super) fn and(&mut self, condition: impl Fn(&Context<'_>) -> bool + Send + Sync + 'static) {
        self.conditions.push(Arc::new(condition));
    }

    pub(super) fn turns(&mut self, turns: impl RangeBounds<u64>) {
        self.turns = (turns.start_bound().cloned(), turns.end_bound().cloned());
    }

    pub(super) fn chance(&mut self, chance: f64, seed: u64) {
        self.chance = Some((chance, seed));
    }

    /// Whether the fault is for this request; a request that meets the conditions takes a turn.
    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        if !self.conditions.iter().all(|condition| condition(context)) {
            return false;
        }
        let turn = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let lucky = self.chance.is_none_or(|(chance, seed)| {
            let draw = mix(seed ^ mix(turn)) as f64 / u64::MAX as f64;
            draw < chance
        });
        lucky && self.turns.contains(&turn)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When")
            .field("turns", &self.turns)
            .field("chance", &self.chance)
            .finish_non_exhaustive()
    }
}
