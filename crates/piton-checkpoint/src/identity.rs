//! Which version of a resource this is, and whether two answers speak of the same one.

use serde::{Deserialize, Serialize};

/// What a source says of which version it is (RFC 9110 section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Length of the whole, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Validator>,
    /// `Last-Modified`, letter by letter as the server wrote it: only ever compared, never computed
    /// with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// An entity tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// Whether the server calls it weak: the same tag may stand for different bytes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub weak: bool,
    /// What stands between the quotes.
    pub tag: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this shape")]
fn is_false(b: &bool) -> bool {
    !*b
}

/// How firmly two answers are known to be the same version; the ladder of docs/resume-rules.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Only the size agrees: every joint must be compared byte by byte.
    Size,
    /// Time and size agree while the entity tags differ (nodes of one farm) or are weak.
    /// Joints are compared as well.
    TimeAndSize,
    /// `Last-Modified` and size agree, and no entity tag speaks against it.
    TimeSizeAndTag,
    /// A strong entity tag agrees.
    StrongTag,
}

impl Rung {
    /// Whether bytes of before and after must be compared at every joint, since the rung alone
    /// would not notice a file that was replaced by one of the same size.
    pub fn wants_overlap(self) -> bool {
        self <= Self::TimeAndSize
    }
}

/// Whether two answers speak of the same version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same, as far as this rung can tell.
    Same(Rung),
    /// Another version: never joined with the first (G4).
    Changed(Change),
    /// Nothing to compare by: bytes of one must not be joined with the other.
    Unknown,
}

/// What told that the source changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Another length.
    Size {
        /// Then.
        was: u64,
        /// Now.
        is: u64,
    },
    /// Another entity tag, and nothing else that agrees.
    Tag,
    /// Another time of modification.
    Time {
        /// Then.
        was: String,
        /// Now.
        is: String,
    },
    /// The source says nothing by which two answers could be known as the same version.
    Nameless,
    /// Bytes at a joint differ although all that the server says agrees.
    Bytes {
        /// Offset of the first byte that differs.
        at: u64,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size { was, is } => write!(f, "its size was {was} and is now {is}"),
            Self::Tag => f.write_str("its entity tag is another"),
            Self::Time { was, is } => write!(f, "it was modified: {was} before, {is} now"),
            Self::Nameless => f.write_str("it gives no size, time or tag to know it by"),
            Self::Bytes { at } => write!(f, "its bytes differ at offset {at}"),
        }
    }
}

impl Identity {
    /// Compares what was known (`self`) with what the source says now.
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
                return Verdict::Same(Rung::StrongTag);
            }
            (Some(_), Some(_)) => Some(true),
            _ => None,
        };
        match (&self.last_modified, &now.last_modified) {
            (Some(was), Some(is)) if was != is => {
                Verdict::Changed(Change::Time { was: was.clone(), is: is.clone() })
            }
            (Some(_), Some(_)) if size && tags == Some(false) => Verdict::Same(Rung::TimeAndSize),
            (Some(_), Some(_)) if size => Verdict::Same(Rung::TimeSizeAndTag),
            _ if tags == Some(false) => Verdict::Changed(Change::Tag),
            _ if size => Verdict::Same(Rung::Size),
            _ => Verdict::Unknown,
        }
    }

    /// The best rung on which a later answer could be compared with this one, or `None` when
    /// nothing is known that a resume could stand on.
    pub fn best_rung(&self) -> Option<Rung> {
        match self.compare(self) {
            Verdict::Same(rung) => Some(rung),
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
        assert_eq!(same(id(9, "a", "t"), id(9, "a", "t")), Verdict::Same(Rung::StrongTag));
        assert_eq!(same(id(9, "a", "t"), id(9, "b", "t")), Verdict::Same(Rung::TimeAndSize));
        assert_eq!(same(id(9, "W/a", "t"), id(9, "W/a", "t")), Verdict::Same(Rung::TimeSizeAndTag));
        assert_eq!(same(id(9, "", "t"), id(9, "b", "t")), Verdict::Same(Rung::TimeSizeAndTag));
        assert_eq!(same(id(9, "W/a", ""), id(9, "W/a", "")), Verdict::Same(Rung::Size));
        assert_eq!(same(id(9, "", ""), id(9, "", "")), Verdict::Same(Rung::Size));
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
