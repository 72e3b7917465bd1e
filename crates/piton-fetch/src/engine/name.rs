//! What the file is called.

use std::path::{Path, PathBuf};

use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;
use url::Url;

use crate::parse::content_disposition;
use crate::parse::file_name::{FileName, marked};

/// The name under which a resource is kept: what Content-Disposition says, else the last part of
/// the address that was asked for or, if only that has an extension, of the one that answered.
pub(super) fn name_of(headers: &HeaderMap, asked: &Url, answered: &Url) -> FileName {
    let said = headers
        .get(CONTENT_DISPOSITION)
        .and_then(|value| content_disposition::file_name(value.as_bytes()))
        .and_then(|raw| FileName::clean(&raw));
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
        let mut headers = HeaderMap::new();
        assert_eq!(name_of(&headers, &asked, &answered).as_str(), "piton-1.0.tar.gz");
        assert_eq!(name_of(&headers, &asked, &asked).as_str(), "download");
        headers.insert(CONTENT_DISPOSITION, "attachment; filename=\"../a.iso\"".parse().unwrap());
        assert_eq!(name_of(&headers, &asked, &answered).as_str(), "a.iso");
    }

    #[test]
    fn numbers_keep_the_extension() {
        assert_eq!(numbered(Path::new("d/a.iso"), 2), Path::new("d/a.2.iso"));
        assert_eq!(numbered(Path::new("README"), 1), Path::new("README.1"));
    }
}
