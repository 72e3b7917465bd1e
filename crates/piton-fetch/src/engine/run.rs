use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use http::header::CONTENT_ENCODING;
use piton_checkpoint::{Change, Identity, IntervalSet, Rung, Verdict};
use piton_durable::fs::Fs;
use piton_durable::part::PartError;
use tokio::time::Instant;
use url::Url;

use super::existing::ExistingFile;
use super::finish::{Expected, Verified, expected, land, suspects, verify};
use super::job::{Job, Link};
use super::name::{name_of, numbered};
use super::open::{Found, OpenedPart, blocking};
use super::probe::{Probed, Prober, Question};
use super::transfer::{First, Transfer};
use super::trouble::Trouble;
use super::worker::{Opened, compare};
use crate::client::{Client, Plan, Stop};
use crate::digest::Digest;
use crate::download::{Connections, Download, IfChanged, IfExists, Outcome, Place};
use crate::error::Failure;
use crate::meta::Meta;
use crate::monitor::{Event, Monitor, Phase};
use crate::parse::file_name::FileName;
use crate::parse::http_date;
use crate::plan::Planner;
use crate::resume::{Answer, OVERLAP};
use crate::sink::{Hashing, Sink, restore};
use crate::transport::ByteRange;

/// How often one run begins anew because the source changed under it.
const RESTARTS: u32 = 3;
/// No segment is split into parts shorter than this, in bytes.
const FLOOR: u64 = 512 << 10;
/// With several connections, the first answer is kept this short so that its connection is free
/// for its next segment.
const FIRST_PIECE: u64 = 4 << 20;

/// Why an attempt did not end well.
enum End {
    Failed(Failure),
    /// The source is another version: nothing of what is here is of use.
    Changed(Change),
    /// The server answers ranges wrongly: once more without asking for any.
    NoRanges,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<PartError> for End {
    fn from(error: PartError) -> Self {
        Self::Failed(error.into())
    }
}

/// Downloads, beginning anew where the source changed and that is allowed.
pub(crate) async fn run(
    client: &Client,
    what: Download,
    monitor: Monitor,
    stop: Stop,
) -> Result<Outcome, Failure> {
    let anew = what.restart;
    let mut attempt =
        Attempt { client, what, monitor, stop, begun: Instant::now(), anew, whole: false };
    let mut restarts = 0;
    let result = loop {
        match attempt.run().await {
            Ok(outcome) => break Ok(outcome),
            Err(End::Failed(failure)) => break Err(failure),
            Err(End::NoRanges) => attempt.whole = true,
            Err(End::Changed(change)) => {
                if attempt.what.if_changed == IfChanged::Stop || restarts == RESTARTS {
                    break Err(Failure::Changed { change, restarts });
                }
                restarts += 1;
                attempt.anew = true;
                attempt.monitor.tell(Event::StartedOver { change });
            }
        }
    };
    attempt.monitor.shared().progress.phase = Phase::Ended;
    result
}

/// What [`run`] would do, without doing it.
pub(crate) async fn plan(client: &Client, what: &Download) -> Result<Plan, Failure> {
    let (monitor, stop) = (Monitor::default(), Stop::new());
    let prober = Prober { transport: &client.transport, what, monitor: &monitor, stop: &stop };
    let mut link = Link::new(what.url.clone());
    let range = Some(ByteRange { first: 0, last: Some(0) });
    let probed = prober.ask(&mut link, &Question { range, ..Question::default() }).await?;
    let (identity, ranges) = match probed.answer {
        Answer::Part { identity, .. } => (identity, true),
        Answer::Whole(identity) => (identity, false),
        Answer::Unsatisfied(size) => (Identity { size, ..Identity::default() }, false),
        Answer::NotModified | Answer::Status { .. } => (Identity::default(), false),
    };
    let path = match &what.place {
        Place::File(path) => path.clone(),
        Place::Folder(folder) => {
            let response = &probed.response;
            folder.join(name_of(&response.headers, &what.url, &response.url).as_str())
        }
    };
    let fs = client.fs.as_ref();
    let io = |source| PartError::Io { what: "look at", path: path.clone(), source };
    let exists = fs.stat(&path).map_err(io)?.is_some();
    let have = crate::meta::inspect(fs, &path)?.map_or(0, |found| found.synced + found.written);
    let address = probed.response.url.clone();
    Ok(Plan { path, identity, ranges, have, exists, address })
}

/// Reads a small resource into memory.
pub(crate) async fn read(client: &Client, url: &Url, limit: usize) -> Result<Vec<u8>, Failure> {
    let (monitor, stop) = (Monitor::default(), Stop::new());
    let what = Download::new(url.clone(), Place::File(PathBuf::new()));
    let prober =
        Prober { transport: &client.transport, what: &what, monitor: &monitor, stop: &stop };
    let mut probed = prober.ask(&mut Link::new(url.clone()), &Question::default()).await?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = probed.response.body.read(&mut buffer).await;
        let read = read.map_err(|source| Failure::Transport { source, tries: 1 })?;
        let chunk = buffer.get(..read).unwrap_or_default();
        if chunk.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(chunk);
        if bytes.len() > limit {
            return Err(Failure::TooLarge { limit: limit as u64 });
        }
    }
}

