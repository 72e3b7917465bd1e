//! JSON Lines: one object per line. Items are also written in this format, the only one that can express
//! everything.

use std::io::BufRead;
use std::num::NonZeroU64;

use piton_fetch::digest::{Algorithm, Digest, Pieces};
use piton_fetch::redact;
use serde_json::{Map, Value, json};

use super::draft::{Draft, Field};
use super::entry::{Ignored, Out, Why, short};
use super::json::{Json, JsonError, MAX_VALUES, object};
use super::line::Lines;
use super::{ListError, Parse};
use crate::item_url::{Base, UrlError, UrlParser};
use crate::{Item, ItemUrl};

pub(super) struct Parser<R> {
    lines: Lines<R>,
    urls: UrlParser,
}

/// Larger than in other formats: piece digests need space.
const LINE_LIMIT: usize = 8 << 20;

impl<R: BufRead> Parser<R> {
    pub(super) fn new(reader: R, base: Option<Base>) -> Self {
        Parser { lines: Lines::new(reader, LINE_LIMIT), urls: UrlParser::new(base) }
    }
}

impl<R: BufRead> Parse for Parser<R> {
    fn step(&mut self, out: &mut Out) -> Result<bool, ListError> {
        let Some(line) = self.lines.next()? else { return Ok(false) };
        let number = line.number;
        let text = match line.text {
            Ok(text) => text.trim(),
            Err(bad) => {
                out.bad(number, bad.why, "");
                return Ok(true);
            }
        };
        if text.is_empty() || text.starts_with('#') {
            return Ok(true);
        }
        let mut draft = Draft::new(number);
        match fill(&mut draft, text, &mut self.urls, out) {
            Ok(()) => out.finish(draft),
            // Nothing else of the line is shown: any of it may be a credential.
            Err(wrong) => out.bad(number, wrong.why, &wrong.about),
        }
        Ok(true)
    }
}

/// An invalid value, and the part of it that may be shown.
struct Wrong {
    why: Why,
    about: String,
}

impl From<Why> for Wrong {
    fn from(why: Why) -> Self {
        Wrong { why, about: String::new() }
    }
}

/// Keys with values that are not a single text.
const STRUCTURED: [&str; 5] = ["url", "urls", "mirrors", "headers", "pieces"];

fn is_wanted(key: &str) -> bool {
    STRUCTURED.contains(&key) || Field::named(key).is_some()
}

fn fill(draft: &mut Draft, text: &str, urls: &mut UrlParser, out: &mut Out) -> Result<(), Wrong> {
    let values = object(text, is_wanted).map_err(|error| match error {
        JsonError::Syntax(column) => Why::NotJson { column },
        JsonError::NotAnObject => Why::NotAnObject,
        JsonError::TooManyValues => Why::TooMany { what: "values", limit: MAX_VALUES },
    })?;
    for (key, value) in values {
        match (key.as_str(), value) {
            (_, None) => out.ignored(draft.line, Ignored::Key { name: short(&key) }),
            (_, Some(Json::Null)) => {}
            ("url" | "urls" | "mirrors", Some(value)) => add_urls(draft, value, urls, out)?,
            ("headers", Some(value)) => headers(draft, value)?,
            ("pieces", Some(value)) => draft.pieces(pieces(value)?),
            (_, Some(value)) => field(draft, &key, value)?,
        }
    }
    Ok(())
}

