//! The output of a job: a file that may be cut back to what was committed.
//!
//! A commit announces the bytes that follow, with their CRC, and only then they are written. So after a kill the last
//! announcement says which bytes are our own, whether or not all of them arrived; a commit counts if the bytes that it
//! announced are there. What is behind the last announcement is somebody else's, and is kept aside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::crc::crc32c;
use piton_durable::fs::{Existing, Fs, FsFile, parent_dir, write_all_at};
use piton_durable::held::{Held, HeldError, Trust};
use piton_durable::links;
use piton_durable::part::{Extent, PartError, Target};
use piton_durable::verify;

use crate::error::Error;
use crate::state::{Committed, OutputMode, OutputState, Phase, State};

/// The output file of a run, locked.
pub(crate) struct OutputFile {
    held: Held,
    path: PathBuf,
    mode: OutputMode,
    committed: Committed,
}

/// What opening an output has found.
pub(crate) enum Opened {
    /// It can be written to; the state is the last one that counts, if there was any.
    Open { file: OutputFile, last: Option<State>, set_aside: Option<PathBuf> },
    /// It was finished, and only its final name is missing.
    Unnamed { file: OutputFile, last: State },
    /// It was finished before, and has its final name.
    Finished { last: State },
}

impl OutputFile {
    /// Opens the output and cuts it back to the last of these states that counts: the first if `durable`, and each
    /// later one whose bytes are there.
    pub(crate) fn open(
        fs: &Arc<dyn Fs>,
        path: &Path,
        mode: OutputMode,
        durable: bool,
        states: Vec<State>,
        restart: bool,
    ) -> Result<Opened, Error> {
        let live = match mode {
            OutputMode::Part => Target::new(path.to_owned()).part(),
            OutputMode::Append => target(&**fs, path)?,
        };
        let Some(newest) = states.last().cloned() else {
            let (file, set_aside) = Self::begin(fs, path, &live, mode, restart)?;
            return Ok(Opened::Open { file, last: None, set_aside });
        };
        for state in &states {
            check_same(state, path, mode)?;
        }
        let trust = trust(mode);
        let Some(held) = Held::open(fs, &live, trust)? else {
            let renamed = newest.phase == Phase::Finished && mode == OutputMode::Part;
            return match renamed {
                true => Ok(Opened::Finished { last: newest }),
                false => Err(Error::OutputMissing { path: live }),
            };
        };
        let (last, committed) = recover(&held, durable, &states)?;
        let announced = states.iter().filter_map(|state| state.output.as_ref());
        let announced = announced.map(|output| output.committed.length).max().unwrap_or(0);
        let len = held.file().stat().map_err(HeldError::io("inspect", &live))?.len;
        let set_aside = match len > announced {
            true => Some(held.copy_aside(committed.length)?),
            false => None,
        };
        if len > committed.length {
            held.file().set_len(committed.length).map_err(HeldError::io("cut back", &live))?;
        }
        held.file().sync_data().map_err(HeldError::io("sync", &live))?;
        let file = Self { held, path: path.to_owned(), mode, committed };
        if last.phase == Phase::Finished && mode == OutputMode::Part {
            return Ok(Opened::Unnamed { file, last });
        }
        Ok(Opened::Open { file, last: Some(last), set_aside })
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

    /// What a commit has to say before these bytes are written. Without any, what the last one said of its own: so there
    /// are always some to compare.
    pub(crate) fn announce(&self, bytes: &[u8]) -> OutputState {
        if bytes.is_empty() {
            return self.state(self.committed);
        }
        let from = self.committed.length;
        let length = from + bytes.len() as u64;
        let committed = Committed { from, length, crc32c: crc32c(bytes) };
        self.state(committed)
    }

    fn state(&self, committed: Committed) -> OutputState {
        OutputState { path: text(&self.path), mode: self.mode, committed }
    }

    /// Writes the bytes that were announced.
    pub(crate) fn write(&mut self, bytes: &[u8], announced: Committed) -> Result<(), Error> {
        self.held.check()?;
        if bytes.is_empty() {
            return Ok(());
        }
        write_all_at(&**self.held.file(), bytes, announced.from)
            .map_err(HeldError::io("write", self.held.path()))?;
        self.committed = announced;
        Ok(())
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
        if self.mode == OutputMode::Append {
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
        OutputMode::Append => Trust::Any,
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Whether the job was begun with this output. Its name and what is in it say so; the folder may have been moved, or be
/// named in another way.
fn check_same(state: &State, path: &Path, mode: OutputMode) -> Result<(), Error> {
    let what = |path: &str, mode| match mode {
        OutputMode::Part => path.to_owned(),
        OutputMode::Append => format!("{path}, appended to"),
    };
    let was = state.output.as_ref();
    // As the state has it, also if it is not UTF-8.
    let now = text(path);
    let same_name = |was: &str| Path::new(was).file_name() == Path::new(&now).file_name();
    if was.is_some_and(|was| was.mode == mode && same_name(&was.path)) {
        return Ok(());
    }
    let was = was.map_or_else(|| "none".to_owned(), |was| what(&was.path, was.mode));
    Err(Error::JobDiffers { what: "output", was, now: what(&now, mode) })
}

/// The last state that counts. The bytes of those that were not durable are written again where they are: a sync of the
/// last run may have failed, and then only pages that are written again reach the disk (G7).
fn recover(held: &Held, durable: bool, states: &[State]) -> Result<(State, Committed), Error> {
    let path = held.path();
    let len = held.file().stat().map_err(HeldError::io("inspect", path))?.len;
    let mut found: Option<(State, Committed)> = None;
    for (index, state) in states.iter().enumerate() {
        let Some(OutputState { committed, .. }) = &state.output else { continue };
        let sure = durable && index == 0;
        if sure && len < committed.length {
            let (path, committed) = (path.to_owned(), committed.length);
            return Err(Error::OutputShorter { path, len, committed });
        }
        let follows = found
            .as_ref()
            .is_none_or(|(_, before)| before.length == committed.from || before == committed);
        let there = follows && len >= committed.length && is_there(held, *committed, !sure)?;
        match (there, sure) {
            (true, _) => found = Some((state.clone(), *committed)),
            (false, true) => {
                let (path, committed) = (path.to_owned(), committed.length);
                return Err(Error::OutputChanged { path, committed });
            }
            (false, false) => break,
        }
    }
    found.ok_or_else(|| Error::OutputWithoutPosition { path: path.to_owned() })
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
