//! Numbers for people.

use std::time::Duration;

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `812 B`, `1.2 MiB`, `12.3 MiB`, `123 MiB`: three or four digits are enough.
pub(crate) fn size(bytes: u64) -> String {
    let power = power(bytes);
    format!("{} {}", digits(bytes, power), unit(power))
}

/// `0.3/1.2 GiB`: both in the unit of the total, which is short and stable.
pub(crate) fn part_of(have: u64, size: u64) -> String {
    let power = power(size.max(have));
    format!("{}/{} {}", digits(have, power), digits(size, power), unit(power))
}

/// Which power of 1024 a size is shown in.
fn power(bytes: u64) -> usize {
    let mut value = bytes as f64;
    let mut power = 0;
    // Anything that would be rounded to 1024 is 1 of the next unit.
    while value >= 1023.5 && power + 1 < UNITS.len() {
        value /= 1024.0;
        power += 1;
    }
    power
}

fn unit(power: usize) -> &'static str {
    UNITS.get(power).copied().unwrap_or_default()
}

fn digits(bytes: u64, power: usize) -> String {
    let value = bytes as f64 / 1024_f64.powi(power as i32);
    match power {
        0 => bytes.to_string(),
        _ if value < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// `1.2 MiB (1258291 bytes)`.
pub(crate) fn exact(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        _ => format!("{} ({bytes} bytes)", size(bytes)),
    }
}

/// `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 item`, `12,345 items`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A frequency per second: `1,234`, `12.3`.
pub(crate) fn frequency(per_second: f64) -> String {
    if per_second < 99.95 {
        return format!("{:.1}", per_second.max(0.0));
    }
    // The cast saturates.
    count(per_second.round() as u64)
}

/// `12.3 MiB/s`.
pub(crate) fn rate(bytes_per_second: f64) -> String {
    // The cast saturates, and turns NaN into 0.
    format!("{}/s", size(bytes_per_second as u64))
}

/// `42%`, and 100 only when nothing is missing.
pub(crate) fn percent(have: u64, size: u64) -> String {
    format!("{}%", whole_percent(have, size))
}

/// 0 to 100; 100 only when nothing is missing.
pub(crate) fn whole_percent(have: u64, size: u64) -> u64 {
    let percent = (u128::from(have) * 100).checked_div(u128::from(size)).unwrap_or(100);
    u64::try_from(percent.min(100)).unwrap_or(100)
}

/// The time left: `0:42`, `12:03`, `3:04:05`, `2d 3h`; empty if unknown.
pub(crate) fn left(missing: u64, bytes_per_second: f64) -> String {
    if bytes_per_second < 1.0 { String::new() } else { left_of(missing as f64, bytes_per_second) }
}

/// The same for anything with a rate.
pub(crate) fn left_of(missing: f64, per_second: f64) -> String {
    let seconds = missing / per_second;
    if per_second <= 0.0 || !seconds.is_finite() || seconds >= 86_400_000.0 {
        return String::new();
    }
    let seconds = seconds.ceil() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{:02}", seconds % 60),
        (0, _) => format!("{hours}:{:02}:{:02}", minutes % 60, seconds % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// A duration: `0.4 s`, `42 s`, `12 min 3 s`, `3 h 4 min`.
pub(crate) fn duration(took: Duration) -> String {
    let tenths = (took.as_secs_f64() * 10.0).round();
    if tenths < 100.0 {
        return format!("{:.1} s", tenths / 10.0);
    }
    let seconds = took.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (102_348, "99.9 KiB"),
            (102_400, "100 KiB"),
            (1_048_063, "1023 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_288_490_189, "1.2 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
        assert_eq!(part_of(0, 1_288_490_189), "0.0/1.2 GiB");
        assert_eq!(part_of(1_072_693_248, 1_072_693_248), "1023/1023 MiB");
        assert_eq!(part_of(7, 9), "7/9 B");
        assert_eq!(exact(2048), "2.0 KiB (2048 bytes)");
        assert_eq!(exact(7), "7 bytes");
        assert_eq!(rate(1_572_864.9), "1.5 MiB/s");
        assert_eq!(rate(f64::NAN), "0 B/s");
    }

    #[test]
    fn counts() {
        for (number, shown) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (12_345, "12,345")]
        {
            assert_eq!(count(number), shown);
        }
        assert_eq!(counted(1, "item", "items"), "1 item");
        assert_eq!(counted(2000, "item", "items"), "2,000 items");
        assert_eq!(frequency(12.34), "12.3");
        assert_eq!(frequency(99.96), "100");
        assert_eq!(frequency(12_345.6), "12,346");
        assert_eq!(frequency(f64::NAN), "0");
        assert_eq!(left_of(10.0, 0.5), "0:20");
        assert_eq!(left_of(10.0, 0.0), "");
    }

    #[test]
    fn percents_never_promise_too_much() {
        assert_eq!(percent(999, 1000), "99%");
        assert_eq!(percent(1000, 1000), "100%");
        assert_eq!(percent(0, 0), "100%");
        assert_eq!(percent(2, 1), "100%");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "99%");
    }

    #[test]
    fn times() {
        assert_eq!(left(42, 1.0), "0:42");
        assert_eq!(left(723, 1.0), "12:03");
        assert_eq!(left(11_045, 1.0), "3:04:05");
        assert_eq!(left(183_600, 1.0), "2d 3h");
        assert_eq!(left(1, 0.0), "");
        assert_eq!(left(u64::MAX, 1.0), "");
        for (millis, shown) in [
            (0, "0.0 s"),
            (3_449, "3.4 s"),
            (9_970, "10 s"),
            (42_000, "42 s"),
            (59_700, "1 min 0 s"),
            (723_000, "12 min 3 s"),
            (11_045_000, "3 h 4 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), shown);
        }
    }
}