/// A URL, or a list of URLs and of objects with a URL and its priority.
fn add_urls(
    draft: &mut Draft,
    value: Json,
    urls: &mut UrlParser,
    out: &mut Out,
) -> Result<(), Wrong> {
    const WRONG: Why = Why::Value { key: "url", wanted: "a URL, or a list of URLs" };
    let mut add = |draft: &mut Draft, text: String, priority: Option<u32>| {
        let added = match priority {
            None => draft.url(&text, urls),
            Some(priority) => draft.mirror(&text, urls, priority, out),
        };
        added.map_err(|why: UrlError| Wrong { why: why.into(), about: text })
    };
    let list = match value {
        Json::Text(text) => return add(draft, text, None),
        Json::List(list) => list,
        _ => return Err(WRONG.into()),
    };
    for entry in list {
        match entry {
            Json::Text(text) => add(draft, text, Some(ItemUrl::UNRANKED))?,
            Json::Object(object) => {
                let (mut url, mut priority) = (None, ItemUrl::UNRANKED);
                for (key, value) in object {
                    match (key.as_str(), value) {
                        ("url", Json::Text(text)) => url = Some(text),
                        ("priority", Json::Number(number)) => {
                            priority = u32::try_from(number).unwrap_or(u32::MAX);
                        }
                        _ => return Err(WRONG.into()),
                    }
                }
                add(draft, url.ok_or(WRONG)?, Some(priority))?;
            }
            _ => return Err(WRONG.into()),
        }
    }
    Ok(())
}

/// An object of names and values, or a list of `NAME: VALUE`.
fn headers(draft: &mut Draft, value: Json) -> Result<(), Wrong> {
    const WRONG: Why = Why::Value { key: "headers", wanted: "an object of strings" };
    let mut add = |line: String| {
        let about = Field::Header.shown("header", &line);
        draft.set(Field::Header, &line).map_err(|why| Wrong { why, about })
    };
    match value {
        Json::Object(object) => object.into_iter().try_for_each(|(name, value)| match value {
            Json::Text(value) => add(format!("{name}: {value}")),
            _ => Err(WRONG.into()),
        }),
        Json::List(list) => list.into_iter().try_for_each(|line| match line {
            Json::Text(line) => add(line),
            _ => Err(WRONG.into()),
        }),
        _ => Err(WRONG.into()),
    }
}

/// `{"length": BYTES, "sha256": HEX}` with the digests concatenated.
fn pieces(value: Json) -> Result<Pieces, Wrong> {
    let Json::Object(object) = value else { return Err(Why::PiecesForm.into()) };
    let (mut length, mut digests) = (None, Vec::new());
    for (key, value) in object {
        match (key.as_str(), value) {
            ("length", Json::Number(number)) => length = NonZeroU64::new(number),
            (name, Json::Text(hex)) if digests.is_empty() => {
                let algorithm: Algorithm = name.parse().map_err(|_| Why::PiecesForm)?;
                let digits = algorithm.digest_len().saturating_mul(2);
                if hex.len() > digits.saturating_mul(super::metalink::MAX_PIECES) {
                    let limit = super::metalink::MAX_PIECES;
                    return Err(Why::TooMany { what: "pieces", limit }.into());
                }
                let each = hex.as_bytes().chunks(digits).map(|hex| {
                    let hex = std::str::from_utf8(hex).map_err(|_| Why::PiecesForm)?;
                    Digest::from_hex(algorithm, hex).map_err(Why::from)
                });
                digests = each.collect::<Result<_, Why>>()?;
            }
            _ => return Err(Why::PiecesForm.into()),
        }
    }
    Ok(Pieces::new(length.ok_or(Why::PiecesForm)?, digests).map_err(Why::from)?)
}

/// A string, or several for fields that may repeat.
fn field(draft: &mut Draft, key: &str, value: Json) -> Result<(), Wrong> {
    let Some(field) = Field::named(key) else { return Ok(()) };
    let set = |draft: &mut Draft, text: &str| {
        draft.set(field, text).map_err(|why| Wrong { why, about: field.shown(key, text) })
    };
    match (field, value) {
        (Field::Size, Json::Number(size)) => draft.size(size),
        (Field::Size, Json::Text(text)) => set(draft, &text)?,
        (Field::Size, _) => return Err(Why::Size.into()),
        (_, Json::Text(text)) => set(draft, &text)?,
        (Field::Checksum | Field::Header, Json::List(list)) => {
            for value in list {
                let Json::Text(text) = value else { return Err(not_text(field).into()) };
                set(draft, &text)?;
            }
        }
        _ => return Err(not_text(field).into()),
    }
    Ok(())
}

