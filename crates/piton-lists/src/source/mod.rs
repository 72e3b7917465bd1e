//! Where a list comes from: a file, compressed or not; standard input, spooled into a file; or a URL,
//! fetched into a file. So every list is a file in the end, and can be read repeatedly.

mod decode;
mod keyed;
mod origins;
mod watched;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use piton_durable::fs::Fs;
use piton_durable::replace::{ReplaceError, replace_from};
use piton_fetch::Stop;
use url::Url;

use watched::{Until, Watched};

use crate::Occurrences;
use crate::format::{Entries, Format, ListError, detect, passes};
use crate::item_url::{self, Base, SCHEMES};

pub use keyed::{Keyed, KeyedEntries};

/// What a user names as the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// `-`: standard input, to be spooled by [`spool`].
    Input,
    /// A URL, to be fetched into a file: `piton_fetch::Client::download` writes it completely or not at
    /// all.
    Url(Url),
}

impl Origin {
    /// Parses an argument: `-`, an `http://…` or `https://…` URL, or else a path.
    ///
    /// # Errors
    /// If it starts like a URL and is not valid.
    pub fn of(argument: &OsStr) -> Result<Origin, item_url::UrlError> {
        if argument == "-" {
            return Ok(Origin::Input);
        }
        let is_address = |text: &&str| {
            let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
            scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str()))
        };
        match argument.to_str().filter(is_address) {
            Some(text) => item_url::parse(text, None).map(Origin::Url),
            None => Ok(Origin::File(argument.into())),
        }
    }
}

/// Saves all of `input` to a file at `path` that only its owner may read (URLs can hold logins), so that a
/// later run has the list too. Returns its length in bytes.
///
/// Durable once this has returned. Until then, and after a crash or an error, `path` keeps its old content:
/// half a list never looks like a complete one.
///
/// # Errors
/// [`ReplaceError`]: `input` failed, or the file could not be written.
pub fn spool(fs: &dyn Fs, input: &mut dyn Read, path: &Path) -> Result<u64, ReplaceError> {
    replace_from(fs, path, input, 0o600)
}

/// A list in a file.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    name: String,
    format: Option<Format>,
    base: Option<Base>,
    until: Option<Until>,
}

impl Source {
    /// The list in a file.
    pub fn new(path: impl Into<PathBuf>) -> Source {
        let path = path.into();
        // Without its folders, which may be called anything.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Source { path, name, format: None, base: None, until: None }
    }

    /// The list in a file that was fetched from this URL, before redirects: its name determines the format,
    /// and relative URLs in the list are relative to it.
    pub fn fetched(path: impl Into<PathBuf>, from: &Url) -> Source {
        let name = from.path().rsplit('/').next().unwrap_or_default().to_owned();
        let base = Base::new(from.clone()).ok();
        Source { path: path.into(), name, format: None, base, until: None }
    }

    /// Sets the format, instead of detecting it from name or content.
    #[must_use]
    pub fn format(mut self, format: Format) -> Source {
        self.format = Some(format);
        self
    }

    /// Sets the base for relative URLs.
    #[must_use]
    pub fn base(mut self, base: Base) -> Source {
        self.base = Some(base);
        self
    }

    /// Makes reading fail, anywhere in the list, once `grace` has passed since the stop.
    #[must_use]
    pub fn until(mut self, stop: Stop, grace: Duration) -> Source {
        self.until = Some(Until::new(stop, grace));
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the list, decompressed. May be called repeatedly.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn open(&self) -> Result<Box<dyn BufRead + Send>, SourceError> {
        let io = |source| SourceError::Io { path: self.path.clone(), source };
        let is_file = |about: Metadata| match about.is_file() {
            true => Ok(()),
            false => Err(SourceError::NoFile { path: self.path.clone() }),
        };
        // Before it is opened, too: that of a FIFO waits until somebody writes.
        is_file(std::fs::metadata(&self.path).map_err(io)?)?;
        let file = File::open(&self.path).map_err(io)?;
        is_file(file.metadata().map_err(io)?)?;
        let list = decode::decoded(BufReader::with_capacity(decode::BUFFER, file)).map_err(io)?;
        Ok(match &self.until {
            Some(until) => Box::new(Watched { inner: list, until: until.clone() }),
            None => list,
        })
    }

    /// Opens the list and reads it from the start. May be called repeatedly; the same bytes give the same
    /// entries.
    ///
    /// # Errors
    /// [`SourceError`]; later errors are entries of the iterator.
    pub fn entries(&self) -> Result<Entries, SourceError> {
        let mut reader = self.open()?;
        let Some(format) = self.format else {
            let mut head = Vec::new();
            let read = reader.by_ref().take(HEAD).read_to_end(&mut head);
            read.map_err(|source| SourceError::Io { path: self.path.clone(), source })?;
            let format = detect(&self.name, &head);
            let reader = io::Cursor::new(head).chain(reader);
            return Ok(format.entries(reader, self.base.clone(), &self.name));
        };
        Ok(format.entries(reader, self.base.clone(), &self.name))
    }

    /// As [`Source::entries`], with the key of each item.
    ///
    /// # Errors
    /// As [`Source::entries`].
    pub fn keyed(&self) -> Result<KeyedEntries<'_>, SourceError> {
        self.keyed_by(Occurrences::new())
    }

    /// As [`Source::keyed`], with what is already known about repeated items: either nothing was counted
    /// yet, or it was a [`Census`](crate::Census) of the list as it is.
    ///
    /// # Errors
    /// As [`Source::entries`].
    pub fn keyed_by(&self, occurrences: Occurrences) -> Result<KeyedEntries<'_>, SourceError> {
        Ok(KeyedEntries::new(self, self.entries()?, occurrences))
    }
}

