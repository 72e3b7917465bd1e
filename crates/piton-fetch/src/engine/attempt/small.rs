//! The short way: a small file that comes in at once has neither part nor journal.
//!
//! It is read into memory, verified there, and landed ([`piton_durable::land`]). Whatever goes otherwise
//! than well before that hands back what was read, and the usual way begins as if nothing had been: its
//! rules of retry, of stopping and of a wrong digest hold for every file.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use piton_checkpoint::Identity;
use piton_durable::fs::Existing;
use piton_durable::land::{Landed, Landing};
use piton_durable::part::PartError;
use tokio::time::{sleep, timeout};

use super::describe::name_asked_for;
use super::reply::Reply;
use super::{Again, Attempt, End};
use crate::at_stake;
use crate::digest::{Digest, Hasher};
use crate::download::{IfExists, Outcome};
use crate::engine::finish::{Expected, Metadata, expected, metadata_of};
use crate::monitor::{Event, Phase};
use piton_remote::Holds;
use piton_remote::blocking;
use piton_remote::{Body, RemoteError};

/// Files up to this many bytes: what a kill may cost per connection (G2).
const SMALL: u64 = at_stake::BYTES as u64;
/// What is not whole by then goes the usual way, on which it survives a kill (G2).
const TICK: Duration = at_stake::AGE;
/// More than this many bytes are not hashed on the network's thread.
const HASHED_HERE: usize = 64 << 10;

impl Attempt<'_> {
    /// Lands the file at `path`, where nothing is, if it is a small one and `reply` brings all of it.
    /// `None`: it goes the usual way, with the same answer.
    pub(super) async fn land_small(
        &self,
        path: &Path,
        reply: &mut Reply,
    ) -> Result<Option<Outcome>, End> {
        let (identity, ranged) = (&reply.head.identity, reply.is_ranged());
        let fitting = self.fits(identity, reply.holds).zip(self.tools.landings());
        let Some(((size, landings), exchange)) = fitting.zip(reply.exchange.as_mut()) else {
            return Ok(None);
        };
        let wanted =
            expected(&self.what, &name_asked_for(&self.what, path), Vec::new(), Some(&reply.head))?;
        let room = tokio::select! {
            room = landings.room(size) => room,
            () = self.stop.stopped() => return Ok(None),
        };
        let Some(bytes) = self.read_at_once(&mut exchange.body, size).await else {
            return Ok(None);
        };
        let (bytes, verified) = verify(bytes, &wanted).await;
        let Some(verified) = verified else {
            // The usual way finds the same, and knows what to do about it.
            exchange.body.unread(bytes.into(), None);
            return Ok(None);
        };
        self.tell_start(path, identity, 0, reply.head.protocol, ranged);
        if !wanted.is_empty() {
            self.monitor.shared().progress.phase = Phase::Verifying;
            self.monitor.tell(Event::Verifying);
        }
        // The next download has the connection while this one waits for the disk.
        exchange.body.release(&mut exchange.connection);
        exchange.connection = self.tools.remote.connection();
        let debt = self.what.rate_limit.as_ref().map(|limit| limit.take(size));

        let landed = landings.land(room, self.landing(path, bytes, identity));
        self.monitor.tell(Event::Landing);
        let landed = landed.await;
        if let Some(debt) = debt {
            sleep(debt).await;
        }
        match landed {
            Ok(Landed::There) => {
                let size = size as u64;
                Ok(Some(self.landed(path.to_owned(), size, size, 0, verified)))
            }
            Ok(Landed::NotHere(bytes)) => {
                exchange.body.unread(bytes.into(), None);
                Ok(None)
            }
            Err(PartError::Exists { .. }) if self.may_take_the_next(path) => {
                Err(Again::NameTaken.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether another file has got the name meanwhile and the next one is to be tried. A link that
    /// leads nowhere takes a name too, but to look again would not show it.
    fn may_take_the_next(&self, path: &Path) -> bool {
        let stands = || self.tools.fs.stat(path).is_ok_and(|stat| stat.is_some());
        self.what.if_exists == IfExists::Rename && stands()
    }

    /// The length of a file that may go the short way.
    fn fits(&self, identity: &Identity, holds: Holds) -> Option<usize> {
        // Digests of pieces are the usual way's to check, and so is who may read the file.
        let unusual = self.what.pieces.is_some() || self.what.private;
        let size = identity.size.filter(|size| *size <= SMALL && !unusual)?;
        let whole = match holds {
            Holds::Whole => true,
            Holds::Part { first, end } => first == 0 && end == size,
            Holds::NotNewer | Holds::OutOfRange { .. } => false,
        };
        let size = usize::try_from(size).ok()?;
        // A limit under which it takes longer than the short way may is kept by the usual one.
        let in_time = self.what.rate_limit.as_ref().is_none_or(|limit| size <= limit.read_size());
        (whole && in_time).then_some(size)
    }

    /// All `size` bytes of the body, if they come in time; otherwise what came is handed back.
    async fn read_at_once(&self, body: &mut Body, size: usize) -> Option<Vec<u8>> {
        if let Some(bytes) = body.read_all(size) {
            return Some(bytes);
        }
        let (mut bytes, mut filled) = (vec![0; size], 0);
        let read = tokio::select! {
            biased;
            read = timeout(TICK, fill(body, &mut bytes, &mut filled)) => read,
            () = self.stop.stopped() => Ok(Ok(())),
        };
        if filled == size {
            return Some(bytes);
        }
        bytes.truncate(filled);
        body.unread(Bytes::from(bytes), read.ok().and_then(Result::err));
        None
    }

    fn landing(&self, path: &Path, bytes: Vec<u8>, identity: &Identity) -> Landing {
        let Metadata { modified, attributes } = metadata_of(&self.what, identity);
        let replace = self.what.if_exists == IfExists::Overwrite || self.what.only_newer;
        Landing {
            path: path.to_owned(),
            bytes,
            existing: if replace { Existing::Replace } else { Existing::Keep },
            modified: Some(modified),
            attributes,
            durability: self.what.durability,
        }
    }
}

/// Reads until `bytes` is full or the body ends; `filled` says how far, also if this is dropped.
async fn fill(body: &mut Body, bytes: &mut [u8], filled: &mut usize) -> Result<(), RemoteError> {
    while let Some(room) = bytes.get_mut(*filled..).filter(|room| !room.is_empty()) {
        match body.read(room).await? {
            0 => break,
            read => *filled += read,
        }
    }
    Ok(())
}

/// The digests of `bytes` that were wanted; `None` if one differs (G1).
async fn verify(bytes: Vec<u8>, wanted: &[Expected]) -> (Vec<u8>, Option<Vec<Digest>>) {
    if wanted.is_empty() {
        return (bytes, Some(Vec::new()));
    }
    let wanted: Vec<Digest> = wanted.iter().map(|one| one.digest.clone()).collect();
    let here = bytes.len() <= HASHED_HERE;
    let compare = move || {
        let verified = digests(&bytes, &wanted);
        (bytes, verified)
    };
    if here { compare() } else { blocking(compare).await }
}

fn digests(bytes: &[u8], wanted: &[Digest]) -> Option<Vec<Digest>> {
    let mut algorithms: Vec<_> = wanted.iter().map(Digest::algorithm).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    let digest = |algorithm| {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finalize()
    };
    let got: Vec<Digest> = algorithms.into_iter().map(digest).collect();
    wanted.iter().all(|wanted| got.contains(wanted)).then_some(got)
}
