//! A job: records in, results out, each once.

mod builder;
mod commit;
mod core;
mod files;
mod items;
mod records;
mod sources;
mod ticker;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use piton_checkpoint::store::{Store, Survives};

pub use self::builder::Builder;
pub use self::core::Checkpoints;
use self::core::Sink;
pub(crate) use self::core::{Core, Cursor};
pub use self::files::Files;
pub use self::files::FilesPosition;
pub(crate) use self::items::ItemSource;
pub use self::items::{Items, Numbers, Own};
pub use self::records::Records;
pub(crate) use self::sources::{SourceOpen, files_from, open_file, own_from, range_from};
pub(crate) use self::ticker::Synced;
use crate::error::Error;
use crate::output::{Earlier, Foreign, Opened, OutputFile, Which};
use crate::parallel::Spool;
use crate::record::Entry;
use crate::state::{OutputMode, OutputState, Phase, State};
use crate::stream::Stream;

/// A job that this run has taken.
///
/// First comes its output, if it has one, then its source, then [`Job::finish`]. A job that is dropped before that
/// keeps what is done, and the next run resumes there.
pub struct Job {
    pub(crate) core: Rc<Core>,
    how: Builder,
    epoch: u64,
    /// What earlier runs have committed, until the output or the source says which of it counts.
    found: Found,
    letters: Option<Letters>,
    /// Of a run of pieces, until the job is finished.
    pub(crate) spool: Option<Spool>,
    set_aside: Option<PathBuf>,
}

/// The file of dead letters, until it is known which commit counts.
enum Letters {
    New(OutputFile),
    Earlier(Box<Earlier>),
}

enum Found {
    /// The commits of earlier runs; the flag says whether the first one is surely durable.
    Commits { states: Vec<State>, durable: bool },
    /// The last one that counts.
    Last(Option<Box<State>>),
    /// The source is open.
    Used,
}

/// Where results go. Whatever is written for a record counts when that record is done, all of it or nothing.
pub struct Output {
    core: Rc<Core>,
}

impl Output {
    /// Appends these bytes, as they are, for the current record.
    ///
    /// # Errors
    /// [`Error::NotCurrent`] if the record is not the one that was handed out last.
    #[inline]
    pub fn write(&mut self, record: &impl Entry, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        self.core.write(record.number() + 1, bytes.as_ref(), b"")
    }

    /// Appends these bytes and a line end, for the current record.
    ///
    /// # Errors
    /// As [`Output::write`].
    #[inline]
    pub fn line(&mut self, record: &impl Entry, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        self.core.write(record.number() + 1, bytes.as_ref(), b"\n")
    }
}

