//! `piton status`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use piton::fetch::Unfinished;
use serde_json::json;

use super::table::table;
use super::unfinished::{find, places};
use super::{job, list};
use crate::args::StatusArgs;
use crate::exit::Exit;
use crate::screen::human;
use crate::trouble::Trouble;
use crate::{out, redact};

/// Shows what is unfinished. The exit code refers to this command, not to the downloads: 0 unless something
/// could not be read.
pub(crate) fn status(args: &StatusArgs) -> Result<Exit, Trouble> {
    let named = args.source.state.is_some();
    if named && args.paths.len() != 1 {
        return Err(Trouble::usage("--state works with one list or job only"));
    }
    if let Some(spec) = job::spec(args.source.state.as_deref()) {
        let place = spec.to_string();
        let found = job::look(spec, Path::new(&place), true);
        let none = || Trouble::new(Exit::Local, format!("there is no job in {place}"));
        let failed = job::print_status(vec![found.ok_or_else(none)?], args.json)?;
        return Ok(failed.map_or(Exit::Done, |trouble| trouble.exit));
    }
    let is_list = |path: &PathBuf| named || list::is_list(path);
    let (lists, files): (Vec<_>, Vec<_>) = args.paths.iter().cloned().partition(is_list);
    let mut exit = Exit::Done;
    for path in &lists {
        if let Err(trouble) = list::status(path.as_os_str(), &args.source, args.json) {
            out::complain(Some(&out::path(path)), &trouble);
            exit = trouble.exit;
        }
    }
    if !files.is_empty() {
        let of_files = status_of_files(&files, args.json)?;
        exit = if exit == Exit::Done { of_files } else { exit };
    }
    Ok(exit)
}

fn status_of_files(paths: &[PathBuf], json: bool) -> Result<Exit, Trouble> {
    let mut unfinished: Vec<Unfinished> = Vec::new();
    let mut exit = Exit::Done;
    let jobs = job::find(paths)?;
    let files: Vec<PathBuf> = paths.iter().filter(|path| !job::is_job(path)).cloned().collect();
    for found in find(&files) {
        match found.state {
            Ok(Some(one)) => unfinished.push(one),
            Ok(None) => {}
            Err(trouble) => {
                out::complain(Some(&out::path(&found.path)), &trouble);
                exit = trouble.exit;
            }
        }
    }
    if json {
        unfinished.iter().try_for_each(|one| out::print_json(&object(one)))?;
    } else if !unfinished.is_empty() {
        out::print_text(&rows(&unfinished, &TimeZone::system()))?;
    } else if exit == Exit::Done && jobs.is_empty() {
        out::print_text(&format!("nothing is unfinished in {}", places(paths)))?;
    }
    if !json && !unfinished.is_empty() && !jobs.is_empty() {
        out::print_text("\n")?;
    }
    if let Some(trouble) = job::print_status(jobs, json)? {
        exit = trouble.exit;
    }
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

fn rows(unfinished: &[Unfinished], zone: &TimeZone) -> String {
    let head = ["NAME", "HAVE", "SIZE", "%", "TO FETCH", "STARTED", "RUNNING", "URL"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(unfinished.iter().map(|one| row(one, zone)));
    table(&rows, [false, true, true, true, true, false, false, false])
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

pub(super) fn begun(seconds: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "?".to_owned(),
    }
}
