//! `--json`: one event per line on stdout. docs/cli.md has the schema.

use std::io::{self, Write};
use std::time::Duration;

use piton::fetch::{Event, Phase};
use serde_json::{Map, Value, json};

use super::{Ended, File, Screen, sentence};
use crate::{out, redact};

pub(super) struct Json<W> {
    to: W,
    /// What the first failed write said; afterwards nothing more is written.
    failed: Option<io::Error>,
}

impl<W: Write> Json<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, failed: None }
    }

    fn emit(&mut self, file: Option<&File>, kind: &str, fields: Value) {
        if self.failed.is_some() {
            return;
        }
        let mut object = Map::new();
        object.insert("type".to_owned(), kind.into());
        if let Some(file) = file {
            let path = file.path().map(|path| path.to_string_lossy().into_owned());
            object.insert("item".to_owned(), file.index.into());
            object.insert("url".to_owned(), file.url.clone().into());
            object.insert("path".to_owned(), path.into());
        }
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        let written = writeln!(self.to, "{}", Value::Object(object)).and_then(|()| self.to.flush());
        self.failed = written.err();
    }
}

impl<W: Write> Screen for Json<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }

    fn draw(&mut self, files: &[File]) {
        for file in files.iter().filter(|file| !file.over) {
            let now = file.monitor.progress();
            let phase = match now.phase {
                Phase::Fetching => "fetching",
                Phase::Verifying => "verifying",
                Phase::Ended => "ended",
                _ => "asking",
            };
            let fields = json!({
                "phase": phase,
                "size": now.size,
                "have": now.have,
                "resumed": now.resumed,
                "fetched": now.fetched,
                "rate": now.rate.round() as u64,
                "connections": now.connections,
            });
            self.emit(Some(file), "progress", fields);
        }
    }

    fn event(&mut self, file: &File, event: &Event) {
        let (kind, fields) = match event {
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
            Event::Encoded { coding } => ("encoded", json!({ "coding": coding })),
            Event::Verifying => ("verifying", Value::Null),
            Event::FetchingAgain { bytes } => ("fetching_again", json!({ "bytes": bytes })),
            _ => return,
        };
        self.emit(Some(file), kind, fields);
    }

    fn ended(&mut self, file: &File, ended: &Ended) {
        let exit_code = ended.exit().code();
        match ended {
            Ended::Done(outcome) => {
                let verified = outcome.verified.iter();
                let verified = verified.map(|digest| format!("{}:{digest}", digest.algorithm()));
                let fields = json!({
                    "path": outcome.path.to_string_lossy(),
                    "exit_code": exit_code,
                    "size": outcome.size,
                    "fetched": outcome.fetched,
                    "resumed": outcome.resumed,
                    "took": outcome.took.as_secs_f64(),
                    "verified": verified.collect::<Vec<_>>(),
                    "already_complete": outcome.already_complete,
                    "not_newer": outcome.not_newer,
                });
                self.emit(Some(file), "finished", fields);
                return;
            }
            Ended::Stopped { have, .. } => {
                let fields = json!({
                    "exit_code": exit_code,
                    "message": "stopped by a signal, everything saved",
                    "hint": "piton resume, or the same command again, goes on",
                    "saved": have,
                });
                self.emit(Some(file), "failed", fields);
            }
            Ended::Failed(trouble) => {
                let fields = json!({
                    "exit_code": exit_code,
                    "message": trouble.message,
                    "hint": trouble.hint,
                });
                self.emit(Some(file), "failed", fields);
            }
        }
        // For the person who reads the log of the program that reads this (G7).
        sentence::ended(file, ended).iter().for_each(out::say);
    }

    fn saving(&mut self, _: &[File]) {
        self.emit(None, "saving", Value::Null);
    }

    fn close(&mut self) -> io::Result<()> {
        match self.failed.take() {
            // A reader that went away wants no more.
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use piton::fetch::{Download, Monitor, Place};

    use super::*;
    use crate::exit::Exit;
    use crate::trouble::Trouble;

    fn file() -> File {
        let url = "http://ann:secret@h/a.iso".parse().unwrap();
        let download = Download::new(url, Place::Folder(".".into()));
        File::new(0, &download, Monitor::default())
    }

    #[test]
    fn events_are_lines_of_json_without_logins() {
        let mut bytes = Vec::new();
        let mut screen = Json::new(&mut bytes);
        let mut file = file();
        let started = Event::Started {
            path: PathBuf::from("a.iso"),
            size: Some(7),
            resumed: 0,
            resumable: true,
            protocol: "HTTP/1.1",
        };
        file.note(&started);
        screen.event(&file, &started);
        screen.draw(&[file]);
        screen.saving(&[]);
        let failed = Ended::Failed(Trouble::new(Exit::Server, "no").hint("later"));
        screen.ended(&super::tests::file(), &failed);
        screen.close().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        insta::assert_snapshot!(text, @r#"
        {"type":"started","item":0,"url":"http://h/a.iso","path":"a.iso","size":7,"resumed":0,"resumable":true,"protocol":"HTTP/1.1"}
        {"type":"progress","item":0,"url":"http://h/a.iso","path":"a.iso","phase":"asking","size":null,"have":0,"resumed":0,"fetched":0,"rate":0,"connections":0}
        {"type":"saving"}
        {"type":"failed","item":0,"url":"http://h/a.iso","path":null,"exit_code":11,"message":"no","hint":"later"}
        "#);
    }

    #[test]
    fn the_documentation_has_every_type() {
        let mut bytes = Vec::new();
        let mut screen = Json::new(&mut bytes);
        let size = piton::checkpoint::Change::Size { was: 1, is: 2 };
        let started = Event::Started {
            path: PathBuf::new(),
            size: None,
            resumed: 0,
            resumable: true,
            protocol: "HTTP/2",
        };
        for event in [
            started,
            Event::Retrying { why: String::new(), pause: Duration::ZERO, tries: 1 },
            Event::FewerConnections { limit: 1 },
            Event::Replaced,
            Event::StartedOver { change: size },
            Event::MirrorDropped { url: String::new(), why: String::new() },
            Event::Damaged { bytes: 1 },
            Event::SetAside { path: PathBuf::new() },
            Event::Encoded { coding: String::new() },
            Event::Verifying,
            Event::FetchingAgain { bytes: 1 },
        ] {
            screen.event(&file(), &event);
        }
        screen.draw(&[file()]);
        screen.saving(&[]);
        let page = include_str!("../../../../docs/cli.md");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), 13);
        for line in text.lines() {
            let object: Map<String, Value> = serde_json::from_str(line).unwrap();
            let row = format!("| `{}` |", object["type"].as_str().unwrap());
            let row = page.lines().find(|line| line.starts_with(&row)).expect(&row);
            let common = ["type", "item", "url", "path"];
            for field in object.keys().filter(|key| !common.contains(&key.as_str())) {
                assert!(row.contains(&format!("`{field}`")), "{field} is not in: {row}");
            }
        }
    }

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
            let mut screen = Json::new(Broken(kind));
            screen.saving(&[]);
            screen.saving(&[]);
            assert_eq!(screen.close().is_ok(), fine);
        }
    }
}