/// One attempt at a download, from the look at the disk to the final name.
struct Attempt<'a> {
    client: &'a Client,
    what: Download,
    monitor: Monitor,
    stop: Stop,
    begun: Instant,
    /// What is here already is not to be used.
    anew: bool,
    /// Ask without ranges.
    whole: bool,
}

/// What the disk says before the server was asked.
#[derive(Default)]
struct OnDisk {
    existing: Option<ExistingFile>,
    opened: Option<Box<OpenedPart>>,
}

impl Attempt<'_> {
    async fn run(&mut self) -> Result<Outcome, End> {
        let mut disk = OnDisk::default();
        if let Some(path) = self.known_path() {
            match self.look(path, None).await? {
                Ok(outcome) => return Ok(outcome),
                Err(found) => disk = found,
            }
        }
        if let Some(done) = self.all_here(&mut disk).await? {
            return Ok(done);
        }
        let mut link = Link::new(self.what.url.clone());
        let question = self.question(&disk);
        let prober = Prober {
            transport: &self.client.transport,
            what: &self.what,
            monitor: &self.monitor,
            stop: &self.stop,
        };
        let asked_range = question.range;
        let probed = match prober.ask(&mut link, &question).await {
            Ok(probed) => probed,
            Err(failure) => return Err(self.give_up_early(failure, disk, asked_range).await),
        };
        self.answered(disk, probed, link, &question).await
    }

    /// The path of the target, if it is known before the server was asked.
    fn known_path(&self) -> Option<PathBuf> {
        match &self.what.place {
            Place::File(path) => Some(path.clone()),
            Place::Folder(folder) => {
                let path = folder.join(FileName::from_url(&self.what.url).as_str());
                let found = crate::meta::inspect(self.client.fs.as_ref(), &path).ok().flatten()?;
                (found.meta.url == redacted(&self.what.url)).then_some(path)
            }
        }
    }

    /// Looks at what is on disk for `path`: `Ok(Ok)` if that ends the download, else what is there.
    /// `now` is what the server says, if it was asked already.
    async fn look(
        &self,
        path: PathBuf,
        now: Option<&Identity>,
    ) -> Result<Result<Outcome, OnDisk>, End> {
        let io = |source| PartError::Io { what: "read", path: path.clone(), source };
        let fs = &self.client.fs;
        let existing = ExistingFile::find(fs.as_ref(), &path).map_err(io)?;
        let journal = piton_durable::part::Target::new(path.clone()).journal();
        let unfinished = fs.stat(&journal).map_err(io)?.is_some();
        if let Some(existing) = existing
            && !unfinished
        {
            return self.judge(existing, now).await;
        }
        match self.open(path.clone()).await? {
            Found::Part(opened) => Ok(Err(OnDisk { existing: None, opened: Some(opened) })),
            Found::Finished => Ok(Ok(self.already(path)?)),
        }
    }

    async fn open(&self, path: PathBuf) -> Result<Found, End> {
        let (fs, what) = (Arc::clone(&self.client.fs), self.what.clone());
        let found = blocking(move || OpenedPart::open(&fs, path, &what)).await?;
        if let Found::Part(opened) = &found {
            if let Some(path) = opened.recovered.set_aside.clone() {
                self.monitor.tell(Event::SetAside { path });
            }
            let damaged = opened.recovered.damaged.iter();
            let bytes = damaged.map(|range| range.end - range.start).sum();
            if bytes > 0 {
                self.monitor.tell(Event::Damaged { bytes });
            }
        }
        Ok(found)
    }

    /// A file stands under the final name. Is it the one that is asked for?
    async fn judge(
        &self,
        existing: ExistingFile,
        now: Option<&Identity>,
    ) -> Result<Result<Outcome, OnDisk>, End> {
        let path = existing.path.clone();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut digests = self.what.digests.clone();
        if let Some(list) = &self.what.checksum_file {
            digests.extend(list.lookup(&name));
        }
        if !digests.is_empty() && !self.what.only_newer {
            let stop = self.stop.clone();
            let wanted = digests.clone();
            let (existing, same) = blocking(move || {
                let same = existing.has_digests(&wanted, || !stop.is_stopped());
                (existing, same)
            })
            .await;
            let io = |source| PartError::Io { what: "read", path: path.clone(), source };
            if same.map_err(io)? {
                let outcome = self.already(path)?;
                return Ok(Ok(Outcome { verified: digests, ..outcome }));
            }
            return self.not_this(existing, now).await;
        }
        let Some(now) = now else {
            return Ok(Err(OnDisk { existing: Some(existing), opened: None }));
        };
        if self.what.only_newer {
            if existing.is_not_older(now) {
                return Ok(Ok(Outcome { not_newer: true, ..self.already(path)? }));
            }
            return self.not_this(existing, Some(now)).await;
        }
        if existing.is_version(now) {
            return Ok(Ok(self.already(path)?));
        }
        self.not_this(existing, Some(now)).await
    }

    /// A file stands under the final name and is another: what was asked for in that case.
    async fn not_this(
        &self,
        existing: ExistingFile,
        now: Option<&Identity>,
    ) -> Result<Result<Outcome, OnDisk>, End> {
        let path = existing.path.clone();
        if self.what.only_newer || self.what.if_exists == IfExists::Overwrite {
            return match self.open(path.clone()).await? {
                Found::Part(opened) => Ok(Err(OnDisk { existing: None, opened: Some(opened) })),
                Found::Finished => Ok(Ok(self.already(path)?)),
            };
        }
        if self.what.if_exists == IfExists::Refuse {
            return Err(Failure::Exists { path }.into());
        }
        for number in 1.. {
            let next = numbered(&path, number);
            let io = |source| PartError::Io { what: "read", path: next.clone(), source };
            match ExistingFile::find(self.client.fs.as_ref(), &next).map_err(io)? {
                Some(file) if now.is_some_and(|now| file.is_version(now)) => {
                    return Ok(Ok(self.already(next)?));
                }
                Some(_) => {}
                None => match self.open(next.clone()).await {
                    Ok(Found::Part(opened)) => {
                        return Ok(Err(OnDisk { existing: None, opened: Some(opened) }));
                    }
                    // Another download is under way to that name.
                    Err(End::Failed(Failure::Local(PartError::Locked { .. }))) => {}
                    Ok(Found::Finished) => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Err(Failure::Exists { path }.into())
    }

    /// An outcome for a file that is complete already.
    fn already(&self, path: PathBuf) -> Result<Outcome, Failure> {
        let io = |source| PartError::Io { what: "look at", path: path.clone(), source };
        let size = self.client.fs.stat(&path).map_err(io)?.map_or(0, |stat| stat.len);
        Ok(Outcome {
            path,
            size,
            fetched: 0,
            resumed: 0,
            took: self.begun.elapsed(),
            verified: Vec::new(),
            already_complete: true,
            not_newer: false,
        })
    }

    /// Every byte was here when the last run ended: only the finish is missing.
    async fn all_here(&self, disk: &mut OnDisk) -> Result<Option<Outcome>, End> {
        let complete = disk.opened.as_ref().is_some_and(|opened| {
            let size = opened.meta.as_ref().and_then(|meta| meta.identity.size);
            !self.anew && size.is_some_and(|size| opened.have().covers(0..size))
        });
        if !complete {
            return Ok(None);
        }
        let Some(opened) = disk.opened.take() else { return Ok(None) };
        let Some(meta) = opened.meta.clone() else { return Ok(None) };
        let name = file_name(opened.target.path());
        let kept = digests(&meta);
        let headers = http::HeaderMap::new();
        let expected = expected(&self.what, &name, &kept, &headers, true)?;
        let link = Link::new(self.what.url.clone());
        self.transfer(*opened, meta, link, expected, None, Shape::default()).await.map(Some)
    }

    /// What to ask first.
    fn question(&self, disk: &OnDisk) -> Question {
        if self.whole {
            return Question::default();
        }
        if let Some(existing) = &disk.existing {
            let since = self.what.only_newer.then(|| http_date::format(existing.stat.modified));
            let since = since.flatten().and_then(|text| HeaderValue::try_from(text).ok());
            let range = Some(ByteRange { first: 0, last: Some(0) });
            return Question { range, if_modified_since: since, ..Question::default() };
        }
        let several = matches!(self.what.connections, Connections::Fixed(n) if n.get() > 1);
        let mut question = Question::default();
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
        question.if_range =
            meta.identity.strong_tag().and_then(|tag| HeaderValue::try_from(tag).ok());
        question
    }

    /// The first question failed. A part that holds nothing is not left behind.
    async fn give_up_early(
        &self,
        failure: Failure,
        disk: OnDisk,
        range: Option<ByteRange>,
    ) -> End {
        if matches!(failure, Failure::Protocol { .. }) && range.is_some() {
            return End::NoRanges;
        }
        let have = disk.opened.as_ref().map_or(0, |opened| opened.have().len());
        let path = disk.opened.as_ref().map(|opened| opened.target.path().to_owned());
        if let Some(opened) = disk.opened.filter(|opened| opened.recovered.meta.is_none()) {
            // It was created by this call and never begun; failing to remove it changes nothing.
            let _ = blocking(move || opened.part.discard()).await;
        }
        End::Failed(match failure {
            Failure::Stopped { .. } => Failure::Stopped { have, path },
            other => other,
        })
    }

    /// The server answered the first question.
    async fn answered(
        &mut self,
        disk: OnDisk,
        probed: Probed,
        link: Link,
        question: &Question,
    ) -> Result<Outcome, End> {
        let Probed { lane, response, answer } = probed;
        let asked = question.range;
        let (identity, body) = match answer {
            Answer::Part { first, end, identity } => (identity, BodyOf::Range(first, end)),
            Answer::Whole(identity) => (identity, BodyOf::Whole),
            Answer::NotModified => {
                let path = disk.existing.map(|existing| existing.path).unwrap_or_default();
                return Ok(Outcome { not_newer: true, ..self.already(path)? });
            }
            Answer::Unsatisfied(total) => return self.unsatisfied(disk, total, asked).await,
            Answer::Status { .. } => return Err(End::NoRanges),
        };
        let encoding = response.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let encoding = encoding.map(str::to_owned).filter(|coding| coding != "identity");
        if let Some(limit) = self.what.max_size
            && identity.size.is_some_and(|size| size > limit)
        {
            let failure = Failure::TooLarge { limit };
            return Err(self.give_up_early(failure, disk, None).await);
        }
        let mut body = Some((lane, response, body));
        let mut disk = disk;
        if disk.opened.is_none() {
            // Now the name is known, or what the server says of the file that stands there.
            let path = match (&disk.existing, &self.what.place, &body) {
                (Some(existing), ..) => existing.path.clone(),
                (None, Place::Folder(folder), Some((_, response, _))) => {
                    folder.join(name_of(&response.headers, &self.what.url, &response.url).as_str())
                }
                (None, Place::File(path), _) => path.clone(),
                (None, Place::Folder(folder), None) => folder.clone(),
            };
            let asked_one_byte = disk.existing.is_some();
            match self.look(path, Some(&identity)).await? {
                Ok(outcome) => return Ok(outcome),
                Err(found) => disk = found,
            }
            if asked_one_byte {
                body = None;
            }
            if let Some(done) = self.all_here(&mut disk).await? {
                return Ok(done);
            }
        }
        let Some(opened) = disk.opened else { return Err(End::NoRanges) };
        if let Some(coding) = encoding.clone() {
            self.monitor.tell(Event::Encoded { coding });
        }
        self.begin(*opened, identity, encoding, link, body, question).await
    }

    /// 416: an empty file, or one that is no longer as long as what was asked for.
    async fn unsatisfied(
        &mut self,
        disk: OnDisk,
        total: Option<u64>,
        asked: Option<ByteRange>,
    ) -> Result<Outcome, End> {
        let was = disk.opened.as_ref().and_then(|opened| opened.meta.as_ref());
        let was = was.and_then(|meta| meta.identity.size);
        if asked.is_some_and(|range| range.first > 0) && !self.anew {
            let change = match (was, total) {
                (Some(was), Some(is)) if was != is => Change::Size { was, is },
                _ => Change::Nameless,
            };
            return Err(End::Changed(change));
        }
        // Nothing to give a range of, or a server that refuses every range.
        if self.whole {
            let host = self.what.url.host_str().unwrap_or_default().to_owned();
            let why = "status 416 to a request without a range".to_owned();
            return Err(Failure::Protocol { host, why }.into());
        }
        Err(End::NoRanges)
    }

    /// A part and an answer are there: joins them, or begins anew.
    async fn begin(
        &mut self,
        mut opened: OpenedPart,
        identity: Identity,
        encoding: Option<String>,
        link: Link,
        body: Option<(crate::transport::Lane, crate::transport::Response, BodyOf)>,
        question: &Question,
    ) -> Result<Outcome, End> {
        let ranged = matches!(&body, Some((_, _, BodyOf::Range(..))) | None);
        let mut shape = Shape { ranged, if_range: true, unproven: false };
        let mut usable = opened.meta.clone().filter(|_| !self.anew && !opened.have().is_empty());
        if let Some(meta) = &usable {
            let verdict = meta.identity.compare(&identity);
            let same_link = meta.url == redacted(&self.what.url);
            match verdict {
                Verdict::Changed(change) => return Err(End::Changed(change)),
                // By size alone another address is another file, and so is another coding.
                Verdict::Same(Rung::Size) if !same_link => return Err(End::Changed(Change::Tag)),
                Verdict::Same(rung) if meta.encoding != encoding || encoding.is_some() => {
                    if meta.encoding != encoding || rung != Rung::StrongTag {
                        return Err(End::Changed(Change::Nameless));
                    }
                }
                Verdict::Same(rung) if !ranged => {
                    if question.if_range.is_some() {
                        // The same version and yet the whole: Range was dropped for If-Range.
                        shape.if_range = false;
                        drop(body);
                        let if_range = None;
                        return Box::pin(self.ask_again(opened, link, if_range, question)).await;
                    }
                    // No ranges (any more): what is here can be left out of a stream, if it is
                    // surely the same; else it is worth nothing.
                    if rung.wants_overlap() {
                        usable = None;
                    }
                }
                Verdict::Same(_) => shape.unproven = true,
                Verdict::Unknown => usable = None,
            }
        }
        let name = file_name(opened.target.path());
        let kept = usable.as_ref().map(digests).unwrap_or_default();
        let no_headers = http::HeaderMap::new();
        let headers = body.as_ref().map_or(&no_headers, |(_, response, _)| &response.headers);
        let partial = matches!(&body, Some((_, _, BodyOf::Range(..))) | None);
        let expected = expected(&self.what, &name, &kept, headers, partial)?;
        let meta = match usable {
            Some(meta) => meta,
            None => {
                let meta = self.describe(&identity, encoding, ranged, &expected);
                let (json, size) = (meta.to_json(), identity.size);
                opened = blocking(move || {
                    opened.part.begin(&json, size)?;
                    opened.recovered = piton_durable::part::Recovered::default();
                    Ok::<_, PartError>(opened)
                })
                .await?;
                opened.meta = Some(meta.clone());
                meta
            }
        };
        self.anew = false;
        self.tell_start(&opened, &meta, &body, ranged);
        self.transfer(opened, meta, link, expected, body, shape).await
    }

    /// Asks once more with other conditions, the part being open already.
    async fn ask_again(
        &mut self,
        opened: OpenedPart,
        mut link: Link,
        if_range: Option<HeaderValue>,
        question: &Question,
    ) -> Result<Outcome, End> {
        let question = Question { if_range, ..question.clone() };
        let prober = Prober {
            transport: &self.client.transport,
            what: &self.what,
            monitor: &self.monitor,
            stop: &self.stop,
        };
        let probed = prober.ask(&mut link, &question).await?;
        let disk = OnDisk { existing: None, opened: Some(Box::new(opened)) };
        self.answered(disk, probed, link, &question).await
    }

    fn describe(
        &self,
        identity: &Identity,
        encoding: Option<String>,
        ranges: bool,
        expected: &[Expected],
    ) -> Meta {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mine = expected.iter().filter(|one| one.named_by == "given by you");
        Meta {
            url: redacted(&self.what.url),
            identity: identity.clone(),
            begun: begun.as_secs() as i64,
            digests: mine.map(|one| one.digest.to_string()).collect(),
            overwrite: self.what.if_exists == IfExists::Overwrite || self.what.only_newer,
            encoding,
            ranges,
        }
    }

    fn tell_start(
        &self,
        opened: &OpenedPart,
        meta: &Meta,
        body: &Option<(crate::transport::Lane, crate::transport::Response, BodyOf)>,
        ranged: bool,
    ) {
        let protocol = match body.as_ref().map(|(_, response, _)| response.version) {
            Some(http::Version::HTTP_2) => "HTTP/2",
            Some(http::Version::HTTP_10) => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let resumed = opened.have().len();
        let path = opened.target.path().to_owned();
        {
            let mut shared = self.monitor.shared();
            shared.progress.path = Some(path.clone());
            shared.progress.phase = Phase::Fetching;
            shared.progress.resumed = resumed;
            shared.progress.have = resumed;
            shared.progress.size = meta.identity.size;
        }
        let resumable = ranged && meta.identity.best_rung().is_some();
        let size = meta.identity.size;
        self.monitor.tell(Event::Started { path, size, resumed, resumable, protocol });
    }

    /// Fetches what is missing, verifies, and gives the file its name.
    async fn transfer(
        &self,
        opened: OpenedPart,
        meta: Meta,
        link: Link,
        expected: Vec<Expected>,
        body: Option<(crate::transport::Lane, crate::transport::Response, BodyOf)>,
        shape: Shape,
    ) -> Result<Outcome, End> {
        let have = opened.have();
        let resumed = have.len();
        let path = opened.target.path().to_owned();
        let size = meta.identity.size;
        let window = match size {
            Some(size) if !expected.is_empty() => (size / 64).clamp(8 << 20, 64 << 20),
            _ => u64::MAX,
        };
        let trusted = have.end_of_run(0).unwrap_or(0);
        let mut algorithms: Vec<_> = expected.iter().map(|one| one.digest.algorithm()).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let hashers = restore(algorithms.clone(), &opened.recovered.hashes, trusted);
        let sink = Sink::new(opened.part, have.clone(), self.what.durability);
        let mut hashing = match hashers.is_empty() {
            true => None,
            false => Some(Hashing::start(sink.shared(), hashers).map_err(spawn_failed(&path))?),
        };
        let job = Arc::new(Job::new(
            self.what.clone(),
            self.client.transport.clone(),
            self.monitor.clone(),
            sink,
            meta.identity.clone(),
            Planner::new(size, have, FLOOR, window),
            link,
            shape.unproven,
            shape.if_range,
        ));
        let mut first = match self.first(&job, body).await {
            Ok(first) => first,
            Err(trouble) => {
                drop(hashing);
                return Err(self.wind_up(job, trouble, 1, resumed).await);
            }
        };
        let mut refetched = false;
        loop {
            let single = !shape.ranged || size.is_none();
            let transfer = Transfer::new(Arc::clone(&job), self.stop.clone(), single);
            if let Err((trouble, tries)) = transfer.run(first.take()).await {
                drop(hashing);
                return Err(self.wind_up(job, trouble, tries, resumed).await);
            }
            let size = job.planner().size().unwrap_or(0);
            if hashing.is_some() {
                self.monitor.shared().progress.phase = Phase::Verifying;
                self.monitor.tell(Event::Verifying);
            }
            match verify(&job, hashing.take(), &expected, size, &self.stop).await? {
                Verified::Stopped => {
                    return Err(self.wind_up(job, Trouble::Stopped, 1, resumed).await);
                }
                Verified::Agrees(verified) => {
                    return self.land(job, meta, size, resumed, verified).await;
                }
                Verified::Differs { expected, got } if refetched || size == 0 => {
                    self.wind_up(job, Trouble::Stopped, 1, resumed).await;
                    let source_of = expected.named_by;
                    let expected = expected.digest;
                    return Err(Failure::Integrity { path, expected, got, source_of }.into());
                }
                Verified::Differs { .. } => {
                    // Only what is known to be bad is fetched again, all of it only once.
                    let suspects = suspects(&job, size).await?;
                    refetched = suspects.iter().any(|range| *range == (0..size));
                    job.reopen();
                    let hashers = restore(algorithms.clone(), &Default::default(), 0);
                    let again = Hashing::start(job.sink.shared(), hashers);
                    hashing = Some(again.map_err(spawn_failed(&path))?);
                    self.monitor.shared().progress.phase = Phase::Fetching;
                    if !shape.ranged {
                        return Err(self.whole_again(job, resumed).await);
                    }
                }
            }
        }
    }

    /// Makes the answer that is there already the first segment.
    async fn first(
        &self,
        job: &Arc<Job>,
        body: Option<(crate::transport::Lane, crate::transport::Response, BodyOf)>,
    ) -> Result<Option<First>, Trouble> {
        let Some((lane, mut response, of)) = body else { return Ok(None) };
        let (start, end) = match of {
            BodyOf::Whole => {
                let segment = job.planner().stream();
                let end = job.identity.size;
                let opened = Opened { response, end };
                return Ok(Some(First { lane, segment, opened }));
            }
            BodyOf::Range(first, end) => (first, end),
        };
        let here = job.planner().done().end_of_run(start).unwrap_or(start);
        if here - start > OVERLAP || (start > 0 && here == start && job.wants_overlap()) {
            // Not the place where it would be of use.
            return Ok(None);
        }
        if here > start {
            compare(job, &mut response.body, start, here - start).await?;
            job.proven();
        }
        let Some(segment) = job.planner().adopt(here) else { return Ok(None) };
        let opened = Opened { response, end: Some(end) };
        Ok(Some(First { lane, segment, opened }))
    }

    /// Ends a transfer that did not get to its end: saves everything, says why.
    async fn wind_up(&self, job: Arc<Job>, trouble: Trouble, tries: u32, _resumed: u64) -> End {
        let have = job.planner().done().len();
        let path = self.monitor.shared().progress.path.clone();
        let local = matches!(trouble, Trouble::Local(_));
        if let Some(sink) = Arc::into_inner(job).map(|job| job.sink)
            && let Some(part) = sink.close()
            && !local
        {
            let saved = blocking(move || part.checkpoint()).await;
            if let Err(error) = saved {
                return End::Failed(error.into());
            }
        }
        match trouble {
            Trouble::Changed(change) => End::Changed(change),
            Trouble::NoRanges => End::NoRanges,
            Trouble::Protocol { .. } if !self.whole => End::NoRanges,
            Trouble::Stopped => End::Failed(Failure::Stopped { have, path }),
            other => End::Failed(other.into_failure(tries, self.what.max_size)),
        }
    }

    /// The digest of a stream without ranges was wrong: the only way is the whole once more.
    async fn whole_again(&self, job: Arc<Job>, resumed: u64) -> End {
        self.wind_up(job, Trouble::Changed(Change::Nameless), 1, resumed).await
    }

    async fn land(
        &self,
        job: Arc<Job>,
        mut meta: Meta,
        size: u64,
        resumed: u64,
        verified: Vec<Digest>,
    ) -> Result<Outcome, End> {
        let fetched = job.fetched();
        meta.identity.size = Some(size);
        let target = self.monitor.shared().progress.path.clone().unwrap_or_default();
        let part = match Arc::into_inner(job).map(|job| job.sink) {
            Some(sink) => blocking(move || sink.close()).await,
            None => None,
        };
        let Some(part) = part else {
            let source = std::io::Error::other("a connection still holds it");
            return Err(PartError::Io { what: "finish", path: target, source }.into());
        };
        let path = land(part, &self.what, meta.identity, size, meta.overwrite).await?;
        let mut shared = self.monitor.shared();
        shared.progress.have = size;
        shared.progress.fetched = fetched;
        shared.progress.size = Some(size);
        shared.done = [0..size].into_iter().collect();
        shared.fronts.clear();
        drop(shared);
        Ok(Outcome {
            path,
            size,
            fetched,
            resumed,
            took: self.begun.elapsed(),
            verified,
            already_complete: false,
            not_newer: false,
        })
    }
}

/// What the body of the first answer holds.
#[derive(Debug, Clone, Copy)]
enum BodyOf {
    Whole,
    Range(u64, u64),
}

/// How the transfer can go about it.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    /// The server gives ranges.
    ranged: bool,
    /// `If-Range` is understood.
    if_range: bool,
    /// Bytes of an earlier run were not compared yet with what the server has now.
    unproven: bool,
}

fn before(have: &IntervalSet, start: u64) -> u64 {
    let Some(last) = start.checked_sub(1) else { return 0 };
    have.start_of_run(last).map_or(0, |run| (start - run).min(OVERLAP))
}

fn digests(meta: &Meta) -> Vec<Digest> {
    meta.digests.iter().filter_map(|text| text.parse().ok()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn spawn_failed(path: &Path) -> impl Fn(std::io::Error) -> PartError {
    move |source| PartError::Io {
        what: "start a thread to verify",
        path: path.to_owned(),
        source,
    }
}

/// The address without its login.
fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    // Addresses that cannot have a login have none to take out.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
