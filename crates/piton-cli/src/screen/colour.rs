//! The colour of the outcome.

use crate::exit::Exit;

/// The line with its first word in the colour of the outcome.
pub(super) fn first_word(line: &str, exit: Exit) -> String {
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
    }
}
