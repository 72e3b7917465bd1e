//! Encoded words (RFC 2047): `=?charset?B?base64?=` and `=?charset?Q?quoted?=`, the coding of headers of mail,
//! which some servers use for file names.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::decode;

/// Base64 with padding or without: some senders leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text in which all encoded words are decoded. `None` if there is none in it, or one that is malformed, of
/// another charset than UTF-8, US-ASCII and ISO-8859-1, or not valid in its charset.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut decoded = String::new();
    // Of words of one charset that follow each other: a character may be cut by the border between two.
    let mut pending: Option<(Charset, Vec<u8>)> = None;
    let mut rest = text;
    let mut words = 0_u32;
    while let Some(start) = rest.find("=?") {
        let (between, at) = rest.split_at_checked(start)?;
        // Blanks between two words are not part of the text (section 6.2).
        if !(words > 0 && between.trim().is_empty()) {
            flush(&mut pending, &mut decoded)?;
            decoded.push_str(between);
        }
        let (charset, bytes, after) = word(at)?;
        match &mut pending {
            Some((last, collected)) if *last == charset => collected.extend(bytes),
            _ => {
                flush(&mut pending, &mut decoded)?;
                pending = Some((charset, bytes));
            }
        }
        rest = after;
        words = words.saturating_add(1);
    }
    flush(&mut pending, &mut decoded)?;
    decoded.push_str(rest);
    (words > 0 && !decoded.is_empty()).then_some(decoded)
}

/// A charset that is known here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
}

impl Charset {
    fn named(name: &str) -> Option<Self> {
        // RFC 2231 section 5: a language may follow.
        let name = name.split('*').next().unwrap_or(name);
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" => Some(Self::Utf8),
            "iso-8859-1" => Some(Self::Latin1),
            _ => None,
        }
    }
}

fn flush(pending: &mut Option<(Charset, Vec<u8>)>, decoded: &mut String) -> Option<()> {
    match pending.take() {
        Some((Charset::Utf8, bytes)) => decoded.push_str(std::str::from_utf8(&bytes).ok()?),
        Some((Charset::Latin1, bytes)) => decoded.push_str(&decode::latin1(&bytes)),
        None => {}
    }
    Some(())
}

/// The encoded word at the beginning of `text`: its charset, its bytes, and what follows it.
fn word(text: &str) -> Option<(Charset, Vec<u8>, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (encoded, after) = rest.split_once("?=")?;
    let bytes = match encoding {
        "B" | "b" => BASE64.decode(encoded).ok()?,
        "Q" | "q" => quoted(encoded)?,
        _ => return None,
    };
    Some((Charset::named(charset)?, bytes, after))
}

/// The Q encoding (section 4.2): `_` is a blank, `=C3` a byte.
fn quoted(encoded: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'_' => bytes.push(b' '),
            b'=' => {
                let (hex, after) = rest.split_first_chunk::<2>()?;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let [high, low] = *hex;
                bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
                rest = after;
            }
            other => bytes.push(other),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_and_joined() {
        for (text, decoded) in [
            ("=?UTF-8?B?5rWL6K+V?=", "测试"),
            ("=?utf-8?b?5rWL6K+V?=.txt", "测试.txt"),
            ("a =?iso-8859-1?Q?=A3_5?= b", "a £ 5 b"),
            ("=?UTF-8*en?Q?a=3Fb?=", "a?b"),
            // Cut within a character, and folded.
            ("=?UTF-8?B?5rWL6A==?= =?UTF-8?B?r5U=?=", "测试"),
            ("=?UTF-8?Q?=E6=B5?=\t =?UTF-8?Q?=8B?=", "测"),
            ("=?UTF-8?B?YQ?=", "a"),
            ("=?iso-8859-1?Q?=E9?= =?UTF-8?Q?=C3=A9?=", "éé"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(decoded), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "a.txt",
            "=?",
            "=?UTF-8?B?5rWL",
            "=?UTF-8?X?a?=",
            "=?UTF-8?B?!?=",
            "=?UTF-8?B?/w==?=",
            "=?UTF-8?Q?=C3?=",
            "=?UTF-8?Q?=ZZ?=",
            "=?UTF-8?Q?=4?=",
            "=?gb2312?B?suLK1A==?=",
            "=?UTF-8?Q??=",
            "=?UTF-8?Q?a?= =?",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
