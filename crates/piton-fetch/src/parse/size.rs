//! Sizes and durations as people write them, for arguments such as `--max-size` and `--stall-timeout`.

use std::time::Duration;

/// A size in bytes: `1000`, `10M`, `1.5GiB`, `500k`.
///
/// A bare letter counts in 1024s, as in curl and wget (`k`, `M`, `G`, `T`, `P`, `E`, in either case), and
/// so does `KiB`; `kB` counts in 1000s. Parts of a byte are cut.
///
/// # Errors
/// [`AmountError`] for anything else, negative numbers and sizes beyond 64 bits included.
pub fn parse_size(text: &str) -> Result<u64, AmountError> {
    let error = |why| AmountError::new("size", "10M, 1.5GiB, 500kB", why, text);
    let (number, unit) = split_unit(text.trim());
    let unit = size_unit(unit).ok_or_else(|| error("the unit is unknown"))?;
    let bytes = scaled(number, unit).map_err(error)?;
    u64::try_from(bytes).map_err(|_| error(TOO_GREAT))
}

/// A duration: `30` (seconds), `2.5`, `1m30s`, `500ms`. The units are `ms`, `s`, `m`, `h` and `d`.
///
/// # Errors
/// [`AmountError`] for anything else, negative numbers and durations beyond 64 bits of nanoseconds (584
/// years) included.
pub fn parse_duration(text: &str) -> Result<Duration, AmountError> {
    let error = |why| AmountError::new("duration", "30, 1m30s, 500ms", why, text);
    let mut rest = text.trim();
    let mut nanos = 0_u128;
    let mut alone = true;
    loop {
        let (number, after) = split_unit(rest);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end).unwrap_or((after, ""));
        let unit = match unit {
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            "d" => 86_400 * SECOND,
            "" if alone && next.is_empty() => SECOND,
            _ => return Err(error("the unit is unknown")),
        };
        let part = scaled(number, unit).map_err(error)?;
        nanos = nanos.checked_add(part).ok_or_else(|| error(TOO_GREAT))?;
        rest = next;
        alone = false;
        if rest.is_empty() {
            break;
        }
    }
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| error(TOO_GREAT))
}

/// An argument that is no size or no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {what}: {why} (examples: {example})")]
pub struct AmountError {
    what: &'static str,
    example: &'static str,
    why: &'static str,
    given: String,
}

impl AmountError {
    fn new(what: &'static str, example: &'static str, why: &'static str, given: &str) -> Self {
        AmountError { what, example, why, given: given.chars().take(40).collect() }
    }
}

const SECOND: u128 = 1_000_000_000;
const NOT_A_NUMBER: &str = "it does not start with a number";
const TOO_GREAT: &str = "it is too large";

fn size_unit(unit: &str) -> Option<u128> {
    let unit = unit.trim_start();
    let mut letters = unit.chars();
    let power = match letters.next().map(|c| c.to_ascii_lowercase()) {
        None => return Some(1),
        Some('b') => return letters.as_str().is_empty().then_some(1),
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        Some('e') => 6,
        Some(_) => return None,
    };
    let base: u128 = match letters.as_str() {
        "" | "i" => 1024,
        rest if rest.eq_ignore_ascii_case("ib") => 1024,
        rest if rest.eq_ignore_ascii_case("b") => 1000,
        _ => return None,
    };
    base.checked_pow(power)
}

/// Splits after the digits and points that `text` begins with.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// `number` (a decimal fraction) times `unit`, cut to a whole.
fn scaled(number: &str, unit: u128) -> Result<u128, &'static str> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NOT_A_NUMBER);
    }
    if fraction.contains('.') {
        return Err("it has two decimal points");
    }
    if whole.len() > 20 {
        return Err(TOO_GREAT);
    }
    // Finer than 18 digits is less than a byte of an EiB or a nanosecond of a day.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let value = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<u128>() };
    let (whole_value, fraction_value) =
        value(whole).and_then(|w| Ok((w, value(fraction)?))).map_err(|_| NOT_A_NUMBER)?;
    let denominator = u32::try_from(fraction.len()).ok().and_then(|n| 10_u128.checked_pow(n));
    let part =
        fraction_value.checked_mul(unit).zip(denominator).and_then(|(n, d)| n.checked_div(d));
    whole_value
        .checked_mul(unit)
        .zip(part)
        .and_then(|(whole, part)| whole.checked_add(part))
        .ok_or(TOO_GREAT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1000),
            ("10M", 10 << 20),
            ("10m", 10 << 20),
            ("500k", 500 << 10),
            ("1.5GiB", 3 << 29),
            ("1.5 gib", 3 << 29),
            ("2Ki", 2048),
            ("2kB", 2000),
            ("2KB", 2000),
            (" 3.5MB ", 3_500_000),
            ("7B", 7),
            (".5k", 512),
            ("1.k", 1024),
            ("0.0009765625K", 1),
            ("1.9", 1),
            ("18446744073709551615", u64::MAX),
            ("15.999999999999999999E", 18446744073709551614),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn no_sizes() {
        for text in [
            "", "M", "-1", "+1", "1X", "1KK", "1kib/s", "1.2.3", ".", "1,5M", "0x10", "1e3", "١",
            "1Kbit",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        for text in ["16E", "18446744073709551616", "99999999999999999999999999999999999999999"] {
            assert!(parse_size(text).unwrap_err().to_string().contains("too large"), "{text}");
        }
        assert_eq!(
            parse_size("10X").unwrap_err().to_string(),
            "\"10X\" is not a size: the unit is unknown (examples: 10M, 1.5GiB, 500kB)"
        );
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("30", 30_000),
            ("0", 0),
            ("2.5", 2500),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("2d1h", 176_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "s", "-1", "1x", "1m30", "0s30", "30 30", "1mm", "1m s", "99999999999d", "1M"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