/// Bytes that [`detect`] gets to see.
const HEAD: u64 = 4096;

/// Why a list could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be read, or its compressed form is damaged from the start.
    #[error("cannot read the list {}: {source}", path.display())]
    Io {
        /// The list.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A folder, or something that can be read only once.
    #[error("{} is not a file; give a pipe as standard input instead", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
}

impl SourceError {
    /// Whether opening the list again may succeed without any fix.
    pub fn may_be_retried(&self) -> bool {
        passes(self.kind())
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            SourceError::Io { source, .. } => source.kind(),
            SourceError::NoFile { .. } => io::ErrorKind::InvalidInput,
        }
    }
}

/// Opening a list again while it is read is part of reading it.
impl From<SourceError> for ListError {
    fn from(error: SourceError) -> Self {
        ListError::Read(io::Error::new(error.kind(), error))
    }
}

#[cfg(test)]
mod tests {
    use piton_durable::fs::OsFs;
    use tempfile::TempDir;

    use super::*;
    use crate::format::Entry;

    fn urls(source: &Source) -> Vec<String> {
        let of = |entry| match entry {
            Ok(Entry::Item(item)) => item.urls[0].url.to_string(),
            other => format!("{other:?}"),
        };
        source.entries().unwrap().map(of).collect()
    }

    fn spooled(dir: &TempDir, name: &str, mut bytes: &[u8]) -> PathBuf {
        let path = dir.path().join(name);
        assert_eq!(spool(&OsFs, &mut bytes, &path).unwrap(), bytes_len(&path));
        path
    }

    fn bytes_len(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len()
    }

    #[test]
    fn arguments() {
        for (argument, origin) in [
            ("-", Origin::Input),
            ("./-", Origin::File("./-".into())),
            ("HTTPS://h/l", Origin::Url("https://h/l".parse().unwrap())),
            ("ftp://h/l", Origin::File("ftp://h/l".into())),
        ] {
            assert_eq!(Origin::of(argument.as_ref()), Ok(origin));
        }
        assert!(Origin::of("http://".as_ref()).is_err());
    }

    #[test]
    fn a_list_is_read_again_and_again_whatever_it_is_packed_in() {
        let dir = tempfile::tempdir().unwrap();
        // More than the head that is looked at.
        let list: String = (0..1000).map(|n| format!("http://h/{n}\n")).collect();
        let expected: Vec<_> = list.lines().map(str::to_owned).collect();
        for (name, bytes) in [
            ("plain", list.clone().into_bytes()),
            ("gz", decode::tests::gz(list.as_bytes())),
            ("zst", decode::tests::zst(list.as_bytes())),
        ] {
            let source = Source::new(spooled(&dir, name, &bytes));
            assert_eq!(urls(&source), expected);
            assert_eq!(urls(&source), expected);
        }
    }

    #[test]
    fn name_content_and_choice_tell_the_format() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = decode::tests::gz(b"out,url\nx,a/b\n");
        let by_name = spooled(&dir, "list.csv.gz", &bytes);
        let by_content = spooled(&dir, "list", &bytes);
        for path in [&by_name, &by_content] {
            let source = Source::new(path).base("http://h/d/".parse().unwrap());
            assert_eq!(urls(&source), ["http://h/d/a/b"]);
        }
        let from = "http://h/x.csv/list.tsv?y".parse().unwrap();
        let fetched = Source::fetched(spooled(&dir, "copy", b"url\ta\nb,c\t\n"), &from);
        assert!(urls(&fetched)[0].contains("Column"));
        assert_eq!(urls(&fetched)[1], "http://h/x.csv/b,c");
        assert_eq!(urls(&fetched.format(Format::Lines)).len(), 2);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "files of a test")]
    fn only_the_name_of_a_list_tells_its_algorithm() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("blake3");
        #[allow(clippy::disallowed_methods, reason = "a folder of a test")]
        std::fs::create_dir(&folder).unwrap();
        let list = format!("{}  x\n", "0".repeat(64));
        for (name, algorithm) in [("SHA256SUMS", "sha256"), ("B3SUMS", "blake3")] {
            let path = folder.join(name);
            spool(&OsFs, &mut list.as_bytes(), &path).unwrap();
            let source = Source::new(path).base("http://h/".parse().unwrap());
            let Some(Ok(Entry::Item(item))) = source.entries().unwrap().next() else { panic!() };
            assert_eq!(item.digests[0].algorithm().name(), algorithm);
        }
    }

    #[test]
    fn equal_items_have_keys_of_their_own_whatever_stands_between_them() {
        let dir = tempfile::tempdir().unwrap();
        let keys = |name, list: &str| -> Vec<_> {
            let source = Source::new(spooled(&dir, name, list.as_bytes()));
            let of = |entry| match entry {
                Ok(Keyed::Item(_, key)) => Some(key),
                _ => None,
            };
            source.keyed().unwrap().filter_map(of).collect()
        };
        let before = keys("before", "http://h/1\nhttp://h/2\nhttp://h/1\n?\n");
        let after = keys("after", "http://h/0\nhttp://h/1\n\nhttp://h/1\nhttp://h/2\n");
        assert_eq!(after[1..], [before[0], before[2], before[1]]);
        assert_ne!(before[0], before[2]);
    }

    #[test]
    fn what_cannot_be_opened_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = Source::new(dir.path()).open().err().unwrap();
        assert!(matches!(error, SourceError::NoFile { .. }));
        let error = Source::new(dir.path().join("none")).entries().err().unwrap();
        assert!(error.to_string().contains("none"), "{error}");
    }
}
