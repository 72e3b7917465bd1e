//! Files of checksums, such as `SHA256SUMS`.

use crate::digest::{Algorithm, Digest};

use super::ParseError;

/// The digests that a checksum file gives to names.
#[derive(Debug, Clone)]
pub struct ChecksumFile {
    entries: Vec<(String, Digest)>,
    bare: Option<Digest>,
    skipped: Vec<usize>,
}

impl ChecksumFile {
    /// Longer files are refused (guarantee G8). The largest in common use, of whole distributions, have a
    /// few MiB.
    pub const MAX_BYTES: usize = 8 << 20;

    /// Parses a checksum file: lines as [`ChecksumLines`] takes them, or nothing but one digest. `hint` is
    /// the name or URL of the file.
    ///
    /// # Errors
    /// [`ParseError`] if no line gives a digest, or the file has over [`ChecksumFile::MAX_BYTES`].
    pub fn parse(bytes: &[u8], hint: &str) -> Result<ChecksumFile, ParseError> {
        let wrong = |why| ParseError::new("checksum file", why, bytes);
        if bytes.len() > Self::MAX_BYTES {
            return Err(wrong("it is longer than 8 MiB"));
        }
        let lines = ChecksumLines::of(hint);
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut file = ChecksumFile { entries: Vec::new(), bare: None, skipped: Vec::new() };
        let mut bare = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            match lines.parse(line) {
                ChecksumLine::Entry(name, digest) => file.entries.push((name, digest)),
                ChecksumLine::Bare(digest) => bare.push(digest),
                ChecksumLine::Blank => {}
                ChecksumLine::Unknown => file.skipped.push(number),
            }
        }
        if let ([digest], []) = (bare.as_slice(), file.entries.as_slice()) {
            file.bare = Some(digest.clone());
        }
        if file.entries.is_empty() && file.bare.is_none() {
            return Err(wrong("no line of it has a digest of a known algorithm"));
        }
        Ok(file)
    }

    /// The digest of a file: that of its exact name, otherwise that of the only name in the list with the
    /// same last component. A file of one bare digest gives it to any name.
    ///
    /// Of digests by several algorithms the strongest is returned. `None` if there is none, if several
    /// names could be meant, or if two digests of one algorithm contradict each other.
    pub fn lookup(&self, name: &str) -> Option<Digest> {
        if let Some(digest) = &self.bare {
            return Some(digest.clone());
        }
        let name = plain(name);
        let exact = self.strongest(|entry| entry == name);
        if self.entries.iter().any(|(entry, _)| entry == name) {
            return exact;
        }
        let base = base_name(name);
        let mut alike =
            self.entries.iter().map(|(entry, _)| entry).filter(|entry| base_name(entry) == base);
        let only = alike.next()?;
        if !alike.all(|entry| entry == only) {
            return None;
        }
        self.strongest(|entry| entry == only)
    }

    /// The numbers (from 1) of lines that were not understood, such as those of a signature around the
    /// list.
    pub fn skipped(&self) -> &[usize] {
        &self.skipped
    }

    fn strongest(&self, is_meant: impl Fn(&str) -> bool) -> Option<Digest> {
        let meant = || self.entries.iter().filter(|(name, _)| is_meant(name)).map(|(_, d)| d);
        let best = meant().max_by_key(|digest| digest.algorithm())?;
        let agree = meant().all(|d| d.algorithm() != best.algorithm() || d == best);
        agree.then(|| best.clone())
    }
}

/// What one line of a checksum file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChecksumLine {
    /// A digest of the file of this name, which may have folders; never empty.
    Entry(String, Digest),
    /// A digest alone.
    Bare(Digest),
    /// Nothing: it is blank, or a comment.
    Blank,
    /// Nothing that is understood.
    Unknown,
}

/// Reads checksum files line by line.
///
/// It takes what coreutils write (`HEX  name`, `HEX *name`, `\HEX  escaped\nname`), the BSD form
/// (`SHA256 (name) = HEX`), and digests alone.
///
/// Where only the number of digits tells the algorithm, 32 are MD5, 40 SHA-1, 64 SHA-256 and 128 SHA-512,
/// unless the name of the file says otherwise: see [`ChecksumLines::of`].
#[derive(Debug, Clone, Copy)]
pub struct ChecksumLines {
    family: Family,
}

impl ChecksumLines {
    /// For a file of this name or URL: 64 digits are BLAKE3 if it speaks of `blake3` or `b3sum`. If it
    /// speaks of BLAKE2 or SHA-3, which piton does not compute, such lines are not understood.
    pub fn of(name: &str) -> ChecksumLines {
        ChecksumLines { family: Family::of(name) }
    }

