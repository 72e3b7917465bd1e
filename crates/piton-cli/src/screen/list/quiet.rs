//! `--quiet`: failures, and what to do about them.

use std::io;
use std::time::Duration;

use piton::lists::run::Event;

use super::{Ended, Frame, ListScreen, sentence};
use crate::exit::Exit;
use crate::out;

pub(super) struct Quiet;

impl ListScreen for Quiet {
    fn interval(&self) -> Option<Duration> {
        None
    }

    fn draw(&mut self, _: &Frame) {}

    fn event(&mut self, event: &Event<'_>) {
        if let Some(line) = sentence::failure(event) {
            out::say(line);
        }
    }

    fn complain(&mut self, line: &str) {
        out::say(out::clean(line));
    }

    fn note(&mut self, _: &str) {}

    fn saving(&mut self) {}

    fn close(&mut self, ended: &Ended<'_>) -> io::Result<()> {
        if ended.exit != Exit::Done {
            sentence::end(ended).iter().for_each(out::say);
        }
        Ok(())
    }
}
