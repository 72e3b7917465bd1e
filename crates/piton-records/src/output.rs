//! The output of a job: a file that may be cut back to what was committed.
//!
//! A commit announces the bytes that follow, with their CRC, and only then they are written. So after a kill the last
//! announcement says which bytes are our own, whether or not all of them arrived; a commit counts if the bytes that it
//! announced are there. What is behind the last announcement is somebody else's, and is kept aside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::crc::{combine, crc32c};
use piton_durable::fs::{Existing, Fs, FsFile, parent_dir, write_all_at};
use piton_durable::held::{Held, HeldError, Trust};
use piton_durable::links;
use piton_durable::part::{Extent, PartError, Target};
use piton_durable::verify;

use crate::body::Body;
use crate::error::Error;
use crate::state::{Committed, OutputMode, OutputState, Phase, State};

/// The output file of a run, locked.
pub(crate) struct OutputFile {
    held: Held,
    path: PathBuf,
    mode: OutputMode,
    committed: Committed,
}

/// Which output of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Results,
    DeadLetters,
}

impl Which {
    fn of(self, state: &State) -> Option<&OutputState> {
        match self {
            Self::Results => state.output.as_ref(),
            Self::DeadLetters => state.letters.as_ref(),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Results => "output",
            Self::DeadLetters => "dead letters",
        }
    }
}

/// What opening an output has found.
pub(crate) enum Opened {
    /// No commit knows it.
    New { file: OutputFile, set_aside: Option<PathBuf> },
    /// It is there, and has to be cut back.
    There(Earlier),
    /// It was finished before, and has its final name.
    Renamed,
}

/// What happens if somebody else has appended to an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Foreign {
    /// What they wrote is copied to `OUT.aside-N`, and cut off the output.
    #[default]
    SetAside,
    /// The job stops, and the output stays as it is.
    Refuse,
}

/// An output of earlier runs, before it is decided to which of their commits it is cut back.
pub(crate) struct Earlier {
    held: Held,
    path: PathBuf,
    mode: OutputMode,
    /// What each commit that counts says of it.
    committed: Vec<Option<Committed>>,
    /// How far any commit has announced bytes.
    announced: u64,
}

impl Earlier {
    /// So many of the commits count, as far as this output goes: the first ones.
    pub(crate) fn counts(&self) -> usize {
        self.committed.len()
    }

    /// Cuts it back to what the last of so many commits says.
    pub(crate) fn cut(
        self,
        commits: usize,
        foreign: Foreign,
    ) -> Result<(OutputFile, Option<PathBuf>), Error> {
        let Self { held, path, mode, committed, announced } = self;
        let live = held.path().to_owned();
        let len = held.file().stat().map_err(HeldError::io("inspect", &live))?.len;
        let last = commits.checked_sub(1).and_then(|last| committed.get(last).copied().flatten());
        // Before the first commit that knows it, nothing in it is of the job.
        let committed = last.unwrap_or(Committed { from: len, length: len, crc32c: 0 });
        let set_aside = match len > announced && last.is_some() {
            true if foreign == Foreign::Refuse => {
                return Err(Error::OutputForeign { path: live, len, written: announced });
            }
            true => Some(held.copy_aside(committed.length)?),
            false => None,
        };
        if len > committed.length {
            held.file().set_len(committed.length).map_err(HeldError::io("cut back", &live))?;
        }
        held.file().sync_data().map_err(HeldError::io("sync", &live))?;
        Ok((OutputFile { held, path, mode, committed }, set_aside))
    }
}

impl OutputFile {
    /// Opens the output, and finds out how many of these commits count: the first one if `durable`, and each later one
    /// whose bytes are there.
    pub(crate) fn open(
        fs: &Arc<dyn Fs>,
        path: &Path,
        (which, mode): (Which, OutputMode),
        durable: bool,
        states: &[State],
        restart: bool,
    ) -> Result<Opened, Error> {
        let live = match mode {
            OutputMode::Part => Target::new(path.to_owned()).part(),
            OutputMode::Append | OutputMode::Stream => target(&**fs, path)?,
        };
        let known = states.iter().any(|state| which.of(state).is_some());
        let Some(newest) = states.last().filter(|_| known || which == Which::Results) else {
            let (file, set_aside) = Self::begin(fs, path, &live, mode, restart)?;
            return Ok(Opened::New { file, set_aside });
        };
        for state in states {
            check_same(which, state, path, mode)?;
        }
        let Some(held) = Held::open(fs, &live, trust(mode))? else {
            let renamed = newest.phase == Phase::Finished && mode == OutputMode::Part;
            return match renamed {
                true if fs.lstat(path).map_err(Error::io("inspect", path))?.is_none() => {
                    Err(Error::OutputMissing { path: path.to_owned() })
                }
                true => Ok(Opened::Renamed),
                false => Err(Error::OutputMissing { path: live }),
            };
        };
        let committed = recover(&held, which, durable, states)?;
        let announced = states.iter().filter_map(|state| which.of(state));
        let announced = announced.map(|output| output.committed.length).max().unwrap_or(0);
        Ok(Opened::There(Earlier { held, path: path.to_owned(), mode, committed, announced }))
    }

