//! Lines on stderr if it is not a terminal: messages, and progress from time to time.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::{Ended, Frame, JobScreen, sentence};
use crate::out;
use crate::screen::list::pace::Pace;

/// The interval between lines of progress.
const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Plain<W> {
    to: W,
    pace: Pace,
    /// When progress was last shown, or the first frame came.
    last: Option<Instant>,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, pace: Pace::default(), last: None }
    }

    fn line(&mut self, line: &str) {
        // If stderr fails, there is no one to tell.
        let _ = writeln!(self.to, "{}", out::clean(line));
    }
}

impl<W: Write + Send> JobScreen for Plain<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn draw(&mut self, frame: &Frame) {
        let now = &frame.figures;
        let rates = self.pace.note(frame.at, now.records, now.position);
        let last = *self.last.get_or_insert(frame.at);
        if frame.at.duration_since(last) >= EVERY {
            self.last = Some(frame.at);
            self.line(&sentence::progress(frame, rates));
        }
    }

    fn note(&mut self, line: &str) {
        self.line(line);
    }

    fn heard(&mut self, record: u64, line: &str) {
        self.line(&format!("record {record}: {line}"));
    }

    fn saving(&mut self) {
        self.line("piton: saving… (commands may run on for 5 s; a second signal quits at once)");
    }

    fn close(&mut self, end: &Ended<'_>) -> io::Result<()> {
        for line in sentence::end(end) {
            self.line(&line);
        }
        Ok(())
    }
}
