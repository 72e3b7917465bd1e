//! The bars of a list, frame by frame.

use std::time::{Duration, Instant};

use piton::fetch::Progress;
use piton::lists::run::Summary;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::exit::Exit;

const COLUMNS: usize = 80;
const ROWS: usize = 24;

/// Frames half a second apart.
struct Film {
    bars: Bars,
    at: Instant,
    frame: Frame,
}

impl Film {
    fn new() -> Self {
        let at = Instant::now();
        let frame = Frame { at, progress: Default::default(), running: Vec::new() };
        Self { bars: Bars::new(false), at, frame }
    }

    fn lines(&mut self, columns: usize, rows: usize) -> String {
        self.frame.at = self.at;
        self.frame.progress.running = self.frame.running.len();
        self.at += Duration::from_millis(500);
        self.bars.lines(&self.frame, columns, rows).join("\n")
    }
}

fn file(path: &str, have: u64, size: Option<u64>) -> Progress {
    let mut now = Progress::default();
    (now.path, now.have, now.size) = (Some(path.into()), have, size);
    (now.rate, now.connections) = (2.5 * f64::from(1 << 20), 2);
    now
}

/// A list in its middle, seen for the second time, with three files under way.
fn middle() -> Film {
    let mut film = Film::new();
    film.frame.progress.items = Some(20_000);
    film.frame.running = vec![
        file("d/debian-12.7.0-amd64-netinst.iso", 300 << 20, Some(631 << 20)),
        file("d/a.bin", 0, Some(10)),
        file("d/unknown", 5 << 20, None),
    ];
    film.lines(COLUMNS, ROWS);
    film.frame.progress.so_far.done = 4_100;
    film.frame.progress.so_far.done_before = 6_000;
    film.frame.progress.bytes = 350 << 20;
    film
}

#[test]
fn at_the_start() {
    let mut film = Film::new();
    insta::assert_snapshot!(film.lines(COLUMNS, ROWS), @"0, 0.0/s                                         0 B       0 B/s             x0");
    // Until the list was counted there is no bar.
    film.frame.progress.so_far.done = 40;
    insta::assert_snapshot!(film.lines(COLUMNS, ROWS), @"40, 80.0/s                                       0 B       0 B/s             x0");
}

