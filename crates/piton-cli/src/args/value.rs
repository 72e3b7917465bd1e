//! Values that flags and the config file write alike.

use std::fmt::Display;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use piton::fetch;
use piton::fetch::parse::size::{parse_duration, parse_size};
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

/// Reads from the config file what a flag reads from its text; a bare number will do as well.
pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a string or a whole number")]
    enum Text {
        Number(u64),
        Text(String),
    }
    let text = match Text::deserialize(deserializer)? {
        Text::Number(number) => number.to_string(),
        Text::Text(text) => text,
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
}
