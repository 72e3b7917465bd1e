//! The events of a list as sentences, for the screens that people read.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::redact;
use piton::lists::Item;
use piton::lists::run::{Early, End, Event, Progress, Summary, Suppressed};

use super::super::{human, sentence};
use super::Ended;
use super::pace::Rates;
use crate::exit::Exit;
use crate::out;

/// The label of an item: its first URL, without a login.
pub(crate) fn address(item: &Item) -> String {
    item.urls.first().map(|one| redact::url(&one.url)).unwrap_or_default()
}

/// The minimum time between two messages about the same host.
const HOST_EVERY: Duration = Duration::from_secs(10);
/// The number of hosts for which that is remembered.
const HOSTS: usize = 1024;

/// Turns events into sentences.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    /// When a host was last reported.
    held_back: HashMap<String, Instant>,
}

impl Narrator {
    /// The sentence for an event, if there is one.
    pub(super) fn event(&mut self, event: &Event<'_>) -> Option<String> {
        let said = match event {
            Event::HeldBack { host, pause } => self.held_back(host, *pause)?,
            Event::Download { line, event } => {
                format!("line {line}: {}", sentence::event(event)?)
            }
            Event::Notice(notice) => notice.to_string(),
            Event::Suppressed(Suppressed::Notices) => "further notices are not shown".to_owned(),
            _ => return failure(event),
        };
        Some(format!("piton: {}", out::clean(&said)))
    }

    fn held_back(&mut self, host: &str, pause: Option<Duration>) -> Option<String> {
        let pause = pause?;
        let now = Instant::now();
        let told = self.held_back.get(host);
        if told.is_some_and(|told| now.duration_since(*told) < HOST_EVERY.max(pause)) {
            return None;
        }
        if self.held_back.len() >= HOSTS {
            self.held_back.clear();
        }
        self.held_back.insert(host.to_owned(), now);
        Some(format!("{host} asks to wait {}", human::duration(pause)))
    }
}

