//! Lines on stderr, where it is no terminal: what went wrong, and how far it is now and then.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use piton::lists::run::Event;

use super::pace::Pace;
use super::sentence::{self, Teller};
use super::{Ended, Frame, ListScreen};
use crate::out;

/// A line of progress each time that so much has passed.
const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Plain<W> {
    to: W,
    teller: Teller,
    pace: Pace,
    /// When progress was last told, or the first frame came.
    told: Option<Instant>,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, teller: Teller::default(), pace: Pace::default(), told: None }
    }

    fn line(&mut self, line: &str) {
        // There is no one to tell when stderr fails.
        let _ = writeln!(self.to, "{line}");
    }
}

impl<W: Write + Send> ListScreen for Plain<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn draw(&mut self, frame: &Frame) {
        let now = &frame.progress;
        let rates = self.pace.note(frame.at, now.so_far.done, now.bytes);
        let told = *self.told.get_or_insert(frame.at);
        if frame.at.duration_since(told) >= EVERY {
            self.told = Some(frame.at);
            self.line(&sentence::progress(now, rates));
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Some(line) = self.teller.event(event) {
            self.line(&line);
        }
    }

    fn complain(&mut self, line: &str) {
        self.line(&out::clean(line));
    }

    fn saving(&mut self) {
        self.line("piton: saving… (a second signal leaves at once)");
    }

    fn close(&mut self, ended: &Ended<'_>) -> io::Result<()> {
        for line in sentence::end(ended) {
            self.line(&line);
        }
        Ok(())
    }
}
