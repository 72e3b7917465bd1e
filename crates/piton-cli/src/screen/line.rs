//! The layout of one bar: which columns fit, and how wide each is.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The content of a bar. Empty columns take no space.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) percent: String,
    pub(super) sizes: String,
    pub(super) rate: String,
    pub(super) left: String,
    pub(super) connections: String,
    pub(super) map: Map,
}

/// The drawing in place of the map, and its width in columns: colours in it have no width, so it cannot be
/// measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    pub(super) drawn: String,
    pub(super) columns: usize,
}

/// The columns that share the space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Widths {
    name: usize,
    /// Cells of the map; 0: it does not fit.
    pub(super) map: usize,
    sizes: bool,
    left: bool,
    connections: bool,
}

/// Some terminals wrap as soon as the last column is written.
const MARGIN: usize = 1;
const GAP: usize = 2;
const NAME_LEAST: usize = 11;
const NAME_MOST: usize = 40;
const MAP_LEAST: usize = 8;
const MAP_MOST: usize = 64;
const PERCENT: usize = 4;
/// `1023 MiB/s`
const RATE: usize = 10;
/// `23:59:59`
const LEFT: usize = 8;
/// `1023/1023 MiB`
const SIZES: usize = 13;
/// `x16`
const CONNECTIONS: usize = 3;

/// Shares out the columns of the terminal. `name` is the width of the longest name, so that the columns of
/// several bars are aligned.
///
/// Dropped first as the terminal gets narrower: connections, sizes, the map, the time left.
pub(super) fn widths(columns: usize, name: usize) -> Widths {
    let name = name.min(NAME_MOST);
    share(columns, name, name.min(NAME_LEAST))
}

/// The same for a line whose name matters most: all of it comes first.
pub(super) fn widths_by_name(columns: usize, name: usize) -> Widths {
    share(columns, name, name)
}

/// The widest name that fits completely in a line whose name matters most.
pub(super) fn room_for_name(columns: usize) -> usize {
    columns.saturating_sub(MARGIN + PERCENT + RATE + 2 * GAP)
}

fn share(columns: usize, name: usize, least: usize) -> Widths {
    let mut free = room_for_name(columns);
    let mut widths = Widths { name: least.min(free), ..Widths::default() };
    free -= widths.name;
    let mut take = |width: usize| {
        let fits = free >= width + GAP;
        free -= if fits { width + GAP } else { 0 };
        fits
    };
    widths.left = take(LEFT);
    let map = widths.left && take(MAP_LEAST);
    widths.sizes = map && take(SIZES);
    widths.connections = widths.sizes && take(CONNECTIONS);
    let longer_name = (name - widths.name).min(if map { free.div_ceil(2) } else { free });
    widths.name += longer_name;
    free -= longer_name;
    widths.map = if map { (MAP_LEAST + free).min(MAP_MOST) } else { 0 };
    widths
}

impl Line {
    /// The line, at most as wide as `widths` allow, if the map is.
    pub(super) fn draw(&self, widths: Widths) -> String {
        let name = cut(&self.name, widths.name);
        let space = widths.name.saturating_sub(name.width());
        let mut line = format!("{name}{}", " ".repeat(space));
        if widths.map > 0 {
            let space = widths.map.saturating_sub(self.map.columns);
            line += &format!("  {}{}", self.map.drawn, " ".repeat(space));
        }
        let columns = [
            (true, &self.percent, PERCENT),
            (widths.sizes, &self.sizes, SIZES),
            (true, &self.rate, RATE),
            (widths.left, &self.left, LEFT),
            (widths.connections, &self.connections, CONNECTIONS),
        ];
        for (_, text, width) in columns.into_iter().filter(|(shown, ..)| *shown) {
            line += &format!("  {}", right(text, width));
        }
        line.trim_end().to_owned()
    }
}

/// Cut in the middle, so that the start and the extension stay.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    // Measured as a whole: an emoji of several characters is not as wide as the sum of them.
    let ends = || text.char_indices().map(|(at, _)| text.split_at(at));
    let tail = ends().map(|(_, tail)| tail).find(|tail| tail.width() <= room / 2).unwrap_or("");
    let tail = tail.trim_start_matches(|c: char| c.width() == Some(0));
    let room = room.saturating_sub(tail.width());
    let head = ends().rev().map(|(head, _)| head).find(|head| head.width() <= room).unwrap_or("");
    format!("{}…{tail}", head.trim_end_matches('\u{200d}'))
}

fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(columns: usize, name: &str) -> String {
        let widths = widths(columns, name.width());
        let line = Line {
            name: name.to_owned(),
            percent: "100%".to_owned(),
            sizes: "1023/1023 MiB".to_owned(),
            rate: "1023 MiB/s".to_owned(),
            left: "23:59:59".to_owned(),
            connections: "x16".to_owned(),
            map: Map { drawn: "█".repeat(widths.map), columns: widths.map },
        };
        line.draw(widths)
    }

    #[test]
    fn a_bar_is_never_wider_than_the_terminal() {
        for columns in 0..=250 {
            for name in ["a", "debian-12.7.0-amd64-netinst.iso", "名前が長いファイル.iso"]
            {
                let drawn = drawn(columns, name);
                let least = PERCENT + RATE + 2 * GAP;
                assert!(
                    drawn.width() <= columns.saturating_sub(MARGIN).max(least),
                    "{columns}: {drawn:?}"
                );
                assert!(columns < 40 || drawn.contains("100%") && drawn.contains("23:59:59"));
            }
        }
    }

    #[test]
    fn bars_at_common_widths() {
        let lines =
            [40, 60, 80, 120].map(|columns| drawn(columns, "debian-12.7.0-amd64-netinst.iso"));
        insta::assert_snapshot!(lines.join("\n"), @r"
        debia…t.iso  100%  1023 MiB/s  23:59:59
        debian-1…nst.iso  █████████████  100%  1023 MiB/s  23:59:59
        debian-1…nst.iso  █████████████  100%  1023/1023 MiB  1023 MiB/s  23:59:59  x16
        debian-12.7.0-amd64-netinst.iso  ██████████████████████████████████████  100%  1023/1023 MiB  1023 MiB/s  23:59:59  x16
        ");
    }

    #[test]
    fn a_name_that_says_most_is_whole() {
        let name = "1,234,567/10,000,000, 12 failed, 4,321/s";
        for columns in [60, 80, 120] {
            let widths = widths_by_name(columns, name.width());
            let line = Line { name: name.to_owned(), ..Line::default() };
            assert!(line.draw(widths).starts_with(name));
            assert!(widths.name + PERCENT + RATE + 2 * GAP < columns);
        }
    }

    #[test]
    fn names_keep_their_ends() {
        assert_eq!(cut("short.iso", 9), "short.iso");
        assert_eq!(cut("a-long-name.iso", 10), "a-lon….iso");
        assert_eq!(cut("名前名前名前.iso", 10), "名前….iso");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(cut("abc", 0), "");
        let emoji = "👩\u{200d}🔬".repeat(4) + &"☺\u{fe0f}".repeat(20) + "🇩🇪🇫🇷e\u{301}.iso";
        assert_eq!(cut(&emoji, 12), "👩\u{200d}🔬👩\u{200d}🔬👩\u{200d}🔬…e\u{301}.iso");
        for text in [&emoji, &emoji.chars().rev().collect::<String>()] {
            for width in 0..=emoji.width() {
                assert!(cut(text, width).width() <= width, "{width}: {:?}", cut(text, width));
            }
        }
    }
}
