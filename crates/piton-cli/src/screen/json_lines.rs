//! JSON objects on stdout, one per line.

use std::io::{self, Write};

use piton::fetch::Event;
use serde_json::{Map, Value, json};

use crate::{out, redact};

pub(super) struct JsonLines<W> {
    to: W,
    /// The error of the first failed write; after that, nothing more is written.
    failed: Option<io::Error>,
}

impl<W: Write> JsonLines<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, failed: None }
    }

    /// Writes an object of this `type`: the fields of `common`, then those of `fields`.
    pub(super) fn emit(&mut self, kind: &str, common: Value, fields: Value) {
        if self.failed.is_some() {
            return;
        }
        let mut object = Map::new();
        object.insert("type".to_owned(), kind.into());
        for fields in [common, fields] {
            if let Value::Object(fields) = fields {
                object.extend(fields);
            }
        }
        let written = writeln!(self.to, "{}", out::json(&Value::Object(object)))
            .and_then(|()| self.to.flush());
        self.failed = written.err();
    }

    /// The error of the first failed write. A reader that closed the pipe wants no more: not an error.
    pub(super) fn close(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// An event of a download: its `type`, and its fields.
pub(super) fn of_download(event: &Event) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::Started { size, resumed, resumable, protocol, .. } => (
            "started",
            json!({ "size": size, "resumed": resumed, "resumable": resumable, "protocol": protocol }),
        ),
        Event::Retrying { why, pause, tries } => (
            "retrying",
            json!({ "why": redact::text(why), "pause": pause.as_secs_f64(), "tries": tries }),
        ),
        Event::FewerConnections { limit } => ("fewer_connections", json!({ "limit": limit })),
        Event::Replaced => ("replaced", Value::Null),
        Event::StartedOver { change } => ("started_over", json!({ "why": change.to_string() })),
        Event::MirrorDropped { url, why } => {
            ("mirror_dropped", json!({ "mirror": redact::text(url), "why": redact::text(why) }))
        }
        Event::Damaged { bytes } => ("damaged", json!({ "bytes": bytes })),
        Event::SetAside { path } => ("set_aside", json!({ "to": path.to_string_lossy() })),
        Event::Lacks { what, .. } => {
            ("lacks", json!({ "what": what.word(), "why": what.to_string() }))
        }
        Event::Encoded { coding } => ("encoded", json!({ "coding": coding })),
        Event::OddType { media_type, .. } => {
            ("odd_type", json!({ "media_type": redact::text(media_type) }))
        }
        Event::Verifying => ("verifying", Value::Null),
        Event::FetchingAgain { bytes } => ("fetching_again", json!({ "bytes": bytes })),
        _ => return None,
    })
}

/// The fields of a complete file.
pub(super) fn of_outcome(outcome: &piton::fetch::Outcome) -> Value {
    let verified = outcome.verified.iter();
    let verified = verified.map(|digest| format!("{}:{digest}", digest.algorithm()));
    json!({
        "path": outcome.path.to_string_lossy(),
        "size": outcome.size,
        "fetched": outcome.fetched,
        "resumed": outcome.resumed,
        "took": outcome.took.as_secs_f64(),
        "verified": verified.collect::<Vec<_>>(),
        "already_complete": outcome.already_complete,
        "not_newer": outcome.not_newer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_error_and_a_full_disk_is() {
        struct Broken(io::ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (kind, fine) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)]
        {
            let mut lines = JsonLines::new(Broken(kind));
            lines.emit("saving", Value::Null, Value::Null);
            lines.emit("saving", Value::Null, Value::Null);
            assert_eq!(lines.close().is_ok(), fine);
        }
    }
}
