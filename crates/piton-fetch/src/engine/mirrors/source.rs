//! One URL of the file.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use piton_checkpoint::{Change, Identity, Strength, Verdict};
use tokio::sync::MutexGuard as Turn;
use url::Url;

use super::link::{Link, LinkEnd};
use super::standing::Standing;
use crate::engine::transfer_error::TransferError;
use piton_remote::{Ask, ByteRange, Extra};

/// Names a source of one download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct SourceId(pub(super) usize);

/// How far a source has shown that it has the file of which bytes are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Trust {
    /// Not at all, and others gave what is here.
    Stranger,
    /// It alone gave what is here, in an earlier run.
    Returning,
    /// Bytes that it has now were compared with what is here, or what is here began with them in this run,
    /// or digests of the pieces tell anyway.
    Proven,
}

/// One URL of the file: where it leads to, which version it has, and how it fares.
pub(in crate::engine) struct Source {
    pub(in crate::engine) id: SourceId,
    /// Without a login; how it is called in messages and in the journal.
    pub(in crate::engine) url: String,
    pub(in crate::engine) priority: u32,
    link: Mutex<Link>,
    /// Held by the connection that resolves the URL again for all.
    turn: tokio::sync::Mutex<()>,
    /// Held by the connection that compares what is here with what it has, for all.
    introduction: tokio::sync::Mutex<()>,
    /// What its first answer said.
    identity: Mutex<Option<Identity>>,
    /// The best strength that its fields allow proves too little: every seam is to be compared.
    weak: AtomicBool,
    /// Its nodes call the same version by different tags: compare every seam.
    distrusted: AtomicBool,
    trust: Mutex<Trust>,
    /// A range from the middle came from it.
    gives_ranges: AtomicBool,
    /// Ranges are asked for on a condition while it copes with that.
    conditional: AtomicBool,
    fetched: AtomicU64,
    pub(in crate::engine) working: AtomicU32,
    pub(in crate::engine) serving: AtomicU32,
    standing: Mutex<Standing>,
}

impl Source {
    pub(super) fn new(id: SourceId, url: Url, priority: u32, retries: u32) -> Self {
        Self {
            id,
            url: super::redacted(&url),
            priority,
            link: Mutex::new(Link::new(url)),
            turn: tokio::sync::Mutex::default(),
            introduction: tokio::sync::Mutex::default(),
            identity: Mutex::default(),
            weak: AtomicBool::new(true),
            distrusted: AtomicBool::new(false),
            trust: Mutex::new(Trust::Stranger),
            gives_ranges: AtomicBool::new(false),
            conditional: AtomicBool::new(true),
            fetched: AtomicU64::new(0),
            working: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            standing: Mutex::new(Standing::new(retries)),
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it fares.
    pub(in crate::engine) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host that is asked.
    pub(in crate::engine) fn host(&self) -> String {
        piton_remote::host_of(self.link().current())
    }

    /// The host of the URL before redirects.
    pub(super) fn first_host(&self) -> Option<url::Host> {
        self.link().original.host().map(|host| host.to_owned())
    }

    /// A question to it on no condition, and the generation of the URL that is asked.
    pub(in crate::engine) fn question(
        &self,
        range: Option<ByteRange>,
        extra: &Extra,
    ) -> (Ask, u32) {
        let link = self.link();
        let mut ask = Ask::new(link.current().clone());
        ask.original = link.original.clone();
        ask.range = range;
        ask.extra = extra.clone();
        (ask, link.generation)
    }

    /// The version on whose condition a range is asked for, while that is of use: as this URL calls it, since
    /// a tag of another one says nothing here.
    pub(in crate::engine) fn condition(&self) -> Option<Identity> {
        if !self.conditional.load(Ordering::Relaxed) {
            return None;
        }
        self.identity().filter(|identity| identity.strong_tag().is_some())
    }

    /// Whether a range from the middle came from it.
    pub(in crate::engine) fn gives_ranges(&self) -> bool {
        self.gives_ranges.load(Ordering::Relaxed)
    }

    /// Bytes of a segment that begins at `start` came.
    pub(in crate::engine) fn gave_bytes_from(&self, start: u64) {
        self.gives_ranges.fetch_or(start > 0, Ordering::Relaxed);
    }

    /// Whether a range on a condition is understood here.
    pub(in crate::engine) fn set_conditional(&self, copes: bool) {
        self.conditional.store(copes, Ordering::Relaxed);
    }

    /// An answer came from `url`: ask there directly from now on.
    pub(in crate::engine) fn resolved(&self, url: &Url, redirected: bool, generation: u32) {
        self.link().resolved(url, redirected, generation);
    }

    /// The URL that was asked failed. Returns whether another one can be asked now.
    pub(in crate::engine) fn resolve_again(&self, generation: u32, end: LinkEnd) -> bool {
        self.link().resolve_again(generation, end)
    }

    /// From now on the URL that the user gave is asked again.
    pub(super) fn forget_redirects(&self) {
        let mut link = self.link();
        *link = Link::new(link.original.clone());
    }

    /// Whether the URL has to be resolved again before anything is asked.
    pub(in crate::engine) fn is_expired(&self) -> bool {
        self.link().expired
    }

    /// While the URL has to be resolved again, one connection asks and the others wait.
    pub(in crate::engine) async fn turn(&self) -> Turn<'_, ()> {
        self.turn.lock().await
    }

    /// While it is not proven, one connection compares and the others wait.
    pub(in crate::engine) async fn introduction(&self) -> Turn<'_, ()> {
        self.introduction.lock().await
    }

    /// What its first answer said.
    pub(in crate::engine) fn identity(&self) -> Option<Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It has this version.
    pub(in crate::engine) fn set_identity(&self, identity: Option<Identity>) {
        let strength = identity.as_ref().and_then(Identity::best_strength);
        self.weak.store(strength.is_none_or(Strength::wants_overlap), Ordering::Relaxed);
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// Whether an answer is of the version that this URL had at first (G4); `None` if this is its
    /// first.
    pub(in crate::engine) fn check(
        &self,
        now: &Identity,
    ) -> Option<Result<Strength, TransferError>> {
        let was = self.identity()?;
        Some(match was.compare(now) {
            Verdict::Same(strength) => Ok(strength),
            Verdict::Changed(change) => Err(TransferError::Changed(change)),
            Verdict::Unknown => Err(TransferError::Changed(Change::Nameless)),
        })
    }

    /// Whether seams with its bytes are to be compared, seen alone.
    pub(in crate::engine) fn is_doubtful(&self) -> bool {
        self.distrusted.load(Ordering::Relaxed) || self.weak.load(Ordering::Relaxed)
    }

    /// From now on every seam is compared.
    pub(in crate::engine) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Relaxed);
    }

    /// Whether what it has now was compared with what is here.
    pub(in crate::engine) fn is_proven(&self) -> bool {
        self.trust() == Trust::Proven
    }

    pub(in crate::engine) fn trust(&self) -> Trust {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::engine) fn set_trust(&self, trust: Trust) {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// Bytes that came from it.
    pub(in crate::engine) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Bytes came in.
    pub(in crate::engine) fn count(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }
}
