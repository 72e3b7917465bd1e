//! Whether a state file is ours.
//!
//! In a folder that others can write to, anybody can put a part, a journal or a ledger where the next run
//! looks for its own. That run would then believe what somebody else wrote, and may still write: a process that has a
//! file open can keep writing to it, whatever mode and name it gets later. So a file that should be from an
//! earlier run is used only if it looks like one: a regular file under its own name (no
//! link leads to it), of this user, to which nobody else may write, with no second name. Everything that
//! piton keeps between runs is created with mode 0600.
//!
//! If owner and mode are not the plain ones, they are compared with those of a new file in that folder:
//! some file systems (FAT, many network and shared folders) have one owner and one mode for
//! all files, so that these prove nothing.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::beside::beside;
use crate::fs::{Fs, FsFile, Open, Stat};
use crate::lock::{LockError, lock};

/// Why a file cannot be used as state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotOurs {
    /// It is a symbolic link, a device, a FIFO, a socket or a folder.
    NoFile,
    /// It belongs to another user.
    OtherOwner {
        /// The number of the user it belongs to.
        owner: u32,
        /// The number of the user that this process acts for.
        user: u32,
    },
    /// Others may write to it, now or since they opened it.
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// It has other names, so that it may be any file of this user.
    Linked {
        /// How many names it has.
        names: u64,
    },
}

impl NotOurs {
    /// What the user can do about it, in one sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoFile => "remove it, or use another folder",
            Self::OtherOwner { .. } => {
                "run piton as that user; if the file should not be there, remove it or use another folder"
            }
            Self::Writable { .. } => {
                "move it away; if you are sure that nobody else has written to it, run chmod go-w on it"
            }
            Self::Linked { .. } => "move it away, or remove it: the file keeps its other names",
        }
    }

    /// Whether [`crate::part::Part::open`] moves such a file aside: this user may rename it, though its bytes are
    /// not believed.
    pub fn may_be_moved(self) -> bool {
        matches!(self, Self::Writable { .. } | Self::Linked { .. })
    }
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("it is a link, or not a regular file"),
            Self::OtherOwner { owner, user } => {
                write!(f, "it belongs to user {owner}, and piton runs as user {user}")
            }
            Self::Writable { mode } => write!(f, "others may write to it (mode {mode:04o})"),
            Self::Linked { names } => write!(f, "it has {names} names (hard links)"),
        }
    }
}

/// Write permission for others than the owner.
const OTHERS: u32 = 0o022;

/// Whether what is at `path`, of which this is the [`Fs::lstat`] or [`FsFile::stat`], is ours.
pub fn judge(fs: &dyn Fs, path: &Path, stat: &Stat) -> Result<(), NotOurs> {
    if !stat.is_file {
        return Err(NotOurs::NoFile);
    }
    let user = fs.user();
    let plain = stat.owner.user == user && stat.mode & OTHERS == 0;
    if !plain && !looks_like_a_new_file(fs, path, stat) {
        return Err(match stat.owner.user == user {
            false => NotOurs::OtherOwner { owner: stat.owner.user, user },
            true => NotOurs::Writable { mode: stat.mode },
        });
    }
    match stat.links {
        0 | 1 => Ok(()),
        names => Err(NotOurs::Linked { names }),
    }
}

/// Whether a private file that this process creates beside `path` has such an owner and such a mode.
fn looks_like_a_new_file(fs: &dyn Fs, path: &Path, stat: &Stat) -> bool {
    let created = || -> io::Result<Stat> {
        let beside = beside(path, &format!(".tmp-{:016x}", fs.random()?));
        let new = fs.open(&beside, Open::CreateNew { mode: 0o600 })?.stat();
        // Nobody else knows its name; if it stays it is empty, and its name shows what it is.
        let _ = fs.remove(&beside);
        new
    };
    // If nothing can be created, the file is not trusted.
    created()
        .is_ok_and(|new| new.owner.user == stat.owner.user && stat.mode & OTHERS & !new.mode == 0)
}

/// Whether what is at `path`, if anything, is ours.
///
/// # Errors
/// [`OwnError::NotOurs`]; where the system cannot inspect it.
pub fn check(fs: &dyn Fs, path: &Path) -> Result<(), OwnError> {
    match fs.lstat(path)? {
        Some(there) => Ok(judge(fs, path, &there)?),
        None => Ok(()),
    }
}

/// Opens a state file to read it, if it is ours.
///
/// # Errors
/// [`OwnError::NotOurs`]; where the system cannot open it.
pub fn open(fs: &dyn Fs, path: &Path) -> Result<Arc<dyn FsFile>, OwnError> {
    // Before it is opened: opening some devices does something, and a link may lead to one.
    check(fs, path)?;
    let file = fs.open(path, Open::Read)?;
    let opened = file.stat()?;
    judge(fs, path, &opened)?;
    match fs.lstat(path)? {
        Some(there) if there.id == opened.id => Ok(file),
        _ => Err(OwnError::NotOurs(NotOurs::NoFile)),
    }
}

/// As [`lock`] for a state file: what is not ours is not opened.
///
/// # Errors
/// [`LockError::NotOurs`]; those of [`lock`].
pub fn lock_ours(fs: &dyn Fs, path: &Path, how: Open) -> Result<Arc<dyn FsFile>, LockError> {
    let (file, flaw) = lock_movable(fs, path, how)?;
    flaw.map_or(Ok(file), |flaw| Err(LockError::NotOurs(flaw)))
}

/// As [`lock_ours`] for a file that is moved aside if its bytes cannot be believed; the second value is the
/// reason. A file that this user may not move is an error here too.
pub(crate) fn lock_movable(
    fs: &dyn Fs,
    path: &Path,
    how: Open,
) -> Result<(Arc<dyn FsFile>, Option<NotOurs>), LockError> {
    let movable = |judged: Result<(), NotOurs>| match judged {
        Ok(()) => Ok(None),
        Err(flaw) if flaw.may_be_moved() => Ok(Some(flaw)),
        Err(flaw) => Err(LockError::NotOurs(flaw)),
    };
    if let Some(there) = fs.lstat(path)? {
        movable(judge(fs, path, &there))?;
    }
    let file = lock(fs, path, how)?;
    let flaw = movable(judge(fs, path, &file.stat()?))?;
    Ok((file, flaw))
}

/// Why a state file is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnError {
    /// It is not ours.
    #[error("{0}")]
    NotOurs(NotOurs),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<NotOurs> for OwnError {
    fn from(flaw: NotOurs) -> Self {
        Self::NotOurs(flaw)
    }
}
