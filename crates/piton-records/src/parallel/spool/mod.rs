//! The spool: results of pieces that are finished behind one that is not, kept durably until it is their turn.
//!
//! It is a folder of files, to which entries are appended: a head of 88 bytes, the result, the dead letters. Each
//! entry speaks for itself: of which job it is, which bytes of the source it is the result of, and the CRCs of both parts.
//! What cannot be believed is not there, and its piece runs again.

mod head;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::store::Mark;
use piton_durable::crc::{combine, crc32c};
use piton_durable::fs::{Fs, FsFile, Open, parent_dir, read_full_at, write_all_at};
use piton_durable::own;
use piton_durable::verify;

use self::head::HEAD;
pub(crate) use self::head::Head;
use super::plan::Piece;
use crate::body::Body;
use crate::error::Error;
use crate::job::Synced;

/// A file of entries is not appended to when it is so long.
const SEGMENT: u64 = 64 << 20;
/// A result that is longer stays in the file until it is copied to the output.
const IN_MEMORY: u64 = 4 << 20;
/// What an entry takes at least of the limit: so the number of pieces that wait is bounded too.
const LEAST: u64 = 16 << 10;

/// The finished results of a job that wait for their turn.
pub(crate) struct Spool {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    /// Of this job.
    job: u64,
    limit: u64,
    entries: HashMap<u64, Slot>,
    segments: BTreeMap<u64, Segment>,
    /// The file that is appended to.
    current: Option<u64>,
    /// The number of the next file: never one that an earlier run has written, which may still be running.
    next: u64,
    /// What the entries take of the limit.
    used: u64,
}

struct Segment {
    file: Arc<dyn FsFile>,
    path: PathBuf,
    len: u64,
    /// Entries that wait.
    waiting: usize,
    /// Everything in it counts when this commit does.
    done_with: Option<Mark>,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    segment: u64,
    /// Where its result begins.
    at: u64,
    head: Head,
}

/// The result of a piece, with the dead letters of its records.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) body: Body,
    /// Lines of JSON.
    pub(crate) letters: Vec<u8>,
    /// Records among these.
    pub(crate) failed: u64,
}

