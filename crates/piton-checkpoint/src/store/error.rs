//! What can go wrong with a store.

use std::path::{Path, PathBuf};

use piton_durable::framed::LogError;
use piton_durable::held::HeldError;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another run has it. Trying again helps when that has ended.
    #[error("the job is already running: {place} is in use{}", holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The store.
        place: String,
        /// The process that has it, if that is known.
        holder: Option<u32>,
    },
    /// A later run has taken it, or somebody else has changed or removed it. This run has to stop.
    #[error("another run took over: {place} was changed by somebody else")]
    Fenced {
        /// The store.
        place: String,
    },
    /// What is there cannot be believed. Nothing was changed; the user has to decide whether it is set aside.
    #[error("the state {place} is damaged: {why}")]
    Damaged {
        /// The store.
        place: String,
        /// Its file, if the whole file is in doubt.
        file: Option<PathBuf>,
        /// What is wrong.
        why: String,
    },
    /// What this run committed is not there any more: the server lost it, or somebody removed it or put an older copy in
    /// its place. This run has to stop; the next one sees what is left.
    #[error("the state {place} is gone, or older than what was committed: {why}")]
    Lost {
        /// The store.
        place: String,
        /// What is there.
        why: String,
    },
    /// It belongs to another program. Nothing was changed; the user has to choose another place.
    #[error("{place} belongs to another program; it was left unchanged")]
    Foreign {
        /// The store.
        place: String,
    },
    /// Another process kept the database locked for too long.
    #[error("{place} is kept busy by another process")]
    Busy {
        /// The store.
        place: String,
    },
    /// There is no space: on the disk, or in the memory that the server may use.
    #[error("no space left for the state {place}")]
    Full {
        /// The store.
        place: String,
    },
    /// It cannot be written to.
    #[error("the state {place} is read-only")]
    ReadOnly {
        /// The store.
        place: String,
    },
    /// The server cannot be reached, or did not answer in time.
    #[error("cannot reach {place}: {why}")]
    Unreachable {
        /// The store.
        place: String,
        /// Why.
        why: String,
    },
    /// The server or the database refused an operation, in its own words.
    #[error("cannot use {place}: {why}")]
    Rejected {
        /// The store.
        place: String,
        /// Why.
        why: String,
    },
    /// A newer version of piton wrote it. Nothing was changed.
    #[error("the state {place} was written by a newer version of piton (format {found})")]
    Newer {
        /// The store.
        place: String,
        /// Its format.
        found: u16,
    },
    /// What was to be committed is not JSON, or too long. A bug of the program.
    #[error("cannot commit to {place}: {why}")]
    Refused {
        /// The store.
        place: String,
        /// Why.
        why: String,
    },
    /// [`Store::take`](super::Store::take) has to come first, and no error before. A bug of the program.
    #[error("{place} is not taken by this run")]
    NotTaken {
        /// The store.
        place: String,
    },
    /// The file cannot be used, or the system refused an operation.
    #[error(transparent)]
    File(HeldError),
}

impl StoreError {
    /// Whether the same call may succeed later, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. }
            | Self::Busy { .. }
            | Self::Full { .. }
            | Self::Unreachable { .. } => true,
            Self::File(error) => error.is_transient(),
            _ => false,
        }
    }

    /// The file to be set aside, if that is what is wrong.
    pub fn damaged(&self) -> Option<PathBuf> {
        match self {
            Self::Damaged { file, .. } => file.clone(),
            _ => None,
        }
    }

    pub(super) fn damage(path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Damaged { place: place(path), file: Some(path.to_owned()), why: why.to_string() }
    }

    /// Damage of one job in a place that holds others.
    pub(super) fn damage_within(place: &str, why: impl std::fmt::Display) -> Self {
        Self::Damaged { place: place.to_owned(), file: None, why: why.to_string() }
    }
}

pub(super) fn place(path: &Path) -> String {
    path.display().to_string()
}

impl From<HeldError> for StoreError {
    fn from(error: HeldError) -> Self {
        match error {
            HeldError::Locked { path, holder } => Self::Locked { place: place(&path), holder },
            HeldError::Exchanged { path } => Self::Fenced { place: place(&path) },
            error => Self::File(error),
        }
    }
}

impl From<LogError> for StoreError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unreadable { path } => Self::damage(&path, "its header cannot be read"),
            LogError::Damaged { path, at, why } => {
                Self::damage(&path, format_args!("{why}, at byte {at}"))
            }
            LogError::Newer { path, found } => Self::Newer { place: place(&path), found },
            LogError::Fenced { path } => Self::Fenced { place: place(&path) },
            LogError::Full { path } => {
                Self::Refused { place: place(&path), why: "it is as long as it may be".to_owned() }
            }
            LogError::File(error) => error.into(),
            // There will be more kinds of them.
            error => Self::Refused { place: String::new(), why: error.to_string() },
        }
    }
}
