//! A command line, and what becomes of it for one record.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use memchr::memmem;
use rustix::fs::Access;
use rustix::io::Errno;

use super::error::RunError;
use super::quote::quoted;

/// What stands for the record.
const HOLE: &[u8] = b"{}";

/// A program and its arguments, the same for the whole job.
///
/// Its `Display` form is quoted as for a shell, and holds no control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    program: OsString,
    arguments: Vec<OsString>,
    /// Whether some argument has a place for the record.
    holes: bool,
}

impl CommandLine {
    /// The first word is the program. It is looked up in `PATH` if it has no slash.
    ///
    /// # Errors
    /// [`RunError::NoProgram`] if there is no word, or the first is empty; [`RunError::Nul`] if a word has a NUL byte.
    pub fn new(words: Vec<OsString>) -> Result<Self, RunError> {
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program = program.ok_or(RunError::NoProgram)?;
        let arguments: Vec<OsString> = words.collect();
        if [&program].into_iter().chain(&arguments).any(|word| has_nul(word.as_bytes())) {
            return Err(RunError::Nul { what: "an argument" });
        }
        let holes = arguments.iter().any(|it| memmem::find(it.as_bytes(), HOLE).is_some());
        Ok(Self { program, arguments, holes })
    }

    /// The program, as it was given.
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// Whether an argument has a `{}`.
    pub fn takes_record(&self) -> bool {
        self.holes
    }

    /// The command as it stands, for input that it reads from its standard input.
    pub fn as_given(&self) -> Invocation<'_> {
        let arguments = self.arguments.iter().map(|it| Cow::Borrowed(&**it)).collect();
        Invocation { program: &self.program, arguments, record: None }
    }

    /// Whether there is such a program that this user may run, before anything depends on it. `path` is what `PATH` has.
    ///
    /// # Errors
    /// [`RunError::NotFound`], [`RunError::NotExecutable`].
    pub fn check(&self, path: Option<&OsStr>) -> Result<(), RunError> {
        let may_run = |path: &Path| {
            rustix::fs::access(path, Access::EXEC_OK)?;
            match rustix::fs::stat(path)?.st_mode & 0o170_000 {
                0o100_000 => Ok(()),
                _ => Err(Errno::ACCESS),
            }
        };
        let program = || self.program.clone();
        if self.program.as_bytes().contains(&b'/') {
            return match may_run(Path::new(&self.program)) {
                Ok(()) => Ok(()),
                Err(Errno::NOENT | Errno::NOTDIR) => Err(RunError::NotFound { program: program() }),
                Err(error) => {
                    Err(RunError::NotExecutable { program: program(), source: error.into() })
                }
            };
        }
        // As the C library does it, without PATH.
        let path = path.unwrap_or(OsStr::new("/bin:/usr/bin"));
        let mut folders = std::env::split_paths(path);
        match folders.any(|folder| may_run(&folder.join(&self.program)).is_ok()) {
            true => Ok(()),
            false => Err(RunError::NotFound { program: program() }),
        }
    }

    /// The command for one record: each `{}` in each argument becomes the record; if there is none, the record
    /// is appended as the last argument.
    ///
    /// No shell sees it, so nothing in the record is special, except what the program itself makes of it: a record
    /// that starts with `-` may be taken for an option, unless `--` stands before it.
    ///
    /// # Errors
    /// [`RunError::Nul`]: an argument cannot hold a NUL byte.
    pub fn with_record<'a>(&'a self, record: &'a [u8]) -> Result<Invocation<'a>, RunError> {
        if has_nul(record) {
            return Err(RunError::Nul { what: "the record" });
        }
        let filled = self.arguments.iter().map(|argument| fill(argument, record));
        let mut arguments: Vec<Cow<'a, OsStr>> = filled.collect();
        if !self.holes {
            arguments.push(Cow::Borrowed(OsStr::from_bytes(record)));
        }
        Ok(Invocation { program: &self.program, arguments, record: Some(record.len()) })
    }
}

fn has_nul(bytes: &[u8]) -> bool {
    memchr::memchr(0, bytes).is_some()
}

fn fill<'a>(argument: &'a OsStr, record: &'a [u8]) -> Cow<'a, OsStr> {
    let text = argument.as_bytes();
    if text == HOLE {
        return Cow::Borrowed(OsStr::from_bytes(record));
    }
    let (mut filled, mut rest) = (Vec::new(), text);
    while let Some(at) = memmem::find(rest, HOLE) {
        filled.extend_from_slice(rest.get(..at).unwrap_or_default());
        filled.extend_from_slice(record);
        rest = rest.get(at + HOLE.len()..).unwrap_or_default();
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(argument);
    }
    filled.extend_from_slice(rest);
    Cow::Owned(OsString::from_vec(filled))
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_given().fmt(f)
    }
}

/// A command line with its record filled in. `Display` as that of [`CommandLine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation<'a> {
    pub(super) program: &'a OsStr,
    pub(super) arguments: Vec<Cow<'a, OsStr>>,
    /// Length of the record, if it is in the arguments.
    pub(super) record: Option<usize>,
}

impl fmt::Display for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.program.as_bytes()))?;
        self.arguments.iter().try_for_each(|it| write!(f, " {}", quoted(it.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> CommandLine {
        CommandLine::new(words.iter().map(OsString::from).collect()).unwrap()
    }

    #[test]
    fn each_hole_becomes_the_record_and_without_one_it_is_appended() {
        for (words, record, filled) in [
            (&["echo"][..], "a b", "echo 'a b'"),
            (&["echo", "{}"], "a", "echo a"),
            (&["echo", "{}", "x{}y{}", "z"], "{}", "echo '{}' 'x{}y{}' z"),
            (&["cp", "{}", "{}.bak"], "é", "cp 'é' 'é.bak'"),
            (&["echo", "{", "}"], "", "echo '{' '}' ''"),
            // The program is not an argument.
            (&["{}"], "r", "'{}' r"),
        ] {
            let line = line(words);
            assert_eq!(line.with_record(record.as_bytes()).unwrap().to_string(), filled);
        }
        assert_eq!(line(&["echo", "{}"]).to_string(), "echo '{}'");
    }

    #[test]
    fn what_no_program_can_be_given_is_an_error() {
        let nul = line(&["echo"]).with_record(b"a\0b").unwrap_err();
        assert!(matches!(nul, RunError::Nul { what: "the record" }) && nul.is_of_the_record());
        let nul = CommandLine::new(vec!["echo".into(), "a\0".into()]).unwrap_err();
        assert!(!nul.is_of_the_record() && !nul.is_transient());
        for words in [vec![], vec![OsString::new()]] {
            assert!(matches!(CommandLine::new(words), Err(RunError::NoProgram)));
        }
    }
}
