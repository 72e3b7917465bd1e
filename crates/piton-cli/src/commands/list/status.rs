//! `piton status` for lists.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use piton::checkpoint::ledger::{PastRun, Reader, flight};
use piton::durable::fs::{Fs, Open, OsFs};
use piton::lists::report::{self, Status};
use serde_json::{Value, json};

use super::bring::{check_kept, source};
use super::kept::Kept;
use super::place::Place;
use super::{now, refuse_input};
use crate::args::ListSource;
use crate::commands::table::table;
use crate::screen::human;
use crate::trouble::Trouble;
use crate::{out, redact};

/// Hosts to show.
const HOSTS: usize = 5;

/// Prints the progress of a list.
pub(in crate::commands) fn status(
    list: &OsStr,
    given: &ListSource,
    as_json: bool,
) -> Result<(), Trouble> {
    let place = Place::of(list, given.state.as_deref())?;
    refuse_input(&place)?;
    let kept = Kept::of(&Reader::open(&place.ledger)?)?.unwrap_or_default();
    check_kept(&place)?;
    let source = source(&place, given, &kept)?;
    let status = report::status(&source, &place.ledger, now())?;
    let running = running(&place.ledger);
    match as_json {
        true => out::print_json(&object(&place, &kept, &status, running)),
        false => out::print_text(&sentences(&place, &kept, &status, running, &TimeZone::system())),
    }
}

/// The process that is running the list.
fn running(ledger: &Path) -> Option<u32> {
    let ledger = OsFs.canonicalize(ledger).ok()?;
    OsFs.open(&flight::path_of(&ledger), Open::Read).ok()?.lock_holder()
}

fn object(place: &Place, kept: &Kept, status: &Status, running: Option<u32>) -> Value {
    let classes = status.classes.iter();
    let classes: Value =
        classes.map(|(class, count)| (class.to_string(), Value::from(*count))).collect();
    let hosts = status.worst_hosts.iter();
    let hosts = hosts.map(|host| {
        json!({ "host": redact::text(&host.host), "done": host.done, "failed": host.failed })
    });
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let rate = |count: u64| count as f64 / seconds(status.rate.over).max(1.0);
    json!({
        "type": "list",
        "list": place.named.to_string_lossy(),
        "state": place.ledger.to_string_lossy(),
        "folder": redact::text(&kept.folder.to_string_lossy()),
        "running": running,
        "began": status.last_run.as_ref().map(|last| seconds(last.run.began)),
        "ended": status.last_run.as_ref().and_then(|last| last.ended.map(seconds)),
        "items": status.items,
        "done": status.done,
        "pending": status.pending,
        "transient": status.transient,
        "fatal": status.fatal,
        "interrupted": status.interrupted,
        "quarantined": status.quarantined,
        "bad_lines": status.bad_lines,
        "elsewhere": status.elsewhere,
        "in_flight": status.in_flight,
        "bytes": status.bytes,
        "classes": classes,
        "worst_hosts": hosts.collect::<Vec<_>>(),
        "files_per_second": rate(status.rate.done),
        "rate": rate(status.rate.bytes),
        "time_left": running.and(status.time_left()).map(|left| left.as_secs()),
    })
}

fn sentences(
    place: &Place,
    kept: &Kept,
    status: &Status,
    running: Option<u32>,
    zone: &TimeZone,
) -> String {
    let mut text = format!("{}\n", out::clean(&place.named.to_string_lossy()));
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    line("state", out::path(&place.ledger));
    if !kept.folder.as_os_str().is_empty() {
        line("files in", out::path(&kept.folder));
    }
    match (running, &status.last_run) {
        (Some(pid), _) => line("running", format!("process {pid}")),
        (None, Some(last)) => line("last run", run(last, zone)),
        (None, None) => {}
    }
    line("items", human::count(status.items));
    for (name, count, more) in [
        ("done", status.done, human::size(status.bytes)),
        ("pending", status.pending, String::new()),
        ("failed", status.transient, "temporarily: the next run retries them".to_owned()),
        ("failed", status.fatal, "permanently: piton retry tries them again".to_owned()),
        ("interrupted", status.interrupted, "the next run starts with them".to_owned()),
        (
            "quarantined",
            status.quarantined,
            "in progress when runs crashed: piton retry tries them again".to_owned(),
        ),
        ("bad lines", status.bad_lines, String::new()),
        ("elsewhere", status.elsewhere, "recorded, but no longer in the list".to_owned()),
    ] {
        if count > 0 || name == "done" {
            let more = if more.is_empty() { more } else { format!("  {more}") };
            line(name, format!("{}{more}", human::count(count)));
        }
    }
    if running.is_some() {
        let seconds = (status.rate.over as f64 / 1000.0).max(1.0);
        let files = human::frequency(status.rate.done as f64 / seconds);
        let bytes = human::rate(status.rate.bytes as f64 / seconds);
        line("rate", format!("{files} files/s, {bytes}"));
        if let Some(left) = status.time_left() {
            line("time left", human::duration(left));
        }
    }
    text + &failures(status) + &hosts(status)
}

fn failures(status: &Status) -> String {
    if status.classes.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = status
        .classes
        .iter()
        .map(|(class, count)| [format!("    {class}"), human::count(*count)])
        .collect();
    format!("  failures\n{}", table(&rows, [false, true]))
}

fn hosts(status: &Status) -> String {
    if status.worst_hosts.is_empty() {
        return String::new();
    }
    let head = ["  worst hosts", "FAILED", "DONE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head)
        .chain(status.worst_hosts.iter().take(HOSTS).map(|host| {
            let name = format!("    {}", out::clean(&host.host));
            [name, human::count(host.failed), human::count(host.done)]
        }))
        .collect();
    table(&rows, [false, true, true])
}

fn run(last: &PastRun, zone: &TimeZone) -> String {
    let time = |ms: u64| {
        let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        time.map_or("?".to_owned(), |time| {
            time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
        })
    };
    match last.ended {
        Some(ended) => format!("{} to {}", time(last.run.began), time(ended)),
        None => format!("started {}, and was killed", time(last.run.began)),
    }
}
