//! From a part and an answer to a fetch: what the journal says is settled, and the connections have what they
//! share.

use std::path::Path;
use std::sync::Arc;

use piton_checkpoint::{Identity, Strength, Verdict};
use piton_durable::part::{PartError, Recovered};
use piton_remote::{Body, LocalBytes, Protocol};

use super::decide::{Begun, By, Bytes, Came, Decision, Now, decide};
use super::describe::{describe, kept_digests, name_asked_for, server_digests, user_digests};
use super::fetch::{Delivery, Fetch, FirstBody, Joined, Ready};
use super::reply::Reply;
use super::{Attempt, End, Old, Turn};
use crate::engine::finish::{Expected, Named, expected};
use crate::engine::mirrors::{Source, Sources, Trust};
use crate::engine::open::OpenedPart;
use crate::failure::Failure;
use crate::meta::{Judge, Meta};
use crate::monitor::{Event, Phase};
use crate::resume::Appearance;
use piton_remote::blocking;

impl Attempt<'_> {
    /// Whether the answer joins what is here.
    pub(super) fn decide(&self, part: &OpenedPart, reply: &Reply) -> Decision {
        let usable = self.old == Old::Use && !part.have().is_empty() && self.can_judge(part);
        let Some(meta) = part.meta.as_ref().filter(|_| usable) else { return Decision::Begin };
        let source = &reply.source;
        let is_new = || meta.identity_at(&source.url).is_none();
        let by = match () {
            () if !self.is_ours(meta) => By::Stranger,
            () if meta.is_of(&source.url) => By::Itself,
            () if is_new() || self.sources.others(source) => By::Mirror,
            () => By::LastMirror,
        };
        let mixed = meta.is_mixed() && meta.judged_by.is_none();
        let begun = Begun {
            identity: self.known_at(meta, source),
            encoding: meta.encoding.as_deref(),
            by,
            bytes: if mixed { Bytes::Mixed } else { Bytes::OneOrJudged },
        };
        let came = match (reply.is_ranged(), &reply.question.same_as) {
            (true, _) => Came::Range,
            (false, Some(_)) => Came::WholeOnCondition,
            (false, None) => Came::Whole,
        };
        let now =
            Now { identity: &reply.head.identity, encoding: reply.head.encoding.as_deref(), came };
        decide(&begun, &now)
    }

    /// Writes into the journal what is fetched from now on, and gets everything ready.
    pub(super) async fn begin(
        &mut self,
        part: Box<OpenedPart>,
        mut reply: Box<Reply>,
        decision: Decision,
    ) -> Result<Fetch<'_>, End> {
        let name = name_asked_for(&self.what, part.target.path());
        let (kept, joined) = match (decision, &part.meta) {
            (Decision::Resume, Some(meta)) => (kept_digests(meta), Joined::Old),
            (_, meta) => (self.still_wanted(meta.as_ref(), &reply), Joined::Nothing),
        };
        let expected = expected(&self.what, &name, kept, Some(&reply.head))?;
        let (part, meta) = match joined {
            Joined::Old => self.continue_journal(part, &reply, &expected).await?,
            Joined::Nothing => self.begin_journal(part, &reply, &expected).await?,
        };
        self.old = Old::Use;
        let have = part.have().len();
        self.tell_start(
            part.target.path(),
            &meta.identity,
            have,
            reply.head.protocol,
            reply.is_ranged(),
        );
        let first =
            reply.exchange.take().map(|exchange| FirstBody { exchange, holds: reply.holds });
        let delivery = if reply.is_ranged() { Delivery::Ranges } else { Delivery::Stream };
        let source = Arc::clone(&reply.source);
        let ready = Ready { part, meta, source, expected, first, delivery, joined };
        let fetch = Fetch::start(self, ready)?;
        let question = &reply.question;
        let understood = question.range.is_none_or(|range| range.first == 0)
            || question.same_as.is_some()
            || reply.head.identity.strong_tag().is_none();
        reply.source.set_conditional(understood);
        Ok(fetch)
    }

    /// Every byte is in the part: nothing is asked for.
    pub(super) async fn begin_complete(&self, part: Box<OpenedPart>) -> Result<Fetch<'_>, End> {
        let (Some(meta), Some(source)) = (part.meta.clone(), self.sources.first()) else {
            return Err(Failure::Stopped { have: part.have().len(), path: self.path() }.into());
        };
        let name = name_asked_for(&self.what, part.target.path());
        let expected = expected(&self.what, &name, kept_digests(&meta), None)?;
        self.monitor.shared().progress.path = Some(part.target.path().to_owned());
        let delivery = if meta.ranges { Delivery::Ranges } else { Delivery::Stream };
        source.set_conditional(true);
        let joined = Joined::Old;
        Fetch::start(self, Ready { part, meta, source, expected, first: None, delivery, joined })
    }

    /// The journal of an earlier run, with what is new.
    async fn continue_journal(
        &self,
        mut part: Box<OpenedPart>,
        reply: &Reply,
        expected: &[Expected],
    ) -> Result<(Box<OpenedPart>, Meta), End> {
        let old = part
            .meta
            .clone()
            .unwrap_or_else(|| self.described(part.target.path(), reply, expected));
        let mut meta = Meta {
            digests: user_digests(expected),
            server_digests: server_digests(expected),
            ..old.clone()
        };
        let source = &reply.source;
        if meta.identity_at(&source.url).is_none() {
            meta.learn(&source.url, source.priority, &reply.head.identity);
        }
        self.note_mirrors(&mut meta);
        meta.judged_by = self.judge_of(expected).or(meta.judged_by);
        if meta != old {
            part.part.put_meta(&meta.to_json())?;
        }
        part.meta = Some(meta.clone());
        let (size, source) = (reply.head.identity.size, self.local_source(reply));
        let part = blocking(move || {
            part.part.expect_from(source.as_ref().map(LocalBytes::file), size)?;
            Ok::<_, PartError>(part)
        });
        Ok((part.await?, meta))
    }

    /// A new journal. Nothing of an earlier run is used any more.
    async fn begin_journal(
        &self,
        mut part: Box<OpenedPart>,
        reply: &Reply,
        expected: &[Expected],
    ) -> Result<(Box<OpenedPart>, Meta), End> {
        let meta = self.described(part.target.path(), reply, expected);
        part.meta = Some(meta.clone());
        let (json, size) = (meta.to_json(), reply.head.identity.size);
        let source = self.local_source(reply);
        let part = blocking(move || {
            part.part.begin_from(source.as_ref().map(LocalBytes::file), &json, size)?;
            part.recovered = Recovered::default();
            Ok::<_, PartError>(part)
        });
        Ok((part.await?, meta))
    }

    /// The file of this machine that all bytes come from, if they come from one.
    fn local_source(&self, reply: &Reply) -> Option<LocalBytes> {
        let body = reply.exchange.as_ref().map(|exchange| &exchange.body);
        body.filter(|_| !self.sources.several()).and_then(Body::local)
    }

    fn described(&self, path: &Path, reply: &Reply, expected: &[Expected]) -> Meta {
        let (encoding, ranged) = (reply.head.encoding.clone(), reply.is_ranged());
        let mut meta = describe(&self.what, path, &reply.head.identity, encoding, ranged, expected);
        meta.appearance = Some(Appearance::of(&reply.head));
        let url = &reply.source.url;
        meta.identity_of = Some(url.clone()).filter(|url| *url != meta.url);
        self.note_mirrors(&mut meta);
        meta.judged_by = self.judge_of(expected);
        meta
    }

    /// What the user, and the servers, wanted of the file is wanted also where none of its bytes are of use.
    fn still_wanted(&self, begun: Option<&Meta>, reply: &Reply) -> Vec<Expected> {
        let begun = begun.filter(|_| !self.what.restart);
        let mut wanted = begun.map(kept_digests).unwrap_or_default();
        let as_before = |meta| self.is_judged_as_before(meta, &reply.source, &reply.head.identity);
        if !begun.is_some_and(as_before) {
            wanted.retain(|one| one.named_by == Named::User);
        }
        wanted
    }

    /// Whether what servers said of the file that was begun holds of all that is fetched now. When each URL
    /// has its turn alone, it does: what another one calls its file does not tell that it is the right one.
    /// Only who said it can say otherwise.
    fn is_judged_as_before(&self, begun: &Meta, source: &Source, now: &Identity) -> bool {
        let surely = |strength: Strength| !strength.wants_overlap();
        let unchanged =
            || matches!(begun.identity.compare(now), Verdict::Same(strength) if surely(strength));
        self.turn != Turn::All && (!begun.is_of(&source.url) || unchanged())
    }

    /// What judges bytes of several URLs, if they are put into the part side by side.
    fn judge_of(&self, expected: &[Expected]) -> Option<Judge> {
        let whole = expected.iter().any(|one| one.digest.algorithm().judges());
        match self.what.pieces_judge() {
            _ if !self.sources.several() => None,
            true => Some(Judge::Pieces),
            false => whole.then_some(Judge::Whole),
        }
    }

    /// Whether this run can judge what is here: bytes that came from several URLs side by side are
    /// of no use without the digests that they were fetched under.
    pub(super) fn can_judge(&self, opened: &OpenedPart) -> bool {
        let Some(meta) = &opened.meta else { return true };
        let kept = kept_digests(meta).into_iter().map(|kept| kept.digest);
        let mut digests = self.what.digests.iter().cloned().chain(kept);
        let needs_none = meta.judged_by.is_none() && meta.uncompared.is_empty();
        needs_none || self.what.pieces_judge() || digests.any(|digest| digest.algorithm().judges())
    }

    /// A resume that is given nothing but the journal shall know the mirrors.
    fn note_mirrors(&self, meta: &mut Meta) {
        for source in Sources::new(&self.what).iter() {
            meta.add_mirror(&source.url, source.priority);
        }
    }

    /// What is known of each source before the first byte.
    pub(super) fn prepare_sources(&self, active: &Source, meta: &Meta, joined: Joined) {
        self.sources.activate(active);
        for source in self.sources.iter() {
            let identity = meta.identity_at(&source.url);
            let gave_all = identity.is_some() && !meta.is_mixed();
            source.set_identity(identity.cloned());
            source.set_trust(match joined {
                _ if self.what.pieces_judge() => Trust::Proven,
                Joined::Old if gave_all => Trust::Returning,
                Joined::Nothing if source.id == active.id => Trust::Proven,
                _ => Trust::Stranger,
            });
        }
    }

    /// The target is known, and `resumed` bytes of it are here.
    pub(super) fn tell_start(
        &self,
        path: &Path,
        identity: &Identity,
        resumed: u64,
        protocol: Protocol,
        ranged: bool,
    ) {
        let (path, size) = (path.to_owned(), identity.size);
        {
            let mut shared = self.monitor.shared();
            shared.progress.path = Some(path.clone());
            shared.progress.phase = Phase::Fetching;
            shared.progress.resumed = resumed;
            shared.progress.have = resumed;
            shared.progress.size = size;
        }
        let resumable = ranged && identity.best_strength().is_some();
        self.monitor.tell(Event::Started {
            path,
            size,
            resumed,
            resumable,
            protocol: protocol.name(),
        });
    }
}
