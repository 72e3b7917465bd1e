//! A rate limit for each host.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use piton_fetch::RateLimit;

/// A rate limit for each active host, below the one for all.
///
/// An inactive host needs none: what a limit remembers is worth a twentieth of a second.
pub(super) struct HostRates {
    all: Option<RateLimit>,
    each: Option<NonZeroU64>,
    hosts: HashMap<Arc<str>, (RateLimit, usize)>,
}

impl HostRates {
    pub(super) fn new(all: Option<RateLimit>, each: Option<NonZeroU64>) -> Self {
        Self { all, each, hosts: HashMap::new() }
    }

    /// The limit for a download from `host`, until [`HostRates::leave`].
    pub(super) fn enter(&mut self, host: &Arc<str>) -> Option<RateLimit> {
        let Some(each) = self.each else { return self.all.clone() };
        let all = &self.all;
        let (limit, users) = self.hosts.entry(Arc::clone(host)).or_insert_with(|| {
            let limit = match all {
                Some(all) => all.below(each.get()),
                None => RateLimit::new(each.get()),
            };
            (limit, 0)
        });
        *users += 1;
        Some(limit.clone())
    }

    /// A download from `host` has ended.
    pub(super) fn leave(&mut self, host: &Arc<str>) {
        if let Some((_, users)) = self.hosts.get_mut(host) {
            *users = users.saturating_sub(1);
            if *users == 0 {
                self.hosts.remove(host);
            }
        }
    }
}
