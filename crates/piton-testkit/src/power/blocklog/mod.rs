//! Power cuts by a log of all that reached the disk.

mod disk;
mod drive;
mod failing;
mod image;
mod state;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use disk::{Event, Log};
use drive::Drive;

use super::filesystem::FsKind;
use super::unavailable::Unavailable;

pub use disk::Failing;
pub use drive::Layer;
pub use failing::FailingDisk;
pub use state::{CrashState, Kept};

/// A mounted file system on a disk that can record. Cleared away on drop.
pub struct BlockLog {
    drive: Drive,
}

impl BlockLog {
    /// Makes and mounts an empty one of `size` bytes, or the least its kind allows. Wants root,
    /// FUSE, loop devices and mkfs.
    pub fn create(kind: FsKind, size: u64) -> Result<Self, Unavailable> {
        Self::create_with(kind, Layer::Plain, size)
    }

    /// As [`BlockLog::create`], with what programs write to.
    pub fn create_with(kind: FsKind, layer: Layer, size: u64) -> Result<Self, Unavailable> {
        Unavailable::unless_root()?;
        let drive = Drive::mounted(kind, layer, size);
        Ok(Self { drive: drive.map_err(|error| Unavailable::new(error.to_string()))? })
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.drive.path()
    }

    /// Makes all that was written so far durable, and begins to record.
    ///
    /// `stamp` says how much work is acknowledged; it is asked at every flush, on the thread that
    /// serves the disk: it must be quick, and must not touch the file system.
    pub fn record(&self, stamp: impl Fn() -> u64 + Send + 'static) -> io::Result<()> {
        rustix::fs::syncfs(File::open(self.path())?)?;
        self.drive.disk.record(Box::new(stamp));
        Ok(())
    }

    /// Ends the recording, as by a power cut at this instant, and unmounts. All writers must end
    /// within five seconds.
    pub fn finish(self) -> io::Result<Recording> {
        let log = self.drive.disk.stop().ok_or_else(|| io::Error::other("nothing was recorded"))?;
        self.drive.unmount()?;
        Ok(Recording { drive: self.drive, log })
    }
}

/// All that reached the disk, from which any crash state can be built.
pub struct Recording {
    drive: Drive,
    log: Log,
}

/// A crash state that is not as it must be.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which one.
    pub state: CrashState,
    /// What the check said, or why it could not be mounted.
    pub problem: String,
}

impl Recording {
    /// How many flushes were recorded.
    pub fn flushes(&self) -> usize {
        self.log.events.iter().filter(|event| matches!(event, Event::Flush { .. })).count()
    }

    /// Draws up to `count` different crash states, fewer from a short recording. The same seed
    /// draws the same ones.
    pub fn states(&self, seed: u64, count: usize) -> Vec<CrashState> {
        state::draw(&state::intervals(&self.log), seed, count)
    }

    /// Builds each state, mounts it, lets `check` look at it (and write: nothing of it reaches the
    /// next state), and unmounts. `check` is given the mount and what was acknowledged at the
    /// crash; its files must be closed when it returns.
    ///
    /// Returns the states that are wrong; an error means that the states could not be tried.
    pub fn check(
        &mut self,
        states: &[CrashState],
        mut check: impl FnMut(&Path, u64) -> Result<(), String>,
    ) -> io::Result<Vec<Finding>> {
        let intervals = state::intervals(&self.log);
        let mut states = states.to_vec();
        states.sort_by_key(|state| state.flushes);
        let mut findings = Vec::new();
        // The disk at each flush is the disk at the one before and what came between.
        let mut durable = self.log.base.clone();
        let mut applied = 0;
        for state in states {
            let (before, rest) =
                intervals.split_at_checked(state.flushes).unwrap_or((&intervals, &[]));
            before.iter().skip(applied).for_each(|interval| interval.apply(&mut durable));
            applied = state.flushes;
            let mut image = durable.clone();
            if let Some(interval) = rest.first() {
                interval.apply_kept(&mut image, state.kept);
            }
            self.drive.put(image)?;
            let result = match self.drive.mount() {
                Ok(()) => {
                    let result = check(&self.drive.path(), state.acknowledged);
                    self.drive.unmount()?;
                    result
                }
                Err(error) => Err(error.to_string()),
            };
            findings.extend(result.err().map(|problem| Finding { state, problem }));
        }
        Ok(findings)
    }
}
