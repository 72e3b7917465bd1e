//! Whether an answer joins what is here: a table, without a look at anything else (docs/resume-rules.md).

use piton_checkpoint::{Change, Identity, Strength, Verdict};

/// What becomes of what is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is kept, and the rest is fetched.
    Resume,
    /// It is not used, or nothing is here.
    Begin,
    /// The source has another version, and all that was begun is of no use.
    Changed(Change),
    /// The answer does not tell; the same question without `If-Range` does.
    AskWithoutCondition,
    /// This source has something else; the others are asked.
    AskOthers(Change),
}

/// The bytes that are here, as far as it matters.
#[derive(Debug, Clone)]
pub(super) struct Begun<'a> {
    /// How the source that answered calls their version.
    pub(super) identity: Identity,
    pub(super) encoding: Option<&'a str>,
    pub(super) by: By,
    pub(super) bytes: Bytes,
}

/// Whether the source that answered is one that the bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// It is the one whose version was begun.
    Itself,
    /// A mirror of it that was not asked before, or that was, beside others that may be asked.
    Mirror,
    /// A mirror of it that was asked before, and nobody else is left.
    LastMirror,
    /// Another URL, which the journal knows nothing of.
    Stranger,
}

/// From where the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// All from one source, or a digest judges the whole.
    OneOrJudged,
    /// From several sources, and nothing judges them.
    Mixed,
}

/// The answer, as far as it matters.
#[derive(Debug, Clone)]
pub(super) struct Now<'a> {
    pub(super) identity: &'a Identity,
    pub(super) encoding: Option<&'a str>,
    pub(super) came: Came,
}

/// What came, and on what condition it had been asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// A range.
    Range,
    /// The whole, to a question with `If-Range`.
    WholeOnCondition,
    /// The whole, to a question without.
    Whole,
}

/// Whether what is here may be joined with what the server has now.
pub(super) fn decide(begun: &Begun, now: &Now) -> Decision {
    let strength = match begun.identity.compare(now.identity) {
        // A mirror that has another version says nothing of the file that was begun, while there are
        // others to ask; nor does one that was asked before and has a new version.
        Verdict::Changed(change) if begun.by == By::Mirror => return Decision::AskOthers(change),
        Verdict::Changed(change) => return Decision::Changed(change),
        Verdict::Unknown => return Decision::Begin,
        Verdict::Same(strength) => strength,
    };
    // By size alone, another URL is another file.
    if strength == Strength::Size && begun.by == By::Stranger {
        return Decision::Begin;
    }
    // An encoded body is made afresh for every answer unless a strong tag says otherwise.
    let coded = now.encoding.is_some() || begun.encoding.is_some();
    if coded && (begun.encoding != now.encoding || strength != Strength::StrongTag) {
        return Decision::Begin;
    }
    match now.came {
        Came::Range => Decision::Resume,
        // The same version and yet the whole: Range was dropped because of If-Range.
        Came::WholeOnCondition => Decision::AskWithoutCondition,
        // What is here can be left out of a stream only if it is surely the same.
        Came::Whole if strength.wants_overlap() => Decision::Begin,
        // Its validators speak of its own bytes alone, and a stream is compared with nothing.
        Came::Whole if begun.bytes == Bytes::Mixed => Decision::Begin,
        Came::Whole => Decision::Resume,
    }
}

#[cfg(test)]
mod tests {
    use piton_checkpoint::Validator;

    use super::*;

    /// `"strong"`, `W/"weak"`, `@time`, `=size`: a version in a few letters.
    fn version(text: &str) -> Identity {
        let mut version = Identity { size: Some(100), ..Identity::default() };
        let tag = |weak, tag: &str| Some(Validator { weak, tag: tag.to_owned() });
        match text.split_at(1) {
            ("s", it) => version.etag = tag(false, it),
            ("w", it) => version.etag = tag(true, it),
            ("@", it) => version.last_modified = Some(format!("Tue, 0{it} Dec 2026 00:00:00 GMT")),
            ("=", it) => version.size = it.parse().ok(),
            _ => panic!("{text}"),
        }
        version
    }

