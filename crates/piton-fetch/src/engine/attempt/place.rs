//! What is on disk, and what that means for the download.

use std::path::PathBuf;
use std::sync::Arc;

use piton_checkpoint::Identity;
use piton_durable::part::{PartError, Target};

use super::{Attempt, End, OnDisk};
use crate::download::{IfExists, Outcome, Place};
use crate::engine::existing::ExistingFile;
use crate::engine::name::numbered;
use crate::engine::open::{Found, OpenedPart, blocking};
use crate::error::Failure;
use crate::monitor::Event;
use crate::parse::file_name::FileName;

impl Attempt<'_> {
    /// The path of the target, if it is known before the server was asked.
    pub(super) fn known_path(&self) -> Option<PathBuf> {
        match &self.what.place {
            Place::File(path) => Some(path.clone()),
            Place::Folder(folder) => {
                let path = folder.join(FileName::from_url(&self.what.url).as_str());
                let fs = self.client.fs.as_ref();
                let begun = crate::meta::inspect(fs, &path).ok().flatten();
                let begun = begun.is_some_and(|it| self.is_ours(&it.meta));
                // If it is a guess, `answered` looks again once the server has named the file.
                let stands = || fs.stat(&path).is_ok_and(|stat| stat.is_some());
                (begun || stands()).then_some(path)
            }
        }
    }

    /// Looks at what is on disk for `path`: `Ok(Ok)` if that ends the download, else what is there.
    /// `now` is what the server says, if it was asked already.
    pub(super) async fn look(
        &self,
        path: PathBuf,
        now: Option<&Identity>,
    ) -> Result<Result<Outcome, OnDisk>, End> {
        let io = |source| PartError::Io { what: "read", path: path.clone(), source };
        let fs = &self.client.fs;
        let existing = ExistingFile::find(fs.as_ref(), &path).map_err(io)?;
        let journal = Target::new(path.clone()).journal();
        let unfinished = fs.stat(&journal).map_err(io)?.is_some();
        if let Some(existing) = existing
            && !unfinished
        {
            return self.judge(existing, now).await;
        }
        let begun = crate::meta::inspect(fs.as_ref(), &path).ok().flatten();
        let same = begun.is_some_and(|begun| self.is_ours(&begun.meta));
        match self.open(path.clone()).await? {
            Found::Part(opened) => Ok(Err(OnDisk { existing: None, opened: Some(opened) })),
            Found::Finished if same && self.what.digests.is_empty() => Ok(Ok(self.already(path)?)),
            // What was finished is a file like any other, if it was another address or if there is
            // more to know of it now.
            Found::Finished => match ExistingFile::find(fs.as_ref(), &path).map_err(io)? {
                Some(existing) => self.judge(existing, now).await,
                None => Ok(Err(OnDisk::default())),
            },
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
    pub(super) fn already(&self, path: PathBuf) -> Result<Outcome, Failure> {
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
}
