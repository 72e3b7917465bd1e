//! Which version of a resource this is, and whether two answers are of the same one.

use serde::{Deserialize, Serialize};

/// What a source reports about its version (RFC 9110 section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Length of the whole, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Validator>,
    /// `Last-Modified`, exactly as the server wrote it: it is only compared, never parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// An entity tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// Whether it is weak: different bytes may have the same tag.
    #[serde(default, skip_serializing_if = "is_false")]
    pub weak: bool,
    /// The text between the quotes.
    pub tag: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this shape")]
fn is_false(b: &bool) -> bool {
    !*b
}

/// How certain it is that two answers are the same version; the ladder of docs/resume-rules.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Only the size agrees: bytes at every seam must be compared.
    Size,
    /// Time and size agree while the entity tags differ (nodes of one farm) or are weak.
    /// Seams are compared as well.
    TimeAndSize,
    /// `Last-Modified` and size agree, and no entity tag contradicts it.
    TimeSizeAndTag,
    /// A strong entity tag agrees.
    StrongTag,
}

impl Strength {
    /// Whether old and new bytes must be compared at every seam: this alone would not notice a file that was
    /// replaced by one of the same size.
    pub fn wants_overlap(self) -> bool {
        self <= Self::TimeAndSize
    }
}

/// Whether two answers are of the same version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same, with this certainty.
    Same(Strength),
    /// Another version: never joined with the first (G4).
    Changed(Change),
    /// Nothing to compare: bytes of one must not be joined with the other.
    Unknown,
}

/// What shows that the source changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Another length.
    Size {
        /// Before.
        was: u64,
        /// Now.
        is: u64,
    },
    /// Another entity tag, and nothing else that agrees.
    Tag,
    /// Another time of modification.
    Time {
        /// Before.
        was: String,
        /// Now.
        is: String,
    },
    /// The source reports nothing that could identify a version.
    Nameless,
    /// Bytes at a seam differ although everything that the server reports agrees.
    Bytes {
        /// Offset of the first byte that differs.
        at: u64,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size { was, is } => write!(f, "its size was {was} and is now {is}"),
            Self::Tag => f.write_str("its entity tag changed"),
            Self::Time { was, is } => write!(f, "its modification time was {was} and is now {is}"),
            Self::Nameless => f.write_str("it has no size, time or tag to identify it"),
            Self::Bytes { at } => write!(f, "its bytes differ at offset {at}"),
        }
    }
}

impl Identity {
    /// Compares what was known (`self`) with what the source reports now.
    pub fn compare(&self, now: &Self) -> Verdict {
        let size = match (self.size, now.size) {
            (Some(was), Some(is)) if was != is => {
                return Verdict::Changed(Change::Size { was, is });
            }
            (Some(_), Some(_)) => true,
            _ => false,
        };
        let tags = match (&self.etag, &now.etag) {
            (Some(was), Some(is)) if was.tag != is.tag => Some(false),
            (Some(was), Some(is)) if !was.weak && !is.weak => {
                return Verdict::Same(Strength::StrongTag);
            }
            (Some(_), Some(_)) => Some(true),
            _ => None,
        };
        match (&self.last_modified, &now.last_modified) {
            (Some(was), Some(is)) if was != is => {
                Verdict::Changed(Change::Time { was: was.clone(), is: is.clone() })
            }
            (Some(_), Some(_)) if size && tags == Some(false) => {
                Verdict::Same(Strength::TimeAndSize)
            }
            (Some(_), Some(_)) if size => Verdict::Same(Strength::TimeSizeAndTag),
            _ if tags == Some(false) => Verdict::Changed(Change::Tag),
            _ if size => Verdict::Same(Strength::Size),
            _ => Verdict::Unknown,
        }
    }

    /// The greatest certainty with which a later answer could match this one; `None` if
    /// nothing is known that allows a resume.
    pub fn best_strength(&self) -> Option<Strength> {
        match self.compare(self) {
            Verdict::Same(strength) => Some(strength),
            _ => None,
        }
    }

    /// The strong entity tag, quoted for `If-Range` (RFC 9110 section 13.1.5 allows no weak one).
    pub fn strong_tag(&self) -> Option<String> {
        self.etag.as_ref().filter(|tag| !tag.weak).map(|tag| format!("\"{}\"", tag.tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(size: u64, etag: &str, time: &str) -> Identity {
        let weak = etag.starts_with("W/");
        let tag = etag.trim_start_matches("W/").to_owned();
        Identity {
            size: (size > 0).then_some(size),
            etag: (!tag.is_empty()).then_some(Validator { weak, tag }),
            last_modified: (!time.is_empty()).then(|| time.to_owned()),
        }
    }

    #[test]
    fn the_ladder() {
        let same = |a: Identity, b: Identity| a.compare(&b);
        assert_eq!(same(id(9, "a", "t"), id(9, "a", "t")), Verdict::Same(Strength::StrongTag));
        assert_eq!(same(id(9, "a", "t"), id(9, "b", "t")), Verdict::Same(Strength::TimeAndSize));
        assert_eq!(
            same(id(9, "W/a", "t"), id(9, "W/a", "t")),
            Verdict::Same(Strength::TimeSizeAndTag)
        );
        assert_eq!(same(id(9, "", "t"), id(9, "b", "t")), Verdict::Same(Strength::TimeSizeAndTag));
        assert_eq!(same(id(9, "W/a", ""), id(9, "W/a", "")), Verdict::Same(Strength::Size));
        assert_eq!(same(id(9, "", ""), id(9, "", "")), Verdict::Same(Strength::Size));
        assert_eq!(same(id(0, "", ""), id(0, "", "")), Verdict::Unknown);
        assert_eq!(same(id(0, "", "t"), id(0, "", "t")), Verdict::Unknown);
    }

    #[test]
    fn a_change_is_never_overlooked() {
        let size = id(9, "a", "t").compare(&id(8, "a", "t"));
        assert_eq!(size, Verdict::Changed(Change::Size { was: 9, is: 8 }));
        assert_eq!(id(9, "a", "").compare(&id(9, "b", "")), Verdict::Changed(Change::Tag));
        assert_eq!(id(9, "W/a", "").compare(&id(9, "W/b", "")), Verdict::Changed(Change::Tag));
        assert!(matches!(
            id(9, "W/a", "t").compare(&id(9, "W/a", "u")),
            Verdict::Changed(Change::Time { .. })
        ));
        assert!(matches!(
            id(9, "a", "t").compare(&id(9, "b", "u")),
            Verdict::Changed(Change::Time { .. })
        ));
    }
}