    /// Parses a line, with or without its end.
    pub fn parse(&self, line: &str) -> ChecksumLine {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            return ChecksumLine::Blank;
        }
        if let Some((name, digest)) = coreutils(line, self.family).or_else(|| bsd(line)) {
            return ChecksumLine::Entry(name, digest);
        }
        self.family.digest(line.trim()).map_or(ChecksumLine::Unknown, ChecksumLine::Bare)
    }
}

/// What the name of the checksum file says of the algorithm.
#[derive(Debug, Clone, Copy)]
enum Family {
    /// Nothing that would speak against MD5 and the first two generations of SHA.
    Usual,
    Blake3,
    /// One that piton does not compute and whose digests look like those of others.
    Unknown,
}

impl Family {
    fn of(hint: &str) -> Family {
        let hint = hint.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| hint.contains(word));
        if says(&["blake3", "b3sum"]) {
            Family::Blake3
        } else if says(&["blake2", "b2sum", "sha3", "sha-3"]) {
            Family::Unknown
        } else {
            Family::Usual
        }
    }

    fn digest(self, hex: &str) -> Option<Digest> {
        let algorithm = match (hex.len(), self) {
            (64, Family::Blake3) => Algorithm::Blake3,
            (_, Family::Blake3 | Family::Unknown) => return None,
            (32, Family::Usual) => Algorithm::Md5,
            (40, Family::Usual) => Algorithm::Sha1,
            (64, Family::Usual) => Algorithm::Sha256,
            (128, Family::Usual) => Algorithm::Sha512,
            _ => return None,
        };
        Digest::from_hex(algorithm, hex).ok()
    }
}

/// `HEX  name`: after the digits a space, and then a space or, for binary mode, `*`. Lists written by
/// hand also have one space, several or a tab.
fn coreutils(line: &str, family: Family) -> Option<(String, Digest)> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(line) => (true, line),
        None => (false, line.trim_start()),
    };
    let (hex, rest) = line.split_once([' ', '\t'])?;
    let digest = family.digest(hex)?;
    let name = match rest.strip_prefix([' ', '*']) {
        Some(name) if !name.starts_with([' ', '\t']) => name,
        _ => rest.trim_start().trim_start_matches('*'),
    };
    let name = if escaped { unescape(name)? } else { name.to_owned() };
    let name = plain(&name);
    (!name.is_empty()).then(|| (name.to_owned(), digest))
}

/// `SHA256 (name) = HEX`; openssl leaves out the spaces and says `SHA2-256`.
fn bsd(line: &str) -> Option<(String, Digest)> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(line) => (true, line),
        None => (false, line.trim_start()),
    };
    let (algorithm, rest) = line.split_once('(')?;
    let algorithm = match algorithm.trim_end() {
        "SHA2-256" => Algorithm::Sha256,
        "SHA2-512" => Algorithm::Sha512,
        name => name.parse().ok()?,
    };
    // The name itself may have parentheses in it.
    let (name, hex) = rest.rsplit_once(')')?;
    let hex = hex.trim_start().strip_prefix('=')?.trim();
    let digest = Digest::from_hex(algorithm, hex).ok()?;
    let name = if escaped { unescape(name)? } else { name.to_owned() };
    let name = plain(&name);
    (!name.is_empty()).then(|| (name.to_owned(), digest))
}

/// `None` for an escape that coreutils do not write.
fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            c => c,
        });
    }
    Some(plain)
}

