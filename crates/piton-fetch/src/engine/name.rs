//! What the file is called.

use std::path::{Path, PathBuf};

use piton_remote::Head;
use url::Url;

use crate::parse::file_name::{FileName, marked};

/// The name under which a resource is kept: what the server proposes, else the last part of the URL that was
/// asked for or, if only that has an extension, of the one that answered.
pub(super) fn name_of(head: &Head, asked: &Url, answered: &Url) -> FileName {
    name(head.file_name().as_deref(), asked, answered)
}

fn name(proposed: Option<&str>, asked: &Url, answered: &Url) -> FileName {
    let said = proposed.and_then(FileName::clean);
    if let Some(name) = said {
        return name;
    }
    let (first, last) = (FileName::from_url(asked), FileName::from_url(answered));
    let has_extension = |name: &FileName| Path::new(name.as_str()).extension().is_some();
    if !has_extension(&first) && has_extension(&last) { last } else { first }
}

/// `name.ext` → `name.1.ext`, `name.2.ext`, …
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    marked(path, &number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_the_file() {
        let asked = Url::parse("https://a.test/latest/download").unwrap();
        let answered = Url::parse("https://b.test/x/piton-1.0.tar.gz?sig=1").unwrap();
        assert_eq!(name(None, &asked, &answered).as_str(), "piton-1.0.tar.gz");
        assert_eq!(name(None, &asked, &asked).as_str(), "download");
        assert_eq!(name(Some("../a.iso"), &asked, &answered).as_str(), "a.iso");
    }

    #[test]
    fn numbers_keep_the_extension() {
        assert_eq!(numbered(Path::new("d/a.iso"), 2), Path::new("d/a.2.iso"));
        assert_eq!(numbered(Path::new("README"), 1), Path::new("README.1"));
    }
}
