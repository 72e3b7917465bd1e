//! The default store: a journal, where a commit is one write.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use piton_durable::framed::{Format, Frame, Log, LogView, Tear};
use piton_durable::fs::Fs;
use piton_durable::held::{Held, HeldError, Trust};

use super::error::place;
use super::run::Run;
use super::{Kept, Mark, Peeked, Store, StoreError, Survival, Survives, Taken};

const FORMAT: Format = Format {
    magic: *b"\x89PITJOB\n",
    version: 1,
    max_payload: 1 << 20,
    // Compaction keeps it far below.
    max_len: 64 << 20,
};

const EPOCH: u8 = 1;
const COMMIT: u8 = 2;
const DURABLE: u8 = 3;

/// A file of framed records (`docs/records.md` draws them). It survives kills and power cuts, notices damage, and keeps
/// other runs out by a lock; where locks do nothing, it notices that another process wrote.
pub struct JournalStore {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    run: Run<Open>,
    /// One sync at a time: of two at once only one is told of an error (G7), and only one may compact.
    turn: Mutex<()>,
}

struct Open {
    log: Log,
    epoch: u64,
    kept: Kept,
    /// The frame of each commit that is kept.
    frames: Vec<(Mark, u64)>,
}

impl JournalStore {
    /// The store in the file at `path`. Nothing is touched yet.
    pub fn new(fs: Arc<dyn Fs>, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { fs, run: Run::new(place(&path)), path, turn: Mutex::new(()) }
    }

    /// Does something with the open log. After an error that leaves doubt about the file, this run is over.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Open) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run.with(|error| matches!(error, StoreError::Fenced { .. }), work)
    }

    fn open(&self) -> Result<Open, StoreError> {
        let path = &self.path;
        match Log::open(&self.fs, path, FORMAT)? {
            Some((log, frames)) => Open::resume(log, &frames, path),
            None => {
                let log = Log::create(&self.fs, path, FORMAT, &[(EPOCH, &1_u64.to_le_bytes())])?;
                Ok(Open { log, epoch: 1, kept: Kept::default(), frames: Vec::new() })
            }
        }
    }
}

impl Store for JournalStore {
    fn take(&self) -> Result<Taken, StoreError> {
        self.run.take(|| {
            let open = self.open()?;
            let taken = open.kept.taken(open.epoch);
            Ok((open, taken))
        })
    }

    fn commit(&self, state: &[u8]) -> Result<Mark, StoreError> {
        self.with(|open| open.commit(state))
    }

    fn sync(&self, through: Mark) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the mutex of the run while the disk works: commits do not wait.
        let (file, last) = self.with(|open| {
            open.settle(through)?;
            Ok((open.log.file(), open.log.sequence()))
        })?;
        if let Err(error) = file.sync_data() {
            // Another thread may have ended the run meanwhile.
            let _ = self.run.end();
            return Err(HeldError::io("sync", &self.path)(error).into());
        }
        self.with(|open| {
            open.log.synced(last);
            if open.log.rewrite_pays() { open.compact() } else { Ok(()) }
        })
    }

    fn remove(&self) -> Result<(), StoreError> {
        Ok(self.run.end()?.log.remove()?)
    }

    fn place(&self) -> String {
        self.run.place()
    }

    fn survives(&self) -> Survives {
        Survives::of(Survival::Kill, Survival::PowerCut)
    }
}

impl Open {
    /// Continues after earlier runs: the next epoch is durable when this returns.
    fn resume(log: Log, frames: &[Frame], path: &Path) -> Result<Self, StoreError> {
        let (epoch, kept) = fold(frames, path)?;
        let epoch = epoch.saturating_add(1);
        let mut open = Self { log, epoch, kept, frames: Vec::new() };
        // In a new file: a run that still uses the old one then finds that this has lost its name.
        open.compact()?;
        Ok(open)
    }

    fn commit(&mut self, state: &[u8]) -> Result<Mark, StoreError> {
        let sequence = self.log.append(COMMIT, state)?;
        let mark = self.kept.push(state.to_vec());
        self.frames.push((mark, sequence));
        Ok(mark)
    }

    /// Appends that everything up to this commit is durable, but does not sync it.
    fn settle(&mut self, through: Mark) -> Result<(), StoreError> {
        let sequence = self.frames.iter().rfind(|(mark, _)| *mark <= through).map(|frame| frame.1);
        if let Some(sequence) = sequence
            && self.kept.durable.is_none_or(|durable| durable < through)
        {
            self.log.append(DURABLE, &sequence.to_le_bytes())?;
            self.kept.settle(through);
            self.frames.retain(|(mark, _)| *mark >= through);
        }
        Ok(())
    }

