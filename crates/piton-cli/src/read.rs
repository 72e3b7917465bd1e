//! Reads the small files that options name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No file that an option names has reason to be longer; `/dev/zero` has no end (G8).
const LIMIT: usize = 16 << 20;

/// The whole file, at most [`LIMIT`] bytes.
pub(crate) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 16 MiB"));
    }
    Ok(bytes)
}

/// The whole file as text; invalid UTF-8 is an error.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(bytes(path)?).map_err(not_text)
}
