//! Whether the answer joins what is here, and the beginning where it does not.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, Version};
use piton_checkpoint::{Identity, Rung, Verdict};
use piton_durable::part::{PartError, Recovered};

use super::{Attempt, End, FirstAnswer, Shape};
use crate::blocking::blocking;
use crate::digest::Digest;
use crate::download::{Download, IfExists, Outcome};
use crate::engine::finish::{Expected, Named, expected};
use crate::engine::mirrors::{Source, Sources, redacted};
use crate::engine::open::OpenedPart;
use crate::engine::probe::Question;
use crate::engine::trouble::Trouble;
use crate::meta::{Judge, Meta, ServerDigest};
use crate::monitor::{Event, Phase};

impl Attempt<'_> {
    /// A part and an answer are there: joins them, or begins anew.
    #[expect(clippy::too_many_arguments, reason = "the whole of what is known at this point")]
    pub(super) async fn begin(
        &mut self,
        mut opened: OpenedPart,
        identity: Identity,
        encoding: Option<String>,
        source: Arc<Source>,
        first: Option<FirstAnswer>,
        ranged: bool,
        question: &Question,
    ) -> Result<Outcome, End> {
        // What the user wanted of the file is wanted also where none of its bytes are of use.
        let begun = opened.meta.as_ref().filter(|_| !self.what.restart);
        let mut wanted = begun.map(kept_digests).unwrap_or_default();
        if !begun.is_some_and(|meta| self.is_judged_as_before(meta, &source, &identity)) {
            wanted.retain(|one| one.named_by == Named::User);
        }
        let usable = !self.anew && !opened.have().is_empty() && self.can_judge(&opened);
        let old = opened.meta.take().filter(|_| usable);
        let joined = match &old {
            Some(old) => {
                self.join(old, &identity, encoding.as_deref(), ranged, question, &source)?
            }
            None => Join::Anew,
        };
        if matches!(joined, Join::AskAgain | Join::AskOthers) {
            drop(first);
            opened.meta = old;
            let asked = Some(question).filter(|_| joined == Join::AskAgain);
            return Box::pin(self.ask_again(opened, asked)).await;
        }
        let old = old.filter(|_| joined == Join::GoOn);
        let if_range = question.range.is_none_or(|range| range.first == 0)
            || question.if_range.is_some()
            || identity.strong_tag().is_none();
        let shape = Shape { ranged, if_range, unproven: old.is_some() };

        let name = file_name(opened.target.path());
        let kept = old.as_ref().map_or(wanted, kept_digests);
        let (headers, status) = match &first {
            Some(first) => (first.response.headers.clone(), first.response.status),
            None => (HeaderMap::new(), StatusCode::PARTIAL_CONTENT),
        };
        let expected = expected(&self.what, &name, kept, &headers, status)?;
        let meta = match old {
            Some(old) => {
                let (digests, server_digests) =
                    (user_digests(&expected), server_digests(&expected));
                let mut meta = Meta { digests, server_digests, ..old.clone() };
                if meta.identity_at(&source.address).is_none() {
                    meta.learn(&source.address, source.priority, &identity);
                }
                self.note_mirrors(&mut meta);
                meta.judged_by = self.judge_of(&expected).or(meta.judged_by);
                if meta != old {
                    opened.part.put_meta(&meta.to_json())?;
                }
                let size = identity.size;
                opened = blocking(move || {
                    opened.part.expect(size)?;
                    Ok::<_, PartError>(opened)
                })
                .await?;
                meta
            }
            None => {
                let mut meta = describe(&self.what, &identity, encoding, ranged, &expected);
                meta.identity_of = Some(source.address.clone()).filter(|it| *it != meta.url);
                self.note_mirrors(&mut meta);
                meta.judged_by = self.judge_of(&expected);
                let (json, size) = (meta.to_json(), identity.size);
                opened = blocking(move || {
                    opened.part.begin(&json, size)?;
                    opened.recovered = Recovered::default();
                    Ok::<_, PartError>(opened)
                })
                .await?;
                meta
            }
        };
        opened.meta = Some(meta.clone());
        self.anew = false;
        let version = first.as_ref().map(|first| first.response.version);
        self.tell_start(opened.target.path(), &meta.identity, opened.have().len(), version, ranged);
        self.transfer(opened, meta, source, expected, first, shape).await
    }

    /// Whether what servers said of the file that was begun holds of all that is fetched now. When each URL
    /// has its turn alone, it does: what another one calls its file does not tell that it is the right one.
    /// Only who said it can say otherwise.
    fn is_judged_as_before(&self, begun: &Meta, source: &Source, now: &Identity) -> bool {
        let surely = |rung: Rung| !rung.wants_overlap();
        let unchanged =
            || matches!(begun.identity.compare(now), Verdict::Same(rung) if surely(rung));
        self.is_alone() && (!begun.is_of(&source.address) || unchanged())
    }

    /// Whether what is here may be joined with what the server has now (docs/resume-rules.md).
    fn join(
        &self,
        old: &Meta,
        now: &Identity,
        encoding: Option<&str>,
        ranged: bool,
        question: &Question,
        source: &Source,
    ) -> Result<Join, End> {
        let rung = match self.known_at(old, source).compare(now) {
            // A mirror that has another version says nothing of the file that was begun, while there are
            // others to ask; nor does one that was asked before and has a new version.
            Verdict::Changed(change)
                if self.is_ours(old)
                    && !old.is_of(&source.address)
                    && (old.identity_at(&source.address).is_none()
                        || self.sources.others(source)) =>
            {
                let trouble = Trouble::OtherFile(change);
                let given_up = self.sources.give_up(source, trouble, 1, &self.monitor);
                return match given_up {
                    Ok(()) => Ok(Join::AskOthers),
                    Err((trouble, tries)) => {
                        Err(End::Failed(trouble.into_failure(tries, self.what.max_size)))
                    }
                };
            }
            Verdict::Changed(change) => return Err(End::Changed(change)),
            Verdict::Unknown => return Ok(Join::Anew),
            Verdict::Same(rung) => rung,
        };
        // By size alone, another address is another file.
        if rung == Rung::Size && !self.is_ours(old) {
            return Ok(Join::Anew);
        }
        // An encoded body is made afresh for every answer unless a strong tag says otherwise.
        let coded = encoding.is_some() || old.encoding.is_some();
        if coded && (old.encoding.as_deref() != encoding || rung != Rung::StrongTag) {
            return Ok(Join::Anew);
        }
        Ok(match (ranged, question.if_range.is_some()) {
            (true, _) => Join::GoOn,
            // The same version and yet the whole: Range was dropped because of If-Range.
            (false, true) => Join::AskAgain,
            // What is here can be left out of a stream only if it is surely the same.
            (false, false) if rung.wants_overlap() => Join::Anew,
            // Its validators speak of its own bytes alone, and a stream is compared with nothing.
            (false, false) if old.is_mixed() && old.judged_by.is_none() => Join::Anew,
            (false, false) => Join::GoOn,
        })
    }

    /// What judges bytes of several addresses, if they are put into the part side by side.
    fn judge_of(&self, expected: &[Expected]) -> Option<Judge> {
        let whole = expected.iter().any(|one| one.digest.algorithm().judges());
        match self.what.pieces_judge() {
            _ if !self.sources.several() => None,
            true => Some(Judge::Pieces),
            false => whole.then_some(Judge::Whole),
        }
    }

    /// Whether this run can judge what is here: bytes that came from several addresses side by side are
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
            meta.add_mirror(&source.address, source.priority);
        }
    }

    /// The target is known, and `resumed` bytes of it are here.
    pub(super) fn tell_start(
        &self,
        path: &Path,
        identity: &Identity,
        resumed: u64,
        version: Option<Version>,
        ranged: bool,
    ) {
        let protocol = match version {
            Some(Version::HTTP_2) => "HTTP/2",
            Some(Version::HTTP_10) => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let (path, size) = (path.to_owned(), identity.size);
        {
            let mut shared = self.monitor.shared();
            shared.progress.path = Some(path.clone());
            shared.progress.phase = Phase::Fetching;
            shared.progress.resumed = resumed;
            shared.progress.have = resumed;
            shared.progress.size = size;
        }
        let resumable = ranged && identity.best_rung().is_some();
        self.monitor.tell(Event::Started { path, size, resumed, resumable, protocol });
    }
}

