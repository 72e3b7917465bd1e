//! Names that a file system does not take.
//!
//! FAT, exFAT, NTFS and shares of Windows know characters that no name may have, and say of them only that the
//! call was invalid, or that there is no such file.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Why a file system takes no file of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadName {
    /// It has this character.
    #[error("this file system takes no {0:?} in a name")]
    Character(char),
    /// It ends in a dot or a blank.
    #[error("this file system takes no name that ends in {0:?}")]
    Ending(char),
    /// It is not valid UTF-8.
    #[error("this file system takes only names in UTF-8")]
    NotText,
}

impl BadName {
    /// What is in the last name of `path` that such file systems do not take.
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

/// The error of a call that was to look at, or create, what is at `path`.
pub(super) fn explained(errno: Errno, path: &Path) -> io::Error {
    match errno {
        Errno::INVAL | Errno::ILSEQ => bad_name(errno, path),
        errno => errno.into(),
    }
}

/// The error of a call that was to create something at `path`, if its folder is there: "no such file" is
/// an answer to the name then.
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
        let said = |name: &str| explained(Errno::INVAL, Path::new(name)).to_string();
        assert_eq!(said("d:/10:30.log"), "this file system takes no ':' in a name");
        assert_eq!(said("d/what?.part"), "this file system takes no '?' in a name");
        assert_eq!(said("a\tb"), "this file system takes no '\\t' in a name");
        assert_eq!(said("a."), "this file system takes no name that ends in '.'");
        assert!(said("d:/plain").contains("Invalid argument"));
        let bytes = Path::new(OsStr::from_bytes(b"\xff"));
        assert!(explained(Errno::ILSEQ, bytes).to_string().contains("UTF-8"));
        assert!(explained(Errno::ACCESS, Path::new("a:b")).to_string().contains("denied"));
    }
}
