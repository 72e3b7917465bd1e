//! The URLs of one file.
//!
//! A [`Source`] is one URL: where redirects lead, which version it has, how it fares. [`Sources`]
//! picks which one an idle connection goes to, and drops those that turn out to have another file or
//! none. [`Sharing`] says whether several of them may be at work at the same time. With a single URL
//! nothing here costs anything. The rules are in docs/resume-rules.md, "Mirrors".

mod link;
mod losses;
mod origins;
mod source;
mod standing;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use url::Url;

pub(super) use self::link::LinkEnd;
use self::losses::Losses;
pub(super) use self::losses::why;
pub(super) use self::origins::Origins;
pub(super) use self::source::{Source, SourceId, Trust};
use super::transfer_error::TransferError;
use crate::download::Download;
use crate::monitor::{Event, Monitor};

/// With several hosts, no more connections than this go to one of them.
const PER_HOST: u32 = 8;
/// Another source has to promise this much more before a connection leaves the one it has.
const WORTH_LEAVING: f64 = 1.5;

/// How the URLs of one file share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// There is only one.
    One,
    /// Bytes of several may be in the file at the same time: a digest judges the result.
    SideBySide,
    /// One at a time, the next one when that fails: nothing but comparisons tells whether they have the
    /// same file.
    FailOver,
}

/// The URLs of one download, in the order of preference.
pub(super) struct Sources {
    all: Vec<Arc<Source>>,
    /// The one that answered first; with [`Sharing::FailOver`] the only one that is asked.
    active: AtomicUsize,
    losses: Mutex<Losses>,
}

impl Sources {
    /// The URL of `what` and its mirrors.
    pub(super) fn new(what: &Download) -> Self {
        let mut mirrors: Vec<_> = what.mirrors.iter().collect();
        mirrors.sort_by_key(|mirror| mirror.priority);
        let given = std::iter::once((&what.url, 0))
            .chain(mirrors.into_iter().map(|mirror| (&mirror.url, mirror.priority)));
        let mut all: Vec<Arc<Source>> = Vec::new();
        for (url, priority) in given {
            if all.iter().any(|known| known.url == redacted(url)) {
                continue;
            }
            let id = SourceId(all.len());
            let source = Source::new(id, url.clone(), priority, what.retries);
            all.push(Arc::new(source));
        }
        Self { all, active: AtomicUsize::new(0), losses: Mutex::default() }
    }

    /// As [`Sources::new`], with nothing but the URL at this place; `None` where there is none.
    pub(super) fn only(what: &Download, at: usize) -> Option<Self> {
        let mut sources = Self::new(what);
        let only = sources.all.into_iter().nth(at)?;
        sources.all = vec![only];
        sources.active = AtomicUsize::new(at);
        Some(sources)
    }

    /// Nothing but `source`, which is one of these.
    pub(super) fn alone(source: &Arc<Source>) -> Self {
        let active = AtomicUsize::new(source.id.0);
        Self { all: vec![Arc::clone(source)], active, losses: Mutex::default() }
    }

    /// Whether there is more than one URL.
    pub(super) fn several(&self) -> bool {
        self.all.len() > 1
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.all.iter()
    }

    /// Those that are still used.
    pub(super) fn alive(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.all.iter().filter(|source| !source.standing().dropped)
    }

    /// Whether another one than `source` is still used.
    pub(super) fn others(&self, source: &Source) -> bool {
        self.alive().any(|other| other.id != source.id)
    }

    /// Whether this is the active one.
    pub(super) fn is_active(&self, source: &Source) -> bool {
        self.active.load(Ordering::Relaxed) == source.id.0
    }

    /// The active one.
    pub(super) fn active(&self) -> Option<&Arc<Source>> {
        self.all.iter().find(|source| self.is_active(source))
    }

    /// From now on `source` is the active one.
    pub(super) fn activate(&self, source: &Source) {
        self.active.store(source.id.0, Ordering::Relaxed);
    }

    /// Whether a connection works for another one than `source`.
    pub(super) fn others_work(&self, source: &Source) -> bool {
        let works = |other: &Source| other.working.load(Ordering::Relaxed) > 0;
        self.all.iter().any(|other| other.id != source.id && works(other))
    }

    /// The source with this number.
    pub(super) fn get(&self, id: SourceId) -> Option<&Arc<Source>> {
        self.all.iter().find(|source| source.id == id)
    }

    /// Whom to ask first: the best one that need not be waited for, else the one with the shortest
    /// wait. Until when it has to be waited for is its `hold`.
    pub(super) fn first(&self) -> Option<Arc<Source>> {
        let now = Instant::now();
        let wait = |source: &&Arc<Source>| source.standing().hold.max(now);
        self.alive().min_by_key(wait).cloned()
    }

    /// Whom an idle connection should ask, of those that `fits` lets pass.
    pub(super) fn choose(&self, fits: impl Fn(&Source) -> bool) -> Option<Arc<Source>> {
        let now = Instant::now();
        let several = self.hosts() > 1;
        let mut best: Option<(f64, &Arc<Source>)> = None;
        for source in &self.all {
            let working = source.working.load(Ordering::Relaxed);
            let (ready, limit, promise) = {
                let standing = source.standing();
                (standing.is_ready(now), standing.limit, standing.promise(working))
            };
            let crowded = working >= limit || (several && self.working_at(source) >= PER_HOST);
            if !ready || crowded || !fits(source) {
                continue;
            }
            // The earlier one of equals: they stand in the order of preference.
            if best.is_none_or(|(most, _)| promise > most) {
                best = Some((promise, source));
            }
        }
        best.map(|(_, source)| Arc::clone(source))
    }

