//! The standard output of a command: in memory, and from a limit on in a temporary file.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Fs, FsFile, Open, write_all_at};
use rustix::buffer::spare_capacity;
use rustix::io::retry_on_intr;

use super::error::RunError;
use super::input::{PIPE, enlarge};

/// What is read at once at least, if there is so much.
const READ: usize = PIPE;

/// What a command wrote to its standard output.
#[derive(Clone)]
pub enum Body {
    /// All of it. [`Runner::recycle`](super::Runner::recycle) takes it back.
    Memory(Vec<u8>),
    /// Where it is. The file is private and has no name: it disappears when it is dropped, and with the process.
    File {
        /// The file.
        file: Arc<dyn FsFile>,
        /// Its length, in bytes.
        len: u64,
    },
}

impl Body {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::Memory(_) => "Memory",
            Self::File { .. } => "File",
        };
        write!(f, "{kind}({} bytes)", self.len())
    }
}

/// Where spilled output goes.
pub(super) struct Spill {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) dir: PathBuf,
    pub(super) limit: usize,
}

/// The output so far.
pub(super) struct Capture<'a> {
    spill: &'a Spill,
    /// Bytes that are not in the file.
    buffer: &'a mut Vec<u8>,
    to: To,
    pace: Pace,
}

/// How fast the output has come so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Slow,
    /// It has filled the pipe, which was enlarged.
    Fast,
}

enum To {
    Memory,
    File {
        file: Arc<dyn FsFile>,
        len: u64,
    },
    /// It does not count any more, and is read so that the command is not held up.
    Nowhere,
}

impl<'a> Capture<'a> {
    pub(super) fn new(spill: &'a Spill, buffer: &'a mut Vec<u8>) -> Self {
        buffer.clear();
        Self { spill, buffer, to: To::Memory, pace: Pace::Slow }
    }

    /// Reads what is there, once; 0 is the end.
    pub(super) fn read(&mut self, from: BorrowedFd<'_>) -> Result<usize, RunError> {
        if matches!(self.to, To::Nowhere) {
            self.buffer.clear();
        }
        self.make_room();
        let read = retry_on_intr(|| rustix::io::read(from, spare_capacity(self.buffer)))
            .map_err(RunError::io("read the output of"))?;
        if read >= PIPE && self.pace == Pace::Slow {
            self.pace = Pace::Fast;
            enlarge(from);
        }
        let is_full = match self.to {
            To::Memory => self.buffer.len() > self.spill.limit,
            To::File { .. } => self.buffer.len() >= self.spill.limit.max(READ),
            To::Nowhere => false,
        };
        if is_full {
            self.write_out()?;
        }
        Ok(read)
    }

    fn make_room(&mut self) {
        let (len, capacity) = (self.buffer.len(), self.buffer.capacity());
        if capacity - len >= READ {
            return;
        }
        // It doubles, but not far beyond what may be in memory.
        let most = self.spill.limit.max(len).saturating_add(READ);
        let wanted = capacity.saturating_mul(2).clamp(len.saturating_add(READ), most);
        self.buffer.reserve_exact(wanted - len);
    }

    /// Moves what is in memory to the file.
    fn write_out(&mut self) -> Result<(), RunError> {
        if matches!(self.to, To::Memory) {
            let file = create(&*self.spill.fs, &self.spill.dir);
            self.to = To::File { file: file.map_err(self.error("create"))?, len: 0 };
        }
        if let To::File { file, len } = &mut self.to {
            let written = write_all_at(&**file, self.buffer, *len);
            *len = len.saturating_add(self.buffer.len() as u64);
            self.buffer.clear();
            written.map_err(self.error("write"))?;
        }
        Ok(())
    }

    fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> RunError {
        let dir = self.spill.dir.clone();
        move |source| RunError::Spill { what, dir, source }
    }

    /// Forgets what came, and what comes.
    pub(super) fn discard(&mut self) {
        self.to = To::Nowhere;
        self.buffer.clear();
    }

    pub(super) fn finish(mut self) -> Result<Body, RunError> {
        if matches!(self.to, To::File { .. }) && !self.buffer.is_empty() {
            self.write_out()?;
        }
        Ok(match self.to {
            To::File { file, len } => Body::File { file, len },
            To::Nowhere => Body::Memory(Vec::new()),
            // A small output in a large buffer would hold all of its memory: it is copied.
            To::Memory if self.buffer.len() < self.buffer.capacity() / 2 => {
                Body::Memory(self.buffer.clone())
            }
            To::Memory => Body::Memory(std::mem::take(self.buffer)),
        })
    }
}

/// A private file without a name, so that nothing is left behind, whatever happens.
fn create(fs: &dyn Fs, dir: &Path) -> io::Result<Arc<dyn FsFile>> {
    match fs.create_unnamed(dir, 0o600) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        result => return result,
    }
    // A kill between the two calls leaves an empty file.
    let path = dir.join(format!(".piton-output-{:016x}", fs.random()?));
    let file = fs.open(&path, Open::CreateNew { mode: 0o600 })?;
    fs.remove(&path)?;
    Ok(file)
}
