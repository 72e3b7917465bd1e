//! Names that a file system does not accept.
//!
//! FAT, exFAT, NTFS and Windows shares forbid some characters in names, and report only that the call was
//! invalid, or that there is no such file.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Why a file system does not accept a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadName {
    /// It contains this character.
    #[error("this file system does not allow {0:?} in a name")]
    Character(char),
    /// It ends with a dot or a space.
    #[error("this file system does not allow a name that ends with {0:?}")]
    Ending(char),
    /// It is not valid UTF-8.
    #[error("this file system allows only names in UTF-8")]
    NotText,
}

impl BadName {
    /// What such file systems do not accept in the last name of `path`.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?;
        let Some(text) = name.to_str() else { return Some(Self::NotText) };
        let is_reserved = |c: &char| {
            c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        };
        let last = text.chars().next_back().filter(|c| matches!(c, '.' | ' '));
        text.chars().find(is_reserved).map(Self::Character).or(last.map(Self::Ending))
    }
}

/// The error of a call that was to inspect or create a file at `path`.
pub(super) fn explained(errno: Errno, path: &Path) -> io::Error {
    match errno {
        Errno::INVAL | Errno::ILSEQ => bad_name(errno, path),
        errno => errno.into(),
    }
}

/// The error of a call that was to create something at `path`, if its folder exists: "no such file" is
/// about the name then.
pub(super) fn bad_name(errno: Errno, path: &Path) -> io::Error {
    match BadName::of(path) {
        Some(bad) => io::Error::new(io::ErrorKind::InvalidFilename, bad),
        None => errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn the_character_is_named() {
        let message = |name: &str| explained(Errno::INVAL, Path::new(name)).to_string();
        assert_eq!(message("d:/10:30.log"), "this file system does not allow ':' in a name");
        assert_eq!(message("d/what?.part"), "this file system does not allow '?' in a name");
        assert_eq!(message("a\tb"), "this file system does not allow '\\t' in a name");
        assert_eq!(message("a."), "this file system does not allow a name that ends with '.'");
        assert!(message("d:/plain").contains("Invalid argument"));
        let bytes = Path::new(OsStr::from_bytes(b"\xff"));
        assert!(explained(Errno::ILSEQ, bytes).to_string().contains("UTF-8"));
        assert!(explained(Errno::ACCESS, Path::new("a:b")).to_string().contains("denied"));
    }
}