    /// Replaces the file by the shortest one of the same meaning.
    fn compact(&mut self) -> Result<(), StoreError> {
        let epoch = self.epoch.to_le_bytes();
        // Frame 1 is the epoch, frame 2 the durable commit.
        let durable = 2_u64.to_le_bytes();
        let mut frames: Vec<(u8, &[u8])> = vec![(EPOCH, &epoch)];
        if let Some(state) = self.kept.durable() {
            frames.extend([(COMMIT, state), (DURABLE, &durable[..])]);
        }
        frames.extend(self.kept.later().map(|state| (COMMIT, state)));
        self.log.rewrite(&frames)?;
        let commits = frames.iter().zip(1_u64..).filter(|((kind, _), _)| *kind == COMMIT);
        let numbers: Vec<u64> = commits.map(|(_, sequence)| sequence).collect();
        self.frames = self.kept.entries.iter().map(|entry| entry.mark).zip(numbers).collect();
        Ok(())
    }
}

/// What the frames say: the last epoch, and the commits that count.
fn fold(frames: &[Frame], path: &Path) -> Result<(u64, Kept), StoreError> {
    let (mut epoch, mut through) = (None, 0);
    let mut commits = Vec::new();
    for Frame { sequence, kind, payload } in frames {
        match (*kind, <[u8; 8]>::try_from(&payload[..])) {
            (EPOCH, Ok(number)) => epoch = Some(u64::from_le_bytes(number)),
            (DURABLE, Ok(number)) => through = through.max(u64::from_le_bytes(number)),
            (COMMIT, _) => commits.push((*sequence, payload.clone())),
            _ => {
                return Err(StoreError::damage(path, format_args!("record {sequence} is invalid")));
            }
        }
    }
    let epoch = epoch.ok_or_else(|| StoreError::damage(path, "it has no epoch"))?;
    let durable = commits.iter().rposition(|(sequence, _)| *sequence <= through);
    let mut states = commits.into_iter().map(|(_, state)| state).skip(durable.unwrap_or(0));
    let durable = durable.and_then(|_| states.next());
    Ok((epoch, Kept::of(durable, states.collect())))
}

/// What [`JournalStore::view`] sees.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalView {
    /// The version of its format.
    pub version: u16,
    /// The number that every frame repeats.
    pub salt: u64,
    /// The frames: where each begins, its sequence number, and what it says.
    pub frames: Vec<(u64, u64, JobFrame)>,
    /// Where they end.
    pub end: u64,
    /// Why they end there, unless the file does.
    pub tear: Option<Tear>,
}

/// A frame of the journal of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobFrame {
    /// A run of this number continues here.
    Epoch(u64),
    /// A commit, JSON.
    Commit(Vec<u8>),
    /// The commit with this sequence number and all before it are durable.
    Durable(u64),
    /// A frame that this version does not know, of this type.
    Unknown(u8),
}

impl JobFrame {
    fn of(frame: &Frame) -> Self {
        match (frame.kind, <[u8; 8]>::try_from(&frame.payload[..])) {
            (EPOCH, Ok(number)) => Self::Epoch(u64::from_le_bytes(number)),
            (DURABLE, Ok(number)) => Self::Durable(u64::from_le_bytes(number)),
            (COMMIT, _) => Self::Commit(frame.payload.clone()),
            (kind, _) => Self::Unknown(kind),
        }
    }
}

impl JournalStore {
    /// Whether a file that begins with these bytes is such a journal, whatever its name.
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(&FORMAT.magic)
    }

    /// The journal at `path`, frame by frame. `None`: there is none. Nothing is locked or changed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn view(fs: &dyn Fs, path: &Path) -> Result<Option<JournalView>, StoreError> {
        let Some(log) = Log::peek(fs, path, FORMAT)? else { return Ok(None) };
        let frames = log.placed().map(|(at, frame)| (at, frame.sequence, JobFrame::of(frame)));
        let frames = frames.collect();
        let LogView { version, salt, len: end, tear, .. } = log;
        Ok(Some(JournalView { version, salt, frames, end, tear }))
    }

    pub(super) fn peek(fs: &dyn Fs, path: &Path) -> Result<Option<Peeked>, StoreError> {
        let Some(log) = Log::peek(fs, path, FORMAT)? else { return Ok(None) };
        let (epoch, kept) = fold(&log.frames, path)?;
        Ok(Some(Peeked::new(kept.taken(epoch), log.holder)))
    }

    /// Moves the file at `path` aside, so that the next run starts from nothing; returns its new name. For a
    /// state that is damaged, when the user has decided.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; where there is no such file, or it cannot be renamed.
    pub fn set_aside(fs: &Arc<dyn Fs>, path: &Path) -> Result<PathBuf, StoreError> {
        set_aside(fs, path)
    }
}

/// Moves a state file aside, whatever is in it.
pub(super) fn set_aside(fs: &Arc<dyn Fs>, path: &Path) -> Result<PathBuf, StoreError> {
    let Some(held) = Held::open(fs, path, Trust::Any)? else {
        let missing = std::io::ErrorKind::NotFound.into();
        return Err(HeldError::io("move aside", path)(missing).into());
    };
    Ok(held.set_aside()?)
}
