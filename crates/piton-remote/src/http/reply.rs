//! What the head of an answer means, checked against the question, in neutral words.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{self, HeaderMap};
use piton_checkpoint::{Identity, Validator};

use super::lane::Lane;
use super::parse::content_coding::content_coding;
use super::parse::content_length::content_length;
use super::parse::content_range::ContentRange;
use super::parse::etag::ETag;
use super::parse::http_date;
use super::parse::retry_delay::retry_delay;
use super::request::{Request, Response};
use super::status;
use crate::ask::{Ask, ByteRange};
use crate::body::{Body, Source};
use crate::connection::AskError;
use crate::refusal::Refusal;
use crate::reply::{Fields, Head, Holds, Protocol, Reply};

/// In what way an answer breaks the protocol.
#[derive(Debug, PartialEq, Eq)]
struct Broken(String);

/// No server is believed that asks to be left alone for longer.
const LONGEST_DELAY: Duration = Duration::from_secs(6 * 3600);

/// What an answer of `host` with this status, which says no, comes down to.
pub fn refusal(host: &str, status: StatusCode, retry_after: Option<Duration>) -> Refusal {
    let (kind, code) = (status::kind(status.as_u16()), Some(status.as_u16()));
    Refusal { host: host.to_owned(), kind, code, text: status.to_string(), retry_after }
}

/// Puts a question over `lane`, and reads the head of the answer.
pub(crate) async fn answer(lane: &mut Lane, ask: &Ask) -> Result<Reply, AskError> {
    let tag = ask.same_as.as_ref().and_then(Identity::strong_tag);
    let since = ask.newer_than.and_then(http_date::format);
    let request = Request {
        url: ask.url.clone(),
        range: ask.range,
        if_range: tag.and_then(|tag| tag.try_into().ok()),
        if_modified_since: since.and_then(|since| since.try_into().ok()),
        headers: ask.extra.as_headers().to_vec(),
    };
    let response = lane.get_for(&ask.original, &request).await?;
    let (identity, holds) = read(&response, &request, SystemTime::now())?;
    let Response { status, version, headers, url, redirected, body, .. } = response;
    let head = Head {
        identity,
        encoding: content_coding(&headers),
        url,
        redirected,
        protocol: match version {
            http::Version::HTTP_2 => Protocol::Http2,
            http::Version::HTTP_10 => Protocol::Http10,
            _ => Protocol::Http11,
        },
        fields: Fields::Http { headers, status },
    };
    Ok(Reply { head, holds, body: Body(Source::Http(body)) })
}

/// Reads the head of an answer to `request`.
fn read(
    response: &Response,
    request: &Request,
    now: SystemTime,
) -> Result<(Identity, Holds), Refusal> {
    let headers = &response.headers;
    let host = || response.url.host_str().unwrap_or_default();
    let broken = |Broken(why)| Refusal::broken(host(), why);
    let length =
        content_length(headers).map_err(|error| Refusal::broken(host(), error.to_string()))?;
    match response.status {
        StatusCode::PARTIAL_CONTENT => part(headers, request.range, length).map_err(broken),
        // 203: a proxy on the way has changed something about it, which may be a header.
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
            Ok((identity(headers, length), Holds::Whole))
        }
        StatusCode::NOT_MODIFIED if request.if_modified_since.is_none() => {
            Err(Refusal::broken(host(), "status 304 to an unconditional request"))
        }
        StatusCode::NOT_MODIFIED => Ok((identity(headers, None), Holds::NotNewer)),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let size = match ContentRange::from_headers(headers) {
                Ok(Some(ContentRange::Unsatisfied { total })) => total,
                _ => None,
            };
            Ok((Identity { size, ..Identity::default() }, Holds::OutOfRange { size }))
        }
        // 202: it is being made.
        status if status.is_success() && status != StatusCode::ACCEPTED => {
            Err(Refusal::broken(host(), format!("status {status} to a GET")))
        }
        status => {
            let mut refusal = refusal(host(), status, None);
            let limited = refusal.kind.may_be_crowding();
            refusal.retry_after = retry_delay(headers, limited, now, LONGEST_DELAY);
            Err(refusal)
        }
    }
}

fn part(
    headers: &HeaderMap,
    asked: Option<ByteRange>,
    length: Option<u64>,
) -> Result<(Identity, Holds), Broken> {
    let range = ContentRange::from_headers(headers).map_err(|error| Broken(error.to_string()))?;
    let (first, last, total) = match range {
        Some(ContentRange::Satisfied { first, last, total }) => (first, last, total),
        Some(_) => return Err(Broken("status 206 with an unsatisfied Content-Range".to_owned())),
        None => return Err(Broken("status 206 without Content-Range".to_owned())),
    };
    let Some(asked) = asked else {
        // Some call the whole a range, whatever was asked for.
        return match (first, total) {
            (0, Some(total)) if last.checked_add(1) == Some(total) => {
                Ok((identity(headers, Some(total)), Holds::Whole))
            }
            _ => Err(Broken("status 206 although no range was requested".to_owned())),
        };
    };
    if first != asked.first {
        return Err(Broken(format!(
            "requested bytes from {}, got bytes from {first}",
            asked.first
        )));
    }
    if asked.last.is_some_and(|wanted| last > wanted) {
        return Err(Broken(format!("got bytes up to {last}, past the requested range")));
    }
    let end = last + 1;
    if length.is_some_and(|length| length != end - first) {
        return Err(Broken("Content-Length and Content-Range disagree".to_owned()));
    }
    Ok((identity(headers, total), Holds::Part { first, end }))
}

fn identity(headers: &HeaderMap, size: Option<u64>) -> Identity {
    let etag = ETag::from_headers(headers)
        .map(|tag| Validator { weak: !tag.strong(), tag: tag.opaque().to_owned() });
    let mut times = headers.get_all(header::LAST_MODIFIED).iter();
    // Two that differ say nothing.
    let last_modified = times
        .next()
        .filter(|first| times.all(|other| other == *first))
        .and_then(|value| value.to_str().ok())
        .map(|value| value.trim().to_owned());
    Identity { size, etag, last_modified }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |&(name, value): &(&'static str, &'static str)| {
            (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
        };
        fields.iter().map(field).collect()
    }

    /// Whoever sends a field twice, in two ways, says nothing with it. A proxy that joined two answers does.
    #[test]
    fn fields_that_come_twice() {
        let twice = |name, one, other| headers(&[(name, one), (name, other)]);
        let asked = Some(ByteRange { first: 0, last: Some(4) });
        let range = twice("content-range", "bytes 0-4/9", "bytes 4-8/9");
        assert!(part(&range, asked, None).is_err());
        let range = twice("content-range", "bytes 0-4/9", "bytes 0-4/9");
        let (version, holds) = part(&range, asked, Some(5)).unwrap();
        assert_eq!((version.size, holds), (Some(9), Holds::Part { first: 0, end: 5 }));
        let time = "Tue, 01 Dec 2026 00:00:00 GMT";
        for (fields, tag, modified) in [
            (twice("etag", "\"a\"", "\"b\""), None, None),
            (twice("etag", "\"a\"", "\"a\""), Some("a"), None),
            (twice("last-modified", time, time), None, Some(time)),
            (twice("last-modified", time, "Wed, 02 Dec 2026 00:00:00 GMT"), None, None),
        ] {
            let version = identity(&fields, None);
            assert_eq!(version.etag.as_ref().map(|tag| tag.tag.as_str()), tag, "{fields:?}");
            assert_eq!(version.last_modified.as_deref(), modified, "{fields:?}");
        }
    }
}
