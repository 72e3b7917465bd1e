//! The colour of the outcome.

use crate::exit::Exit;
use crate::out;

/// The line, cleaned, with its first word in the colour of the outcome. Whoever prints it must not clean it again.
pub(super) fn first_word(line: &str, exit: Exit) -> String {
    let line = &out::clean(line);
    let colour = match exit {
        Exit::Done => "\x1b[32m",
        Exit::Interrupted | Exit::Terminated => "\x1b[33m",
        _ => "\x1b[31m",
    };
    match line.split_once(' ') {
        Some((word, rest)) => format!("{colour}{word}\x1b[0m {rest}"),
        None => line.to_owned(),
    }
}

/// The last lines of a screen, cleaned, with the first word in the colour of the outcome if there are colours.
pub(super) fn last_lines(lines: Vec<String>, colours: bool, exit: Exit) -> Vec<String> {
    let shown = |(index, line): (usize, String)| match colours && index == 0 {
        true => first_word(&line, exit),
        false => out::clean(&line),
    };
    lines.into_iter().enumerate().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_tells() {
        for (exit, shown) in [
            (Exit::Done, "\x1b[32ma.iso\x1b[0m  1 B"),
            (Exit::Interrupted, "\x1b[33ma.iso\x1b[0m  1 B"),
            (Exit::Network, "\x1b[31ma.iso\x1b[0m  1 B"),
        ] {
            assert_eq!(first_word("a.iso  1 B", exit), shown);
        }
        assert_eq!(first_word("a.iso", Exit::Done), "a.iso");
        assert_eq!(first_word("a\u{1b}[31m b", Exit::Done), "\x1b[32ma\u{fffd}[31m\x1b[0m b");
    }
}
