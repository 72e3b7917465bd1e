//! A terminal: one line for the whole list, some below it for files that take long, and all failures above.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use piton::lists::run::{Event, Progress};
use unicode_width::UnicodeWidthStr;

use super::pace::{Pace, Rates};
use super::sentence::{self, Narrator};
use super::{Ended, Frame, ListScreen};
use crate::out;
use crate::screen::block::{Block, terminal_size};
use crate::screen::colour::last_lines;
use crate::screen::line::{Line, Map, Widths, room_for_name, widths, widths_by_name};
use crate::screen::{file_name, human};

/// The number of files with a line.
const FILES: usize = 5;
/// The number of files to consider for that, however many are running.
const LOOKED_AT: usize = 64;

pub(super) struct Bars {
    block: Block,
    colours: bool,
    narrator: Narrator,
    pace: Pace,
    /// The files of the last frame: a file that appears in only one frame would flicker.
    seen: Vec<PathBuf>,
}

impl Bars {
    pub(super) fn new(colours: bool) -> Self {
        Self {
            block: Block::new(),
            colours,
            narrator: Narrator::default(),
            pace: Pace::default(),
            seen: Vec::new(),
        }
    }

    /// What a terminal of this size shows of a frame.
    fn lines(&mut self, frame: &Frame, columns: usize, rows: usize) -> Vec<String> {
        let total = self.total(frame, columns);
        let shown = rows.saturating_sub(3).min(FILES);
        let files: Vec<_> = self.lasting(frame).into_iter().take(shown).collect();
        let longest = files.iter().map(|(name, _)| name.width()).max();
        let widths = widths(columns, longest.unwrap_or(0).max(12));
        let files = files.iter().map(|(name, now)| line_of(name, now, widths).draw(widths));
        std::iter::once(total).chain(files).collect()
    }

    /// The last lines, which stay.
    fn end(&self, ended: &Ended<'_>) -> Vec<String> {
        last_lines(sentence::end(ended), self.colours, ended.exit)
    }

    /// The line of the whole list.
    fn total(&mut self, frame: &Frame, columns: usize) -> String {
        let now = &frame.progress;
        let rates = self.pace.note(frame.at, now.so_far.done, now.bytes);
        let over = sentence::over(&now.so_far);
        let name = name_of_total(now, rates, room_for_name(columns));
        let widths = widths_by_name(columns, name.width());
        let line = Line {
            name,
            percent: now.items.map(|items| human::percent(over, items)).unwrap_or_default(),
            sizes: human::size(now.bytes),
            rate: human::rate(rates.bytes),
            left: sentence::left(now, rates),
            connections: format!("x{}", now.running),
            map: now.items.map(|items| bar(over, items, widths)).unwrap_or_default(),
        };
        line.draw(widths)
    }

    /// The files that were also in the last frame, the longest-running first, with their labels.
    fn lasting<'a>(&mut self, frame: &'a Frame) -> Vec<(String, &'a piton::fetch::Progress)> {
        let running = frame.running.iter().take(LOOKED_AT);
        let running: Vec<_> = running.filter_map(|now| Some((now.path.as_ref()?, now))).collect();
        let lasting = running.iter().filter(|(path, _)| self.seen.contains(path));
        let named = |path: &Path| format!("  {}", out::clean(&file_name(path)));
        let lasting = lasting.map(|(path, now)| (named(path), *now)).collect();
        self.seen = running.into_iter().map(|(path, _)| path.clone()).collect();
        lasting
    }
}

/// How many items have ended and how many of them failed; of the rest, as much as fits.
fn name_of_total(now: &Progress, rates: Rates, room: usize) -> String {
    let over = human::count(sentence::over(&now.so_far));
    let of = now.items.map(|items| format!("/{}", human::count(items))).unwrap_or_default();
    let failed = match sentence::failed(&now.so_far) {
        0 => String::new(),
        failed => format!(", {} failed", human::count(failed)),
    };
    let files = human::frequency(rates.files);
    let names = [format!("{over}{of}{failed}, {files}/s"), format!("{over}{of}{failed}")];
    let fitting = names.into_iter().find(|name| name.width() <= room);
    // The percentage next to it shows the share of the total.
    fitting.unwrap_or_else(|| format!("{over}{failed}"))
}

/// A bar in place of the map.
pub(in crate::screen) fn bar(have: u64, size: u64, widths: Widths) -> Map {
    let full = (u128::from(have) * widths.map as u128).checked_div(u128::from(size));
    let full = usize::try_from(full.unwrap_or(0)).unwrap_or(0).min(widths.map);
    let drawn = format!("{}{}", "█".repeat(full), "·".repeat(widths.map.saturating_sub(full)));
    Map { drawn, columns: widths.map }
}

fn line_of(name: &str, now: &piton::fetch::Progress, widths: Widths) -> Line {
    let missing = now.size.map(|size| size.saturating_sub(now.have));
    Line {
        name: name.to_owned(),
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
        let lines = self.lines(frame, columns, rows);
        self.block.draw(&lines);
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Some(line) = self.narrator.event(event) {
            self.block.print(&line);
        }
    }

    fn complain(&mut self, line: &str) {
        self.block.print(&out::clean(line));
    }

    fn saving(&mut self) {
        self.block.print("saving… (press Ctrl-C again to quit at once)");
    }

    fn close(&mut self, ended: &Ended<'_>) -> io::Result<()> {
        self.block.clear();
        self.end(ended).iter().for_each(out::say_clean);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
