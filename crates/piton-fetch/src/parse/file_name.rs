//! Names that are safe to create in a directory the user chose.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// The name of a file to write: one path component, visible, printable and portable.
///
/// It cannot leave its directory (no separators, not `..`), hide (no leading dot), be taken for an
/// option (no leading `-`), deceive (no control or text-direction characters), name a Windows device,
/// end in dots or spaces, or collide with the state that piton keeps beside a download (`.part`,
/// `.piton`). It is never empty and has at most the 255 bytes that file systems allow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileName(String);

/// What goes behind a name (`.part`, `.piton`) gives way where it is that long.
const MAX_BYTES: usize = 255;

/// Longer endings are cut like the rest of a name.
const MAX_EXTENSION_BYTES: usize = 20;

impl FileName {
    /// Makes a safe name of what a server proposed; `None` if nothing is left of it.
    ///
    /// Of a path only the last component counts. The result is stable: cleaning it again changes
    /// nothing.
    pub fn clean(raw: &str) -> Option<FileName> {
        let last = raw.rsplit(['/', '\\']).next().unwrap_or(raw);
        let printable: String = last.chars().filter(|&c| !is_deceptive(c)).collect();
        let name = trim_end(printable.trim_start_matches(is_dot_or_space));
        let name = cut(&without_state_endings(name));
        if name.is_empty() {
            return None;
        }
        if name.starts_with('-') || is_windows_device(&name) {
            return Some(FileName(cut(&format!("_{name}"))));
        }
        Some(FileName(name))
    }

