//! How many connections help, found out by trying.

use std::time::Duration;

use tokio::time::Instant;

use super::Share;
use crate::download::Connections;

/// How long a number of connections is watched before the next step.
const WATCH: Duration = Duration::from_millis(700);
/// With less than this left, another connection would not pay for itself.
const WORTH_IT: f64 = 2.0;
/// What doubling the connections must at least bring.
const GAIN: f64 = 1.15;

/// Decides how many connections a transfer uses: doubles them while that is measured to help, and
/// takes them back where the server objects.
#[derive(Debug)]
pub(crate) struct ConnectionCount {
    target: u32,
    limit: u32,
    /// Chosen by measuring.
    auto: bool,
    /// What bounds it from outside, if it is chosen by measuring.
    share: Option<Share>,
    since: Instant,
    before: Option<(u32, f64)>,
    settled: bool,
}

impl ConnectionCount {
    pub(crate) fn new(wanted: Connections, share: Option<Share>, now: Instant) -> Self {
        let (target, limit, auto) = match wanted {
            Connections::Auto => (1, wanted.at_most() as u32, true),
            Connections::Fixed(n) => (u32::from(n.get()), u32::from(n.get()), false),
        };
        let share = share.filter(|_| auto);
        Self { target, limit, auto, share, since: now, before: None, settled: !auto }
    }

    /// Only one connection makes sense (no ranges, no length).
    pub(crate) fn single(&mut self) {
        self.target = 1;
        self.limit = 1;
        self.settled = true;
    }

    /// How many there should be.
    pub(crate) fn target(&self) -> u32 {
        self.target
    }

    /// Looks at the flow: `rate` is that of all connections together, `active` their number.
    pub(crate) fn observe(&mut self, now: Instant, rate: f64, active: u32, bytes_left: u64) {
        let most = self.most();
        if self.target > most {
            (self.target, self.settled, self.before) = (most, false, None);
        }
        if self.settled || active < self.target {
            self.since = self.since.max(now - WATCH / 2);
            return;
        }
        if now - self.since < WATCH {
            return;
        }
        if let Some((fewer, slower)) = self.before.take()
            && rate < slower * GAIN
        {
            self.target = fewer;
            self.settled = true;
            return;
        }
        let more = (self.target * 2).min(most);
        if more == self.target {
            // A share may grow.
            self.settled = most == self.limit;
        } else if bytes_left as f64 > rate * WORTH_IT {
            self.before = Some((self.target, rate));
            self.target = more;
        }
        self.since = now;
    }

    /// No more than this, whatever it brings.
    fn most(&self) -> u32 {
        let share = self.share.as_ref().map_or(u32::MAX, |share| share.get().into());
        self.limit.min(share).max(1)
    }

    /// The server objects to this many (429, 503, refused). Returns the new limit if that is a
    /// change.
    pub(crate) fn refused(&mut self, active: u32) -> Option<u32> {
        let limit = active.saturating_sub(1).clamp(1, self.limit);
        let changed = limit < self.limit;
        self.limit = limit;
        self.target = self.target.min(limit);
        changed.then_some(limit)
    }

    /// Nothing comes any more: a second connection may fare better than the only one.
    pub(crate) fn silent(&mut self) {
        if self.auto && self.target == 1 && self.most() > 1 {
            self.target = 2;
            self.settled = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    const MB: f64 = 1e6;

    fn drive(rate_of: impl Fn(u32) -> f64, left: u64) -> u32 {
        let mut now = Instant::now();
        let mut count = ConnectionCount::new(Connections::Auto, None, now);
        for _ in 0..100 {
            now += Duration::from_millis(100);
            let active = count.target();
            count.observe(now, rate_of(active), active, left);
        }
        count.target()
    }

    #[test]
    fn it_grows_while_that_helps() {
        assert_eq!(drive(|n| f64::from(n) * 8.0 * MB, 1 << 40), 8);
        assert_eq!(drive(|n| f64::from(n.min(4)) * 8.0 * MB, 1 << 40), 4);
        assert_eq!(drive(|_| 100.0 * MB, 1 << 40), 1);
    }

    #[test]
    fn it_keeps_to_its_share_and_grows_with_it() {
        let of = |n| NonZeroU16::new(n).unwrap();
        let share = Share::new(of(1));
        let mut now = Instant::now();
        let mut count = ConnectionCount::new(Connections::Auto, Some(share.clone()), now);
        for (may, targets) in [(1, 1), (3, 3), (8, 8), (2, 2), (4, 4)] {
            share.set(of(may));
            for _ in 0..100 {
                now += Duration::from_millis(100);
                let active = count.target();
                count.observe(now, f64::from(active) * 8.0 * MB, active, 1 << 40);
                assert!(count.target() <= may.into());
            }
            assert_eq!(count.target(), targets, "{may}");
        }
        count.silent();
        assert_eq!(count.target(), 4);
    }

    #[test]
    fn a_short_rest_is_not_worth_another_connection() {
        assert_eq!(drive(|n| f64::from(n) * 8.0 * MB, 8_000_000), 1);
    }

    #[test]
    fn it_backs_off_where_the_server_objects() {
        let eight = NonZeroU16::new(8).unwrap();
        let mut count = ConnectionCount::new(Connections::Fixed(eight), None, Instant::now());
        assert_eq!(count.refused(3), Some(2));
        assert_eq!((count.target(), count.refused(3), count.refused(1)), (2, None, Some(1)));
    }
}
