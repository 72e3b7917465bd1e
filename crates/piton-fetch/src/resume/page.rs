//! An answer that is a page instead of the file: a login, an error with status 200, the page of a portal.
//!
//! Nothing that is here is given up for one. The server says that it is the file, and so all else that is known
//! has to judge: the media type, and who answered.

use piton_checkpoint::{Identity, Verdict};
use piton_remote::Head;
use serde::{Deserialize, Serialize};

/// What an answer looks like, apart from its validators.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appearance {
    /// Content-Type without parameters, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Host and path of the URL that answered, after redirects: without login and query, which may hold a
    /// signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Appearance {
    /// That of an answer with this head.
    pub(crate) fn of(head: &Head) -> Self {
        let answered = &head.url;
        let place = answered.host_str().map(|host| format!("{host}{}", answered.path()));
        Self { media_type: media_type(head), place }
    }

    /// Whether an answer that looks like `now`, and is of another version, is rather no version of the file
    /// than a new one.
    fn is_displaced_by(&self, now: &Self) -> bool {
        let Some(is) = now.media_type.as_deref() else { return false };
        match self.media_type.as_deref() {
            // A page was begun, and this is the page of somebody else.
            Some(was) if was == is => {
                is_page(is) && self.place.is_some() && self.place != now.place
            }
            Some(_) => is_message(is),
            // Not said, or by a version of piton that did not note it.
            None => is_page(is),
        }
    }
}

/// A version of the file of which bytes are here.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    /// As the source that answers calls it.
    pub(crate) identity: Identity,
    /// What the answer looked like that it was begun with; nothing where that is not known.
    pub(crate) appearance: Appearance,
}

impl Begun {
    /// Whether an answer is rather no version of the file than a new one: it has neither the validators nor the
    /// length that are known, and does not look like the file; or it has none at all, where there were some.
    pub(crate) fn is_displaced_by(
        &self,
        now: &Identity,
        looks: impl FnOnce() -> Appearance,
    ) -> bool {
        let is_same = matches!(self.identity.compare(now), Verdict::Same(_));
        !is_same && (is_nameless(&self.identity, now) || self.appearance.is_displaced_by(&looks()))
    }
}

/// Whether the file was known by a tag or a time, and this has neither, nor its length.
fn is_nameless(was: &Identity, now: &Identity) -> bool {
    let nameless =
        |identity: &Identity| identity.etag.is_none() && identity.last_modified.is_none();
    !nameless(was) && nameless(now) && was.size.is_some() && was.size != now.size
}

/// The media type without parameters, in lower case (RFC 9110 section 8.3).
pub(crate) fn media_type(head: &Head) -> Option<String> {
    essence(head.media_type()?)
}

pub(crate) fn essence(value: &str) -> Option<String> {
    let essence = value.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    // Not a media type, and nothing to be shown.
    let is_one = essence.contains('/') && essence.len() <= 127 && essence.is_ascii();
    is_one.then_some(essence)
}

/// What people look at in a browser.
fn is_page(media_type: &str) -> bool {
    matches!(media_type, "text/html" | "application/xhtml+xml")
}

/// What servers say errors in.
fn is_message(media_type: &str) -> bool {
    let suffix = media_type.rsplit(['/', '+']).next().unwrap_or_default();
    is_page(media_type) || media_type == "text/plain" || matches!(suffix, "json" | "xml")
}

/// Endings of files that are pages, or may be anything.
const PAGES: [&str; 14] = [
    "html", "htm", "xhtml", "shtml", "mhtml", "php", "asp", "aspx", "jsp", "cgi", "pl", "do",
    "cfm", "txt",
];

/// The media type of an answer that says that it is a page, where the name is plainly that of something else.
pub(crate) fn odd_type(name: &str, content_type: &str) -> Option<String> {
    // Most are none, and cost no more than this.
    let value = content_type.as_bytes();
    let may_be = [&b"text/html"[..], b"application/xhtml"]
        .iter()
        .any(|page| value.get(..page.len()).is_some_and(|start| start.eq_ignore_ascii_case(page)));
    may_be.then(|| essence(content_type)).flatten().filter(|media_type| is_odd(name, media_type))
}

