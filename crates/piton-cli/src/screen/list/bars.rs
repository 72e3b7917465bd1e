//! A terminal: one line for the whole list, some below it for files that take long, and all that
//! went wrong above.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use piton::lists::run::Event;
use unicode_width::UnicodeWidthStr;

use super::pace::Pace;
use super::sentence::{self, Teller};
use super::{Ended, Frame, ListScreen};
use crate::exit::Exit;
use crate::out;
use crate::screen::block::{Block, terminal_size};
use crate::screen::line::{Line, Map, Widths, widths, widths_by_name};
use crate::screen::{file_name, human};

/// So many files have a line.
const FILES: usize = 5;
/// So many are looked at for that, however many are under way.
const LOOKED_AT: usize = 64;

pub(super) struct Bars {
    block: Block,
    colours: bool,
    teller: Teller,
    pace: Pace,
    /// The files that the last frame had: what is there for one frame only would just flicker.
    seen: Vec<PathBuf>,
}

impl Bars {
    pub(super) fn new(colours: bool) -> Self {
        Self {
            block: Block::new(),
            colours,
            teller: Teller::default(),
            pace: Pace::default(),
            seen: Vec::new(),
        }
    }

    fn total(&mut self, frame: &Frame) -> Line {
        let now = &frame.progress;
        let rates = self.pace.note(frame.at, now.so_far.done, now.bytes);
        let over = sentence::over(&now.so_far);
        let of = now.items.map(|items| format!("/{}", human::count(items))).unwrap_or_default();
        let failed = match sentence::failed(&now.so_far) {
            0 => String::new(),
            failed => format!(", {} failed", human::count(failed)),
        };
        let files = human::frequency(rates.files);
        Line {
            name: format!("{}{of}{failed}, {files}/s", human::count(over)),
            percent: now.items.map(|items| human::percent(over, items)).unwrap_or_default(),
            sizes: human::size(now.bytes),
            rate: human::rate(rates.bytes),
            left: sentence::left(now, rates),
            connections: format!("x{}", now.running),
            map: Map::default(),
        }
    }

    /// Those that the last frame had too, the longest under way first.
    fn lasting(&mut self, frame: &Frame) -> Vec<(PathBuf, piton::fetch::Progress)> {
        let running = frame.running.iter().take(LOOKED_AT);
        let running = running.filter_map(|now| Some((now.path.clone()?, now)));
        let running: Vec<_> = running.collect();
        let lasting = running.iter().filter(|(path, _)| self.seen.contains(path));
        let lasting = lasting.map(|(path, now)| (path.clone(), (*now).clone())).collect();
        self.seen = running.into_iter().map(|(path, _)| path).collect();
        lasting
    }
}

/// A bar in the place of the map.
fn bar(have: u64, size: u64, widths: Widths) -> Map {
    let full = (u128::from(have) * widths.map as u128).checked_div(u128::from(size));
    let full = usize::try_from(full.unwrap_or(0)).unwrap_or(0).min(widths.map);
    let drawn = format!("{}{}", "█".repeat(full), "·".repeat(widths.map.saturating_sub(full)));
    Map { drawn, columns: widths.map }
}

fn line_of(name: &str, now: &piton::fetch::Progress, widths: Widths) -> Line {
    let missing = now.size.map(|size| size.saturating_sub(now.have));
    Line {
        name: format!("  {}", out::clean(name)),
        percent: now.size.map(|size| human::percent(now.have, size)).unwrap_or_default(),
        sizes: match now.size {
            Some(size) => human::part_of(now.have, size),
            None => human::size(now.have),
        },
        rate: human::rate(now.rate),
        left: missing.map(|missing| human::left(missing, now.rate)).unwrap_or_default(),
        connections: format!("x{}", now.connections),
        map: now.size.map(|size| bar(now.have, size, widths)).unwrap_or_default(),
    }
}

impl ListScreen for Bars {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }

    fn draw(&mut self, frame: &Frame) {
        let (columns, rows) = terminal_size();
        let mut total = self.total(frame);
        let lasting = self.lasting(frame);
        let of_total = widths_by_name(columns, total.name.width());
        if let Some(items) = frame.progress.items {
            total.map = bar(sentence::over(&frame.progress.so_far), items, of_total);
        }
        let shown = rows.saturating_sub(3).min(FILES);
        let mut lines = vec![total.draw(of_total)];
        let longest = lasting.iter().take(shown).map(|(path, _)| file_name(path).width() + 2);
        let widths = widths(columns, longest.max().unwrap_or(0).max(12));
        lines.extend(
            lasting
                .iter()
                .take(shown)
                .map(|(path, now)| line_of(&file_name(path), now, widths).draw(widths)),
        );
        self.block.draw(&lines);
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Some(line) = self.teller.event(event) {
            self.block.print(&line);
        }
    }

    fn complain(&mut self, line: &str) {
        self.block.print(&out::clean(line));
    }

    fn saving(&mut self) {
        self.block.print("saving… (Ctrl-C again leaves at once)");
    }

    fn close(&mut self, ended: &Ended<'_>) -> io::Result<()> {
        self.block.clear();
        let colour = match ended.exit {
            Exit::Done => "\x1b[32m",
            Exit::Interrupted | Exit::Terminated => "\x1b[33m",
            _ => "\x1b[31m",
        };
        for (index, line) in sentence::end(ended).into_iter().enumerate() {
            match line.split_once(' ') {
                Some((word, rest)) if self.colours && index == 0 => {
                    out::say(format!("{colour}{word}\x1b[0m {rest}"));
                }
                _ => out::say(line),
            }
        }
        Ok(())
    }
}