    /// Whom the connection that is done with a segment of `source` should ask next.
    pub(super) fn choose_after(
        &self,
        source: &Arc<Source>,
        fits: impl Fn(&Source) -> bool,
    ) -> Option<Arc<Source>> {
        let stays = source.standing().is_ready(Instant::now());
        if stays && !self.several() {
            return Some(Arc::clone(source));
        }
        let promise =
            |source: &Source| source.standing().promise(source.working.load(Ordering::Relaxed));
        let better = self.choose(|other| {
            let tempting = !stays || promise(other) > promise(source) * WORTH_LEAVING;
            other.id != source.id && tempting && fits(other)
        });
        better.or_else(|| stays.then(|| Arc::clone(source)))
    }

    /// `source` is of no more use, because of `error`: that is reported, and the others continue.
    ///
    /// # Errors
    /// No other is left. Of all errors that led to this, the one that says most.
    pub(super) fn give_up(
        &self,
        source: &Source,
        error: TransferError,
        monitor: &Monitor,
    ) -> Result<(), TransferError> {
        if source.standing().dropped {
            return Ok(());
        }
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.others(source) {
            let (error, own) = losses.most_telling(error);
            if let Some(own) = own {
                monitor.tell(Event::MirrorDropped { url: source.url.clone(), why: own });
            }
            return Err(error);
        }
        source.standing().dropped = true;
        monitor.tell(Event::MirrorDropped { url: source.url.clone(), why: why(&error) });
        losses.add(error);
        drop(losses);
        if self.is_active(source)
            && let Some(next) = self.first()
        {
            self.activate(&next);
        }
        Ok(())
    }

    /// A new attempt begins at the URLs that the user gave.
    pub(super) fn resolve_again(&self) {
        self.all.iter().for_each(|source| source.forget_redirects());
    }

    /// A new round of questions: old failures do not count.
    pub(super) fn refill(&self) {
        self.all.iter().for_each(|source| source.standing().refill(source.fetched()));
    }

    fn hosts(&self) -> usize {
        if !self.several() {
            return 1;
        }
        let mut hosts: Vec<_> = self.alive().map(|source| source.first_host()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.len()
    }

    /// Connections that work for sources on the host of this one.
    fn working_at(&self, source: &Source) -> u32 {
        let host = source.first_host();
        let here = self.all.iter().filter(|other| other.first_host() == host);
        here.map(|other| other.working.load(Ordering::Relaxed)).sum()
    }
}

/// The URL without its login.
pub(super) fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    // URLs that cannot have a login have none to take out.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::download::{Mirror, Place};
    use crate::failure::Failure;

    fn sources(mirrors: &[(&str, u32)]) -> Sources {
        let mut what =
            Download::new("http://me:pw@a.test/f".parse().unwrap(), Place::Folder("d".into()));
        what.mirrors = mirrors
            .iter()
            .map(|(url, priority)| Mirror { url: url.parse().unwrap(), priority: *priority })
            .collect();
        Sources::new(&what)
    }

    fn chosen(sources: &Sources) -> String {
        sources.choose(|_| true).unwrap().url.clone()
    }

    #[test]
    fn preference_decides_until_speed_is_known() {
        let sources =
            sources(&[("http://c.test/f", 2), ("http://b.test/f", 1), ("http://x@a.test/f", 1)]);
        let all: Vec<_> = sources.iter().map(|source| source.url.as_str()).collect();
        assert_eq!(all, ["http://a.test/f", "http://b.test/f", "http://c.test/f"]);
        assert_eq!(chosen(&sources), "http://a.test/f");
        sources.all[0].standing().measured(100.0);
        assert_eq!(chosen(&sources), "http://b.test/f");
        sources.all[1].standing().measured(300.0);
        sources.all[2].standing().measured(200.0);
        assert_eq!(chosen(&sources), "http://b.test/f");
        // Not for a little more; for much more.
        let next = |at: usize| sources.choose_after(&sources.all[at], |_| true).unwrap();
        assert_eq!(next(2).url, "http://c.test/f");
        assert_eq!(next(0).url, "http://b.test/f");
    }

    #[test]
    fn a_host_gets_no_more_than_is_polite() {
        let sources = sources(&[("http://a.test/g", 1), ("http://b.test/f", 1)]);
        sources.all[0].standing().measured(900.0);
        sources.all[1].standing().measured(800.0);
        sources.all[2].standing().measured(1.0);
        sources.all[0].working.store(5, Ordering::Relaxed);
        sources.all[1].working.store(3, Ordering::Relaxed);
        assert_eq!(chosen(&sources), "http://b.test/f");
    }

    #[test]
    fn the_last_one_is_never_dropped_and_the_best_reason_is_given() {
        let sources = sources(&[("http://b.test/f", 1)]);
        let monitor = Monitor::default();
        let status = TransferError::broken("a.test".to_owned(), "no such file");
        sources.give_up(&sources.all[0], status, &monitor).unwrap();
        assert_eq!(chosen(&sources), "http://b.test/f");
        let (host, after) = ("b.test".to_owned(), std::time::Duration::ZERO);
        let silent = Failure::Stalled { host, after, tries: 9 }.into();
        let error = sources.give_up(&sources.all[1], silent, &monitor).unwrap_err();
        assert!(error.is_broken(), "{error:?}");
    }
}
