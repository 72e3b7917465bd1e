//! Which items the lines of a done file name.

use super::hashes::{Bits, Hashes};
use super::texts::{Texts, meaning};

/// The result of matching a done file with a list.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// The items that a line names, by their position in the list.
    pub(super) items: Bits,
    /// Lines that are neither blank nor a comment.
    pub(super) lines: u64,
    /// Those that name no item.
    pub(super) strangers: Strangers,
}

/// Lines that name no item of the list.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    pub(super) count: u64,
    /// With its number, counted from 1; without a login.
    pub(super) first: Option<(u64, String)>,
    pub(super) last: Option<(u64, String)>,
    /// The last line is one of them.
    pub(super) at_the_end: bool,
}

/// Something that a line of a done file can name.
pub(super) trait Speaks {
    /// Calls `each` with every line that names it, in the form of [`meaning`].
    fn texts(&self, each: &mut dyn FnMut(&str));
}

impl Speaks for Texts {
    fn texts(&self, each: &mut dyn FnMut(&str)) {
        self.each(each);
    }
}

/// Compares the lines of a done file with the items of a list. At most `piece` lines are held at once; for
/// a longer done file, both are read again for every `piece` lines (G8).
///
/// A line names an item if it is one of its texts, ignoring surrounding spaces and logins in URLs. Repeated
/// lines count once, and equal items are done together.
///
/// # Errors
/// The first of `done`, or of `items`.
pub(super) fn match_lines<D, L, I, T, E>(
    done: impl Fn() -> Result<D, E>,
    items: impl Fn() -> Result<I, E>,
    piece: usize,
) -> Result<Matches, E>
where
    D: Iterator<Item = Result<L, E>>,
    L: AsRef<str>,
    I: Iterator<Item = Result<T, E>>,
    T: Speaks,
{
    let mut matches = Matches::default();
    let mut lines = done()?;
    // Lines of the done file before this piece, and up to its end.
    let (mut before, mut through) = (0, 0);
    loop {
        let count = &mut matches.lines;
        let meant = std::iter::from_fn(|| next_meant(&mut lines, &mut through).transpose());
        let mut hashes = Hashes::of(meant.take(piece).inspect(|_| *count += 1))?;
        if hashes.is_empty() {
            return Ok(matches);
        }
        for (number, item) in items()?.enumerate() {
            let mut is_said = false;
            item?.texts(&mut |text| is_said |= hashes.find(text));
            if is_said {
                matches.items.set(number);
            }
        }
        matches.strangers.at_the_end = false;
        if !hashes.all_were_found() {
            for (number, line) in (1..).zip(done()?).take_while(|(number, _)| *number <= through) {
                let line = line?;
                if number > before {
                    matches.strangers.judge(number, line.as_ref(), &hashes);
                }
            }
        }
        before = through;
    }
}

/// The next line with content; `number` is that of the last line read.
fn next_meant<L: AsRef<str>, E>(
    lines: &mut impl Iterator<Item = Result<L, E>>,
    number: &mut u64,
) -> Result<Option<String>, E> {
    for line in lines {
        *number += 1;
        if let Some(text) = meaning(line?.as_ref()) {
            return Ok(Some(text.into_owned()));
        }
    }
    Ok(None)
}

impl Strangers {
    fn judge(&mut self, number: u64, line: &str, known: &Hashes) {
        let Some(text) = meaning(line) else { return };
        self.at_the_end = !known.was_found(&text);
        if self.at_the_end {
            self.count += 1;
            let stranger = (number, text.into_owned());
            self.first.get_or_insert_with(|| stranger.clone());
            self.last = Some(stranger);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry of a list: URLs separated by tabs.
    impl Speaks for &str {
        fn texts(&self, each: &mut dyn FnMut(&str)) {
            self.split('\t').chain([*self]).filter_map(meaning).for_each(|text| each(&text));
        }
    }

    const LIST: [&str; 5] = [
        "http://h/a",
        "http://h/b",
        "http://u:secret@h/c",
        "http://h/d\thttp://mirror/d",
        "http://h/a",
    ];

    fn matches_of(done: &str, piece: usize) -> Matches {
        let lines = || Ok::<_, &str>(done.lines().map(Ok));
        match_lines(lines, || Ok(LIST.into_iter().map(Ok)), piece).unwrap()
    }

    fn items(matches: &Matches) -> Vec<usize> {
        (0..LIST.len() + 70).filter(|number| matches.items.get(*number)).collect()
    }

    #[test]
    fn what_a_line_is_about_is_done() {
        let done = "# log\n\n http://h/c\r\nHTTP://H/a\nhttp://mirror/d\nhttp://h/a\n";
        for piece in [1, 2, 3, 4, 100] {
            let matches = matches_of(done, piece);
            // The second /a is the same item again.
            assert_eq!(items(&matches), [0, 2, 3, 4], "{piece}");
            assert_eq!((matches.lines, matches.strangers.count), (4, 0), "{piece}");
        }
        let matches = matches_of("http://h/d\thttp://mirror/d", 9);
        assert_eq!(items(&matches), [3]);
        assert_eq!((items(&matches_of("\n# x\n", 9)), matches_of("", 9).lines), (vec![], 0));
    }

    #[test]
    fn lines_that_are_about_nothing_are_counted_and_shown() {
        let strangers: String = (0..15).map(|i| format!("http://gone/{i}\n")).collect();
        let done = format!("http://h/a\n{strangers}\nhttp://h/b\nhttp://u:secret@gone/x\n\n");
        for piece in [1, 2, 5, 17, 18, 19] {
            let matches = matches_of(&done, piece);
            assert_eq!(items(&matches), [0, 1, 4], "{piece}");
            let Strangers { count, first, last, at_the_end } = matches.strangers;
            assert_eq!((matches.lines, count, at_the_end), (18, 16, true), "{piece}");
            assert_eq!(first, Some((2, "http://gone/0".to_owned())));
            assert_eq!(last, Some((19, "http://gone/x".to_owned())));
            let Strangers { first, last, at_the_end, .. } =
                matches_of("gone\nhttp://h/b", piece).strangers;
            assert!(!at_the_end && first == last && first.is_some(), "{piece}");
        }
    }

    #[test]
    fn a_failure_ends_it() {
        let lines = || Ok(["http://h/a"].into_iter().map(Ok));
        let torn = || Ok([Ok(LIST[0]), Err("torn")].into_iter());
        assert_eq!(match_lines(lines, torn, 9).err(), Some("torn"));
        assert_eq!(match_lines(torn, || Ok(LIST.into_iter().map(Ok)), 9).err(), Some("torn"));
        let unreadable = || Err::<std::vec::IntoIter<Result<&str, _>>, _>("away");
        assert_eq!(match_lines(unreadable, torn, 9).err(), Some("away"));
    }
}
