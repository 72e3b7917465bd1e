//! Faults with ranges and versions.

use super::Fault;
use crate::server::reply::Payload;
use crate::server::resource::Resource;

const BOUNDARY: &str = "piton-testkit-boundary";

impl Fault {
    /// The whole body with 200 for a request with a range.
    pub fn ignores_range() -> Self {
        Self::in_request(|request| request.headers.remove("range"))
    }

    /// `Range` counts even where `If-Range` does not match: another version comes as a 206.
    pub fn ignores_if_range() -> Self {
        Self::in_request(|request| request.headers.remove("if-range"))
    }

    /// A `Range` is dropped when `If-Range` carries an entity tag, matching or not.
    pub fn drops_range_for_if_range_etag() -> Self {
        Self::in_request(|request| {
            if request.headers.first("if-range").is_some_and(|value| value.contains('"')) {
                request.headers.remove("range");
            }
        })
    }

    /// `If-Range` never matches: 200 whenever it is sent.
    pub fn if_range_never_matches() -> Self {
        Self::in_request(|request| {
            if request.headers.contains("if-range") {
                request.headers.remove("range");
            }
        })
    }

    /// A 206 for another place: `by` bytes further on (clamped to the resource), as its
    /// `Content-Range` says.
    pub fn shifted_range(by: i64) -> Self {
        Self::in_reply(move |reply, _| {
            let (start, len, total) = (reply.payload.start(), reply.payload.len(), reply.total);
            if reply.status == 206
                && let Some(total) = total
            {
                let start = start.saturating_add_signed(by).min(total - 1);
                reply.move_to(start, len.min(total - start));
            }
        })
    }

    /// A 206 whose `Content-Range` is as asked, with the bytes of a place `by` bytes further on.
    pub fn shifted_bytes(by: i64) -> Self {
        Self::in_reply(move |reply, _| {
            if let (206, Payload::Slice { start, .. }) = (reply.status, &mut reply.payload) {
                *start = start.saturating_add_signed(by);
            }
        })
    }

    /// A 206 with at most `len` bytes, as its `Content-Range` says.
    pub fn short_range(len: u64) -> Self {
        Self::in_reply(move |reply, _| {
            if reply.status == 206 {
                reply.move_to(reply.payload.start(), reply.payload.len().min(len));
            }
        })
    }

    /// This text as the `Content-Range` of a 206.
    pub fn content_range(text: &str) -> Self {
        let text = text.to_owned();
        Self::in_reply(move |reply, _| {
            if reply.status == 206 {
                reply.headers.set("Content-Range", &text);
            }
        })
    }

    /// A 206 without `Content-Range`.
    pub fn no_content_range() -> Self {
        Self::without_header("Content-Range")
    }

    /// A 206 whose `Content-Range` names this total, `*` for instance.
    pub fn content_range_total(total: &str) -> Self {
        let total = total.to_owned();
        Self::in_reply(move |reply, _| {
            let range =
                reply.headers.first("Content-Range").and_then(|value| value.split_once('/'));
            if let Some((range, _)) = range {
                let value = format!("{range}/{total}");
                reply.headers.set("Content-Range", &value);
            }
        })
    }

    /// 416, with the right total.
    pub fn unsatisfiable() -> Self {
        Self::in_reply(|reply, _| {
            let total = reply.total;
            *reply = super::Reply::text(416, "no such range\n");
            total
                .iter()
                .for_each(|total| reply.headers.set("Content-Range", &format!("bytes */{total}")));
        })
    }

    /// A single range as `multipart/byteranges` of one part.
    pub fn multipart_byteranges() -> Self {
        Self::in_reply(|reply, _| {
            if reply.status != 206 {
                return;
            }
            let range = reply.headers.first("Content-Range").unwrap_or_default().to_owned();
            let mut body = format!("--{BOUNDARY}\r\nContent-Range: {range}\r\n\r\n").into_bytes();
            let mut part = vec![0; reply.payload.len() as usize];
            reply.payload.read_at(0, &mut part);
            body.extend(part);
            body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
            reply.headers.remove("Content-Range");
            reply
                .headers
                .set("Content-Type", &format!("multipart/byteranges; boundary={BOUNDARY}"));
            reply.set_payload(Payload::Bytes(body));
        })
    }

    /// Another version, as from a node that was updated before the others.
    pub fn other_version(resource: Resource) -> Self {
        Self::in_resource(move |served, _| *served = resource.clone())
    }

    /// Another `ETag` on each of `nodes` nodes of a farm; the connection number picks the node.
    pub fn farm_etags(nodes: usize) -> Self {
        Self::in_resource(move |resource, context| {
            if let Some(etag) = &mut resource.etag {
                let node = context.connection % nodes.max(1);
                *etag = format!("{}-node{node}\"", etag.trim_end_matches('"'));
            }
        })
    }

    /// The `ETag` is weak, and `If-Range` with it never matches.
    pub fn weak_etags() -> Self {
        Self::in_resource(|resource, _| {
            if let Some(etag) = &mut resource.etag
                && !etag.starts_with("W/")
            {
                *etag = format!("W/{etag}");
            }
        })
    }
}
