//! Lines on stderr if it is not a terminal: messages, and progress from time to time.

use std::io::{self, Write};
use std::time::Duration;

use super::{Ended, Frame, JobScreen, sentence};
use crate::out;
use crate::screen::list::pace::Log;

pub(super) struct Plain<W> {
    to: W,
    log: Log,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, log: Log::default() }
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
        if let Some(rates) = self.log.due(frame.at, now.records, now.position) {
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
