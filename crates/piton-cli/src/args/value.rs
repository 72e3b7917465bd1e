//! Values that flags and the config file write alike.

use std::fmt::Display;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use piton::fetch;
use piton::fetch::parse::size::{parse_duration, parse_size};
use piton::lists::run::MaxFailures;
use serde::{Deserialize, Deserializer};

/// A number of bytes: `500k`, `10M`, `1.5GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_size(text).map(Self).map_err(|error| error.to_string())
    }
}

/// A time: `30` (seconds), `1m30s`, `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_duration(text).map(Self).map_err(|error| error.to_string())
    }
}

/// Media types with commas between: `application/zip, image/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaTypes(pub(crate) Vec<String>);

impl FromStr for MediaTypes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let types: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
        let is_one = |one: &String| {
            let mut halves = one.split('/');
            let named = |half: Option<&str>| half.is_some_and(|half| !half.is_empty());
            named(halves.next()) && named(halves.next()) && halves.next().is_none()
        };
        match types.iter().find(|one| !is_one(one)) {
            Some(wrong) => Err(format!("{wrong:?} is not a media type (application/zip, image/*)")),
            None => Ok(Self(types)),
        }
    }
}

/// `auto` or a number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connections(pub(crate) fetch::Connections);

impl FromStr for Connections {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self(fetch::Connections::Auto));
        }
        let number = text.parse::<NonZeroU16>();
        number
            .map(|n| Self(fetch::Connections::Fixed(n)))
            .map_err(|_| "expected a number or \"auto\"")
    }
}

/// So many times a second, more than 0: `2`, `0.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frequency(f64);

impl Frequency {
    /// The time from one to the next.
    pub(crate) fn spacing(self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.0).unwrap_or(Duration::MAX)
    }
}

impl FromStr for Frequency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 1e-6);
        number.map(Self).ok_or("expected a number above 0")
    }
}

/// How many items of a list may fail: `100`, or a share of them, `2.5%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FailureLimit(pub(crate) MaxFailures);

impl FromStr for FailureLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let limit = match text.strip_suffix('%') {
            Some(share) => {
                let share = share.parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p));
                share.map(MaxFailures::Percent)
            }
            None => text.parse().ok().map(MaxFailures::Count),
        };
        limit.map(Self).ok_or("expected a number, or a share such as 5%")
    }
}

/// Reads from the config file what a flag reads from its text; a bare number will do as well.
pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a string or a number")]
    enum Text {
        Number(u64),
        Fraction(f64),
        Words(String),
    }
    let text = match Text::deserialize(deserializer)? {
        Text::Number(number) => number.to_string(),
        Text::Fraction(number) => number.to_string(),
        Text::Words(text) => text,
    };
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections() {
        let fixed = |n| Ok(Connections(fetch::Connections::Fixed(NonZeroU16::new(n).unwrap())));
        assert_eq!("auto".parse(), Ok(Connections(fetch::Connections::Auto)));
        assert_eq!("8".parse(), fixed(8));
        for wrong in ["0", "-1", "", "many", "65536", "1.5"] {
            assert!(wrong.parse::<Connections>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn frequencies_and_limits() {
        let spacing = |text: &str| text.parse::<Frequency>().unwrap().spacing();
        assert_eq!(spacing("4"), Duration::from_millis(250));
        assert_eq!(spacing("0.5"), Duration::from_secs(2));
        for wrong in ["0", "-1", "", "inf", "NaN", "1e-300", "fast"] {
            assert!(wrong.parse::<Frequency>().is_err(), "{wrong}");
        }
        assert_eq!("7".parse(), Ok(FailureLimit(MaxFailures::Count(7))));
        assert_eq!("2.5%".parse(), Ok(FailureLimit(MaxFailures::Percent(2.5))));
        for wrong in ["-1", "", "%", "101%", "NaN%", "1.5", "few"] {
            assert!(wrong.parse::<FailureLimit>().is_err(), "{wrong}");
        }
    }
}