fn not_text(field: Field) -> Why {
    let key = match field {
        Field::Out => "out",
        Field::Dir => "dir",
        Field::Size => "size",
        Field::Checksum => "checksum",
        Field::Digest(algorithm) => algorithm.name(),
        Field::Header => "header",
        Field::Referer => "referer",
        Field::UserAgent => "user-agent",
    };
    Why::Value { key, wanted: "a string" }
}

/// The item as a line of JSON Lines, without the line end. Parsing it gives the same item, except for its
/// line number, unless it exceeds the 8 MiB of a line, which only a hostile list can cause. Logins and
/// credentials of the item are included. Characters that control a terminal are escaped.
pub fn to_json(item: &Item) -> String {
    let mut line = Map::new();
    match item.urls.as_slice() {
        [ItemUrl { url, priority: ItemUrl::UNRANKED }] => {
            line.insert("url".to_owned(), url.as_str().into());
        }
        several => {
            let several = several.iter().map(|one| match one.priority {
                ItemUrl::UNRANKED => Value::from(one.url.as_str()),
                priority => json!({ "url": one.url.as_str(), "priority": priority }),
            });
            line.insert("urls".to_owned(), several.collect());
        }
    }
    if let Some(out) = &item.out {
        line.insert("out".to_owned(), out.as_str().into());
    }
    if let Some(dir) = &item.dir {
        line.insert("dir".to_owned(), dir.to_string_lossy().into());
    }
    if let Some(size) = item.size {
        line.insert("size".to_owned(), size.into());
    }
    for digest in &item.digests {
        line.insert(digest.algorithm().name().to_owned(), digest.to_string().into());
    }
    if let Some(pieces) = &item.pieces
        && let Some(first) = pieces.digests().first()
    {
        let hex: String = pieces.digests().iter().map(Digest::to_string).collect();
        let pieces = json!({ "length": pieces.length(), first.algorithm().name(): hex });
        line.insert("pieces".to_owned(), pieces);
    }
    if !item.headers.is_empty() {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers =
            item.headers.iter().map(|(name, value)| format!("{name}: {}", text(value.as_bytes())));
        line.insert("headers".to_owned(), headers.map(Value::from).collect());
    }
    redact::json(&Value::Object(line))
}

#[cfg(test)]
mod tests {
    use super::super::properties::{items, messages};
    use super::super::{Format, to_json};

    const FORMAT: Format = Format::JsonLines;

