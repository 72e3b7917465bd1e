//! Names of the files that piton keeps beside another.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The longest name, in bytes, on file systems of Linux.
pub(crate) const LONGEST: usize = 255;
/// A shortened name leaves room for every suffix.
const LONGEST_SHORTENED: usize = LONGEST - 24;

/// The path with `suffix` appended to its name. A name that has no room for that is shortened first.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut beside = match name.len().saturating_add(suffix.len()) > LONGEST {
        true => shortened(name),
        false => name.to_owned(),
    };
    beside.push(suffix);
    path.with_file_name(beside)
}

/// The beginning of a name and half of its SHA-256: always the same for one name, and different for
/// two, even if somebody chose them to collide.
pub(crate) fn shortened(name: &OsStr) -> OsString {
    let digest = Sha256::digest(name.as_bytes());
    let mark: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let room = LONGEST_SHORTENED.saturating_sub(mark.len()).saturating_sub(1);
    // No UTF-8 character is cut in two: some file systems reject such names.
    let is_inside = |at: usize| name.as_bytes().get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = room.min(name.len());
    while end > 0 && is_inside(end) {
        end = end.saturating_sub(1);
    }
    let mut short = name.as_bytes().get(..end).unwrap_or_default().to_vec();
    short.extend_from_slice(format!("~{mark}").as_bytes());
    OsString::from_vec(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &Path) -> &[u8] {
        path.file_name().unwrap().as_bytes()
    }

    #[test]
    fn a_name_with_room_keeps_it() {
        assert_eq!(beside(Path::new("d/a.iso"), ".part"), Path::new("d/a.iso.part"));
        let fits = "a".repeat(LONGEST - 5);
        assert_eq!(beside(Path::new(&fits), ".part"), Path::new(&format!("{fits}.part")));
    }

    #[test]
    fn long_names_give_way_and_stay_apart() {
        let long = |last: char| PathBuf::from(format!("d/{}{last}", "a".repeat(LONGEST - 1)));
        let (one, other) = (beside(&long('1'), ".part"), beside(&long('2'), ".part"));
        assert_eq!(one, beside(&long('1'), ".part"));
        assert_ne!(one, other);
        assert_eq!(one.parent(), Some(Path::new("d")));
        assert!(name(&one).len() <= LONGEST && name(&one).ends_with(b".part"));
    }

    #[test]
    fn no_character_is_cut_in_two() {
        for lead in 0..4 {
            let long = PathBuf::from(format!("{}{}", "a".repeat(lead), "\u{6d4b}".repeat(84)));
            let short = beside(&long, ".piton.tmp");
            assert!(short.to_str().is_some(), "{short:?}");
        }
        // Names that are no text.
        let bytes = beside(Path::new(OsStr::from_bytes(&[0xbf; 255])), ".part");
        assert!(name(&bytes).len() <= LONGEST);
    }
}
