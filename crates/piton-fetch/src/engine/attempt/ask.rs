//! The first question and its answer.

use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_ENCODING;
use piton_checkpoint::{Change, Identity};

use super::small::Small;
use super::{Attempt, End, FirstAnswer, Holds, OnDisk};
use crate::blocking::blocking;
use crate::download::{Connections, Outcome, Place};
use crate::engine::mirrors::Source;
use crate::engine::mirrors::redacted;
use crate::engine::name::name_of;
use crate::engine::open::OpenedPart;
use crate::engine::probe::{Probed, Question};
use crate::error::Failure;
use crate::meta::Meta;
use crate::monitor::Event;
use crate::parse::http_date;
use crate::resume::{Answer, before};
use crate::transport::ByteRange;

/// With several connections, the first answer is kept this short so that its connection is free
/// for its next segment.
const FIRST_PIECE: u64 = 4 << 20;

impl Attempt<'_> {
    /// Asks, and goes on with the answer.
    pub(super) async fn ask(&mut self, disk: OnDisk) -> Result<Outcome, End> {
        match self.prober().ask(&self.sources, |source| self.question(&disk, source)).await {
            Ok(probed) => self.answered(disk, probed).await,
            Err(failure) => Err(self.give_up_early(failure, disk, !self.whole).await),
        }
    }

    /// What to ask `source` first.
    fn question(&self, disk: &OnDisk, source: &Source) -> Question {
        let known = disk.opened.as_ref().filter(|opened| !self.anew && !opened.have().is_empty());
        let known = known.and_then(|opened| opened.meta.as_ref());
        let known = known.map(|meta| self.known_at(meta, source));
        if self.whole {
            return Question { known, ..Question::default() };
        }
        if let Some(existing) = &disk.existing {
            let since = self.what.only_newer.then(|| http_date::format(existing.stat.modified));
            let since = since.flatten().and_then(|text| HeaderValue::try_from(text).ok());
            let range = Some(ByteRange { first: 0, last: Some(0) });
            return Question { range, if_modified_since: since, ..Question::default() };
        }
        let several = matches!(self.what.connections, Connections::Fixed(n) if n.get() > 1);
        let mut question = Question { known, ..Question::default() };
        let last = several.then_some(FIRST_PIECE - 1);
        question.range = Some(ByteRange { first: 0, last });
        let Some(opened) = disk.opened.as_ref().filter(|_| !self.anew) else { return question };
        let Some(meta) = &opened.meta else { return question };
        let have = opened.have();
        if have.is_empty() {
            return question;
        }
        let size = meta.identity.size.unwrap_or(u64::MAX);
        // Where old bytes end, so that they can be compared before the first new one.
        let Some(gap) = have.gaps(0..size).find(|gap| gap.start > 0) else { return question };
        let first = gap.start - before(&have, gap.start);
        let last = if several { gap.end.min(gap.start + FIRST_PIECE) } else { gap.end };
        let last = (last != u64::MAX).then(|| last - 1);
        question.range = Some(ByteRange { first, last });
        let tag = self.known_at(meta, source).strong_tag();
        question.if_range = tag.and_then(|tag| HeaderValue::try_from(tag).ok());
        question
    }

    /// The first question failed. A part that was never begun is not left behind.
    pub(super) async fn give_up_early(&self, failure: Failure, disk: OnDisk, ranged: bool) -> End {
        let (mut have, mut path) = (0, disk.vacant);
        if let Some(opened) = disk.opened {
            have = opened.have().len();
            path = Some(opened.target.path().to_owned());
            if opened.recovered.meta.is_none() {
                // Failing to remove an empty file changes nothing.
                let _ = blocking(move || opened.part.discard()).await;
            }
        }
        match failure {
            Failure::Protocol { .. } if ranged => End::NoRanges,
            Failure::Stopped { .. } => End::Failed(Failure::Stopped { have, path }),
            other => End::Failed(other),
        }
    }

    /// The server answered the first question.
    pub(super) async fn answered(
        &mut self,
        mut disk: OnDisk,
        probed: Probed,
    ) -> Result<Outcome, End> {
        let Probed { source, question, lane, response, answer } = probed;
        let (identity, holds) = match answer {
            Answer::Part { first, end, identity } => (identity, Holds::Range(first, end)),
            Answer::Whole(identity) => (identity, Holds::Whole),
            Answer::NotModified => {
                let path = disk.existing.map(|existing| existing.path).unwrap_or_default();
                return Ok(Outcome { not_newer: true, ..self.already(path).await? });
            }
            Answer::Unsatisfied(total) => return self.unsatisfied(disk, total, &question).await,
        };
        let known = question.known.as_ref().and_then(|known| known.size);
        if matches!(holds, Holds::Range(..)) && identity.size.or(known).is_none() {
            // Where it ends would be found out only by asking beyond it.
            let host = source.host();
            let why = "a range of a file whose length it does not say".to_owned();
            return Err(self.give_up_early(Failure::Protocol { host, why }, disk, true).await);
        }
        if let Some(limit) = self.what.max_size
            && identity.size.is_some_and(|size| size > limit)
        {
            return Err(self.give_up_early(Failure::TooLarge { limit }, disk, false).await);
        }
        let coding = response.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let encoding = coding.map(str::to_owned).filter(|coding| coding != "identity");
        let own = Arc::clone(&source);
        let mut first = Some(FirstAnswer { source: own, lane, response, holds });
        if disk.opened.is_none() && disk.vacant.is_none() {
            // Now the name is known, or what the server says of the file that stands there.
            let path = match (&self.what.place, &first) {
                (Place::Folder(folder), Some(FirstAnswer { response, .. })) => {
                    // A mirror is another place of the file, and no reason for another name.
                    let mirror = source.address != redacted(&self.what.url);
                    let answered = if mirror { &self.what.url } else { &response.url };
                    folder.join(name_of(&response.headers, &self.what.url, answered).as_str())
                }
                (Place::File(path) | Place::Folder(path), _) => path.clone(),
            };
            if disk.existing.is_some() && matches!(holds, Holds::Range(..)) {
                // Only a byte was asked for, to see whether there is anything to fetch.
                first = None;
            }
            match self.look(path, Some(&identity)).await? {
                Ok(outcome) => return Ok(outcome),
                Err(found) => disk = found,
            }
            if let Some(outcome) = self.all_here(&mut disk).await? {
                return Ok(outcome);
            }
        }
        if disk.opened.is_none() && disk.vacant.is_none() {
            // `look` was told what the server says and has decided.
            return Err(End::NoRanges);
        }
        if let Some(coding) = encoding.clone() {
            self.monitor.tell(Event::Encoded { coding });
        }
        let ranged = matches!(holds, Holds::Range(..));
        if let Some(path) = disk.vacant {
            if let Some(answer) = first.take() {
                first = match self.land_small(&path, &identity, answer, ranged).await? {
                    Small::Landed(outcome) => return Ok(outcome),
                    Small::Not(answer) => Some(*answer),
                };
            }
            disk.opened = Some(self.open_vacant(path).await?);
        }
        let Some(opened) = disk.opened else { return Err(End::NoRanges) };
        // Apart, so that what a small file needs stays small.
        Box::pin(self.begin(*opened, identity, encoding, source, first, ranged, &question)).await
    }

    /// 416: an empty file, a server that refuses every range, or a file that is no longer as long
    /// as what was asked for.
    async fn unsatisfied(
        &mut self,
        disk: OnDisk,
        total: Option<u64>,
        question: &Question,
    ) -> Result<Outcome, End> {
        let was = disk.opened.as_ref().and_then(|opened| opened.meta.as_ref());
        let was = was.and_then(|meta| meta.identity.size);
        match (question.range, was, total) {
            (Some(range), Some(was), Some(is)) if range.first > 0 && was != is => {
                Err(End::Changed(Change::Size { was, is }))
            }
            (Some(_), ..) => Err(End::NoRanges),
            (None, ..) => {
                let host = self.what.url.host_str().unwrap_or_default().to_owned();
                let why = "status 416 to a request without a range".to_owned();
                let failure = Failure::Protocol { host, why };
                Err(self.give_up_early(failure, disk, false).await)
            }
        }
    }

    /// Asks once more, the part being open already. `asked` is what was asked before, for the same
    /// without `If-Range`; without it another source is asked from the start.
    pub(super) async fn ask_again(
        &mut self,
        opened: OpenedPart,
        asked: Option<&Question>,
    ) -> Result<Outcome, End> {
        let disk = OnDisk::opened(Box::new(opened));
        let Some(asked) = asked else { return self.ask(disk).await };
        let question = |_: &Source| Question { if_range: None, ..asked.clone() };
        match self.prober().ask(&self.sources, question).await {
            Ok(probed) => self.answered(disk, probed).await,
            Err(failure) => Err(self.give_up_early(failure, disk, asked.range.is_some()).await),
        }
    }

    /// How `source` calls the version that is here. Of a mirror that was not asked before nothing is
    /// known but how long the file must be.
    pub(super) fn known_at(&self, meta: &Meta, source: &Source) -> Identity {
        match meta.identity_at(&source.address) {
            Some(identity) => identity.clone(),
            None if self.is_ours(meta) => {
                Identity { size: meta.identity.size, ..Identity::default() }
            }
            None => meta.identity.clone(),
        }
    }
}
