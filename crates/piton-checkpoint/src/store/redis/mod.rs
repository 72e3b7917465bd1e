//! A store on a Redis server: a commit is a script that looks whether the job is still ours.

mod link;
mod look;
mod place;
mod scripts;

use std::sync::{Mutex, PoisonError};

use piton_durable::fs::{Fs as _, OsFs};
use piton_durable::held::HeldError;
use redis::cmd;

use self::link::Link;
use self::look::SyncBy;
pub use self::place::RedisPlace;
pub(super) use self::place::{Address, Login};
use super::head::Head;
use super::run::Run;
use super::{Mark, Peeked, Store, StoreError, Survival, Survives, Taken};

/// How often a run tries to take a job that others take at the same time.
const TRIES: u32 = 8;

/// A job in a key of a Redis server. There is no lock: a later run takes over, on whatever machine, and the earlier one
/// stops at its next commit. What a commit survives depends on how the server is configured: [`Store::survives`] tells,
/// once it was taken. A server that was emptied or went back to an older copy is noticed at the next commit
/// ([`StoreError::Lost`]).
pub struct RedisStore {
    place: RedisPlace,
    run: Run<Open>,
    /// A connection for syncs alone: they may wait for the disk of the server, and commits do not wait for them. One
    /// sync at a time.
    syncs: Mutex<Link>,
    survives: Mutex<Survives>,
}

struct Open {
    link: Link,
    head: Head,
    by: SyncBy,
}

impl RedisStore {
    /// The store at this place. Nothing is sent yet.
    pub fn new(place: RedisPlace) -> Self {
        Self {
            run: Run::new(place.to_string()),
            syncs: Mutex::new(Link::new(place.clone())),
            survives: Mutex::new(Survives::of(Survival::Unknown, Survival::Unknown)),
            place,
        }
    }

    /// Gives the key the first free name `KEY.aside-N`, so that the next run starts from nothing, and returns that name.
    /// `None`: there is nothing. A run that uses it stops at its next commit.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] and the like.
    pub fn set_aside(&self) -> Result<Option<String>, StoreError> {
        let (mut link, key) = (Link::new(self.place.clone()), self.place.key());
        for number in 1_u64.. {
            let exists: i64 = link.call(cmd("EXISTS").arg(&key))?;
            if exists == 0 {
                return Ok(None);
            }
            let aside = format!("{key}.aside-{number}");
            let renamed: i64 = link.call(cmd("RENAMENX").arg(&key).arg(&aside))?;
            if renamed == 1 {
                return Ok(Some(aside));
            }
        }
        Ok(None)
    }

    /// Looks at the job. Nobody can tell whether a run has it.
    pub(super) fn peek(place: &RedisPlace) -> Result<Option<Peeked>, StoreError> {
        let found = scripts::read(&mut Link::new(place.clone()), place)?;
        Ok(found.map(|(head, commits)| Peeked::new(head.taken(commits), None)))
    }

    fn open(&self) -> Result<(Open, Vec<Vec<u8>>), StoreError> {
        let run =
            OsFs.random().map_err(HeldError::io("get random bits for", "/dev/random".as_ref()))?;
        let mut link = Link::new(self.place.clone());
        for _ in 0..TRIES {
            let found = scripts::read(&mut link, &self.place)?;
            let (before, commits) =
                found.map_or((None, Vec::new()), |(head, commits)| (Some(head), commits));
            let head = before.map_or(Head::new(run), |before| before.next_run(run));
            if scripts::take(&mut link, &self.place, before, head)? {
                // This waits too until the epoch is durable, where the server can.
                let (survives, by) = look::look(&mut link)?;
                *self.survives.lock().unwrap_or_else(PoisonError::into_inner) = survives;
                return Ok((Open { link, head, by }, commits));
            }
        }
        let why = "other runs keep taking it".to_owned();
        Err(StoreError::Unreachable { place: self.run.place(), why })
    }

    /// Waits until what this connection has seen written is as durable as the server makes it.
    fn persist(&self, link: &mut Link, by: SyncBy) -> Result<(), StoreError> {
        match by {
            SyncBy::Answer => Ok(()),
            SyncBy::WaitAof => match look::wait(link)? {
                Some(true) => Ok(()),
                Some(false) | None => {
                    let why = "the server did not sync its log".to_owned();
                    Err(StoreError::Unreachable { place: self.run.place(), why })
                }
            },
        }
    }
}

impl Store for RedisStore {
    fn take(&self) -> Result<Taken, StoreError> {
        self.run.take(|| {
            let (open, commits) = self.open()?;
            let taken = open.head.taken(commits);
            Ok((open, taken))
        })
    }

    fn commit(&self, state: &[u8]) -> Result<Mark, StoreError> {
        // After any other error nobody knows whether the server has it.
        let ends = |error: &StoreError| !matches!(error, StoreError::Refused { .. });
        self.run.with(ends, |open| {
            let head = open.head.with_commit(state, &self.run.place())?;
            scripts::commit(&mut open.link, &self.place, (open.head, head), state)?;
            open.head = head;
            Ok(Mark(head.last))
        })
    }

    fn sync(&self, through: Mark) -> Result<(), StoreError> {
        let mut link = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, new, by) = self
            .run
            .with(|_| false, |open| Ok((open.head, open.head.settled(through), open.by)))?;
        let Some(new) = new else { return Ok(()) };
        let settled = scripts::settle(&mut link, &self.place, (old, new))
            .and_then(|()| self.persist(&mut link, by));
        if let Err(error) = settled {
            // Another thread may have ended the run meanwhile.
            let _ = self.run.end();
            return Err(error);
        }
        self.run.with(
            |_| false,
            |open| {
                (open.head.first, open.head.durable) = (new.first, new.durable);
                Ok(())
            },
        )
    }

    fn remove(&self) -> Result<(), StoreError> {
        let Open { mut link, head, by } = self.run.end()?;
        scripts::remove(&mut link, &self.place, head)?;
        self.persist(&mut link, by)
    }

    fn place(&self) -> String {
        self.run.place()
    }

    fn survives(&self) -> Survives {
        self.survives.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
