//! What the head of an answer means, checked against the question.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{self, HeaderMap};
use piton_checkpoint::{Identity, Validator};

use crate::parse::content_length::content_length;
use crate::parse::content_range::ContentRange;
use crate::parse::etag::ETag;
use crate::parse::patience::patience;
use crate::transport::{ByteRange, Response};

/// What an answer means, after its head was checked against the request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 206: the bytes `first..end` of a whole of `identity.size`.
    Part {
        /// The first byte of the body.
        first: u64,
        /// One past the last byte of the body.
        end: u64,
        /// Of the whole.
        identity: Identity,
    },
    /// 200: the whole, from byte 0, whatever was asked for.
    Whole(Identity),
    /// 304.
    NotModified,
    /// 416: the whole has this length.
    Unsatisfied(Option<u64>),
}

/// An answer of which no byte is used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It breaks the protocol.
    Bad(Bad),
    /// Its status says no.
    Status {
        /// The status.
        status: StatusCode,
        /// How long it asks to be left alone.
        patience: Option<Duration>,
    },
}

impl Refusal {
    /// Whether an address that redirects led to may simply be too old.
    pub(crate) fn may_be_an_expired_link(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(status.as_u16(), 401 | 403 | 404 | 410))
    }
}

/// In what way an answer breaks the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bad(pub(crate) String);

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

/// No server is believed that asks to be left alone for longer.
const LONGEST_PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// Reads the head of an answer to a request for `asked`.
pub(crate) fn read_answer(
    response: &Response,
    asked: Option<ByteRange>,
    now: SystemTime,
) -> Result<Answer, Refusal> {
    let headers = &response.headers;
    let length = content_length(headers).map_err(|error| Bad(error.to_string()))?;
    match response.status {
        StatusCode::PARTIAL_CONTENT => Ok(part(headers, asked, length)?),
        // 203: a proxy on the way has changed something about it, which may be a header.
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
            Ok(Answer::Whole(identity(headers, length)))
        }
        StatusCode::NOT_MODIFIED => Ok(Answer::NotModified),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let total = match content_range(headers) {
                Some(Ok(ContentRange::Unsatisfied { total })) => total,
                _ => None,
            };
            Ok(Answer::Unsatisfied(total))
        }
        // 202: it is being made.
        status if status.is_success() && status != StatusCode::ACCEPTED => {
            Err(Bad(format!("status {status} to a GET")).into())
        }
        status => {
            let limited = matches!(status.as_u16(), 403 | 429 | 503);
            let patience = patience(headers, limited, now, LONGEST_PATIENCE);
            Err(Refusal::Status { status, patience })
        }
    }
}

fn part(headers: &HeaderMap, asked: Option<ByteRange>, length: Option<u64>) -> Result<Answer, Bad> {
    let Some(range) = content_range(headers) else {
        return Err(Bad("status 206 without Content-Range".to_owned()));
    };
    let (first, last, total) = match range {
        Ok(ContentRange::Satisfied { first, last, total }) => (first, last, total),
        Ok(_) => return Err(Bad("status 206 with an unsatisfied Content-Range".to_owned())),
        Err(why) => return Err(Bad(why)),
    };
    let Some(asked) = asked else {
        // Some call the whole a range, whatever was asked for.
        return match (first, total) {
            (0, Some(total)) if last.checked_add(1) == Some(total) => {
                Ok(Answer::Whole(identity(headers, Some(total))))
            }
            _ => Err(Bad("status 206 although no range was asked for".to_owned())),
        };
    };
    if first != asked.first {
        return Err(Bad(format!("asked for bytes from {}, got them from {first}", asked.first)));
    }
    if asked.last.is_some_and(|wanted| last > wanted) {
        return Err(Bad(format!("got bytes up to {last}, past the range that was asked for")));
    }
    let end = last + 1;
    if length.is_some_and(|length| length != end - first) {
        return Err(Bad("Content-Length and Content-Range disagree".to_owned()));
    }
    Ok(Answer::Part { first, end, identity: identity(headers, total) })
}

fn content_range(headers: &HeaderMap) -> Option<Result<ContentRange, String>> {
    let value = headers.get(header::CONTENT_RANGE)?;
    Some(match value.to_str() {
        Ok(text) => ContentRange::parse(text).map_err(|error| error.to_string()),
        Err(_) => Err("Content-Range is not text".to_owned()),
    })
}

fn identity(headers: &HeaderMap, size: Option<u64>) -> Identity {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let etag = text(header::ETAG)
        .and_then(ETag::parse)
        .map(|tag| Validator { weak: !tag.strong(), tag: tag.opaque().to_owned() });
    let last_modified = text(header::LAST_MODIFIED).map(|value| value.trim().to_owned());
    Identity { size, etag, last_modified }
}