fn is_odd(name: &str, media_type: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    // A version number is no ending.
    let is_ending = !stem.is_empty()
        && (1..=10).contains(&ending.len())
        && ending.chars().all(|c| c.is_ascii_alphanumeric())
        && ending.chars().any(|c| c.is_ascii_alphabetic());
    is_ending && is_page(media_type) && !PAGES.iter().any(|page| ending.eq_ignore_ascii_case(page))
}

/// Whether a media type is among these, each `type/subtype` or `type/*`.
pub(crate) fn is_among(media_type: &str, expected: &[String]) -> bool {
    expected.iter().any(|one| match one.strip_suffix("/*") {
        Some(kind) => media_type.split('/').next().is_some_and(|is| is.eq_ignore_ascii_case(kind)),
        None => media_type.eq_ignore_ascii_case(one),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(media_type: Option<&str>, place: &str) -> Appearance {
        Appearance { media_type: media_type.map(str::to_owned), place: Some(place.to_owned()) }
    }

    #[test]
    fn pages_that_are_not_the_file() {
        let (file, login) = ("a.test/f.zip", "a.test/login");
        for (was, now, displaced) in [
            (seen(Some("application/zip"), file), seen(Some("text/html"), login), true),
            (seen(Some("application/zip"), file), seen(Some("text/html"), file), true),
            (seen(Some("application/zip"), file), seen(Some("application/json"), file), true),
            (seen(Some("application/zip"), file), seen(Some("text/plain"), file), true),
            (
                seen(Some("application/zip"), file),
                seen(Some("application/problem+xml"), file),
                true,
            ),
            (seen(None, file), seen(Some("text/html"), file), true),
            (seen(Some("text/html"), file), seen(Some("text/html"), login), true),
            // A new version.
            (seen(Some("text/html"), file), seen(Some("text/html"), file), false),
            (seen(Some("application/zip"), file), seen(Some("application/zip"), login), false),
            (
                seen(Some("application/zip"), file),
                seen(Some("application/octet-stream"), file),
                false,
            ),
            (seen(Some("application/json"), file), seen(Some("application/json"), login), false),
            (seen(Some("application/zip"), file), seen(None, file), false),
            (seen(None, file), seen(Some("text/plain"), file), false),
        ] {
            assert_eq!(was.is_displaced_by(&now), displaced, "{was:?} {now:?}");
        }
    }

    #[test]
    fn names_that_are_plainly_no_page() {
        for name in ["train.zip", "a.tar.gz", "x.ISO", "movie.mp4", "data.json", "a.b.7z"] {
            assert!(is_odd(name, "text/html"), "{name}");
            assert!(!is_odd(name, "application/zip"), "{name}");
        }
        for name in ["index.html", "README", "download", "a.PHP", ".zip", "v1.2", "notes.txt"] {
            assert!(!is_odd(name, "text/html"), "{name}");
        }
    }

    #[test]
    fn media_types() {
        let of = essence;
        assert_eq!(of("Text/HTML; charset=utf-8").unwrap(), "text/html");
        assert_eq!(of("application/zip").unwrap(), "application/zip");
        assert_eq!((of(""), of("zip"), of(&"x/".repeat(100))), (None, None, None));
        let expected = ["image/*".to_owned(), "application/Zip".to_owned()];
        assert!(is_among("image/png", &expected) && is_among("application/zip", &expected));
        assert!(!is_among("text/html", &expected) && !is_among("imagex/png", &expected));
    }

    #[test]
    fn the_version_decides_first() {
        let size = |size| Identity { size: Some(size), ..Identity::default() };
        let modified = |identity: Identity, text: &str| Identity {
            last_modified: Some(text.to_owned()),
            ..identity
        };
        let (zip, page) = (seen(Some("application/zip"), "a/f"), seen(Some("text/html"), "a/f"));
        for (was, now, looks, displaced) in [
            (size(100), size(7), &page, true),
            (size(100), Identity::default(), &page, true),
            (modified(size(100), "then"), modified(size(100), "now"), &page, true),
            (size(100), size(7), &zip, false),
            (size(100), size(100), &page, false),
            (modified(size(100), "then"), modified(size(100), "then"), &page, false),
            // Known by a time, and now by nothing.
            (modified(size(100), "then"), size(7), &zip, true),
        ] {
            let begun = Begun { identity: was.clone(), appearance: zip.clone() };
            let found = begun.is_displaced_by(&now, || looks.clone());
            assert_eq!(found, displaced, "{was:?} {now:?} {looks:?}");
        }
    }
}