/// Lists are made with `find .` as often as without.
fn plain(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest;
    }
    name
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    const A: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const B: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

    fn parse(text: &str) -> ChecksumFile {
        ChecksumFile::parse(text.as_bytes(), "SHA256SUMS").unwrap()
    }

    fn lookup(text: &str, name: &str) -> Option<String> {
        parse(text).lookup(name).map(|digest| format!("{digest:?}"))
    }

    fn sha256(hex: &str) -> Option<String> {
        Some(format!("sha256:{hex}"))
    }

    #[test]
    fn the_forms_of_a_line() {
        for line in [
            format!("{A}  a b.iso"),
            format!("{A} *a b.iso"),
            format!("{A} a b.iso"),
            format!("{A}\ta b.iso"),
            format!("{A}    a b.iso"),
            format!("{A}  ./a b.iso"),
            format!("{}  a b.iso", A.to_uppercase()),
            format!("SHA256 (a b.iso) = {A}"),
            format!("SHA2-256(a b.iso)= {A}"),
            format!("sha-256 (./a b.iso) = {A}"),
            format!("\\{A}  a b.iso"),
        ] {
            let text = format!("\u{feff}# list\r\n\r\n{line}\r\n{B}  other\r\n");
            assert_eq!(lookup(&text, "a b.iso"), sha256(A), "{line}");
            assert_eq!(lookup(&text, "other"), sha256(B), "{line}");
            assert_eq!(parse(&text).skipped(), [0_usize; 0], "{line}");
        }
    }

    #[test]
    fn names_with_odd_characters() {
        assert_eq!(lookup(&format!("\\{A}  a\\nb\\\\c"), "a\nb\\c"), sha256(A));
        assert_eq!(lookup(&format!("\\SHA256 (a\\nb) = {A}"), "a\nb"), sha256(A));
        assert_eq!(lookup(&format!("{A}  a\\nb"), "a\\nb"), sha256(A));
        assert_eq!(lookup(&format!("SHA256 (a (1).iso) = {A}"), "a (1).iso"), sha256(A));
        assert_eq!(lookup(&format!("{A}  *star"), "*star"), sha256(A));
        assert_eq!(lookup(&format!("{B}  x\n\\{A}  a\\qb"), "a\\qb"), None);
    }

    #[test]
    fn exact_names_come_before_last_components() {
        let text = format!("{A}  one/file\n{B}  file\n");
        assert_eq!(lookup(&text, "file"), sha256(B));
        assert_eq!(lookup(&text, "one/file"), sha256(A));
        assert_eq!(lookup(&text, "two/file"), None);
        let text = format!("{A}  one/file\n{B}  other\n");
        assert_eq!(lookup(&text, "file"), sha256(A));
        assert_eq!(lookup(&text, "/tmp/file"), sha256(A));
        assert_eq!(lookup(&text, "ile"), None);
        assert_eq!(lookup(&format!("{A}  one/file\n{B}  two/file\n"), "file"), None);
        assert_eq!(lookup(&format!("{A}  one/file\n{A}  two/file\n"), "file"), None);
    }

    #[test]
    fn the_strongest_algorithm_is_returned_and_contradictions_are_not() {
        let text = format!("MD5 (f) = {MD5}\nSHA256 (f) = {A}\nSHA1 (f) = {SHA1}\n");
        assert_eq!(lookup(&text, "f"), sha256(A));
        assert_eq!(lookup(&text, "x/f"), sha256(A));
        assert_eq!(lookup(&format!("{A}  f\n{A}  f\n"), "f"), sha256(A));
        assert_eq!(lookup(&format!("{A}  f\n{B}  f\n"), "f"), None);
        assert_eq!(lookup(&format!("{A}  f\n{B}  f\n{A}  d/f"), "f"), None);
    }

    #[test]
    fn the_length_and_the_hint_tell_the_algorithm() {
        let sha512 = format!("{A}{B}");
        for (hex, algorithm) in
            [(MD5, Algorithm::Md5), (SHA1, Algorithm::Sha1), (&sha512, Algorithm::Sha512)]
        {
            let digest = parse(&format!("{hex}  f")).lookup("f").unwrap();
            assert_eq!(digest.algorithm(), algorithm);
        }
        let line = format!("{A}  f");
        for hint in ["B3SUMS", "https://h/x.BLAKE3"] {
            let file = ChecksumFile::parse(line.as_bytes(), hint).unwrap();
            assert_eq!(file.lookup("f").unwrap().algorithm(), Algorithm::Blake3, "{hint}");
        }
        for hint in ["B2SUMS", "SHA3-256SUMS", "x.blake2b"] {
            assert!(ChecksumFile::parse(line.as_bytes(), hint).is_err(), "{hint}");
            let bsd = format!("SHA256 (f) = {A}");
            assert!(ChecksumFile::parse(bsd.as_bytes(), hint).is_ok(), "{hint}");
        }
    }

    #[test]
    fn one_bare_digest_is_for_any_name() {
        assert_eq!(lookup(&format!("{A}\n"), "anything"), sha256(A));
        assert!(ChecksumFile::parse(format!("{A}\n{B}\n").as_bytes(), "").is_err());
        let beside = format!("{A}\n{B}  f\n");
        assert_eq!(lookup(&beside, "f"), sha256(B));
        assert_eq!(lookup(&beside, "g"), None);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for text in
            ["", "# nothing\n", "<html>404</html>", "BLAKE2b (f) = 00", "xyz  f", "SHA256 (f) = 00"]
        {
            let error = ChecksumFile::parse(text.as_bytes(), "").unwrap_err();
            assert_eq!(error.why(), "no line of it has a digest of a known algorithm", "{text}");
        }
        let long = vec![b'\n'; ChecksumFile::MAX_BYTES + 1];
        assert_eq!(ChecksumFile::parse(&long, "").unwrap_err().why(), "it is longer than 8 MiB");
        let signed = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{A}  f\n");
        assert_eq!(lookup(&signed, "f"), sha256(A));
        assert_eq!(parse(&signed).skipped(), [1, 2]);
    }

    #[test]
    fn names_that_are_not_utf8_do_not_spoil_the_rest() {
        let mut bytes = format!("{A}  caf").into_bytes();
        bytes.extend_from_slice(b"\xe9\n");
        bytes.extend_from_slice(format!("{B}  f\n").as_bytes());
        let file = ChecksumFile::parse(&bytes, "").unwrap();
        assert_eq!(file.lookup("f").unwrap().to_string(), B);
    }
}
