//! Where the file of an item goes, from what the list says.

use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;
use piton_fetch::parse::file_name::{self, FileName};
use url::Url;

use super::{NameError, Naming};
use crate::item::Item;

/// More nested folders are a mistake or an attack.
const MAX_DEPTH: usize = 64;

/// A path below the target folder: one or more clean [`FileName`]s, joined by `/`.
///
/// It has no `..`, no empty part and no root, so joining it to a folder stays in the folder (symbolic links
/// are handled by [`super::Folder`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetPath(String);

impl TargetPath {
    /// The path for `item`: its `dir`, then its `out`, or else the name that `naming` derives from its
    /// first URL. An absolute `dir` or `out` is accepted only if it is inside `root`.
    ///
    /// # Errors
    /// [`NameError`] if the path leads out of the folder or leaves no name.
    pub fn of(item: &Item, naming: Naming, root: &Path) -> Result<Self, NameError> {
        let mut parts = Vec::new();
        if let Some(dir) = &item.dir {
            let text = dir.to_str().ok_or_else(|| NameError::NotText(dir.clone()))?;
            parts.extend(given(text, root)?);
        }
        let out = item.out.as_deref().filter(|out| !out.is_empty());
        match (out, item.urls.first()) {
            (Some(out), _) => {
                let names = given(out, root)?;
                if names.is_empty() || out.ends_with('/') {
                    return Err(NameError::Unusable(out.to_owned()));
                }
                parts.extend(names);
            }
            (None, Some(address)) => {
                if naming == Naming::Tree {
                    parts.extend(folders_of(&address.url));
                }
                parts.push(FileName::from_url(&address.url));
            }
            (None, None) => return Err(NameError::Unusable(String::new())),
        }
        if parts.len() > MAX_DEPTH {
            return Err(NameError::TooDeep { limit: MAX_DEPTH });
        }
        let names: Vec<&str> = parts.iter().map(FileName::as_str).collect();
        Ok(Self(names.join("/")))
    }

    /// The path, relative to the target folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders before the last name; `None` if it is directly in the target folder.
    pub fn folder(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(folder, _)| folder)
    }

    /// The same with `.number` before the extension: `a/b.iso` becomes `a/b.1.iso`.
    pub fn numbered(&self, number: u32) -> Self {
        self.marked(&number.to_string())
    }

    /// The same with `.mark` before the extension; `mark` must be clean and short.
    pub(crate) fn marked(&self, mark: &str) -> Self {
        let path = file_name::marked(Path::new(&self.0), mark);
        Self(path.to_string_lossy().into_owned())
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<Path> for TargetPath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// The names in a path that the list gives.
fn given(text: &str, root: &Path) -> Result<Vec<FileName>, NameError> {
    let leads_out = || NameError::LeadsOut(text.to_owned());
    let mut inside = text;
    if text.starts_with('/') {
        let rest = Path::new(text).strip_prefix(root).map_err(|_| leads_out())?;
        inside = rest.to_str().ok_or_else(leads_out)?;
    }
    let mut names = Vec::new();
    for part in inside.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(leads_out()),
            part => {
                let name = FileName::clean(part);
                names.push(name.ok_or_else(|| NameError::Unusable(part.to_owned()))?);
            }
        }
    }
    Ok(names)
}

/// Host and folders of a URL. A part that leaves no valid name is dropped: two URLs may then have the same
/// path, as they may anyway.
fn folders_of(url: &Url) -> Vec<FileName> {
    let host = url.host_str().unwrap_or_default();
    let host = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let folders = url.path().rsplit_once('/').map_or("", |(folders, _)| folders);
    let decoded = folders.split('/').map(|part| {
        // A separator that was escaped is no separator.
        percent_decode_str(part).decode_utf8_lossy().replace(['/', '\\'], "_")
    });
    std::iter::once(host).chain(decoded).filter_map(|part| FileName::clean(&part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::item;

    fn of(item: &Item, naming: Naming) -> Result<String, NameError> {
        TargetPath::of(item, naming, Path::new("/srv/data")).map(|path| path.0)
    }

    #[test]
    fn addresses_give_names() {
        for (url, flat, tree) in [
            ("https://a.test/x/y.bin?q=1", "y.bin", "a.test/x/y.bin"),
            ("https://a.test:8443//x/./z/../y.bin", "y.bin", "a.test:8443/x/y.bin"),
            ("https://a.test/", "index.html", "a.test/index.html"),
            ("https://a.test/x%2Fy/..%2f..%2fz", "z", "a.test/x_y/z"),
            ("https://a.test/%2e%2e%00/.ssh/keys", "keys", "a.test/ssh/keys"),
            ("http://[::1]/x", "x", "[::1]/x"),
        ] {
            assert_eq!(of(&item(url), Naming::Flat).unwrap(), flat, "{url}");
            assert_eq!(of(&item(url), Naming::Tree).unwrap(), tree, "{url}");
        }
    }

    #[test]
    fn out_and_dir_go_before_the_address() {
        let with = |out: Option<&str>, dir: Option<&str>| {
            let mut item = item("https://a.test/x/y.bin");
            item.out = out.map(str::to_owned);
            item.dir = dir.map(Into::into);
            of(&item, Naming::Flat)
        };
        let leads_out = |text: &str| Err(NameError::LeadsOut(text.to_owned()));
        assert_eq!(with(Some("a//./b.bin"), Some("c/")), Ok("c/a/b.bin".to_owned()));
        assert_eq!(with(Some(""), Some("c")), Ok("c/y.bin".to_owned()));
        assert_eq!(with(None, Some("/srv/data/sub")), Ok("sub/y.bin".to_owned()));
        assert_eq!(with(None, Some("/srv/data")), Ok("y.bin".to_owned()));
        assert_eq!(with(None, Some("/srv/database")), leads_out("/srv/database"));
        assert_eq!(with(None, Some("/srv/data/../x")), leads_out("/srv/data/../x"));
        assert_eq!(with(Some("../y"), None), leads_out("../y"));
        assert_eq!(with(Some("/etc/passwd"), None), leads_out("/etc/passwd"));
        assert_eq!(with(Some("a/"), None), Err(NameError::Unusable("a/".to_owned())));
        assert_eq!(with(Some("./"), None), Err(NameError::Unusable("./".to_owned())));
        assert_eq!(with(Some("a/\0/b"), None), Err(NameError::Unusable("\0".to_owned())));
        let deep = "a/".repeat(MAX_DEPTH) + "b";
        assert_eq!(with(Some(&deep), None), Err(NameError::TooDeep { limit: MAX_DEPTH }));
    }

    #[test]
    fn numbers_stay_in_the_folder() {
        let path = TargetPath("a.d/b.iso".to_owned());
        assert_eq!(path.numbered(2).as_str(), "a.d/b.2.iso");
        assert_eq!(path.folder(), Some("a.d"));
        assert_eq!(TargetPath("a.d/c".to_owned()).numbered(1).as_str(), "a.d/c.1");
    }
}
