//! `piton show` for the journal of a job.

use std::path::Path;

use piton::checkpoint::store::{JobFrame, JournalStore, JournalView};
use piton::durable::fs::OsFs;
use serde_json::{Value, json};

use super::trouble::of_job;
use crate::exit::Exit;
use crate::trouble::Trouble;
use crate::{out, redact};

pub(in crate::commands) fn show(path: &Path, as_json: bool) -> Result<Exit, Trouble> {
    let view = JournalStore::view(&OsFs, path).map_err(|error| of_job(error.into()))?;
    let missing = || Trouble::new(Exit::Local, format!("there is no {}", path.display()));
    let view = view.ok_or_else(missing)?;
    match as_json {
        true => out::print_json(&object(&view))?,
        false => out::print_text(&text(&view))?,
    }
    Ok(Exit::Done)
}

fn text(view: &JournalView) -> String {
    let mut lines = vec![
        format!("job journal format {}, salt {:016x}", view.version, view.salt),
        String::new(),
        format!("{:>10}  {:>8}  RECORD", "OFFSET", "SEQUENCE"),
    ];
    lines.extend(view.frames.iter().map(|(offset, sequence, frame)| {
        format!("{offset:>10}  {sequence:>8}  {}", out::clean(&sentence(frame)))
    }));
    let end = match view.tear {
        None => "end".to_owned(),
        Some(why) => format!("torn: {why}"),
    };
    lines.push(format!("{:>10}  {:>8}  {end}", view.end, ""));
    if let Some(last) = last(view) {
        lines.extend([String::new(), "the last commit:".to_owned()]);
        lines.push(serde_json::to_string_pretty(&last).unwrap_or_default());
    }
    lines.join("\n")
}

fn sentence(frame: &JobFrame) -> String {
    match frame {
        JobFrame::Epoch(epoch) => format!("run {epoch}"),
        JobFrame::Durable(through) => format!("durable through {through}"),
        JobFrame::Commit(state) => {
            let state = commit(state);
            let number = |path: &str| state.pointer(path).and_then(Value::as_u64);
            let mut parts = vec![format!("commit, {}", word(&state, "/phase"))];
            for (name, path) in [
                ("records", "/source/position/records"),
                ("bytes read", "/source/position/bytes"),
                ("bytes written", "/output/committed/length"),
                ("failed", "/work/failed"),
            ] {
                parts.extend(number(path).map(|number| format!("{number} {name}")));
            }
            parts.join(", ")
        }
        _ => "unknown to this version".to_owned(),
    }
}

fn word(state: &Value, path: &str) -> String {
    state.pointer(path).and_then(Value::as_str).unwrap_or("not readable").to_owned()
}

fn last(view: &JournalView) -> Option<Value> {
    view.frames.iter().rev().find_map(|(_, _, frame)| match frame {
        JobFrame::Commit(state) => Some(commit(state)),
        _ => None,
    })
}

fn object(view: &JournalView) -> Value {
    let frame = |(offset, sequence, frame): &(u64, u64, JobFrame)| {
        let (kind, value) = match frame {
            JobFrame::Epoch(epoch) => ("epoch", json!(epoch)),
            JobFrame::Commit(state) => ("commit", commit(state)),
            JobFrame::Durable(through) => ("durable", json!(through)),
            _ => ("unknown", Value::Null),
        };
        json!({ "type": kind, "offset": offset, "sequence": sequence, kind: value })
    };
    json!({
        "type": "job_journal",
        "version": view.version,
        "salt": format!("{:016x}", view.salt),
        "records": view.frames.iter().map(frame).collect::<Vec<_>>(),
        "end": {
            "offset": view.end,
            "clean": view.tear.is_none(),
            "why": view.tear.map(|why| why.to_string()),
        },
    })
}

/// A commit as JSON, without logins; `null` if it is none.
fn commit(state: &[u8]) -> Value {
    let text = redact::text(&String::from_utf8_lossy(state));
    serde_json::from_str(&text).unwrap_or(Value::Null)
}