    /// The output of a job that begins.
    fn begin(
        fs: &Arc<dyn Fs>,
        path: &Path,
        live: &Path,
        mode: OutputMode,
        restart: bool,
    ) -> Result<(Self, Option<PathBuf>), Error> {
        let (mut set_aside, mut create_mode) = (None, 0o666);
        if mode == OutputMode::Part {
            if fs.lstat(path).map_err(Error::io("inspect", path))?.is_some() {
                return Err(Error::OutputExists { path: path.to_owned() });
            }
            // Private until it is finished, as every part.
            create_mode = 0o600;
            if let Some(held) = Held::open(fs, live, trust(mode))? {
                let len = held.file().stat().map_err(HeldError::io("inspect", live))?.len;
                match (len, restart) {
                    // Of a run that was killed before its first commit.
                    (0, _) => {}
                    (_, true) => set_aside = Some(held.set_aside()?),
                    (_, false) => {
                        return Err(Error::OutputWithoutPosition { path: live.to_owned() });
                    }
                }
            }
        }
        let held = Held::open_or_create(fs, live, trust(mode), create_mode)?;
        let stat = held.file().stat().map_err(HeldError::io("inspect", live))?;
        if !stat.is_file {
            return Err(HeldError::NotAFile { path: live.to_owned() }.into());
        }
        let committed = Committed { from: stat.len, length: stat.len, crc32c: 0 };
        Ok((Self { held, path: path.to_owned(), mode, committed }, set_aside))
    }

    /// What a commit has to say before these bytes, and those of `body` behind them, are written. Without any, what the
    /// last one said of its own: so there are always some to compare.
    pub(crate) fn announce(&self, bytes: &[u8], body: Option<&Body>) -> Result<OutputState, Error> {
        let len = bytes.len() as u64 + body.map_or(0, Body::len);
        if len == 0 {
            return Ok(self.state(self.committed));
        }
        let mut crc = crc32c(bytes);
        if let Some(body) = body {
            let of_body = body.crc().map_err(HeldError::io("read the results for", &self.path))?;
            crc = combine(crc, of_body, body.len());
        }
        let from = self.committed.length;
        Ok(self.state(Committed { from, length: from + len, crc32c: crc }))
    }

    fn state(&self, committed: Committed) -> OutputState {
        OutputState { path: text(&self.path), mode: self.mode, committed }
    }

    /// Writes the bytes that were announced.
    pub(crate) fn write(
        &mut self,
        bytes: &[u8],
        body: Option<&Body>,
        announced: Committed,
    ) -> Result<(), Error> {
        self.held.check()?;
        if announced == self.committed {
            return Ok(());
        }
        let (file, path) = (&**self.held.file(), self.held.path());
        let written = write_all_at(file, bytes, announced.from).and_then(|()| match body {
            Some(body) => body.write_to(file, announced.from + bytes.len() as u64),
            None => Ok(()),
        });
        written.map_err(HeldError::io("write", path))?;
        self.committed = announced;
        Ok(())
    }

    /// Whether it is this file.
    pub(crate) fn is(&self, device: u64, inode: u64) -> bool {
        let there = self.held.file().stat();
        there.is_ok_and(|there| (there.id.device, there.id.inode) == (device, inode))
    }

    /// The file, to sync it.
    pub(crate) fn file(&self) -> Arc<dyn FsFile> {
        Arc::clone(self.held.file())
    }

    /// Its name now, for messages.
    pub(crate) fn live(&self) -> &Path {
        self.held.path()
    }

