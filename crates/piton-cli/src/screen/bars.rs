//! Bars on a terminal: one line per running file, one for the total if there are several, and everything
//! that has ended above them.

use std::io;
use std::time::Duration;

use piton::fetch::{Event, Phase, Progress};
use unicode_width::UnicodeWidthStr;

use super::block::{Block, terminal_size};
use super::colour::first_word;
use super::line::{Line, Map, Widths, cut, widths};
use super::{Ended, File, Screen, human, map, sentence};

const SPINNER: [char; 8] = ['⠋', '⠙', '⠸', '⠴', '⠦', '⠧', '⠇', '⠏'];

pub(super) struct Bars {
    block: Block,
    colours: bool,
    turn: usize,
    /// Bytes of the complete files.
    complete: u64,
}

/// Figures summed over files.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    have: u64,
    /// `None` if the length of one is unknown.
    size: Option<u64>,
    rate: f64,
    connections: u32,
}

impl Bars {
    pub(super) fn new(colours: bool) -> Self {
        Self { block: Block::new(), colours, turn: 0, complete: 0 }
    }

    fn line(&self, file: &File, now: &Progress, widths: Widths) -> String {
        let line = Line {
            name: file.name(),
            connections: connections(now.connections),
            map: self.map(file, now, widths.map),
            ..figures(now.have, now.size, now.rate)
        };
        line.draw(widths)
    }

    /// The map of a file, or its current phase if there is no map.
    fn map(&self, file: &File, now: &Progress, columns: usize) -> Map {
        let spinner = SPINNER.get(self.turn % SPINNER.len()).copied().unwrap_or(' ');
        let doing = match now.phase {
            Phase::Asking => format!("{spinner} asking"),
            Phase::Verifying => format!("{spinner} verifying"),
            _ if now.size.is_none() => spinner.to_string(),
            _ => {
                let pieces = file.monitor.map(columns);
                return Map { drawn: map::draw(&pieces, self.colours), columns: pieces.len() };
            }
        };
        let drawn = cut(&doing, columns);
        Map { columns: drawn.width(), drawn }
    }

    /// The complete files and the running ones, but not the failed ones.
    fn total(&self, files: &[File], widths: Widths) -> String {
        let mut all = Totals { size: Some(0), ..Totals::default() };
        all.add(self.complete, Some(self.complete));
        for file in files.iter().filter(|file| !file.over) {
            let now = file.monitor.progress();
            all.add(now.have, now.size);
            all.rate += now.rate;
            all.connections = all.connections.saturating_add(now.connections);
        }
        let over = files.iter().filter(|file| file.over).count();
        let line = Line {
            name: format!("{over}/{} files", files.len()),
            connections: connections(all.connections),
            ..figures(all.have, all.size, all.rate)
        };
        line.draw(widths)
    }
}

impl Totals {
    fn add(&mut self, have: u64, size: Option<u64>) {
        self.have = self.have.saturating_add(have);
        self.size = self.size.zip(size).map(|(all, one)| all.saturating_add(one));
    }
}

fn connections(count: u32) -> String {
    if count == 0 { String::new() } else { format!("x{count}") }
}

fn figures(have: u64, size: Option<u64>, rate: f64) -> Line {
    let left = size.map(|size| human::left(size.saturating_sub(have), rate));
    Line {
        percent: size.map(|size| human::percent(have, size)).unwrap_or_default(),
        sizes: match size {
            Some(size) => human::part_of(have, size),
            None => human::size(have),
        },
        rate: human::rate(rate),
        left: left.unwrap_or_default(),
        ..Line::default()
    }
}

impl Screen for Bars {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }

    fn draw(&mut self, files: &[File]) {
        self.turn = self.turn.wrapping_add(1);
        let (columns, rows) = terminal_size();
        let on_the_way: Vec<_> = files.iter().filter(|file| !file.over).collect();
        let longest = on_the_way.iter().map(|file| file.name().width()).max().unwrap_or(0);
        let widths = widths(columns, longest.max(12));
        // One line for the total, one for those that do not fit, and one for the cursor.
        let shown = rows.saturating_sub(3).max(1);
        let mut lines: Vec<_> = on_the_way
            .iter()
            .take(shown)
            .map(|file| self.line(file, &file.monitor.progress(), widths))
            .collect();
        if on_the_way.len() > shown {
            lines.push(cut(
                &format!("and {} more", on_the_way.len() - shown),
                columns.saturating_sub(1),
            ));
        }
        if files.len() > 1 {
            lines.push(self.total(files, widths));
        }
        self.block.draw(&lines);
    }

    fn event(&mut self, file: &File, event: &Event) {
        if let Some(sentence) = sentence::event(event) {
            self.block.print(&format!("{}: {sentence}", file.name()));
        }
    }

    fn ended(&mut self, file: &File, ended: &Ended) {
        if let Ended::Done(outcome) = ended {
            self.complete = self.complete.saturating_add(outcome.size);
        }
        for (index, line) in sentence::ended(file, ended).into_iter().enumerate() {
            match self.colours && index == 0 {
                true => self.block.print_clean(&first_word(&line, ended.exit())),
                false => self.block.print(&line),
            }
        }
    }

    fn saving(&mut self, _: &[File]) {
        self.block.print("saving… (press Ctrl-C again to quit at once)");
    }

    fn close(&mut self) -> io::Result<()> {
        self.block.clear();
        Ok(())
    }
}