impl Job {
    /// Takes the job of this name: a path, beside which `NAME.piton-job` holds its state.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(name: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(name).open()
    }

    /// The same with choices.
    pub fn builder(name: impl AsRef<Path>) -> Builder {
        Builder::new(name.as_ref())
    }

    fn take(how: Builder, store: Arc<dyn Store>) -> Result<Self, Error> {
        let taken = store.take()?;
        let durable = taken.durable.is_some();
        let place = store.place();
        let texts = taken.durable.iter().chain(&taken.later);
        let states = texts.map(|text| State::decode(text, &place)).collect::<Result<_, _>>()?;
        let core = Rc::new(Core::new(Arc::clone(&how.fs), store, how.checkpoints));
        let found = Found::Commits { states, durable };
        Ok(Self {
            core,
            how,
            epoch: taken.epoch,
            found,
            letters: None,
            spool: None,
            set_aside: None,
        })
    }

    /// Which run of the job this is: 1 for the first.
    pub fn run(&self) -> u64 {
        self.epoch
    }

    /// What the state of this job survives, to be printed before it starts.
    pub fn survives(&self) -> Survives {
        self.core.store.survives()
    }

    /// Whether it was finished, by this run or an earlier one: there is nothing to do. Known once output and source are
    /// open.
    pub fn is_finished(&self) -> bool {
        self.core.is_finished()
    }

    /// The file that holds what somebody else appended to the output, or an unfinished output of before a restart.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Results go to the file at `path`, which appears when the job is finished; until then they are in `PATH.part`.
    ///
    /// # Errors
    /// [`Error::OutputExists`] for a file that this job did not write; [`Error::OutputWithoutPosition`],
    /// [`Error::OutputShorter`] and [`Error::OutputChanged`] if the job cannot continue with what is there.
    pub fn output(&mut self, path: impl AsRef<Path>) -> Result<Output, Error> {
        self.open_output(path.as_ref(), OutputMode::Part)
    }

    /// Results go behind what the file at `path` holds now; it is created if there is none.
    ///
    /// # Errors
    /// As [`Job::output`].
    pub fn append(&mut self, path: impl AsRef<Path>) -> Result<Output, Error> {
        self.open_output(path.as_ref(), OutputMode::Append)
    }

    /// Results go into this pipe. What it has accepted counts as delivered; a kill right then delivers the results of the
    /// last commit again.
    ///
    /// # Errors
    /// [`Error::JobDiffers`] if the job was begun with another output.
    pub fn stream(&mut self, to: impl Write + 'static) -> Result<Output, Error> {
        let (states, _) = self.commits()?;
        let delivered = match states.last() {
            None => 0,
            Some(State { output: Some(was), .. }) if was.mode == OutputMode::Stream => {
                was.committed.length
            }
            Some(State { output, .. }) => {
                let was = output.as_ref().map_or("none".to_owned(), |was| was.mode.of(&was.path));
                let now = OutputMode::Stream.of("");
                return Err(Error::JobDiffers { what: "output", was, now });
            }
        };
        let stream = Stream::new(Box::new(to), delivered);
        *self.core.output.borrow_mut() = Some(Sink::Stream(stream));
        self.count(states)?;
        Ok(Output { core: Rc::clone(&self.core) })
    }

    /// Records that fail in the pieces of [`Job::par_map`] and of commands go into this file, with their errors, and the job
    /// continues. It is appended to; each record is in it once.
    ///
    /// # Errors
    /// As [`Job::output`]. This comes first.
    pub fn dead_letters(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let (mut states, durable) = self.commits()?;
        let which = (Which::DeadLetters, OutputMode::Append);
        let opened =
            OutputFile::open(&self.core.fs, path.as_ref(), which, durable, &states, false)?;
        self.letters = match opened {
            Opened::New { file, .. } => Some(Letters::New(file)),
            Opened::There(earlier) => {
                states.truncate(earlier.counts());
                Some(Letters::Earlier(Box::new(earlier)))
            }
            Opened::Renamed => None,
        };
        self.found = Found::Commits { states, durable };
        Ok(())
    }

    fn open_output(&mut self, path: &Path, mode: OutputMode) -> Result<Output, Error> {
        let (mut states, durable) = self.commits()?;
        let (fs, which) = (&self.core.fs, (Which::Results, mode));
        match OutputFile::open(fs, path, which, durable, &states, self.how.restart)? {
            Opened::New { file, set_aside } => self.set_output(file, set_aside),
            Opened::Renamed => {}
            Opened::There(earlier) => {
                states.truncate(earlier.counts());
                let (mut file, set_aside) = earlier.cut(states.len(), self.how.foreign)?;
                match states.last() {
                    Some(last) if is_finished(Some(last)) && mode == OutputMode::Part => {
                        // It must not have its name before the state is durable that says so.
                        let mark = self.core.store.commit(&last.encode()?)?;
                        file.settle(&**fs)?;
                        self.core.store.sync(mark)?;
                        file.name()?;
                    }
                    _ => self.set_output(file, set_aside),
                }
            }
        }
        self.count(states)?;
        Ok(Output { core: Rc::clone(&self.core) })
    }

    fn set_output(&mut self, file: OutputFile, set_aside: Option<PathBuf>) {
        *self.core.output.borrow_mut() = Some(Sink::File(Box::new(file)));
        self.set_aside = set_aside;
    }

    /// Of these commits the last one counts.
    fn count(&mut self, mut states: Vec<State>) -> Result<(), Error> {
        let letters = match self.letters.take() {
            Some(Letters::New(file)) => Some(file),
            Some(Letters::Earlier(earlier)) => {
                Some(earlier.cut(states.len(), Foreign::SetAside)?.0)
            }
            None => None,
        };
        let last = states.pop();
        if let (None, Some(OutputState { path, .. })) =
            (&letters, last.as_ref().and_then(|last| last.letters.as_ref()))
        {
            let (was, now) = (path.clone(), "none".to_owned());
            return Err(Error::JobDiffers { what: "dead letters", was, now });
        }
        *self.core.letters.borrow_mut() = letters;
        self.found = Found::Last(last.map(Box::new));
        Ok(())
    }

    /// The commits of earlier runs, and whether the first one is surely durable.
    fn commits(&mut self) -> Result<(Vec<State>, bool), Error> {
        match std::mem::replace(&mut self.found, Found::Used) {
            Found::Commits { states, durable } => Ok((states, durable)),
            _ => Err(Error::Order(
                "a job has one output, which is opened after the dead letters and before the source",
            )),
        }
    }

    /// The last commit that counts.
    pub(crate) fn last(&mut self) -> Result<Option<State>, Error> {
        if let Found::Commits { states, .. } = &mut self.found {
            let states = std::mem::take(states);
            // Nothing proves more than that they were committed, and without an output nothing has to.
            if let Some(output) = states.last().and_then(|last| last.output.as_ref()) {
                let (was, now) = (output.mode.of(&output.path), "none".to_owned());
                return Err(Error::JobDiffers { what: "output", was, now });
            }
            self.count(states)?;
        }
        match std::mem::replace(&mut self.found, Found::Used) {
            Found::Last(last) => Ok(last.map(|last| *last)),
            Found::Commits { .. } | Found::Used => Err(Error::Order("a job has one source")),
        }
    }

    /// Commits what is done now, so that it survives a kill and a power cut: before the program stops for a
    /// while, or ends by a signal.
    ///
    /// # Errors
    /// Nothing more can be committed by this run.
    pub fn commit_now(&self) -> Result<(), Error> {
        self.core.commit_now()
    }

    /// Ends the job: everything is durable, and the output gets its name. Of the state a small mark stays, so that another
    /// run finds nothing to do.
    ///
    /// # Errors
    /// [`Error::NotExhausted`] if the source was not read to its end; [`Error::OutputExists`] if meanwhile another file got
    /// the name of the output.
    pub fn finish(mut self) -> Result<(), Error> {
        self.core.finish()?;
        self.spool.take().map_or(Ok(()), Spool::remove)
    }

    pub(crate) fn has_output(&self) -> bool {
        self.core.output.borrow().is_some()
    }

    pub(crate) fn has_letters(&self) -> bool {
        self.core.letters.borrow().is_some()
    }

    pub(crate) fn name(&self) -> &Path {
        &self.how.name
    }

    pub(crate) fn random(&self) -> Result<u64, Error> {
        self.core.fs.random().map_err(Error::io("get random bytes for", &self.how.name))
    }
}

fn is_finished(last: Option<&State>) -> bool {
    last.is_some_and(|last| last.phase == Phase::Finished)
}
