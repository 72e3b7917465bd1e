//! How long a server asks to be left alone, in any of the headers that say so.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use super::{http_date, retry_after};

/// The time to wait from `now`, at most `max`: what `Retry-After` says (RFC 9110 section 10.2.3), else, where
/// `limited` says that the answer is about a limit, when that is over by `RateLimit`, `RateLimit-Reset`
/// (drafts of the IETF's httpapi group) or `X-RateLimit-Reset`.
///
/// `None` where nothing is said, or a time that has passed.
pub(crate) fn retry_delay(
    headers: &HeaderMap,
    limited: bool,
    now: SystemTime,
    max: Duration,
) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry_after::parse(value, now, max))
        .or_else(|| text("retry-after-ms")?.trim().parse().ok().map(Duration::from_millis));
    let reset = || {
        let by_name = ["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"];
        let by_name = by_name.into_iter().find_map(|name| reset(text(name)?, now));
        by_name.or_else(|| text("ratelimit").and_then(of_rate_limit))
    };
    let asked = asked.or_else(|| if limited { reset() } else { None });
    asked.filter(|asked| !asked.is_zero()).map(|asked| asked.min(max))
}

/// Seconds from now, seconds or milliseconds since 1970, or a date.
fn reset(value: &str, now: SystemTime) -> Option<Duration> {
    /// No limit lasts for so many seconds, and no time since 1970 is as short.
    const EPOCH: f64 = 1e9;
    const EPOCH_MS: f64 = 1e12;
    let until = |at: SystemTime| at.duration_since(now).ok();
    let value = value.trim();
    let Ok(number) = value.parse::<f64>() else { return until(http_date::parse(value)?) };
    let seconds = match number {
        number if number >= EPOCH_MS => number / 1000.0,
        number => number,
    };
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    if number < EPOCH { Some(wait) } else { until(UNIX_EPOCH.checked_add(wait)?) }
}

/// `limit=100, remaining=0, reset=45`, or `"default";r=0;t=45`.
fn of_rate_limit(value: &str) -> Option<Duration> {
    let parameters = value.split([',', ';']).filter_map(|item| item.split_once('='));
    let mut seconds = parameters
        .filter(|(name, _)| matches!(name.trim(), "reset" | "t"))
        .filter_map(|(_, value)| value.trim().parse().ok());
    seconds.next().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const NOW: u64 = 1_784_111_777;

    fn wait(lines: &[(&str, &str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        retry_delay(&headers, true, now, Duration::from_secs(3600)).map(|wait| wait.as_secs())
    }

    #[test]
    fn every_way_of_saying_it() {
        let epoch = (NOW + 45).to_string();
        let epoch_ms = ((NOW + 45) * 1000).to_string();
        for (name, value) in [
            ("retry-after", "45"),
            ("retry-after-ms", "45000"),
            ("ratelimit-reset", "45"),
            ("x-ratelimit-reset", "45"),
            ("x-ratelimit-reset", "45.0"),
            ("x-ratelimit-reset", &epoch),
            ("x-rate-limit-reset", &epoch_ms),
            ("ratelimit", "limit=100, remaining=0, reset=45"),
            ("ratelimit", "\"default\";r=0;t=45"),
        ] {
            assert_eq!(wait(&[(name, value)]), Some(45), "{name}: {value}");
        }
    }

    #[test]
    fn retry_after_goes_first_and_nothing_is_waited_for_in_the_past() {
        assert_eq!(wait(&[("x-ratelimit-reset", "45"), ("retry-after", "3")]), Some(3));
        let past = (NOW - 45).to_string();
        for value in ["0", "-5", "", "soon", "NaN", "inf", &past] {
            assert_eq!(wait(&[("x-ratelimit-reset", value)]), None, "{value}");
        }
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), None);
        assert_eq!(wait(&[("retry-after", "0"), ("x-ratelimit-reset", "7")]), None);
        assert_eq!(wait(&[("retry-after", "99999999999")]), Some(3600));
        assert_eq!(wait(&[("x-ratelimit-reset", "99999999")]), Some(3600));
    }

    #[test]
    fn a_limit_that_is_not_reached_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-reset", "45".parse().unwrap());
        let hour = Duration::from_secs(3600);
        assert_eq!(retry_delay(&headers, false, SystemTime::now(), hour), None);
    }
}
