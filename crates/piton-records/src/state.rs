//! What a commit says, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::Header;
use crate::error::Error;
use crate::source::{Identity, Position, Restart};

/// The version of this layout.
const VERSION: u16 = 1;

/// One commit: how far the source is done, and how far the output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    version: u16,
    pub(crate) phase: Phase,
    pub(crate) source: SourceState,
    pub(crate) output: Option<OutputState>,
    /// Where records go that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) letters: Option<OutputState>,
    /// How the records are processed, if that is done in pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) work: Option<WorkState>,
    #[serde(default, flatten)]
    pub(crate) about: About,
}

/// What is kept with a job for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// When it began, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<i64>,
    /// What the program wants to know of it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<Value>,
}

/// Pieces that run in parallel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkState {
    /// Of which job the spool is.
    pub(crate) id: u64,
    /// What is done with them: the command, if it is one.
    pub(crate) what: String,
    /// How large they are.
    pub(crate) size: String,
    pub(crate) order: Order,
    /// Pieces that are done behind ones that are not, joined where they touch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ahead: Vec<Ahead>,
    /// Records that failed, and are among the dead letters.
    #[serde(default)]
    pub(crate) failed: u64,
    /// The header that the output has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Header>,
    /// Where the source has ended before it grew: pieces end there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ends: Vec<u64>,
}

/// Whether results are in the order of the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// In the order of the source, whatever is finished first.
    #[default]
    Source,
    /// As they are finished: all of them, each once.
    Any,
}

/// Pieces from `from` to `to`, in the unit of the source's position, are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ahead {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Records in them.
    pub(crate) records: u64,
    /// What tells the pieces from others, whatever order they came in: see `parallel::plan::mixed`.
    pub(crate) key: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Running,
    /// The output is whole and durable; at most its final name is missing.
    Finished,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum SourceState {
    File {
        path: String,
        framing: String,
        position: Position,
        identity: Identity,
        /// Where decoding starts, if the file is compressed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart: Option<Box<Restart>>,
    },
    Range {
        start: u64,
        end: u64,
        next: u64,
    },
    Files {
        path: String,
        position: Value,
    },
    Positions {
        records: u64,
        position: Value,
    },
}

impl SourceState {
    /// The length of the file when the job began, if it is one.
    pub(crate) fn file_len(&self) -> Option<u64> {
        match self {
            Self::File { identity, .. } => Some(identity.len),
            _ => None,
        }
    }

    /// What kind of source it is, for people.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::File { framing, .. } => format!("a file of {framing}"),
            Self::Range { start, end, .. } => format!("the range {start}..{end}"),
            Self::Files { path, .. } => format!("the files in {path}"),
            Self::Positions { .. } => "positions of the program's own".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputState {
    pub(crate) path: String,
    pub(crate) mode: OutputMode,
    pub(crate) committed: Committed,
}

/// Where the bytes of an output are until it is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutputMode {
    /// In `OUT.part`.
    Part,
    /// In the file itself, behind what it held before.
    Append,
    /// Delivered to a pipe.
    Stream,
}

impl OutputMode {
    /// The output at this path, for people.
    pub(crate) fn of(self, path: &str) -> String {
        match self {
            Self::Part => path.to_owned(),
            Self::Append => format!("{path}, appended to"),
            Self::Stream => "a pipe".to_owned(),
        }
    }
}

/// What a commit says of the output: so long it is, and these are the bytes since the commit before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    pub(crate) from: u64,
    pub(crate) length: u64,
    /// CRC32C of the bytes from `from` to `length`.
    pub(crate) crc32c: u32,
}

impl State {
    pub(crate) fn new(
        phase: Phase,
        source: SourceState,
        output: Option<OutputState>,
        letters: Option<OutputState>,
        work: Option<WorkState>,
        about: About,
    ) -> Self {
        Self { version: VERSION, phase, source, output, letters, work, about }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(Error::Position)
    }

    pub(crate) fn decode(text: &[u8], place: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::State { place: place.to_owned(), why };
        let state: Self = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        match state.version {
            VERSION => Ok(state),
            version => Err(wrong(format!("it is of version {version}"))),
        }
    }
}
