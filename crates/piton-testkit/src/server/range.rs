//! Which bytes of a resource a request asks for: ranges and conditions (RFC 9110, sections 13 and
//! 14).

use super::date::parse_http_date;
use super::request::Request;
use super::resource::Resource;

/// The right answer to a request for a resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// 200.
    Whole,
    /// 206 with `len` bytes from `start`.
    Part { start: u64, len: u64 },
    /// 304.
    NotModified,
    /// 416.
    Unsatisfiable,
}

pub(super) fn select(request: &Request, resource: &Resource) -> Selection {
    if not_modified(request, resource) {
        return Selection::NotModified;
    }
    // A range of a method other than GET has no meaning (section 14.2).
    let range = request.headers.first("range").filter(|_| request.method == "GET");
    let Some(range) = range.filter(|_| if_range_holds(request, resource)).and_then(parse) else {
        return Selection::Whole;
    };
    let len = resource.body.len();
    match range {
        Spec::From(first, last) if first < len && first <= last => {
            Selection::Part { start: first, len: last.min(len - 1) - first + 1 }
        }
        Spec::Last(n) if n > 0 && len > 0 => {
            Selection::Part { start: len - n.min(len), len: n.min(len) }
        }
        Spec::From(..) | Spec::Last(_) => Selection::Unsatisfiable,
    }
}

enum Spec {
    From(u64, u64),
    Last(u64),
}

/// A single byte range; anything else (several ranges, other units) is ignored, as a server may.
fn parse(value: &str) -> Option<Spec> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    match (first.is_empty(), last.is_empty()) {
        (true, _) => Some(Spec::Last(last.parse().ok()?)),
        (false, true) => Some(Spec::From(first.parse().ok()?, u64::MAX)),
        (false, false) => Some(Spec::From(first.parse().ok()?, last.parse().ok()?)),
    }
}

fn not_modified(request: &Request, resource: &Resource) -> bool {
    let opaque = |etag: &str| etag.trim().trim_start_matches("W/").to_owned();
    if let Some(wanted) = request.headers.first("if-none-match") {
        let Some(etag) = &resource.etag else { return false };
        return wanted.trim() == "*" || wanted.split(',').any(|one| opaque(one) == opaque(etag));
    }
    let date = |text: Option<&str>| text.and_then(parse_http_date);
    match (
        date(request.headers.first("if-modified-since")),
        date(resource.last_modified.as_deref()),
    ) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Strong comparison for an entity tag, exact comparison for a date.
fn if_range_holds(request: &Request, resource: &Resource) -> bool {
    match request.headers.first("if-range") {
        None => true,
        Some(weak) if weak.starts_with("W/") => false,
        Some(tag) if tag.starts_with('"') => resource.etag.as_deref() == Some(tag),
        Some(date) => resource.last_modified.as_deref() == Some(date),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::headers::Headers;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn ask(fields: &[(&str, &str)]) -> Selection {
        let mut headers = Headers::default();
        fields.iter().for_each(|(name, value)| headers.add(name, value));
        let request = Request { method: "GET".into(), target: "/".into(), http_1_1: true, headers };
        select(&request, &Resource::pattern(1, 100).etag("\"a\"").last_modified_text(DATE))
    }

    fn part(start: u64, len: u64) -> Selection {
        Selection::Part { start, len }
    }

    #[test]
    fn ranges() {
        assert_eq!(ask(&[]), Selection::Whole);
        assert_eq!(ask(&[("Range", "bytes=0-0")]), part(0, 1));
        assert_eq!(ask(&[("Range", "bytes=10-")]), part(10, 90));
        assert_eq!(ask(&[("Range", "bytes=90-1000")]), part(90, 10));
        assert_eq!(ask(&[("Range", "bytes=-30")]), part(70, 30));
        assert_eq!(ask(&[("Range", "bytes=-300")]), part(0, 100));
        assert_eq!(ask(&[("Range", "bytes=100-")]), Selection::Unsatisfiable);
        assert_eq!(ask(&[("Range", "bytes=-0")]), Selection::Unsatisfiable);
        assert_eq!(ask(&[("Range", "lines=1-2")]), Selection::Whole);
        assert_eq!(ask(&[("Range", "bytes=1-2,4-5")]), Selection::Whole);
    }

    #[test]
    fn if_range_compares_strongly() {
        let with = |value| ask(&[("Range", "bytes=10-"), ("If-Range", value)]);
        assert_eq!(with("\"a\""), part(10, 90));
        assert_eq!(with(DATE), part(10, 90));
        assert_eq!(with("\"b\""), Selection::Whole);
        assert_eq!(with("W/\"a\""), Selection::Whole);
        assert_eq!(with("Sun, 06 Nov 1994 08:49:38 GMT"), Selection::Whole);
    }

    #[test]
    fn conditions_on_change() {
        assert_eq!(ask(&[("If-None-Match", "\"x\", W/\"a\"")]), Selection::NotModified);
        assert_eq!(
            ask(&[("If-None-Match", "\"x\""), ("If-Modified-Since", DATE)]),
            Selection::Whole
        );
        assert_eq!(ask(&[("If-Modified-Since", DATE)]), Selection::NotModified);
        assert_eq!(
            ask(&[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")]),
            Selection::Whole
        );
    }
}
