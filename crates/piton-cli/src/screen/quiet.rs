//! `--quiet`: only errors, and how to resume after a signal.

use std::io;
use std::time::Duration;

use piton::fetch::Event;

use super::{Ended, File, Screen, sentence};
use crate::out;

pub(super) struct Quiet;

impl Screen for Quiet {
    fn interval(&self) -> Option<Duration> {
        None
    }

    fn draw(&mut self, _: &[File]) {}

    fn event(&mut self, _: &File, _: &Event) {}

    fn ended(&mut self, file: &File, ended: &Ended) {
        if !matches!(ended, Ended::Done(_)) {
            sentence::ended(file, ended).iter().for_each(out::say);
        }
    }

    fn saving(&mut self, _: &[File]) {}

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}