    /// The name that an address gives: its last path segment, percent-decoded and cleaned. An address
    /// that ends in `/` gives `index.html`, one whose segment has nothing usable gives `download`.
    pub fn from_url(url: &Url) -> FileName {
        let segment = url.path().rsplit('/').next().unwrap_or("");
        if segment.is_empty() {
            return FileName("index.html".to_owned());
        }
        let bytes: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
        FileName::clean(&piton_remote::utf8_or_latin1(&bytes))
            .unwrap_or_else(|| FileName("download".to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The same path with `.mark` before the extension of its last name: `d/a.iso` is `d/a.1.iso`. For names
/// that are taken; `mark` should be short and clean.
pub fn marked(path: &Path, mark: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = match path.extension() {
        Some(extension) => format!(".{mark}.{}", extension.to_string_lossy()),
        None => format!(".{mark}"),
    };
    // One of what a cut takes away is all that makes some names differ; the mark does, too.
    let stem = head(&stem, MAX_BYTES.saturating_sub(ending.len()));
    path.with_file_name(format!("{stem}{ending}"))
}

/// At most so many bytes of the beginning, cut between characters.
fn head(text: &str, limit: usize) -> &str {
    let end = (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl AsRef<OsStr> for FileName {
    fn as_ref(&self) -> &OsStr {
        OsStr::new(&self.0)
    }
}

/// Control characters, line separators, marks that turn the direction of text (`exe.txt` that is
/// `txt.exe`), and characters without width but those that join letters and emoji.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_dot_or_space(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

fn trim_end(name: &str) -> &str {
    name.trim_end_matches(is_dot_or_space)
}

/// Breaks the endings that piton's own state files have: a download named `x.piton` would be taken for
/// the journal of `x`, and `x.piton.tmp` for one of its temporaries.
fn without_state_endings(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let is_state_dot = |at: usize| {
        let rest = lower.get(at..).unwrap_or("");
        rest == ".part"
            || rest.starts_with(".part.aside")
            || rest
                .strip_prefix(".piton")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    name.char_indices().map(|(at, c)| if c == '.' && is_state_dot(at) { '_' } else { c }).collect()
}

/// At most [`MAX_BYTES`], cut before the extension and between characters.
fn cut(name: &str) -> String {
    if name.len() <= MAX_BYTES {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, last)) if last.len() < MAX_EXTENSION_BYTES => match stem.rsplit_once('.') {
            Some((stem, "tar")) => (stem, format!(".tar.{last}")),
            _ => (stem, format!(".{last}")),
        },
        _ => (name, String::new()),
    };
    let limit = MAX_BYTES.saturating_sub(extension.len());
    let stem = trim_end(head(stem, limit));
    // A cut can bring a state ending to the end: `x.part` of a long `x.partial`.
    without_state_endings(&format!("{stem}{extension}"))
}

/// Names that Windows takes for devices, whatever their extension.
fn is_windows_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$" => true,
        stem => {
            stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).is_some_and(|number| {
                let mut digits = number.chars();
                matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³'))
                    && digits.next().is_none()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        let name = FileName::clean(raw).unwrap();
        assert_eq!(name.as_str(), expected, "{raw:?}");
        assert_eq!(FileName::clean(name.as_str()), Some(name), "not stable");
    }

    #[test]
    fn good_names_stay() {
        for name in [
            "a",
            "data.tar.gz",
            "a b (1).txt",
            "é€😀.txt",
            "x.part1.rar",
            "a.partial",
            "con1.txt",
            "x.pitons",
        ] {
            check(name, name);
        }
    }

    #[test]
    fn nothing_leaves_the_directory_or_hides() {
        check("../../etc/passwd", "passwd");
        check("C:\\Windows\\system.ini", "system.ini");
        check("/abs", "abs");
        check(".bashrc", "bashrc");
        check("... .ssh", "ssh");
        check("..\u{200b}..x", "x");
        check("-rf", "_-rf");
        check("a\0b\n\x1b[2Jc\u{7f}", "ab[2Jc");
        check("cod\u{202e}txt.exe", "codtxt.exe");
        for nothing in ["", ".", "..", "...", " ", "a/", "a\\", "\u{0}", "\u{202e}", ". .", "/.."] {
            assert_eq!(FileName::clean(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn names_are_portable() {
        check("name. . .", "name");
        check("CON", "_CON");
        check("nul.tar.gz", "_nul.tar.gz");
        check("aux .txt", "_aux .txt");
        check("Com1", "_Com1");
        check("lpt².x", "_lpt².x");
    }

    #[test]
    fn the_state_files_are_piton_s_own() {
        check("movie.part", "movie_part");
        check("movie.PART ", "movie_PART");
        check("x.piton", "x_piton");
        check("x.Piton.tmp", "x_Piton.tmp");
        check("x.part.part", "x.part_part");
        check("x.piton.piton", "x_piton_piton");
        check("x.part.aside-1", "x_part.aside-1");
        check(".part", "part");
    }

    #[test]
    fn long_names_are_cut_before_the_extension() {
        let limit = MAX_BYTES;
        check(&format!("{}.tar.gz", "a".repeat(300)), &format!("{}.tar.gz", "a".repeat(limit - 7)));
        check(&format!("{}.iso", "é".repeat(300)), &format!("{}.iso", "é".repeat((limit - 4) / 2)));
        check(&"a".repeat(1000), &"a".repeat(limit));
        check(&format!("a.{}", "b".repeat(1000)), &format!("a.{}", "b".repeat(limit - 2)));
        check(&format!("-{}", "a".repeat(300)), &format!("_-{}", "a".repeat(limit - 2)));
        check(&format!("con{}x.txt", " ".repeat(300)), "_con.txt");
        let stem = "a".repeat(limit - 5);
        check(&format!("{stem}.part{}", "ial".repeat(20)), &format!("{stem}_part"));
    }

    #[test]
    fn names_of_addresses() {
        for (address, name) in [
            ("https://h/a/b.iso", "b.iso"),
            ("https://h/a/b.iso?x=/y#/z", "b.iso"),
            ("https://h/a%20b%C3%A9", "a bé"),
            ("https://h/na%EFve", "naïve"),
            ("https://h/a%2Fb", "b"),
            ("https://h/..%2f..%2fetc%2fpasswd", "passwd"),
            ("https://h/100%", "100%"),
            ("https://h/", "index.html"),
            ("https://h", "index.html"),
            ("https://h/dir/", "index.html"),
            ("https://h/a/%00", "download"),
            ("https://h/.part", "part"),
        ] {
            assert_eq!(
                FileName::from_url(&Url::parse(address).unwrap()).as_str(),
                name,
                "{address}"
            );
        }
    }
}
