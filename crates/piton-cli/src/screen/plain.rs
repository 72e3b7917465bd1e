//! Lines on stderr if it is not a terminal: a log to read later.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use piton::fetch::{Event, Phase, Progress};

use super::{Ended, File, Screen, human, sentence};
use crate::out;

/// The maximum time between two lines of progress.
const EVERY: Duration = Duration::from_secs(10);
/// Another line of progress after this many more percent, but see [`SOONEST`].
const STEP: u64 = 10;
/// Never more than one line in this time, so that a fast file leaves a short log.
const SOONEST: Duration = Duration::from_secs(1);

pub(super) struct Plain<W> {
    to: W,
    last: HashMap<usize, Shown>,
}

/// When, and at what percentage, a file last had a line.
#[derive(Clone, Copy)]
struct Shown {
    at: Instant,
    percent: u64,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, last: HashMap::new() }
    }

    fn line(&mut self, line: &str) {
        // If stderr fails, there is no one to tell.
        let _ = writeln!(self.to, "{}", out::clean(line));
    }
}

impl<W: Write> Screen for Plain<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }

    fn draw(&mut self, files: &[File]) {
        for file in files.iter().filter(|file| !file.over) {
            let now = file.monitor.progress();
            if now.phase != Phase::Fetching {
                continue;
            }
            let shown = Shown { at: Instant::now(), percent: percent(&now) };
            let last = *self.last.entry(file.index).or_insert(shown);
            if is_due(last, shown) {
                self.last.insert(file.index, shown);
                let line = format!("{}: {}", file.name(), progress(&now));
                self.line(&line);
            }
        }
    }

    fn event(&mut self, file: &File, event: &Event) {
        let sentence = match event {
            Event::Started { .. } => Some(started(event)),
            Event::Verifying => Some("all bytes received; verifying".to_owned()),
            _ => sentence::event(event),
        };
        if let Some(sentence) = sentence {
            self.line(&format!("{}: {sentence}", file.name()));
        }
    }

    fn ended(&mut self, file: &File, ended: &Ended) {
        for line in sentence::ended(file, ended) {
            self.line(&line);
        }
    }

    fn saving(&mut self, _: &[File]) {
        self.line("piton: saving… (a second signal quits at once)");
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_due(last: Shown, now: Shown) -> bool {
    let waited = now.at.duration_since(last.at);
    waited >= EVERY || waited >= SOONEST && now.percent >= last.percent.saturating_add(STEP)
}

fn percent(now: &Progress) -> u64 {
    now.size.map_or(0, |size| human::whole_percent(now.have, size))
}

fn progress(now: &Progress) -> String {
    let have = human::size(now.have);
    let rate = human::rate(now.rate);
    let Some(size) = now.size else { return format!("{have}, {rate}") };
    let left = human::left(size.saturating_sub(now.have), now.rate);
    let left = if left.is_empty() { left } else { format!(", {left} left") };
    format!("{} ({have} of {}), {rate}{left}", human::percent(now.have, size), human::size(size))
}

fn started(event: &Event) -> String {
    let Event::Started { size, resumed, resumable, protocol, .. } = event else {
        return String::new();
    };
    let size = size.map_or("length unknown".to_owned(), human::size);
    let mut sentence = format!("{size} over {protocol}");
    if *resumed > 0 {
        sentence += &format!(", {} already here", human::size(*resumed));
    }
    if !resumable {
        sentence += "; the server does not support ranges, so a later run would have to start over";
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_by_time_or_by_tenths() {
        let start = Instant::now();
        let shown = |seconds, percent| Shown { at: start + Duration::from_secs(seconds), percent };
        assert!(!is_due(shown(0, 10), shown(5, 19)));
        assert!(is_due(shown(0, 10), shown(5, 20)));
        assert!(!is_due(shown(0, 10), shown(0, 90)));
        assert!(is_due(shown(0, 10), shown(10, 10)));
    }

    #[test]
    fn lines() {
        let mut now = Progress::default();
        now.have = 512;
        now.rate = 64.0;
        assert_eq!(progress(&now), "512 B, 64 B/s");
        now.size = Some(1024);
        assert_eq!(progress(&now), "50% (512 B of 1.0 KiB), 64 B/s, 0:08 left");
        let event = Event::Started {
            path: "a".into(),
            size: Some(1024),
            resumed: 512,
            resumable: false,
            protocol: "HTTP/2",
        };
        insta::assert_snapshot!(
            started(&event),
            @"1.0 KiB over HTTP/2, 512 B already here; the server does not support ranges, so a later run would have to start over"
        );
    }
}