    const SIZES: Change = Change::Size { was: 100, is: 7 };

    /// One row per rule: what is here, what came, what is made of it.
    #[test]
    fn the_table() {
        use {By::*, Bytes::*, Came::*};
        type Row = (&'static str, By, Bytes, &'static str, Came, Decision);
        let rows: &[Row] = &[
            // The same version, a range.
            ("sA", Itself, OneOrJudged, "sA", Range, Decision::Resume),
            ("wA", Itself, OneOrJudged, "wA", Range, Decision::Resume),
            ("@1", Itself, OneOrJudged, "@1", Range, Decision::Resume),
            ("=100", Itself, OneOrJudged, "=100", Range, Decision::Resume),
            ("sA", Itself, Mixed, "sA", Range, Decision::Resume),
            // Another version.
            ("=100", Itself, OneOrJudged, "=7", Range, Decision::Changed(SIZES)),
            ("=100", Stranger, OneOrJudged, "=7", Range, Decision::Changed(SIZES)),
            ("=100", Mirror, OneOrJudged, "=7", Range, Decision::AskOthers(SIZES)),
            ("=100", LastMirror, OneOrJudged, "=7", Range, Decision::Changed(SIZES)),
            // The size alone is enough only for the URL that was begun, and its mirrors.
            ("=100", Mirror, OneOrJudged, "=100", Range, Decision::Resume),
            ("=100", Stranger, OneOrJudged, "=100", Range, Decision::Begin),
            ("sA", Stranger, OneOrJudged, "sA", Range, Decision::Resume),
            // The whole.
            ("sA", Itself, OneOrJudged, "sA", WholeOnCondition, Decision::AskWithoutCondition),
            ("sA", Itself, OneOrJudged, "sA", Whole, Decision::Resume),
            ("sA", Itself, Mixed, "sA", Whole, Decision::Begin),
            ("wA", Itself, OneOrJudged, "wA", Whole, Decision::Begin),
            ("=100", Itself, OneOrJudged, "=100", Whole, Decision::Begin),
        ];
        for (number, (was, by, bytes, is, came, expected)) in rows.iter().enumerate() {
            let begun = Begun { identity: version(was), encoding: None, by: *by, bytes: *bytes };
            let now = Now { identity: &version(is), encoding: None, came: *came };
            assert_eq!(decide(&begun, &now), *expected, "row {number}: {was} {is}");
        }
    }

    #[test]
    fn an_encoded_body_is_resumed_by_a_strong_tag_alone() {
        let gzip = Some("gzip");
        for (tag, was, is, expected) in [
            ("sA", gzip, gzip, Decision::Resume),
            ("wA", gzip, gzip, Decision::Begin),
            ("@1", gzip, gzip, Decision::Begin),
            ("sA", gzip, None, Decision::Begin),
            ("sA", None, gzip, Decision::Begin),
            ("sA", gzip, Some("br"), Decision::Begin),
        ] {
            let identity = version(tag);
            let bytes = Bytes::OneOrJudged;
            let begun = Begun { identity: identity.clone(), encoding: was, by: By::Itself, bytes };
            let now = Now { identity: &identity, encoding: is, came: Came::Range };
            assert_eq!(decide(&begun, &now), expected, "{tag} {was:?} {is:?}");
        }
    }

    #[test]
    fn where_neither_says_anything_nothing_is_joined() {
        let nothing = Identity::default();
        for by in [By::Itself, By::Mirror, By::LastMirror, By::Stranger] {
            let bytes = Bytes::OneOrJudged;
            let begun = Begun { identity: nothing.clone(), encoding: None, by, bytes };
            let now = Now { identity: &nothing, encoding: None, came: Came::Range };
            assert_eq!(decide(&begun, &now), Decision::Begin, "{by:?}");
        }
    }
}
