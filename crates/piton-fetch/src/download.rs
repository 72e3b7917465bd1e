//! What to download, to where, and how.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use piton_checkpoint::Identity;
use piton_durable::part::Durability;
use piton_remote::Extra;
use url::Url;

use crate::digest::{Digest, Pieces};
use crate::parse::checksum_file::ChecksumFile;

/// One download: a URL, a place, and the choices of whoever asks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Download {
    /// The URL, before any redirect. A login in it is used and never written anywhere.
    pub url: Url,
    /// Further URLs of the same file. Bytes of several are used together, and one that turns out to
    /// have another file is dropped ([`crate::Event::MirrorDropped`]).
    pub mirrors: Vec<Mirror>,
    /// What each question carries beside its words, such as headers: to the origins of `url` and `mirrors` and
    /// to no other host that these redirect to. Never written anywhere.
    pub extra: Extra,
    /// Where the file goes.
    pub place: Place,
    /// How many connections may be used.
    pub connections: Connections,
    /// With [`Connections::Auto`], at most this many at the moment.
    pub share: Option<Share>,
    /// What happens when a file is under the final name.
    pub if_exists: IfExists,
    /// A word that no other download has. The finished file carries it in an extended attribute, where the
    /// file system has these; and a file that carries it and was not edited since is this download's own:
    /// if it cannot be told to be the version that the server has, it is fetched again and replaced, also
    /// with [`IfExists::Refuse`].
    pub mark: Option<Box<str>>,
    /// What happens when the source is no longer the one that was begun.
    pub if_changed: IfChanged,
    /// Forget what an earlier run fetched.
    pub restart: bool,
    /// Fetch only if the source is newer than the file under the final name.
    pub only_newer: bool,
    /// What a crash may cost.
    pub durability: Durability,
    /// On resume read back and compare everything, not only what was not synced.
    pub verify_part: bool,
    /// Digests that the whole file must have.
    pub digests: Vec<Digest>,
    /// Digests of its pieces: with them only what is bad is fetched again.
    pub pieces: Option<Pieces>,
    /// The length in bytes that the file must have; a server that says otherwise is not asked for a byte.
    pub size: Option<u64>,
    /// A list of digests, looked up by the final name.
    pub checksum_file: Option<Arc<ChecksumFile>>,
    /// Media types that the file may have, each `type/subtype` or `type/*`; empty: any. An answer of another
    /// type is a failure ([`crate::Failure::NotTheFile`]); one that does not say is not.
    pub expect_types: Vec<String>,
    /// Refuse anything longer than this many bytes.
    pub max_size: Option<u64>,
    /// How many failures in a row, without a byte of progress between them, are tolerated.
    pub retries: u32,
    /// The longest pause between them. A server that asks for more (Retry-After) ends the download
    /// with what it said, so that whoever has other things to do can come back later; so does one that
    /// took longer than this to fail before it gave an answer.
    pub longest_pause: Duration,
    /// A connection from which nothing came for this long is given up.
    pub stall_timeout: Duration,
    /// A server may take this long to begin its answer, once it is connected to: it may have to make the file
    /// first. `None`: four times `stall_timeout`. Doubled after each time-out.
    pub answer_timeout: Option<Duration>,
    /// A rate shared by all downloads that hold the same limit.
    pub rate_limit: Option<RateLimit>,
    /// Give the file the time of the source's `Last-Modified`.
    pub keep_time: bool,
    /// Only its owner may read the file, and what is here of it on the way.
    pub private: bool,
}

impl Download {
    /// Whether digests of the pieces are given that tell them from any other bytes.
    pub(crate) fn pieces_judge(&self) -> bool {
        self.pieces.as_ref().is_some_and(Pieces::judge)
    }

    /// How long a server may take to begin its answer, at its first try.
    pub(crate) fn answer_timeout(&self) -> Duration {
        let timeout = self.answer_timeout.unwrap_or(self.stall_timeout.saturating_mul(4));
        // A server that has to be looked up, connected to, redirected and thought over takes its time.
        timeout.max(Duration::from_secs(1))
    }

    /// A download of `url` into `place` with every choice at its default.
    pub fn new(url: Url, place: Place) -> Self {
        Self {
            url,
            mirrors: Vec::new(),
            extra: Extra::default(),
            place,
            connections: Connections::Auto,
            share: None,
            if_exists: IfExists::Refuse,
            mark: None,
            if_changed: IfChanged::StartOver,
            restart: false,
            only_newer: false,
            durability: Durability::Power,
            verify_part: false,
            digests: Vec::new(),
            pieces: None,
            size: None,
            checksum_file: None,
            expect_types: Vec::new(),
            max_size: None,
            retries: 8,
            longest_pause: Duration::MAX,
            stall_timeout: Duration::from_secs(30),
            answer_timeout: None,
            rate_limit: None,
            keep_time: true,
            private: false,
        }
    }
}

/// Another URL of the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where. A login in it is used for it alone and never written anywhere.
    pub url: Url,
    /// Preference among the mirrors while nothing is known of their speed: 1 comes first (RFC 5854
    /// section 4.2.16).
    pub priority: u32,
}

/// Where a file goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Exactly this path.
    File(PathBuf),
    /// Into this folder, under the name that the server or the URL gives, cleaned.
    Folder(PathBuf),
}

/// How many connections a download uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// As many as are measured to help, up to a polite number.
    Auto,
    /// This many, where the file is long enough.
    Fixed(NonZeroU16),
}

impl Connections {
    /// How many there may be at one time. `Auto` stays at a number that is polite to a host.
    pub fn at_most(self) -> usize {
        match self {
            Self::Auto => 8,
            Self::Fixed(n) => n.get().into(),
        }
    }
}

/// What happens when a file is under the final name and is not recognised as this download,
/// complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// It stays, and the download fails with [`crate::Failure::Exists`].
    Refuse,
    /// It is replaced, at the end and atomically.
    Overwrite,
    /// It stays, and the download takes the next free name: `name.1.ext`.
    Rename,
}

/// What happens when the source changed since the download began. Its bytes are never joined with
/// the old ones (G4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfChanged {
    /// Begin again with the new version (a few times at the most in one run).
    StartOver,
    /// Stop with [`crate::Failure::Changed`], keeping what is there.
    Stop,
}

/// How a download ended well.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Bytes of it that came over the network in this run.
    pub fetched: u64,
    /// Bytes that an earlier run had left.
    pub resumed: u64,
    /// Time from the call to the end.
    pub took: Duration,
    /// Digests that were computed and agreed.
    pub verified: Vec<Digest>,
    /// Nothing had to be transferred: the file was there and is known to be this one.
    pub already_complete: bool,
    /// `Only if newer` was asked for, and the source is not newer.
    pub not_newer: bool,
}

/// What a download would do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// The final name.
    pub path: PathBuf,
    /// Which version the server has.
    pub identity: Identity,
    /// Whether the server gives ranges.
    pub ranges: bool,
    /// Bytes that are here from an earlier run.
    pub have: u64,
    /// A file is under the final name.
    pub exists: bool,
    /// After redirects.
    pub url: Url,
}

pub use crate::flow::{RateLimit, Share};