/// The description of a download that begins now.
pub(in crate::engine) fn describe(
    what: &Download,
    identity: &Identity,
    encoding: Option<String>,
    ranges: bool,
    expected: &[Expected],
) -> Meta {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Meta {
        identity_of: None,
        mirrors: Vec::new(),
        judged_by: None,
        uncompared: Vec::new(),
        url: redacted(&what.url),
        identity: identity.clone(),
        begun: begun.as_secs() as i64,
        digests: user_digests(expected),
        server_digests: server_digests(expected),
        overwrite: what.if_exists == IfExists::Overwrite || what.only_newer,
        encoding,
        ranges,
    }
}

/// What becomes of what is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// It is kept, and the rest is fetched.
    GoOn,
    /// It is not used.
    Anew,
    /// The answer does not tell; another question does.
    AskAgain,
    /// The source has something else; the others are asked.
    AskOthers,
}

/// The digests that an earlier run was given.
pub(super) fn kept_digests(meta: &Meta) -> Vec<Expected> {
    let users = meta.digests.iter().map(|digest| (digest, Named::User));
    let servers = meta.server_digests.iter();
    let servers = servers.map(|said| (&said.digest, Named::Server(said.header.clone())));
    users
        .chain(servers)
        .filter_map(|(text, named_by)| Some(Expected { digest: text.parse().ok()?, named_by }))
        .collect()
}

/// As [`kept_digests`] reads it.
fn as_kept(digest: &Digest) -> String {
    format!("{}:{digest}", digest.algorithm())
}

/// Those of a list as well: a resume may not be given the list.
fn user_digests(expected: &[Expected]) -> Vec<String> {
    let users = expected.iter().filter(|one| matches!(one.named_by, Named::User | Named::List));
    users.map(|one| as_kept(&one.digest)).collect()
}

fn server_digests(expected: &[Expected]) -> Vec<ServerDigest> {
    let said = expected.iter().filter_map(|one| match &one.named_by {
        Named::Server(header) => {
            Some(ServerDigest { header: header.clone(), digest: as_kept(&one.digest) })
        }
        Named::User | Named::List => None,
    });
    said.collect()
}

pub(in crate::engine) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
