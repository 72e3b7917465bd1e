//! A terminal: one line for the job, and all messages above.

use std::io;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::{Ended, Frame, JobScreen, sentence};
use crate::screen::block::{Block, terminal_size};
use crate::screen::colour::last_lines;
use crate::screen::human;
use crate::screen::line::{Line, room_for_name, widths_by_name};
use crate::screen::list::bars::bar;
use crate::screen::list::pace::{Pace, Rates};

pub(super) struct Bars {
    block: Block,
    colours: bool,
    pace: Pace,
}

impl Bars {
    pub(super) fn new(colours: bool) -> Self {
        Self { block: Block::new(), colours, pace: Pace::default() }
    }

    fn line(&mut self, frame: &Frame, columns: usize) -> String {
        let now = &frame.figures;
        let rates = self.pace.note(frame.at, now.records, now.position);
        let name = name(frame, rates, room_for_name(columns));
        let widths = widths_by_name(columns, name.width());
        let line = Line {
            name,
            percent: now.whole.map(|all| human::percent(now.position, all)).unwrap_or_default(),
            sizes: human::size(now.position),
            rate: human::rate(rates.bytes),
            left: sentence::left(frame, rates),
            connections: format!("x{}", now.running),
            map: now.whole.map(|all| bar(now.position, all, widths)).unwrap_or_default(),
        };
        line.draw(widths)
    }
}

/// The records, and of the rest as much as fits.
fn name(frame: &Frame, rates: Rates, room: usize) -> String {
    let now = &frame.figures;
    let records = format!("{} records", human::count(now.records));
    let failed = match now.failed {
        0 => String::new(),
        failed => format!(", {} failed", human::count(failed)),
    };
    let state = match (now.paused, now.committed) {
        (true, _) => ", paused".to_owned(),
        (false, Some(at)) => {
            let age = frame.at.saturating_duration_since(at);
            format!(", saved {} ago", human::duration(age))
        }
        (false, None) => String::new(),
    };
    let rate = human::frequency(rates.files);
    let names = [
        format!("{records}{failed}, {rate}/s{state}"),
        format!("{records}{failed}{state}"),
        format!("{records}{failed}"),
    ];
    let fitting = names.iter().find(|name| name.width() <= room);
    fitting.cloned().unwrap_or(records)
}

impl JobScreen for Bars {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }

    fn draw(&mut self, frame: &Frame) {
        let (columns, _) = terminal_size();
        let line = self.line(frame, columns);
        self.block.draw(&[line]);
    }

    fn note(&mut self, line: &str) {
        self.block.print(line);
    }

    fn heard(&mut self, record: u64, line: &str) {
        self.block.print(&format!("record {record}: {line}"));
    }

    fn saving(&mut self) {
        self.block
            .print("piton: saving… (commands may run on for 5 s; press again to quit at once)");
    }

    fn close(&mut self, end: &Ended<'_>) -> io::Result<()> {
        self.block.clear();
        let lines = last_lines(sentence::end(end), self.colours, end.exit);
        lines.iter().for_each(crate::out::say_clean);
        Ok(())
    }
}
