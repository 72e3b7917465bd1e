//! JSON on stdout, for programs.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Ended, Frame, JobScreen};
use crate::screen::json_lines::JsonLines;

pub(super) struct Json<W> {
    to: JsonLines<W>,
}

impl<W: Write> Json<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to: JsonLines::new(to) }
    }
}

fn figures(frame: &piton::records::parallel::Figures) -> Value {
    json!({
        "records": frame.records,
        "position": frame.position,
        "size": frame.whole,
        "pieces": frame.pieces,
        "attempts": frame.attempts,
        "failed": frame.failed,
        "running": frame.running,
        "spooled": frame.spooled,
        "paused": frame.paused,
    })
}

impl<W: Write + Send> JobScreen for Json<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn draw(&mut self, frame: &Frame) {
        self.to.emit("progress", figures(&frame.figures), Value::Null);
    }

    fn note(&mut self, line: &str) {
        self.to.emit("note", json!({ "text": line }), Value::Null);
    }

    fn heard(&mut self, record: u64, line: &str) {
        self.to.emit("stderr", json!({ "record": record, "text": line }), Value::Null);
    }

    fn saving(&mut self) {
        self.to.emit("saving", Value::Null, Value::Null);
    }

    fn close(&mut self, end: &Ended<'_>) -> io::Result<()> {
        let done = end.done.map(|done| {
            json!({
                "records": done.records,
                "failed": done.failed,
                "stopped": done.stopped,
                "was_finished": end.was_finished,
            })
        });
        let common = json!({ "exit": end.exit.code(), "seconds": end.took.as_secs_f64() });
        self.to.emit("summary", common, done.unwrap_or(Value::Null));
        self.to.close()
    }
}
