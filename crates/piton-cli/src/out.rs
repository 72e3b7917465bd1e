//! Writing to stdout (data) and stderr (messages), where no one may be reading.

use std::fmt::Display;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::Path;

use serde_json::Value;

use crate::exit::Exit;
use crate::redact;
use crate::trouble::Trouble;

/// Text that a server, a list, a journal or a file name contributed to, as a line for a terminal.
/// Everything that people read passes through this once more on its way out.
pub(crate) use redact::for_terminal as clean;

/// Writes data to stdout.
pub(crate) fn print(data: &[u8]) -> Result<(), Trouble> {
    print_with(|stdout| stdout.write_all(data))
}

/// Writes text for people to stdout, line by line.
pub(crate) fn print_text(text: &str) -> Result<(), Trouble> {
    print_with(|stdout| text.lines().try_for_each(|line| writeln!(stdout, "{}", clean(line))))
}

/// Writes a JSON object on its own line.
pub(crate) fn print_json(object: &Value) -> Result<(), Trouble> {
    print(format!("{}\n", json(object)).as_bytes())
}

/// JSON as text, in which nothing controls a terminal.
pub(crate) use redact::json;

/// Lets `write` write to stdout. A reader that closed the pipe (`| head`) wants no more: not an error.
pub(crate) fn print_with(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Trouble> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(stdout_failed(&error)),
        _ => Ok(()),
    }
}

/// The output that a program waits for was not written: a failure, even if everything else succeeded.
pub(crate) fn stdout_failed(error: &io::Error) -> Trouble {
    Trouble::new(Exit::Local, format!("cannot write to standard output: {error}"))
}

/// What standard output is.
pub(crate) fn stdout_metadata() -> io::Result<Metadata> {
    File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()
}

/// Writes a line to stderr. If that fails, there is no one to tell.
pub(crate) fn say(line: impl Display) {
    say_clean(clean(&line.to_string()));
}

/// The same for a line that is clean, and may be coloured.
pub(crate) fn say_clean(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes an error to stderr, with the name of the file it is about.
pub(crate) fn complain(name: Option<&str>, trouble: &Trouble) {
    complaint(name, trouble).iter().for_each(say);
}

/// The lines of an error.
pub(crate) fn complaint(name: Option<&str>, trouble: &Trouble) -> Vec<String> {
    let name = name.map(|name| format!("{}: ", clean(name))).unwrap_or_default();
    let mut lines = vec![format!("piton: {name}{}", clean(&trouble.message))];
    lines.extend(trouble.hint.as_ref().map(|hint| format!("  hint: {}", clean(hint))));
    lines
}

/// A path as people write it: without a leading `./`, unless it would then look like an option.
pub(crate) fn path(path: &Path) -> String {
    let shown = match path.strip_prefix(".") {
        Ok(rest)
            if !rest.as_os_str().is_empty()
                && !rest.as_os_str().as_encoded_bytes().starts_with(b"-") =>
        {
            rest
        }
        _ => path,
    };
    clean(&shown.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (given, shown) in
            [("./a/b", "a/b"), (".", "."), ("./-x", "./-x"), ("/a\n", "/a\u{fffd}")]
        {
            assert_eq!(path(Path::new(given)), shown);
        }
    }

    #[test]
    fn errors_cannot_steer_the_terminal_nor_tell_a_login() {
        let trouble = Trouble::new(Exit::Network, "http://a:b@h\u{1b}[2J said\nno").hint("wait");
        assert_eq!(
            complaint(Some("big\u{7}.iso"), &trouble),
            ["piton: big\u{fffd}.iso: http://h\u{fffd}[2J said\u{fffd}no", "  hint: wait"],
        );
    }
}