impl Spool {
    /// Opens the spool of this job in the folder `dir`, which need not exist, and finds what earlier runs have left for the
    /// pieces from `position` on.
    pub(crate) fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        job: u64,
        limit: u64,
        position: u64,
    ) -> Result<Self, Error> {
        let mut spool = Self {
            fs: Arc::clone(fs),
            dir: dir.to_owned(),
            job,
            limit,
            entries: HashMap::new(),
            segments: BTreeMap::new(),
            current: None,
            next: 0,
            used: 0,
        };
        let names = match fs.list(dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(spool),
            Err(error) => return Err(Error::io("read the folder", dir)(error)),
        };
        for name in names {
            if let Some(number) = number_of(&name, job) {
                spool.next = spool.next.max(number.saturating_add(1));
                spool.open_segment(number, dir.join(name), position)?;
            }
        }
        Ok(spool)
    }

    fn open_segment(&mut self, number: u64, path: PathBuf, position: u64) -> Result<(), Error> {
        // Another user's file, a link, a FIFO: none of ours, and it stays.
        let Ok(file) = own::open(&*self.fs, &path) else { return Ok(()) };
        let len = file.stat().map_err(Error::io("inspect", &path))?.len;
        let (mut at, mut waiting) = (0, 0);
        let mut bytes = [0; HEAD];
        loop {
            let read = read_full_at(&*file, &mut bytes, at).map_err(Error::io("read", &path))?;
            let Some(head) = bytes.get(..read).and_then(Head::parse) else { break };
            let body = at + HEAD as u64;
            let Some(end) = head.len().and_then(|len| body.checked_add(len)) else { break };
            if end > len {
                break;
            }
            if head.job == self.job && head.start >= position {
                let slot = Slot { segment: number, at: body, head };
                if let Some(old) = self.entries.insert(head.start, slot) {
                    // The later one is as good as the earlier.
                    self.used = self.used.saturating_sub(cost(&old.head));
                    match self.segments.get_mut(&old.segment) {
                        Some(segment) => segment.waiting = segment.waiting.saturating_sub(1),
                        None => waiting -= 1,
                    }
                }
                self.used = self.used.saturating_add(cost(&head));
                waiting += 1;
            }
            at = end;
        }
        let segment = Segment { file, path, len: at, waiting, done_with: None };
        self.segments.insert(number, segment);
        Ok(())
    }

    /// Where pieces end that wait.
    pub(crate) fn ends(&self) -> impl Iterator<Item = u64> {
        self.entries.values().map(|slot| slot.head.end)
    }

    /// Whether another piece may be started that could have to wait.
    pub(crate) fn has_room(&self) -> bool {
        self.used < self.limit
    }

    /// Bytes that wait, for people.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Whether the result of this piece is here, and can be believed. If not, it is forgotten.
    pub(crate) fn has(&mut self, piece: &impl Piece) -> Result<bool, Error> {
        let Some(slot) = self.entries.get(&piece.start()).copied() else { return Ok(false) };
        let head = slot.head;
        let same = (head.end, head.key) == (piece.end(), piece.key());
        if let Some(segment) = self.segments.get_mut(&slot.segment) {
            let range = slot.at..slot.at + head.body + head.letters;
            let crc = verify::crc(&*segment.file, range, &mut verify::buffer());
            if same && crc.map_err(Error::io("read", &segment.path))? == Some(head.crc) {
                return Ok(true);
            }
            segment.waiting = segment.waiting.saturating_sub(1);
        }
        self.entries.remove(&piece.start());
        self.used = self.used.saturating_sub(cost(&head));
        Ok(false)
    }

    /// The result of the piece that begins at `start` was here, and is not any more.
    pub(crate) fn damaged(&self, start: u64) -> Error {
        Error::SpoolDamaged { path: self.dir.clone(), start }
    }

    /// Keeps the result of a piece: it survives a kill when this returns, and a power cut after the next sync of the file
    /// that is returned.
    pub(crate) fn put(&mut self, piece: &impl Piece, outcome: &Outcome) -> Result<Synced, Error> {
        let number = self.writable()?;
        let Some(segment) = self.segments.get_mut(&number) else { return Err(Error::Over) };
        let body = &outcome.body;
        let read = Error::io("read the results for", &segment.path);
        let crc = body.crc().map_err(read)?;
        let letters = outcome.letters.len() as u64;
        let head = Head {
            job: self.job,
            start: piece.start(),
            end: piece.end(),
            key: piece.key(),
            body: body.len(),
            letters,
            failed: outcome.failed,
            header: body.header(),
            crc: combine(crc, crc32c(&outcome.letters), letters),
        };
        let at = segment.len;
        let behind = at + HEAD as u64 + body.len();
        let file = &*segment.file;
        let written = write_all_at(file, &head.encode(), at)
            .and_then(|()| body.write_to(file, at + HEAD as u64))
            .and_then(|()| write_all_at(file, &outcome.letters, behind));
        if let Err(error) = written {
            // What is torn is not believed; the space is given back.
            let _ = file.set_len(at);
            return Err(Error::io("write", &segment.path)(error));
        }
        segment.len = behind + letters;
        segment.waiting += 1;
        segment.done_with = None;
        let slot = Slot { segment: number, at: at + HEAD as u64, head };
        self.entries.insert(piece.start(), slot);
        self.used = self.used.saturating_add(cost(&head));
        Ok(Synced { file: Arc::clone(&segment.file), path: segment.path.clone() })
    }

    /// The result of the piece that begins at `start`. `None`: it is not what was written.
    pub(crate) fn take(&mut self, start: u64) -> Result<Option<Outcome>, Error> {
        let Some(slot) = self.entries.remove(&start) else { return Ok(None) };
        self.used = self.used.saturating_sub(cost(&slot.head));
        let Some(segment) = self.segments.get_mut(&slot.segment) else { return Ok(None) };
        segment.waiting = segment.waiting.saturating_sub(1);
        let Head { body: len, letters, failed, header, crc, .. } = slot.head;
        let read = || Error::io("read", &segment.path);
        let body = match len <= IN_MEMORY {
            true => match bytes_at(&*segment.file, slot.at, len).map_err(read())? {
                Some(bytes) => Body::from(bytes),
                None => return Ok(None),
            },
            false => Body::of_file(Arc::clone(&segment.file), slot.at, len),
        };
        let Some(letters) = bytes_at(&*segment.file, slot.at + len, letters).map_err(read())?
        else {
            return Ok(None);
        };
        let of_letters = crc32c(&letters);
        let found = combine(body.crc().map_err(read())?, of_letters, letters.len() as u64);
        let body = body.with_header(header);
        Ok((found == crc).then_some(Outcome { body, letters, failed }))
    }

    /// What was taken so far counts with the commit `last`; what counted with `durable` survives a power cut, and its
    /// files are not needed any more.
    pub(crate) fn collect(
        &mut self,
        durable: Option<Mark>,
        last: Option<Mark>,
    ) -> Result<(), Error> {
        let mut free = Vec::new();
        for (number, segment) in &mut self.segments {
            match segment.done_with {
                _ if segment.waiting > 0 || segment.len == 0 => {}
                None => segment.done_with = last,
                Some(mark) if durable >= Some(mark) => free.push(*number),
                Some(_) => {}
            }
        }
        for number in free {
            if self.current == Some(number) {
                if let Some(segment) = self.segments.get_mut(&number) {
                    segment.file.set_len(0).map_err(Error::io("empty", &segment.path))?;
                    (segment.len, segment.done_with) = (0, None);
                }
            } else if let Some(segment) = self.segments.remove(&number) {
                remove(&*self.fs, &segment.path)?;
            }
        }
        Ok(())
    }

    /// Removes everything: the job is finished.
    pub(crate) fn remove(self) -> Result<(), Error> {
        for segment in self.segments.values() {
            remove(&*self.fs, &segment.path)?;
        }
        // It may hold what is not ours, or never have existed, and nothing depends on it.
        let _ = self.fs.remove_dir(&self.dir);
        Ok(())
    }

    /// The file to append to.
    fn writable(&mut self) -> Result<u64, Error> {
        let fits = |segment: &Segment| segment.len < SEGMENT;
        if let Some(number) = self.current
            && self.segments.get(&number).is_some_and(fits)
        {
            return Ok(number);
        }
        if self.segments.is_empty() {
            match self.fs.create_dir(&self.dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.map_err(Error::io("create the folder", &self.dir))?,
            }
            let parent = parent_dir(&self.dir);
            self.fs.sync_dir(parent).map_err(Error::io("sync the folder", parent))?;
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let path = self.dir.join(name_of(self.job, number));
        let how = Open::CreateNew { mode: 0o600 };
        let file = self.fs.open(&path, how).map_err(Error::io("create", &path))?;
        self.fs.sync_dir(&self.dir).map_err(Error::io("sync the folder", &self.dir))?;
        let segment = Segment { file, path, len: 0, waiting: 0, done_with: None };
        self.segments.insert(number, segment);
        self.current = Some(number);
        Ok(number)
    }
}

