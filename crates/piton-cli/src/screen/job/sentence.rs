//! A job in words.

use super::{Ended, Frame};
use crate::exit::Exit;
use crate::out;
use crate::screen::human;
use crate::screen::list::pace::Rates;

/// `12,345 records, 1.2/50.0 GiB, 40 MiB/s, 3,000 records/s, 20:15 left, 2 failed`.
pub(super) fn progress(frame: &Frame, rates: Rates) -> String {
    let now = &frame.figures;
    let sizes = match now.whole {
        Some(whole) => human::part_of(now.position, whole),
        None => human::size(now.position),
    };
    let mut parts = vec![
        format!("{} records", human::count(now.records)),
        sizes,
        human::rate(rates.bytes),
        format!("{} records/s", human::frequency(rates.files)),
    ];
    let left = left(frame, rates);
    if !left.is_empty() {
        parts.push(format!("{left} left"));
    }
    if now.failed > 0 {
        parts.push(format!("{} failed", human::count(now.failed)));
    }
    parts.push(format!("{} running", now.running));
    if let Some(committed) = now.committed {
        let age = frame.at.saturating_duration_since(committed);
        parts.push(format!("saved {} ago", human::duration(age)));
    }
    if now.paused {
        parts.push("paused".to_owned());
    }
    parts.join(", ")
}

/// The time that is left, at this rate; nothing if that is not known.
pub(super) fn left(frame: &Frame, rates: Rates) -> String {
    let now = &frame.figures;
    let rest = now.whole.map(|whole| whole.saturating_sub(now.position));
    rest.map(|rest| human::left(rest, rates.bytes)).unwrap_or_default()
}

/// What a compressed source costs before the first record.
pub(super) fn replays(bytes: u64) -> String {
    format!("decompressing {} again, up to the saved position", human::size(bytes))
}

/// The last lines.
pub(super) fn end(end: &Ended<'_>) -> Vec<String> {
    let Some(done) = end.done else { return Vec::new() };
    if end.was_finished {
        return vec!["finished before: nothing to do".to_owned()];
    }
    let records = human::count(done.records);
    let what = match end.exit {
        _ if !done.stopped => "done",
        Exit::Interrupted => "interrupted",
        _ => "terminated",
    };
    let bytes = end.figures.finished;
    let rate = bytes as f64 / end.took.as_secs_f64().max(0.001);
    let mut lines = vec![format!(
        "{what}: {records} records; {} in {} ({})",
        human::size(bytes),
        human::duration(end.took),
        human::rate(rate),
    )];
    if done.stopped {
        lines.push("  run the same command again to continue".to_owned());
    }
    if done.failed > 0 {
        let failed = human::count(done.failed);
        let place = end.dead_letters.map(|path| format!(": see {}", out::path(path)));
        lines.push(format!("  {failed} records failed{}", place.unwrap_or_default()));
    }
    lines
}
