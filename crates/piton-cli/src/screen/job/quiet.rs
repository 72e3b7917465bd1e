//! Nothing but failures, and what commands write to standard error.

use std::io;
use std::time::Duration;

use super::{Ended, Frame, JobScreen};
use crate::out;

pub(super) struct Quiet;

impl JobScreen for Quiet {
    fn interval(&self) -> Option<Duration> {
        None
    }

    fn draw(&mut self, _: &Frame) {}

    fn note(&mut self, _: &str) {}

    fn heard(&mut self, record: u64, line: &str) {
        out::say(format!("record {record}: {line}"));
    }

    fn saving(&mut self) {}

    fn close(&mut self, _: &Ended<'_>) -> io::Result<()> {
        Ok(())
    }
}
