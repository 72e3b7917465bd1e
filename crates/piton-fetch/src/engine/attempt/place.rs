//! What is on disk, and what that means for the download.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::Identity;
use piton_durable::found;
use piton_durable::part::{Durability, PartError, Target};

use super::{Attempt, End, OnDisk};
use crate::blocking::blocking;
use crate::download::{IfExists, Outcome, Place};
use crate::engine::existing::ExistingFile;
use crate::engine::name::numbered;
use crate::engine::open::{Found, OpenedPart};
use crate::error::Failure;
use crate::monitor::Event;
use crate::parse::file_name::FileName;

impl Attempt<'_> {
    /// The path of the target, if it is known before the server was asked.
    pub(super) fn known_path(&mut self) -> Option<PathBuf> {
        match &self.what.place {
            Place::File(path) => Some(path.clone()),
            Place::Folder(folder) => {
                let path = folder.join(FileName::from_url(&self.what.url).as_str());
                let fs = self.client.fs.as_ref();
                let stands = |path: &Path| fs.stat(path).is_ok_and(|stat| stat.is_some());
                let journal = Target::new(path.clone()).journal();
                let begun = stands(&journal)
                    .then(|| crate::meta::inspect(fs, &path).ok().flatten())
                    .flatten()
                    .is_some_and(|it| self.is_ours(&it.meta));
                // If it is a guess, `answered` looks again once the server has named the file.
                if begun || stands(&path) {
                    return Some(path);
                }
                self.free = Some(path);
                None
            }
        }
    }

    /// Looks at what is on disk for `path`: `Ok(Ok)` if that ends the download, else what is there.
    /// `now` is what the server says, if it was asked already.
    pub(super) async fn look(
        &mut self,
        path: PathBuf,
        now: Option<&Identity>,
    ) -> Result<Result<Outcome, OnDisk>, End> {
        let io = |source| PartError::Io { what: "read", path: path.clone(), source };
        let fs = &self.client.fs;
        if self.free.take().as_ref() == Some(&path)
            && fs.stat(&Target::new(path.clone()).part()).map_err(io)?.is_none()
        {
            // Whoever takes the name from now on keeps it: it is given at the end, and never taken.
            return Ok(Err(OnDisk::vacant(path)));
        }
        let existing = ExistingFile::find(fs.as_ref(), &path)?;
        if self.what.if_exists == IfExists::Refuse
            && let (Some(existing), Some(mark)) = (&existing, &self.what.mark)
            && existing.bears(mark)
        {
            self.what.if_exists = IfExists::Overwrite;
        }
        let target = Target::new(path.clone());
        match existing {
            Some(existing) if fs.stat(&target.journal()).map_err(io)?.is_none() => {
                return self.judge(existing, now).await;
            }
            // What a journal alone says is of no use: it speaks of bytes that are gone.
            None if fs.stat(&target.part()).map_err(io)?.is_none() => {
                return Ok(Err(OnDisk::vacant(path)));
            }
            _ => {}
        }
        let begun = crate::meta::inspect(fs.as_ref(), &path).ok().flatten();
        let same = begun.is_some_and(|begun| self.is_ours(&begun.meta));
        match self.open(path.clone()).await? {
            Found::Part(opened) => Ok(Err(OnDisk::opened(opened))),
            Found::Finished if same && self.what.digests.is_empty() => {
                Ok(Ok(self.already(path).await?))
            }
            // What was finished is a file like any other, if it was another address or if there is
            // more to know of it now.
            Found::Finished => match ExistingFile::find(fs.as_ref(), &path)? {
                Some(existing) => self.judge(existing, now).await,
                None => Ok(Err(OnDisk::default())),
            },
        }
    }

    /// Whether nothing of an unfinished download is here: neither part nor journal.
    fn has_no_part(&self, path: &Path) -> std::io::Result<bool> {
        let (fs, target) = (&self.client.fs, Target::new(path.to_owned()));
        Ok(fs.stat(&target.journal())?.is_none() && fs.stat(&target.part())?.is_none())
    }

    pub(super) async fn open(&self, path: PathBuf) -> Result<Found, End> {
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
        if self.what.size.is_some_and(|size| size != existing.stat.len) {
            return self.not_this(existing, now).await;
        }
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
                let outcome = self.already(path).await?;
                return Ok(Ok(Outcome { verified: digests, ..outcome }));
            }
            return self.not_this(existing, now).await;
        }
        let Some(now) = now else {
            return Ok(Err(OnDisk { existing: Some(existing), ..OnDisk::default() }));
        };
        if self.what.only_newer {
            if existing.is_not_older(now) {
                return Ok(Ok(Outcome { not_newer: true, ..self.already(path).await? }));
            }
            return self.not_this(existing, Some(now)).await;
        }
        if existing.is_version(now) {
            return Ok(Ok(self.already(path).await?));
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
            let io = |source| PartError::Io { what: "read", path: path.clone(), source };
            if self.has_no_part(&path).map_err(io)? {
                return Ok(Err(OnDisk::vacant(path)));
            }
            return match self.open(path.clone()).await? {
                Found::Part(opened) => Ok(Err(OnDisk::opened(opened))),
                Found::Finished => Ok(Ok(self.already(path).await?)),
            };
        }
        if self.what.if_exists == IfExists::Refuse {
            return Err(Failure::Exists { path }.into());
        }
        for number in 1.. {
            let next = numbered(&path, number);
            let io = |source| PartError::Io { what: "read", path: next.clone(), source };
            let there = match ExistingFile::find(self.client.fs.as_ref(), &next) {
                // Taken, as by a file.
                Err(PartError::NotAFile { .. }) => continue,
                there => there?,
            };
            match there {
                Some(file) if now.is_some_and(|now| file.is_version(now)) => {
                    return Ok(Ok(self.already(next).await?));
                }
                Some(_) => {}
                None if self.has_no_part(&next).map_err(io)? => {
                    return Ok(Err(OnDisk::vacant(next)));
                }
                None => match self.open(next.clone()).await {
                    Ok(Found::Part(opened)) => return Ok(Err(OnDisk::opened(opened))),
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
        let (fs, durability) = (Arc::clone(&self.client.fs), self.what.durability);
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
            took: self.begun.elapsed(),
            verified: Vec::new(),
            already_complete: true,
            not_newer: false,
        })
    }
}
