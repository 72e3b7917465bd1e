//! Where a list and its state are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use piton::fetch::parse::file_name::FileName;
use piton::lists::source::Origin;
use url::Url;

use crate::redact;
use crate::trouble::Trouble;

/// The suffix of a list's ledger: `LIST.piton.db`.
const LEDGER: &str = ".piton.db";
/// The suffix of a list's copy, if the list is not itself a file.
const COPY: &str = ".piton.list";

/// A list as named, and the files that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The list as the user named it, without a login: for messages, and to be typed again.
    pub(super) named: OsString,
    pub(super) origin: Origin,
    /// Where the outcome of each item is recorded.
    pub(super) ledger: PathBuf,
    /// The list as a file: itself, or the copy of standard input or a URL.
    pub(super) file: PathBuf,
}

impl Place {
    /// Parses the argument that names a list: a path, a URL, `-`, or its ledger. Changes nothing.
    ///
    /// A list that is not a file has its state in the current folder.
    pub(super) fn of(list: &OsStr, state: Option<&Path>) -> Result<Self, Trouble> {
        let origin = Origin::of(list).map_err(|error| {
            Trouble::usage(format!("{}: {error}", redact::rubbish(&list.to_string_lossy())))
        })?;
        let named = match &origin {
            Origin::Url(url) => redact::url(url).into(),
            _ => list.to_owned(),
        };
        let of_copy = |ledger: PathBuf| {
            let file = with_suffix(&ledger, LEDGER, COPY);
            (ledger, file)
        };
        let (ledger, file) = match &origin {
            Origin::Input => of_copy("stdin.piton.db".into()),
            Origin::Url(url) => {
                of_copy(format!("{}{LEDGER}", FileName::from_url(url).as_str()).into())
            }
            Origin::File(path) if ends_with(path, COPY) => {
                (with_suffix(path, COPY, LEDGER), path.clone())
            }
            Origin::File(path) if ends_with(path, LEDGER) => {
                let list = with_suffix(path, LEDGER, "");
                let (ledger, copy) = of_copy(path.clone());
                (ledger, if list.is_file() { list } else { copy })
            }
            Origin::File(path) => (with_suffix(path, "", LEDGER), path.clone()),
        };
        Ok(match state {
            None => Self { named, origin, ledger, file },
            Some(state) => {
                let (ledger, copy) = of_copy(state.to_owned());
                let file = if matches!(origin, Origin::File(_)) { file } else { copy };
                Self { named, origin, ledger, file }
            }
        })
    }

    /// The URL of the list, if it has one: its server is the one that the command line names.
    pub(super) fn named_urls(&self) -> Vec<Url> {
        match &self.origin {
            Origin::Url(url) => vec![url.clone()],
            Origin::File(_) | Origin::Input => Vec::new(),
        }
    }

    /// Whether the file is a copy that piton made.
    pub(super) fn is_copy(&self) -> bool {
        ends_with(&self.file, COPY)
    }

    /// How a command names this list again.
    pub(super) fn arguments(&self) -> String {
        let mut words = vec![crate::screen::quoted(&match self.origin {
            // Standard input cannot be read twice.
            Origin::Input => self.file.to_string_lossy(),
            _ => self.named.to_string_lossy(),
        })];
        let derived = Self::of(
            match self.origin {
                Origin::Input => self.file.as_os_str(),
                _ => &self.named,
            },
            None,
        );
        if derived.is_ok_and(|derived| derived.ledger != self.ledger) {
            words.push("--state".to_owned());
            words.push(crate::screen::quoted(&self.ledger.to_string_lossy()));
        }
        words.join(" ")
    }
}

fn ends_with(path: &Path, suffix: &str) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.len() > suffix.len() && bytes.ends_with(suffix.as_bytes())
}

/// The path with one suffix replaced with another; appended if it does not end with the first.
fn with_suffix(path: &Path, old: &str, new: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let stem = match name.to_str().and_then(|name| name.strip_suffix(old)) {
        Some(stem) if !stem.is_empty() => stem.into(),
        _ => name.to_owned(),
    };
    let mut name = stem;
    name.push(new);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(list: &str, state: Option<&str>) -> Place {
        Place::of(list.as_ref(), state.map(Path::new)).unwrap()
    }

    #[test]
    fn the_state_lies_beside_the_list() {
        for (list, state, ledger, file) in [
            ("d/l.txt", None, "d/l.txt.piton.db", "d/l.txt"),
            ("l", Some("/s/x.piton.db"), "/s/x.piton.db", "l"),
            ("-", None, "stdin.piton.db", "stdin.piton.list"),
            ("-", Some("w.piton.db"), "w.piton.db", "w.piton.list"),
            ("-", Some("w.db"), "w.db", "w.db.piton.list"),
            ("http://u:p@h/a/l.csv?x", None, "l.csv.piton.db", "l.csv.piton.list"),
            ("w.piton.list", None, "w.piton.db", "w.piton.list"),
            ("no/l.txt.piton.db", None, "no/l.txt.piton.db", "no/l.txt.piton.list"),
        ] {
            let place = place(list, state);
            assert_eq!(place.ledger, Path::new(ledger), "{list}");
            assert_eq!(place.file, Path::new(file), "{list}");
        }
        assert_eq!(place("http://u:p@h/l", None).named, "http://h/l");
        let error = Place::of("http://ann:secret@".as_ref(), None).unwrap_err();
        assert!(!error.message.contains("secret"), "{}", error.message);
    }

    #[test]
    fn how_it_is_named_again() {
        for (list, state, words) in [
            ("my list", None, "'my list'"),
            ("l", Some("s.db"), "l --state s.db"),
            ("-", None, "stdin.piton.list"),
            ("-", Some("w.piton.db"), "w.piton.list"),
            ("-", Some("w.db"), "w.db.piton.list --state w.db"),
            ("http://u:p@h/l", None, "http://h/l"),
        ] {
            assert_eq!(place(list, state).arguments(), words);
        }
    }
}
