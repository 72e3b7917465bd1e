//! What to ask first.

use piton_checkpoint::Identity;

use super::here::Here;
use super::{Asking, Attempt, Old};
use crate::download::Connections;
use crate::engine::mirrors::Source;
use crate::engine::probe::Question;
use crate::meta::Meta;
use crate::resume::{Begun, before};
use piton_remote::ByteRange;

/// With several connections, the first answer is kept this short so that its connection is free
/// for its next segment.
const FIRST_PIECE: u64 = 4 << 20;

impl Attempt<'_> {
    /// What to ask `source` first.
    pub(super) fn question(&self, here: &Here, source: &Source) -> Question {
        let begun = match here {
            Here::Part(part) if self.old == Old::Use && !part.have().is_empty() => {
                part.meta.as_ref().map(|meta| (meta, part.have()))
            }
            _ => None,
        };
        let known = begun.as_ref().map(|(meta, _)| Begun {
            identity: self.known_at(meta, source),
            appearance: meta.appearance.clone().unwrap_or_default(),
        });
        let mut question = Question { known, ..Question::default() };
        if self.asking != Asking::Range {
            return question;
        }
        if let Here::File(existing) = here {
            // One byte, to see whether there is anything to fetch.
            question.range = Some(ByteRange { first: 0, last: Some(0) });
            question.newer_than = self.what.only_newer.then_some(existing.stat.modified);
            return question;
        }
        let several = matches!(self.what.connections, Connections::Fixed(n) if n.get() > 1);
        let last = several.then_some(FIRST_PIECE - 1);
        question.range = Some(ByteRange { first: 0, last });
        let Some((meta, have)) = begun else { return question };
        let size = meta.identity.size.unwrap_or(u64::MAX);
        // Where old bytes end, so that they can be compared before the first new one.
        let Some(gap) = have.gaps(0..size).find(|gap| gap.start > 0) else { return question };
        let first = gap.start - before(&have, gap.start);
        let last = if several { gap.end.min(gap.start + FIRST_PIECE) } else { gap.end };
        let last = (last != u64::MAX).then(|| last - 1);
        question.range = Some(ByteRange { first, last });
        let version = self.known_at(meta, source);
        question.same_as = Some(version).filter(|version| version.strong_tag().is_some());
        question
    }

    /// How `source` calls the version that is here. Of a mirror that was not asked before nothing is
    /// known but how long the file must be.
    pub(super) fn known_at(&self, meta: &Meta, source: &Source) -> Identity {
        match meta.identity_at(&source.url) {
            Some(identity) => identity.clone(),
            None if self.is_ours(meta) => {
                Identity { size: meta.identity.size, ..Identity::default() }
            }
            None => meta.identity.clone(),
        }
    }
}