    /// Makes the file durable with the mode of a new file, before the commit that says that it is finished.
    pub(crate) fn settle(&self, fs: &dyn Fs) -> Result<(), Error> {
        let live = self.held.path();
        if self.mode == OutputMode::Part {
            let mode =
                fs.new_file_mode(parent_dir(live)).map_err(HeldError::io("inspect", live))?;
            match self.held.file().set_mode(mode) {
                // Some file systems have one mode for all files.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
                    ) => {}
                result => result.map_err(HeldError::io("set the mode of", live))?,
            }
        }
        Ok(self.held.file().sync_all().map_err(HeldError::io("sync", live))?)
    }

    /// Gives the finished file, which is settled, its final name.
    pub(crate) fn name(&mut self) -> Result<(), Error> {
        if self.mode != OutputMode::Part {
            return Ok(());
        }
        let path = self.path.clone();
        if self.held.path() != path {
            self.held.rename(&path, Existing::Keep)?;
        }
        Ok(())
    }
}

/// The file itself, if the name is a link.
fn target(fs: &dyn Fs, path: &Path) -> Result<PathBuf, Error> {
    links::target(fs, path).map_err(|error| {
        let source = match error {
            PartError::Io { source, .. } => source,
            error => io::Error::new(io::ErrorKind::InvalidInput, error.to_string()),
        };
        Error::Output(HeldError::io("open", path)(source))
    })
}

fn trust(mode: OutputMode) -> Trust {
    match mode {
        OutputMode::Part => Trust::Ours,
        OutputMode::Append | OutputMode::Stream => Trust::Any,
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Whether the job was begun with this output. Its name and what is in it say so; the folder may have been moved, or be
/// named in another way.
fn check_same(which: Which, state: &State, path: &Path, mode: OutputMode) -> Result<(), Error> {
    let was = which.of(state);
    // As the state has it, also if it is not UTF-8.
    let now = text(path);
    let same_name = |was: &str| Path::new(was).file_name() == Path::new(&now).file_name();
    match was {
        Some(was) if was.mode == mode && same_name(&was.path) => return Ok(()),
        // They may be wanted later than the job began.
        None if which == Which::DeadLetters => return Ok(()),
        _ => {}
    }
    let was = was.map_or_else(|| "none".to_owned(), |was| was.mode.of(&was.path));
    Err(Error::JobDiffers { what: which.what(), was, now: mode.of(&now) })
}

/// The commits that count, from the first one. The bytes of those that were not durable are written again where they are:
/// a sync of the last run may have failed, and then only pages that are written again reach the disk (G7).
fn recover(
    held: &Held,
    which: Which,
    durable: bool,
    states: &[State],
) -> Result<Vec<Option<Committed>>, Error> {
    let path = held.path();
    let len = held.file().stat().map_err(HeldError::io("inspect", path))?.len;
    let mut counts: Vec<Option<Committed>> = Vec::new();
    for (index, state) in states.iter().enumerate() {
        let Some(OutputState { committed, .. }) = which.of(state) else {
            counts.push(None);
            continue;
        };
        let sure = durable && index == 0;
        if sure && len < committed.length {
            let (path, committed) = (path.to_owned(), committed.length);
            return Err(Error::OutputShorter { path, len, committed });
        }
        let before = counts.last().copied().flatten();
        let follows =
            before.is_none_or(|before| before.length == committed.from || before == *committed);
        let there = follows && len >= committed.length && is_there(held, *committed, !sure)?;
        match (there, sure) {
            (true, _) => counts.push(Some(*committed)),
            (false, true) => {
                let (path, committed) = (path.to_owned(), committed.length);
                return Err(Error::OutputChanged { path, committed });
            }
            (false, false) => break,
        }
    }
    match counts.is_empty() {
        true => Err(Error::OutputWithoutPosition { path: path.to_owned() }),
        false => Ok(counts),
    }
}

/// Whether these bytes are what was announced; if `again`, they are written again.
fn is_there(held: &Held, committed: Committed, again: bool) -> Result<bool, Error> {
    let Committed { from: start, length, crc32c: crc } = committed;
    let Some(len) = length.checked_sub(start) else { return Ok(false) };
    let (path, file, mut buffer) = (held.path(), &**held.file(), verify::buffer());
    let extent = Extent { start, len, crc };
    let is_there =
        verify::matches(file, &extent, &mut buffer).map_err(HeldError::io("read", path))?;
    if is_there && again {
        verify::rewrite(file, &extent, &mut buffer).map_err(HeldError::io("write", path))?;
    }
    Ok(is_there)
}
