//! What another program left, by its names.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use piton_durable::fs::Fs;

/// What programs add to a name while a file is on its way: Firefox and others, Chrome and its kin,
/// Opera, and older Edge.
const ENDINGS: [&str; 4] = ["part", "crdownload", "opdownload", "partial"];

const CONTROL: &str = "aria2";

/// A partial file, and the control file beside it where aria2 left one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    file: PathBuf,
    control: Option<PathBuf>,
}

impl Leftover {
    /// What belongs to `path`, which is the partial file or the control file.
    ///
    /// # Errors
    /// Where the system cannot tell whether there is a control file.
    pub fn find(fs: &dyn Fs, path: &Path) -> io::Result<Self> {
        if path.extension().is_some_and(|ending| ending == CONTROL) {
            let (file, control) = (path.with_extension(""), Some(path.to_owned()));
            return Ok(Self { file, control });
        }
        let mut control = OsString::from(path);
        control.push(".");
        control.push(CONTROL);
        let control = PathBuf::from(control);
        let control = fs.stat(&control)?.is_some().then_some(control);
        Ok(Self { file: path.to_owned(), control })
    }

    /// The partial file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The control file of aria2.
    pub fn control(&self) -> Option<&Path> {
        self.control.as_deref()
    }

    /// The name that the file was to have in the end: without the ending that says it is on its way.
    pub fn final_name(&self) -> PathBuf {
        match self.file.extension().and_then(|ending| ending.to_str()) {
            Some(ending) if ENDINGS.contains(&ending) => self.file.with_extension(""),
            _ => self.file.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use piton_testkit::disk::SimDisk;

    use super::*;

    #[test]
    fn names() {
        let disk = SimDisk::seeded(1);
        for name in ["/a.iso", "/a.iso.aria2", "/b.iso.crdownload", "/c.iso.part", "/d"] {
            disk.put(name, b"bytes");
        }
        for (given, file, control, last) in [
            ("/a.iso", "/a.iso", true, "/a.iso"),
            ("/a.iso.aria2", "/a.iso", true, "/a.iso"),
            ("/b.iso.crdownload", "/b.iso.crdownload", false, "/b.iso"),
            ("/c.iso.part", "/c.iso.part", false, "/c.iso"),
            ("/d", "/d", false, "/d"),
        ] {
            let found = Leftover::find(&disk, given.as_ref()).unwrap();
            assert_eq!((found.file(), found.control().is_some()), (file.as_ref(), control));
            assert_eq!(found.final_name(), Path::new(last), "{given}");
        }
    }
}
