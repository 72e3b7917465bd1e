//! A look at the disk, and what it means for the download.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::found;
use piton_durable::fs::Lack;
use piton_durable::links;
use piton_durable::part::{Durability, PartError, Target};
use piton_remote::{ByteRange, Holds, blocking, local_path, modified};
use tokio::time::Instant;

use super::describe::name_asked_for;
use super::here::{Here, Looked};
use super::reply::Reply;
use super::{Again, Attempt, End, Old};
use crate::download::{IfExists, Outcome, Place};
use crate::engine::existing::ExistingFile;
use crate::engine::mirrors::{Sources, redacted};
use crate::engine::name::{name_of, numbered};
use crate::engine::open::{Found, OpenedPart};
use crate::engine::probe::{Question, SILENCE, Tries, check_size};
use crate::failure::Failure;
use crate::meta::Meta;
use crate::monitor::Event;
use crate::parse::file_name::FileName;

/// So many mirrors are asked whether the existing file is theirs.
const MIRRORS_ASKED: usize = 4;

impl Attempt<'_> {
    /// Looks at what is here before the server is asked.
    pub(super) async fn look_before_asking(&mut self) -> Result<Looked, End> {
        match self.known_path() {
            Ok(path) => self.look(path, None, None).await,
            Err(free) => Ok(Here::Unnamed { free: Some(free) }.into()),
        }
    }

    /// Looks again, now that the answer says how the file is called, or what the version is of the one that
    /// is here.
    pub(super) async fn look_after_asking(
        &mut self,
        here: Here,
        reply: &mut Reply,
    ) -> Result<Looked, End> {
        let path = match (&self.what.place, &reply.exchange) {
            (Place::Folder(folder), Some(_)) => {
                // A mirror is another place of the file, and no reason for another name.
                let mirror = reply.source.url != redacted(&self.what.url);
                let head = &reply.head;
                let answered = if mirror { &self.what.url } else { &head.url };
                folder.join(name_of(head, &self.what.url, answered).as_str())
            }
            (Place::File(path) | Place::Folder(path), _) => path.clone(),
        };
        let free = match here {
            Here::File(_) if matches!(reply.holds, Holds::Part { .. }) => {
                // Only a byte was asked for, to see whether there is anything to fetch.
                reply.exchange = None;
                None
            }
            Here::Unnamed { free } => free,
            _ => None,
        };
        self.look(path, free, Some(reply)).await
    }

    /// The path of the target where it is known before the server is asked; otherwise the one that it
    /// will have if the server does not name the file, and where nothing is now.
    fn known_path(&self) -> Result<PathBuf, PathBuf> {
        let folder = match &self.what.place {
            Place::File(path) => return Ok(path.clone()),
            Place::Folder(folder) => folder,
        };
        let path = folder.join(FileName::from_url(&self.what.url).as_str());
        let fs = self.tools.fs.as_ref();
        // A link that leads nowhere takes the name, too.
        let is_there = |path: &Path| fs.lstat(path).is_ok_and(|stat| stat.is_some());
        let journal = Target::new(path.clone()).journal();
        let begun = is_there(&journal)
            .then(|| crate::meta::inspect(fs, &path).ok().flatten())
            .flatten()
            .is_some_and(|it| self.is_ours(&it.meta));
        if begun || is_there(&path) { Ok(path) } else { Err(path) }
    }

    /// Looks at what is on disk for `path`. Nothing was at `free` before the server was asked. `answer` is the server's, if it was
    /// asked already.
    async fn look(
        &mut self,
        path: PathBuf,
        free: Option<PathBuf>,
        answer: Option<&Reply>,
    ) -> Result<Looked, End> {
        let path = self.followed(path)?;
        self.check_source(&path)?;
        let looked = self.find(path, free, answer).await?;
        Ok(match looked {
            Looked::Here(Here::Part(part)) if self.is_complete(&part) => Looked::Complete(part),
            looked => looked,
        })
    }

    /// Refuses a source that is what this download keeps at `path`: its part would be moved aside or written over
    /// while it is read.
    fn check_source(&self, path: &Path) -> Result<(), End> {
        let (fs, target) = (&self.tools.fs, Target::new(path.to_owned()));
        let urls =
            std::iter::once(&self.what.url).chain(self.what.mirrors.iter().map(|it| &it.url));
        for source in urls.filter_map(local_path) {
            // One that cannot be looked at cannot be read either, and that is said by whoever tries.
            let Ok(Some(seen)) = fs.stat(&source) else { continue };
            for own in [target.part(), target.journal()] {
                let io = |source| PartError::Io { what: "look at", path: own.clone(), source };
                if fs.stat(&own).map_err(io)?.is_some_and(|own| own.id == seen.id) {
                    let why =
                        format!("{} is a file that this download itself writes", source.display());
                    return Err(Failure::Usage(why).into());
                }
            }
        }
        Ok(())
    }

    /// Where the file is written that is to be at `path`, if that is a link. A name that nobody has asked for
    /// is taken by a link that leads nowhere: what it was meant for is not known.
    fn followed(&self, path: PathBuf) -> Result<PathBuf, End> {
        let target = links::target(&*self.tools.fs, &path)?;
        let io = |source| PartError::Io { what: "look at", path: path.clone(), source };
        let asked_for =
            matches!(self.what.place, Place::File(_)) || self.what.if_exists == IfExists::Overwrite;
        if target != path
            && !asked_for
            && self.tools.fs.lstat(&target).map_err(io)?.is_none()
            && self.has_no_part(&target).map_err(io)?
        {
            return Err(PartError::Exists { path }.into());
        }
        Ok(target)
    }

    async fn find(
        &mut self,
        path: PathBuf,
        free: Option<PathBuf>,
        answer: Option<&Reply>,
    ) -> Result<Looked, End> {
        let io = |source| PartError::Io { what: "read", path: path.clone(), source };
        let fs = &self.tools.fs;
        if free.as_ref() == Some(&path)
            && fs.stat(&Target::new(path.clone()).part()).map_err(io)?.is_none()
        {
            // Whoever takes the name from now on keeps it: it is given at the end, and never taken.
            return Ok(Here::Vacant(path).into());
        }
        let existing = ExistingFile::find(fs.as_ref(), &path)?;
        if self.what.if_exists == IfExists::Refuse
            && let (Some(existing), Some(mark)) = (&existing, &self.what.mark)
            && existing.bears(mark)
        {
            self.what.if_exists = IfExists::Overwrite;
        }
        let (target, is_there) = (Target::new(path.clone()), existing.is_some());
        match existing {
            Some(existing) if fs.stat(&target.journal()).map_err(io)?.is_none() => {
                return self.judge(existing, answer).await;
            }
            // What a journal alone says is of no use: it speaks of bytes that are gone.
            None if fs.stat(&target.part()).map_err(io)?.is_none() => {
                return Ok(Here::Vacant(path).into());
            }
            _ => {}
        }
        let begun = crate::meta::inspect(fs.as_ref(), &path).ok().flatten();
        let same = begun.is_some_and(|begun| self.is_ours(&begun.meta));
        match self.open(path.clone()).await? {
            // It was another's until now, who has finished the file since the look at it.
            Found::Part(part) if !is_there && part.meta.is_none() && self.has_lost(&path)? => {
                drop(part);
                match ExistingFile::find(fs.as_ref(), &path)? {
                    Some(existing) => self.judge(existing, answer).await,
                    None => Ok(Here::Vacant(path).into()),
                }
            }
            Found::Part(part) => Ok(Here::Part(part).into()),
            Found::Finished if same && self.what.digests.is_empty() => {
                Ok(Looked::Done(self.already(path).await?))
            }
            // What was finished is a file like any other, if it was another URL or if there is
            // more to know of it now.
            Found::Finished => match ExistingFile::find(fs.as_ref(), &path)? {
                Some(existing) => self.judge(existing, answer).await,
                None => Ok(Here::Unnamed { free: None }.into()),
            },
        }
    }

    /// Whether nothing of an unfinished download is here: neither part nor journal.
    fn has_no_part(&self, path: &Path) -> std::io::Result<bool> {
        let (fs, target) = (&self.tools.fs, Target::new(path.to_owned()));
        Ok(fs.stat(&target.journal())?.is_none() && fs.stat(&target.part())?.is_none())
    }

    pub(super) async fn open(&self, path: PathBuf) -> Result<Found, End> {
        let (fs, what) = (Arc::clone(&self.tools.fs), self.what.clone());
        let found = blocking(move || OpenedPart::open(&fs, path, &what)).await?;
        if let Found::Part(opened) = &found {
            if !opened.part.is_locked() {
                let path = opened.target.path();
                self.tools.tell_lack(&self.monitor, Lack::Locks, path);
            }
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

    /// The part for a file that goes the usual way after all.
    pub(super) async fn open_vacant(&self, path: PathBuf) -> Result<Box<OpenedPart>, End> {
        match self.open(path.clone()).await {
            // Whoever had the part until now has finished the file since the look at the disk.
            Ok(Found::Part(_)) if self.has_lost(&path)? => {
                if self.what.if_exists == IfExists::Rename {
                    return Err(Again::NameTaken.into());
                }
                Err(Failure::Exists { path }.into())
            }
            Ok(Found::Part(part)) => Ok(part),
            // Another process has put it there since the look at the disk,
            Ok(Found::Finished) => Err(Failure::Exists { path }.into()),
            // or is about to.
            Err(End::Failed(Failure::Local(PartError::Locked { .. })))
                if self.what.if_exists == IfExists::Rename =>
            {
                Err(Again::NameTaken.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a file has got the final name, and is not to be replaced. Asked under the lock of the part, no other
    /// download can give it to one meanwhile.
    fn has_lost(&self, path: &Path) -> Result<bool, PartError> {
        let replaces = self.what.if_exists == IfExists::Overwrite || self.what.only_newer;
        Ok(!replaces && ExistingFile::find(self.tools.fs.as_ref(), path)?.is_some())
    }

    /// Whether every byte was here when the last run ended.
    fn is_complete(&self, part: &OpenedPart) -> bool {
        let ours = |meta: &&Meta| self.is_ours(meta);
        let size = part.meta.as_ref().filter(ours).and_then(|meta| meta.identity.size);
        let right = |size: u64| check_size(&self.what, "", size).is_ok();
        self.old == Old::Use
            && self.can_judge(part)
            && size.is_some_and(|size| right(size) && part.have().covers(0..size))
    }

    /// A file is under the final name. Is it the one that is asked for?
    async fn judge(&self, existing: ExistingFile, answer: Option<&Reply>) -> Result<Looked, End> {
        if self.what.size.is_some_and(|size| size != existing.stat.len) {
            return self.not_this(existing, answer).await;
        }
        let path = existing.path.clone();
        let name = name_asked_for(&self.what, &path);
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
                let outcome = self.already(path).await?;
                return Ok(Looked::Done(Outcome { verified: digests, ..outcome }));
            }
            return self.not_this(existing, answer).await;
        }
        let Some(reply) = answer else {
            return Ok(Here::File(existing).into());
        };
        if self.what.only_newer {
            if existing.is_not_older(&reply.head.identity) {
                let outcome = self.already(path).await?;
                return Ok(Looked::Done(Outcome { not_newer: true, ..outcome }));
            }
            return self.not_this(existing, answer).await;
        }
        if existing.is_version(&reply.head.identity)
            || self.is_of_a_mirror(&existing, reply).await?
        {
            return Ok(Looked::Done(self.already(path).await?));
        }
        self.not_this(existing, answer).await
    }

    /// Whether the existing file, which is not the version of `answered`, is the one of a mirror. Each calls its
    /// version differently, and the one that the file came from need not be the one that answers first today.
    /// Asked only where the file would be in the way. An old file of an old mirror is none: it must have the length
    /// that was answered, and not be older.
    async fn is_of_a_mirror(
        &self,
        existing: &ExistingFile,
        answered: &Reply,
    ) -> Result<bool, Failure> {
        let now = &answered.head.identity;
        let may_be = now.size == Some(existing.stat.len)
            && modified(now).is_none_or(|_| existing.is_not_older(now));
        if self.what.if_exists == IfExists::Overwrite || !may_be {
            return Ok(false);
        }
        let prober = self.prober(Tries::Aside);
        let one_byte = Some(ByteRange { first: 0, last: Some(0) });
        let question = || Question { range: one_byte, ..Question::default() };
        let others = self.sources.iter().filter(|it| it.id != answered.source.id);
        // One that wants to be left alone for a moment may be the one that has it.
        let soon = Instant::now() + SILENCE;
        let ready = others.filter(|mirror| mirror.standing().is_ready(soon));
        for mirror in ready.take(MIRRORS_ASKED) {
            let only = Sources::alone(mirror);
            match prober.ask(&only, |_| question()).await {
                Ok(probed) if existing.is_version(&probed.reply.head.identity) => return Ok(true),
                Err(failure @ Failure::Stopped { .. }) => return Err(failure),
                // It says nothing of this file.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }

    /// A file is under the final name and is another: what was asked for in that case.
    async fn not_this(
        &self,
        existing: ExistingFile,
        answer: Option<&Reply>,
    ) -> Result<Looked, End> {
        let path = existing.path.clone();
        if self.what.only_newer || self.what.if_exists == IfExists::Overwrite {
            let io = |source| PartError::Io { what: "read", path: path.clone(), source };
            if self.has_no_part(&path).map_err(io)? {
                return Ok(Here::Vacant(path).into());
            }
            return match self.open(path.clone()).await? {
                Found::Part(part) => Ok(Here::Part(part).into()),
                Found::Finished => Ok(Looked::Done(self.already(path).await?)),
            };
        }
        if self.what.if_exists == IfExists::Refuse {
            return Err(Failure::Exists { path }.into());
        }
        for number in 1.. {
            let next = numbered(&path, number);
            let io = |source| PartError::Io { what: "read", path: next.clone(), source };
            let there = match ExistingFile::find(self.tools.fs.as_ref(), &next) {
                // Taken, as by a file.
                Err(PartError::NotAFile { .. }) => continue,
                there => there?,
            };
            match there {
                Some(file) if answer.is_some_and(|it| file.is_version(&it.head.identity)) => {
                    return Ok(Looked::Done(self.already(next).await?));
                }
                Some(_) => {}
                None if self.has_no_part(&next).map_err(io)? => {
                    return Ok(Here::Vacant(next).into());
                }
                None => match self.open(next.clone()).await {
                    Ok(Found::Part(part)) => return Ok(Here::Part(part).into()),
                    // Another download is under way to that name.
                    Err(End::Failed(Failure::Local(PartError::Locked { .. }))) => {}
                    Ok(Found::Finished) => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Err(Failure::Exists { path }.into())
    }

    /// An outcome for a file that is complete already, and durable when this returns: the process that
    /// completed it may have been killed before its sync.
    pub(super) async fn already(&self, path: PathBuf) -> Result<Outcome, Failure> {
        let (fs, durability) = (Arc::clone(&self.tools.fs), self.what.durability);
        let found = path.clone();
        let size = blocking(move || {
            if durability == Durability::Power {
                found::settle(&*fs, &found)?;
            }
            let io = |source| PartError::Io { what: "look at", path: found.clone(), source };
            Ok::<_, PartError>(fs.stat(&found).map_err(io)?.map_or(0, |stat| stat.len))
        });
        Ok(Outcome {
            size: size.await?,
            path,
            fetched: 0,
            resumed: 0,
            took: self.started.elapsed(),
            verified: Vec::new(),
            already_complete: true,
            not_newer: false,
        })
    }
}