fn cost(head: &Head) -> u64 {
    head.len().unwrap_or(u64::MAX).max(LEAST)
}

/// Files of other jobs, or of this one before it was started over, are none of ours.
fn name_of(job: u64, number: u64) -> String {
    format!("{job:016x}.{number}")
}

fn number_of(name: &Path, job: u64) -> Option<u64> {
    let (of, number) = name.to_str()?.split_once('.')?;
    let number = number.parse().ok()?;
    (u64::from_str_radix(of, 16) == Ok(job)).then_some(number)
}

fn remove(fs: &dyn Fs, path: &Path) -> Result<(), Error> {
    match fs.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(Error::io("remove", path)),
    }
}

/// `None`: the file ends before. Its length was compared with the file's when the head was read.
fn bytes_at(file: &dyn FsFile, at: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
    let Ok(len) = usize::try_from(len) else { return Ok(None) };
    let mut bytes = vec![0; len];
    let read = read_full_at(file, &mut bytes, at)?;
    Ok((read == len).then_some(bytes))
}

/// What must hold of a head for every input: see [`crate::properties`].
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn head_holds(data: &[u8]) {
    let mut fixed = [0; HEAD];
    let given = data.len().min(HEAD - 4);
    fixed[..given].copy_from_slice(&data[..given]);
    let crc = crc32c(&fixed[..HEAD - 4]);
    fixed[HEAD - 4..].copy_from_slice(&crc.to_le_bytes());
    for bytes in [data, &fixed] {
        if let Some(head) = Head::parse(bytes) {
            assert_eq!(head.encode(), bytes[..HEAD]);
            assert!(head.start < head.end && head.len().is_some() && cost(&head) >= LEAST);
        }
    }
}
