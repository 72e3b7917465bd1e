//! `piton status`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use piton::fetch::Unfinished;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::unfinished::{find, places};
use crate::args::StatusArgs;
use crate::exit::Exit;
use crate::screen::human;
use crate::trouble::Trouble;
use crate::{out, redact};

/// Says what is unfinished. The exit code speaks of this command, not of the downloads: 0 unless
/// something could not be read.
pub(crate) fn status(args: &StatusArgs) -> Result<Exit, Trouble> {
    let mut unfinished: Vec<Unfinished> = Vec::new();
    let mut exit = Exit::Done;
    for found in find(&args.paths) {
        match found.state {
            Ok(Some(one)) => unfinished.push(one),
            Ok(None) => {}
            Err(trouble) => {
                out::complain(Some(&out::path(&found.path)), &trouble);
                exit = trouble.exit;
            }
        }
    }
    let text = if args.json {
        unfinished.iter().map(|one| format!("{}\n", object(one))).collect()
    } else if unfinished.is_empty() {
        match exit {
            Exit::Done => format!("nothing is unfinished in {}\n", places(&args.paths)),
            _ => String::new(),
        }
    } else {
        table(&unfinished, &TimeZone::system())
    };
    out::print(text.as_bytes())?;
    Ok(exit)
}

fn have(one: &Unfinished) -> u64 {
    one.synced.saturating_add(one.written)
}

fn object(one: &Unfinished) -> serde_json::Value {
    json!({
        "type": "unfinished",
        "path": one.target.to_string_lossy(),
        "url": redact::text(&one.meta.url),
        "size": one.meta.identity.size,
        "have": have(one),
        "synced": one.synced,
        "written": one.written,
        "to_fetch": to_fetch(one),
        "resumable": one.meta.ranges,
        "begun": one.meta.begun,
        "running": one.running,
    })
}

/// Without ranges a resume has to start over.
fn to_fetch(one: &Unfinished) -> Option<u64> {
    if one.meta.ranges { one.missing() } else { one.meta.identity.size }
}

fn table(unfinished: &[Unfinished], zone: &TimeZone) -> String {
    let head = ["NAME", "HAVE", "SIZE", "%", "TO FETCH", "BEGUN", "RUNNING", "ADDRESS"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(unfinished.iter().map(|one| row(one, zone)));
    let right = [false, true, true, true, true, false, false, false];
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for ((cell, &width), right) in row.iter().zip(&widths).zip(right) {
            let space = " ".repeat(width - cell.width());
            line += &if right { format!("{space}{cell}  ") } else { format!("{cell}{space}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn row(one: &Unfinished, zone: &TimeZone) -> [String; 8] {
    let size = one.meta.identity.size;
    let or_unknown = |bytes: Option<u64>| bytes.map_or("?".to_owned(), human::size);
    [
        out::path(&one.target),
        human::size(have(one)),
        or_unknown(size),
        size.map_or("?".to_owned(), |size| human::percent(have(one), size)),
        or_unknown(to_fetch(one)),
        begun(one.meta.begun, zone),
        one.running.map_or("-".to_owned(), |pid| format!("pid {pid}")),
        out::clean(&one.meta.url),
    ]
}

fn begun(seconds: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "?".to_owned(),
    }
}
