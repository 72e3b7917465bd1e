//! `--json`: one event per line on stdout. docs/cli.md has the schema.

use std::io::{self, Write};
use std::time::Duration;

use piton::fetch::{Event, Phase};
use serde_json::{Value, json};

use super::json_lines::{JsonLines, of_download, of_outcome};
use super::{Ended, File, Screen, sentence};
use crate::out;

pub(super) struct Json<W> {
    lines: JsonLines<W>,
}

impl<W: Write> Json<W> {
    pub(super) fn new(to: W) -> Self {
        Self { lines: JsonLines::new(to) }
    }

    fn emit(&mut self, file: &File, kind: &str, fields: Value) {
        let path = file.path().map(|path| path.to_string_lossy().into_owned());
        let common = json!({ "item": file.index, "url": file.url, "path": path });
        self.lines.emit(kind, common, fields);
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
            self.emit(file, "progress", fields);
        }
    }

    fn event(&mut self, file: &File, event: &Event) {
        if let Some((kind, fields)) = of_download(event) {
            self.emit(file, kind, fields);
        }
    }

    fn ended(&mut self, file: &File, ended: &Ended) {
        let exit_code = ended.exit().code();
        match ended {
            Ended::Done(outcome) => {
                let mut fields = of_outcome(outcome);
                fields["exit_code"] = exit_code.into();
                self.emit(file, "finished", fields);
                return;
            }
            Ended::Stopped { have, .. } => {
                let fields = json!({
                    "exit_code": exit_code,
                    "message": "stopped by a signal; everything is saved",
                    "hint": match file.journal_is_enough() {
                        true => "to resume, run piton resume or the same command again",
                        false => "to resume, run the same command again",
                    },
                    "saved": have,
                });
                self.emit(file, "failed", fields);
            }
            Ended::Failed(trouble) => {
                let fields = json!({
                    "exit_code": exit_code,
                    "message": trouble.message,
                    "hint": trouble.hint,
                });
                self.emit(file, "failed", fields);
            }
        }
        // For the person who reads the log of the calling program (G7).
        sentence::ended(file, ended).iter().for_each(out::say);
    }

    fn saving(&mut self, _: &[File]) {
        self.lines.emit("saving", Value::Null, Value::Null);
    }

    fn close(&mut self) -> io::Result<()> {
        self.lines.close()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use piton::fetch::{Download, Monitor, Place};
    use serde_json::Map;

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
            Event::Lacks { what: piton::durable::fs::Lack::Locks, path: PathBuf::new() },
            Event::Encoded { coding: String::new() },
            Event::OddType { path: PathBuf::new(), media_type: String::new() },
            Event::Verifying,
            Event::FetchingAgain { bytes: 1 },
        ] {
            screen.event(&file(), &event);
        }
        screen.draw(&[file()]);
        screen.saving(&[]);
        let page = include_str!("../../../../docs/cli.md");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), 15);
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
}
