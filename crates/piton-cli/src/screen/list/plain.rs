//! Lines on stderr if it is not a terminal: failures, and progress from time to time.

use std::io::{self, Write};
use std::time::Duration;

use piton::lists::run::Event;

use super::pace::Log;
use super::sentence::{self, Narrator};
use super::{Ended, Frame, ListScreen};
use crate::out;

pub(super) struct Plain<W> {
    to: W,
    narrator: Narrator,
    log: Log,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, narrator: Narrator::default(), log: Log::default() }
    }

    fn line(&mut self, line: &str) {
        // If stderr fails, there is no one to tell.
        let _ = writeln!(self.to, "{}", out::clean(line));
    }
}

impl<W: Write + Send> ListScreen for Plain<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn draw(&mut self, frame: &Frame) {
        let now = &frame.progress;
        if let Some(rates) = self.log.due(frame.at, now.so_far.done, now.bytes) {
            self.line(&sentence::progress(now, rates));
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Some(line) = self.narrator.event(event) {
            self.line(&line);
        }
    }

    fn complain(&mut self, line: &str) {
        self.line(&out::clean(line));
    }

    fn saving(&mut self) {
        self.line("piton: saving… (a second signal quits at once)");
    }

    fn close(&mut self, ended: &Ended<'_>) -> io::Result<()> {
        for line in sentence::end(ended) {
            self.line(&line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use piton::lists::Item;
    use piton::lists::run::{End, Summary};

    use super::*;
    use crate::exit::Exit;

    #[test]
    fn what_went_wrong_how_far_it_is_now_and_then_and_the_end() {
        let mut plain = Plain::new(Vec::new());
        let begin = Instant::now();
        let mut frame = Frame { at: begin, progress: Default::default(), running: Vec::new() };
        let mut at = |plain: &mut Plain<_>, seconds: u64, done: u64| {
            frame.at = begin + Duration::from_secs(seconds);
            frame.progress.so_far.done = done;
            frame.progress.bytes = done << 20;
            frame.progress.items = (seconds > 0).then_some(1000);
            plain.draw(&frame);
        };
        (0..=9).for_each(|second| at(&mut plain, second, second));
        at(&mut plain, 10, 10);
        plain.event(&Event::HeldBack { host: "h.test", pause: Some(Duration::from_secs(3)) });
        plain.event(&Event::HeldBack { host: "h.test", pause: None });
        let item = item();
        let class = "404".parse().unwrap();
        let end = End::Failed {
            fatal: true,
            class: Some(&class),
            with_host: false,
            why: "not\u{1b}[2J found",
        };
        plain.event(&Event::Ended { item: &item, path: None, end });
        plain.event(&Event::Ended { item: &item, path: None, end: End::Stopped });
        (11..=19).for_each(|second| at(&mut plain, second, 10));
        at(&mut plain, 20, 40);
        plain.complain("http://ann:secret@h.test/ is odd\r");
        plain.saving();
        let mut summary = Summary::default();
        (summary.done, summary.fatal, summary.took) = (40, 1, Duration::from_secs(20));
        let (classes, advice) = ([("404".to_owned(), 1)], ["do this".to_owned()]);
        let exit = Exit::Items;
        let ended = Ended { exit, summary: &summary, classes: &classes, advice: &advice };
        plain.close(&ended).unwrap();
        insta::assert_snapshot!(String::from_utf8(plain.to).unwrap(), @r"
        10 of 1,000 items, 10.0 MiB in 10 files, 1.0 MiB/s, 1.0 files/s, 16:30 left
        piton: h.test asks to wait 3.0 s
        piton: line 2: http://h.test/a: not�[2J found
        40 of 1,000 items, 40.0 MiB in 40 files, 3.0 MiB/s, 3.0 files/s, 5:20 left
        http://h.test/ is odd�
        piton: saving… (a second signal quits at once)
        41 items: 40 done, 1 failed permanently; 0 B in 20 s (0 B/s, 2.0 files/s)
          failures of this run: 404 1
          do this
        ");
    }

    fn item() -> Item {
        let list = "# files\nhttp://ann:secret@h.test/a\n".as_bytes();
        let mut entries = piton::lists::format::Format::Lines.entries(list, None, "");
        match entries.next() {
            Some(Ok(piton::lists::format::Entry::Item(item))) => item,
            other => panic!("{other:?}"),
        }
    }
}
