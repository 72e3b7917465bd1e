//! `--json` for a list: one event per line on stdout. docs/cli.md has the schema.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::redact;
use piton::lists::Item;
use piton::lists::run::{Early, End, Event, Summary, Suppressed};
use serde_json::{Value, json};

use super::pace::Pace;
use super::{Ended, Frame, ListScreen, sentence};
use crate::out;
use crate::screen::json_lines::{JsonLines, of_download, of_outcome};

pub(super) struct Json<W> {
    lines: JsonLines<W>,
    pace: Pace,
}

impl<W: Write> Json<W> {
    pub(super) fn new(to: W) -> Self {
        Self { lines: JsonLines::new(to), pace: Pace::default() }
    }

    fn emit(&mut self, kind: &str, fields: Value) {
        self.lines.emit(kind, Value::Null, fields);
    }

    fn ended(&mut self, item: &Item, path: Option<&Path>, end: &End<'_>) {
        let (kind, fields) = match end {
            End::Done(outcome) => ("finished", of_outcome(outcome)),
            End::Failed { fatal, class, why, .. } => (
                "failed",
                json!({
                    "fatal": fatal,
                    "class": class.map(|class| class.as_str()),
                    "message": redact::text(why),
                }),
            ),
            End::Unchecked { why } => ("unchecked", json!({ "message": redact::text(why) })),
            End::Stopped => ("stopped", Value::Null),
            _ => return,
        };
        self.lines.emit(kind, of_item(item, path), fields);
    }
}

fn of_item(item: &Item, path: Option<&Path>) -> Value {
    json!({
        "line": item.line,
        "url": sentence::address(item),
        "path": path.map(|path| path.to_string_lossy()),
    })
}

impl<W: Write + Send> ListScreen for Json<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }

    fn wants_all(&self) -> bool {
        true
    }

    fn draw(&mut self, frame: &Frame) {
        let now = &frame.progress;
        let rates = self.pace.note(frame.at, now.so_far.done, now.bytes);
        let fields = json!({
            "items": now.items,
            "running": now.running,
            "rate": rates.bytes.round() as u64,
            "files_per_second": (rates.files * 10.0).round() / 10.0,
        });
        let mut counts = counts(&now.so_far);
        counts["bytes"] = now.bytes.into();
        self.lines.emit("progress", fields, counts);
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::BadLine(bad) => {
                let why = bad.why.to_string();
                self.emit(
                    "bad_line",
                    json!({ "line": bad.line, "why": why, "excerpt": bad.excerpt }),
                );
            }
            Event::Suppressed(kind) => {
                let what = match kind {
                    Suppressed::BadLines => "bad_line",
                    Suppressed::Notices => "notice",
                };
                self.emit("only_counted", json!({ "what": what }));
            }
            Event::Notice(notice) => {
                let fields = json!({ "line": notice.line, "message": notice.what.to_string() });
                self.emit("notice", fields);
            }
            Event::Download { line, event } => {
                if let Some((kind, fields)) = of_download(event) {
                    self.lines.emit(kind, json!({ "line": line }), fields);
                }
            }
            Event::Again { item, why, tries } => {
                let fields = json!({ "why": redact::text(why), "tries": tries });
                self.lines.emit("again", of_item(item, None), fields);
            }
            Event::Ended { item, path, end } => self.ended(item, *path, end),
            Event::HeldBack { host, pause } => {
                let pause = pause.map(|pause| pause.as_secs_f64());
                self.emit("held_back", json!({ "host": host, "pause": pause }));
            }
            Event::GivenUp { host, why, items } => {
                let why = redact::text(why);
                self.emit("given_up", json!({ "host": host, "why": why, "items": items }));
            }
            _ => {}
        }
        // For the person who reads the log of the calling program (G7).
        if let Some(line) = sentence::failure(event) {
            out::say(line);
        }
    }

    fn complain(&mut self, line: &str) {
        let line = out::clean(line);
        self.emit("message", json!({ "message": line }));
        out::say(line);
    }

    fn saving(&mut self) {
        self.emit("saving", Value::Null);
    }

    fn close(&mut self, ended: &Ended<'_>) -> io::Result<()> {
        let summary = ended.summary;
        let early = summary.ended.map(|early| match early {
            Early::Stopped => "stopped",
            Early::Failures => "max_failures",
            _ => "other",
        });
        let mut counts = counts(summary);
        for (name, value) in [
            ("items", summary.items().into()),
            ("found", summary.found.into()),
            ("unchecked", summary.unchecked.into()),
            ("bytes", summary.bytes.into()),
            ("took", summary.took.as_secs_f64().into()),
            ("ended_early", early.into()),
            ("classes", ended.classes.iter().cloned().map(|(k, v)| (k, Value::from(v))).collect()),
        ] {
            counts[name] = value;
        }
        self.lines.emit("summary", json!({ "exit_code": ended.exit.code() }), counts);
        sentence::end(ended).iter().for_each(out::say);
        self.lines.close()
    }
}

fn counts(summary: &Summary) -> Value {
    json!({
        "done": summary.done,
        "done_before": summary.done_before,
        "fatal": summary.fatal,
        "transient": summary.transient,
        "quarantined": summary.quarantined,
        "interrupted": summary.interrupted,
        "remaining": summary.remaining,
        "bad_lines": summary.bad_lines,
    })
}