#[test]
fn in_the_middle() {
    insta::assert_snapshot!(middle().lines(COLUMNS, ROWS), @r"
    10,100/20,000, 8,200/s  ██████······   50%        350 MiB   700 MiB/s      0:02
      debian…nst.iso  ██████·······   47%    300/631 MiB   2.5 MiB/s      2:13   x2
      a.bin           ·············    0%         0/10 B   2.5 MiB/s      0:01   x2
      unknown                                    5.0 MiB   2.5 MiB/s             x2
    ");
    insta::assert_snapshot!(middle().lines(120, ROWS), @r"
    10,100/20,000, 8,200/s  ███████████████████████························   50%        350 MiB   700 MiB/s      0:02   x3
      debian-12.7.0-amd64-netinst.iso  █████████████████···················   47%    300/631 MiB   2.5 MiB/s      2:13   x2
      a.bin                            ····································    0%         0/10 B   2.5 MiB/s      0:01   x2
      unknown                                                                            5.0 MiB   2.5 MiB/s             x2
    ");
    insta::assert_snapshot!(middle().lines(40, ROWS), @r"
    10,100/20,000   50%   700 MiB/s
      deb…t.iso   47%   2.5 MiB/s      2:13
      a.bin        0%   2.5 MiB/s      0:01
      unknown           2.5 MiB/s
    ");
}

#[test]
fn a_file_that_is_there_for_one_frame_only_is_not_shown() {
    let mut film = middle();
    film.frame.running[1] = file("d/quick", 1, Some(2));
    let lines = film.lines(COLUMNS, ROWS);
    assert!(!lines.contains("quick") && !lines.contains("a.bin"), "{lines}");
    assert!(film.lines(COLUMNS, ROWS).contains("quick"));
    film.frame.running.clear();
    assert_eq!(film.lines(COLUMNS, ROWS).lines().count(), 1);
}

#[test]
fn after_failures() {
    let mut film = middle();
    let so_far = &mut film.frame.progress.so_far;
    (so_far.fatal, so_far.transient, so_far.quarantined) = (900, 90, 9);
    film.frame.running.truncate(1);
    insta::assert_snapshot!(film.lines(COLUMNS, ROWS), @r"
    11,099/20,000, 999 failed, 8,200/s  ████████·······   55%   700 MiB/s      0:02
      debian…nst.iso  ██████·······   47%    300/631 MiB   2.5 MiB/s      2:13   x2
    ");
    insta::assert_snapshot!(film.lines(40, ROWS), @r"
    11,099, 999 failed   55%   350 MiB/s
      deb…t.iso   47%   2.5 MiB/s      2:13
    ");
}

#[test]
fn at_the_end() {
    let mut film = middle();
    film.frame.progress.so_far.done = 14_000;
    film.frame.running.clear();
    insta::assert_snapshot!(film.lines(COLUMNS, ROWS), @"20,000/20,000, 28,000/s  ███████████  100%        350 MiB   700 MiB/s      0:00");

    let mut summary = Summary::default();
    (summary.done, summary.fatal) = (3, 1);
    (summary.bytes, summary.took) = (3 << 20, Duration::from_secs(4));
    let classes = [("404".to_owned(), 1)];
    let advice = ["piton retry list.txt tries them again".to_owned()];
    let ended = Ended { exit: Exit::Items, summary: &summary, classes: &classes, advice: &advice };
    insta::assert_snapshot!(film.bars.end(&ended).join("\n"), @r"
    4 items: 3 done, 1 failed permanently; 3.0 MiB in 4.0 s (768 KiB/s, 0.8 files/s)
      failures of this run: 404 1
      piton retry list.txt tries them again
    ");
    let red = Bars::new(true).end(&ended);
    assert!(red[0].starts_with("\x1b[31m4\x1b[0m items"), "{red:?}");
    assert_eq!(red[1..], film.bars.end(&ended)[1..]);
}

#[test]
fn names_cannot_break_a_line() {
    let mut film = Film::new();
    film.frame.progress.items = Some(4);
    film.frame.running = vec![
        file("名前が長いファイルの名前が長いファイル.iso", 1, Some(4)),
        file("a\u{1b}[2J\rb\n.iso", 1, Some(4)),
        file(
            "☺\u{fe0f}☺\u{fe0f}👩\u{200d}🔬☺\u{fe0f}☺\u{fe0f}☺\u{fe0f}☺\u{fe0f}☺\u{fe0f}☺\u{fe0f}☺\u{fe0f}☺\u{fe0f}☺\u{fe0f}.iso",
            1,
            Some(4),
        ),
    ];
    film.lines(COLUMNS, ROWS);
    insta::assert_snapshot!(film.lines(COLUMNS, ROWS), @r"
    0/4, 0.0/s  ···················    0%            0 B       0 B/s             x3
      名前が…ル.iso   ███··········   25%          1/4 B   2.5 MiB/s      0:01   x2
      a�[2J�b�.iso    ███··········   25%          1/4 B   2.5 MiB/s      0:01   x2
      ☺️☺️👩‍🔬☺…☺️.iso  ███··········   25%          1/4 B   2.5 MiB/s      0:01   x2
    ");
    for columns in 0..=200 {
        for line in film.lines(columns, ROWS).lines() {
            let least = "100%  1023 MiB/s".len() + 2;
            assert!(line.width() <= columns.saturating_sub(1).max(least), "{columns}: {line:?}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn a_low_terminal_shows_what_fits() {
    let mut film = middle();
    film.frame.running.extend((0..70).map(|number| file(&format!("f{number}"), 1, Some(2))));
    film.lines(COLUMNS, ROWS);
    for (rows, lines) in [(0, 1), (1, 1), (3, 1), (4, 2), (6, 4), (8, 6), (50, 6)] {
        assert_eq!(film.lines(COLUMNS, rows).lines().count(), lines, "{rows} rows");
    }
}