    #[test]
    fn every_key() {
        let sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        let list = format!(
            "{}\r\n\n# comment\n{}\n",
            r#"{"url": "http://h/1", "label": {"id": [1]}, "out": null}"#,
            format_args!(
                r#"{{"urls": ["http://h/2", {{"url": "http://m/2", "priority": 1}}, "ftp://m/2"], "out": "x\ty",
                "dir": "d", "size": 3, "checksum": ["sha-1:{sha1}", "crc32:00000000"], "header": "A: 1",
                "headers": {{"B": "2"}}, "pieces": {{"length": 2, "sha1": "{sha1}{sha1}"}}, "user-agent": "me"}}"#
            )
            .to_string()
            .replace('\n', " ")
        );
        let found = items(FORMAT, &list);
        let [one, two] = found.as_slice() else { panic!("{:?}", messages(FORMAT, &list)) };
        assert_eq!((one.line, one.urls[0].url.as_str()), (1, "http://h/1"));
        let urls: Vec<_> = two.urls.iter().map(|one| one.url.as_str()).collect();
        assert_eq!(urls, ["http://m/2", "http://h/2"]);
        assert_eq!((two.out.as_deref(), two.size), (Some("x\ty"), Some(3)));
        assert_eq!(two.digests.len(), 2);
        assert_eq!(two.pieces.as_ref().unwrap().digests().len(), 2);
        let headers: Vec<_> = two.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(headers, ["a", "b", "user-agent"]);
        assert_eq!(
            messages(FORMAT, &list),
            ["line 1: the key label is ignored", "line 4: ftp mirrors are ignored"]
        );
    }

    #[test]
    fn a_wrong_line_is_reported_and_the_rest_goes_on() {
        for (line, message) in [
            ("http://h/", "line 1: invalid JSON at column 1"),
            ("{\"url\":\"http://h/\",}", "line 1: invalid JSON at column 20"),
            ("[\"http://h/\"]", "line 1: not a JSON object"),
            ("{}", "line 1: there is no URL to fetch it from"),
            ("{\"url\":1}", "line 1: \"url\" must be a URL, or a list of URLs"),
            ("{\"urls\":[[]]}", "line 1: \"url\" must be a URL, or a list of URLs"),
            (
                "{\"url\":\"http://u:p@h:x/\"}",
                "line 1: not a URL: invalid port number (http://h:x/)",
            ),
            (
                "{\"url\":\"http://h/\\u0000\"}",
                "line 1: it contains a control character (http://h/\\0)",
            ),
            (
                "{\"url\":\"http://h/\",\"size\":-1}",
                "line 1: a size must be a whole number of bytes",
            ),
            ("{\"url\":\"http://h/\",\"out\":7}", "line 1: \"out\" must be a string"),
            (
                "{\"url\":\"http://h/\",\"md5\":\"00\"}",
                "line 1: md5 has 32 hex digits, got 2 (md5=00)",
            ),
            (
                "{\"url\":\"http://h/\",\"headers\":{\"A\":1}}",
                "line 1: \"headers\" must be an object of strings",
            ),
            ("{\"url\":\"http://h/\",\"headers\":{\"A\":\"\\n1\"}}", ""),
            (
                "{\"url\":\"http://h/\",\"headers\":{\"A\":\"1\\n2\"}}",
                "line 1: a header must be NAME: VALUE, in visible characters (header=A: …)",
            ),
            (
                "{\"url\":\"http://h/\",\"pieces\":{\"length\":0,\"md5\":\"\"}}",
                "line 1: the piece digests are malformed",
            ),
            (
                "{\"url\":\"http://h/\",\"pieces\":{\"length\":1,\"md5\":\"\"}}",
                "line 1: no digest of a piece",
            ),
            (
                "{\"url\":\"http://h/\",\"pieces\":{\"length\":1,\"md5\":\"d41d8cd98f00b204e9800998ecf8427e00\"}}",
                "line 1: md5 has 32 hex digits, got 2",
            ),
            (
                "{\"url\":\"http://h/\",\"size\":2,\"pieces\":{\"length\":1,\"crc32\":\"00000000\"}}",
                "line 1: 1 pieces of 1 bytes do not make a file of 2 bytes (http://h/)",
            ),
        ] {
            let list = format!("{line}\n{{\"url\":\"http://good/\"}}\n");
            assert_eq!(messages(FORMAT, &list).concat(), message, "{line}");
            assert_eq!(items(FORMAT, &list).len(), if message.is_empty() { 2 } else { 1 });
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let list = "http://u:p@a/1\thttp://b/1\n  out=x \"y\"\n  dir=d\n  size=1\n  crc32=0000000a\n  \
            header=B: é\n  header=A: 1\n  header=B: 2\nhttp://h/\n";
        let written = items(Format::Lines, list);
        let text: String = written.iter().map(|item| to_json(item) + "\n").collect();
        let mut read = items(FORMAT, &text);
        for (read, written) in read.iter_mut().zip(&written) {
            read.line = written.line;
        }
        assert_eq!(read, written);
    }
}