/// The failure; `None` for anything else.
pub(super) fn failure(event: &Event<'_>) -> Option<String> {
    let said = match event {
        Event::BadLine(bad) => bad.to_string(),
        Event::Suppressed(Suppressed::BadLines) => {
            "further invalid lines are counted, but not shown".to_owned()
        }
        // One line for all its items.
        Event::GivenUp { host, why, items } => format!(
            "giving up {host}: {why}; a later run will try its {} waiting, and the rest of the list \
             from it",
            human::counted(*items as u64, "item", "items")
        ),
        Event::Ended { item, end, .. } => {
            let item = format!("line {}: {}", item.line, address(item));
            match end {
                End::Failed { with_host: true, .. } => return None,
                End::Failed { fatal: true, why, .. } => format!("{item}: {why}"),
                End::Failed { why, .. } => format!("{item}: {why}; a later run will retry it"),
                End::Unchecked { why } => format!("{item}: could not be checked: {why}"),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(format!("piton: {}", out::clean(&said)))
}

/// Items that have ended, successfully or not.
pub(super) fn over(so_far: &Summary) -> u64 {
    [so_far.done, so_far.done_before, failed(so_far)].into_iter().fold(0, u64::saturating_add)
}

/// Items that failed or are quarantined.
pub(super) fn failed(so_far: &Summary) -> u64 {
    so_far.transient.saturating_add(so_far.fatal).saturating_add(so_far.quarantined)
}

/// The progress in one line.
pub(super) fn progress(now: &Progress, rates: Rates) -> String {
    let mut parts = vec![match now.items {
        Some(items) => {
            format!("{} of {} items", human::count(over(&now.so_far)), human::count(items))
        }
        None => human::counted(over(&now.so_far), "item", "items"),
    }];
    let failed = failed(&now.so_far);
    if failed > 0 {
        parts.push(format!("{} failed", human::count(failed)));
    }
    parts.push(format!(
        "{} in {}",
        human::size(now.bytes),
        human::counted(now.so_far.done, "file", "files")
    ));
    parts.push(human::rate(rates.bytes));
    parts.push(format!("{} files/s", human::frequency(rates.files)));
    let left = left(now, rates);
    if !left.is_empty() {
        parts.push(format!("{left} left"));
    }
    parts.join(", ")
}

/// The time left, by the files of the last seconds.
pub(super) fn left(now: &Progress, rates: Rates) -> String {
    let missing = now.items.map(|items| items.saturating_sub(over(&now.so_far)));
    missing.map(|missing| human::left_of(missing as f64, rates.files)).unwrap_or_default()
}

/// The end of a run: the counts, the failures by class, what to do next.
pub(super) fn end(ended: &Ended<'_>) -> Vec<String> {
    let summary = ended.summary;
    let mut lines = Vec::new();
    match summary.ended {
        Some(Early::Stopped) => lines.push("stopped; everything is saved".to_owned()),
        Some(Early::Failures) => {
            let failed = human::counted(summary.failed_now, "item", "items");
            lines.push(format!("stopped early: {failed} failed, more than --max-failures allows"));
        }
        _ => {}
    }
    if !came_to_nothing(ended) {
        lines.push(counts(summary));
    }
    let classes =
        ended.classes.iter().map(|(class, count)| format!("{class} {}", human::count(*count)));
    let classes: Vec<_> = classes.collect();
    if !classes.is_empty() {
        lines.push(format!("  failures of this run: {}", classes.join(", ")));
    }
    lines.extend(ended.advice.iter().map(|advice| format!("  {advice}")));
    lines.iter().map(|line| out::clean(line)).collect()
}

/// Whether it failed before there was anything to count.
fn came_to_nothing(ended: &Ended<'_>) -> bool {
    let summary = ended.summary;
    let is_over =
        matches!(ended.exit, Exit::Done | Exit::Items | Exit::Interrupted | Exit::Terminated);
    !is_over && summary.items() == 0 && summary.bad_lines == 0
}

fn counts(summary: &Summary) -> String {
    let mut parts = Vec::new();
    let done = summary.done.saturating_add(summary.done_before);
    let before = match summary.done_before {
        0 => String::new(),
        before => format!(" ({} before)", human::count(before)),
    };
    parts.push(format!("{} done{before}", human::count(done)));
    for (count, what) in [
        (summary.fatal, "failed permanently"),
        (summary.transient, "will be retried"),
        (summary.quarantined, "quarantined"),
        (summary.interrupted, "interrupted"),
        (summary.remaining, "not started"),
        (summary.unchecked, "unchecked"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", human::count(count)));
        }
    }
    if summary.bad_lines > 0 {
        parts.push(human::counted(summary.bad_lines, "invalid line", "invalid lines"));
    }
    let seconds = summary.took.as_secs_f64().max(0.001);
    let files = match summary.done {
        0 => String::new(),
        done => format!(
            " ({}, {} files/s)",
            human::rate(summary.bytes as f64 / seconds),
            human::frequency(done as f64 / seconds)
        ),
    };
    format!(
        "{}: {}; {} in {}{files}",
        human::counted(summary.items(), "item", "items"),
        parts.join(", "),
        human::size(summary.bytes),
        human::duration(summary.took)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mut summary = Summary::default();
        (summary.done, summary.done_before, summary.fatal) = (1200, 9000, 7);
        (summary.transient, summary.remaining, summary.bad_lines) = (2, 1, 1);
        (summary.bytes, summary.took) = (3 << 20, Duration::from_secs(4));
        summary
    }

    #[test]
    fn how_far_it_is() {
        let mut now = Progress::default();
        now.so_far = summary();
        now.bytes = 4 << 20;
        let rates = Rates { files: 300.0, bytes: f64::from(1 << 20) };
        insta::assert_snapshot!(
            progress(&now, rates),
            @"10,209 items, 9 failed, 4.0 MiB in 1,200 files, 1.0 MiB/s, 300 files/s"
        );
        now.items = Some(20_000);
        insta::assert_snapshot!(
            progress(&now, rates),
            @"10,209 of 20,000 items, 9 failed, 4.0 MiB in 1,200 files, 1.0 MiB/s, 300 files/s, 0:33 left"
        );
    }

    #[test]
    fn the_end_says_what_is_left_to_do() {
        let (mut summary, classes) = (summary(), [("404".to_owned(), 7), ("dns".to_owned(), 2)]);
        let advice = ["do this".to_owned()];
        let told = |summary: &Summary, exit| {
            end(&Ended { exit, summary, classes: &classes, advice: &advice }).join("\n")
        };
        insta::assert_snapshot!(told(&summary, Exit::Items), @r"
        10,210 items: 10,200 done (9,000 before), 7 failed permanently, 2 will be retried, 1 not started, 1 invalid line; 3.0 MiB in 4.0 s (768 KiB/s, 300 files/s)
          failures of this run: 404 7, dns 2
          do this
        ");
        summary.ended = Some(Early::Stopped);
        assert!(
            told(&summary, Exit::Interrupted)
                .starts_with("stopped; everything is saved\n10,210 items")
        );
        assert_eq!(
            told(&Summary::default(), Exit::Usage).lines().count(),
            2,
            "no counts of nothing"
        );
    }

    #[test]
    fn a_host_is_told_of_now_and_then() {
        let mut narrator = Narrator::default();
        let pause = Some(Duration::from_secs(3));
        let held_back = Event::HeldBack { host: "h", pause };
        assert_eq!(narrator.event(&held_back).unwrap(), "piton: h asks to wait 3.0 s");
        assert_eq!(narrator.event(&held_back), None);
        let given_up = Event::GivenUp { host: "h", why: "h refused", items: 1200 };
        insta::assert_snapshot!(
            narrator.event(&given_up).unwrap(),
            @"piton: giving up h: h refused; a later run will try its 1,200 items waiting, and the rest of the list from it"
        );
    }
}
