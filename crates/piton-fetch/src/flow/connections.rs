use std::time::Duration;

use tokio::time::Instant;

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
    since: Instant,
    before: Option<(u32, f64)>,
    settled: bool,
}

impl ConnectionCount {
    pub(crate) fn new(wanted: Connections, now: Instant) -> Self {
        let (target, limit, auto) = match wanted {
            Connections::Auto => (1, wanted.at_most() as u32, true),
            Connections::Fixed(n) => (u32::from(n.get()), u32::from(n.get()), false),
        };
        Self { target, limit, auto, since: now, before: None, settled: !auto }
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
        if self.settled || active < self.target {
            self.since = self.since.max(now - WATCH / 2);
            return;
        }
        if now - self.since < WATCH {
            return;
        }
        if let Some((fewer, slower)) = self.before
            && rate < slower * GAIN
        {
            self.target = fewer;
            self.settled = true;
            return;
        }
        let more = (self.target * 2).min(self.limit);
        if more == self.target {
            self.settled = true;
        } else if bytes_left as f64 > rate * WORTH_IT {
            self.before = Some((self.target, rate));
            self.target = more;
        }
        self.since = now;
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
        if self.auto && self.target == 1 && self.limit > 1 {
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
        let mut count = ConnectionCount::new(Connections::Auto, now);
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
    fn a_short_rest_is_not_worth_another_connection() {
        assert_eq!(drive(|n| f64::from(n) * 8.0 * MB, 8_000_000), 1);
    }

    #[test]
    fn it_backs_off_where_the_server_objects() {
        let eight = NonZeroU16::new(8).unwrap();
        let mut count = ConnectionCount::new(Connections::Fixed(eight), Instant::now());
        assert_eq!(count.refused(3), Some(2));
        assert_eq!((count.target(), count.refused(3), count.refused(1)), (2, None, Some(1)));
    }
}
