//! What a store survives, for people who rely on it.

use std::fmt;

/// What a commit and a sync of a store survive. `Display` makes a sentence of it, to be printed before a job starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survives {
    /// What survives when [`Store::commit`](super::Store::commit) returns.
    pub commit: Survival,
    /// What survives when [`Store::sync`](super::Store::sync) returns.
    pub sync: Survival,
    /// What else may cost a commit, a sentence each.
    pub risks: Vec<String>,
}

/// The worst that something survives. Each survives a kill of the process that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Survival {
    /// A power cut, and whatever is less.
    PowerCut,
    /// A kill of any process. A power cut may take it.
    Kill,
    /// A kill. If the machine of the server loses its power, the last seconds may be lost.
    AllButSeconds,
    /// A kill. If the server ends, what came after its last snapshot is lost.
    UntilSnapshot,
    /// A kill. If the server ends, everything is lost.
    WhileServerLives,
    /// A kill. The server does not tell what it keeps.
    Unknown,
}

impl Survives {
    pub(super) fn of(commit: Survival, sync: Survival) -> Self {
        Self { commit, sync, risks: Vec::new() }
    }
}

impl fmt::Display for Survival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PowerCut => "survives a power cut",
            Self::Kill => "survives a kill, and perhaps a power cut",
            Self::AllButSeconds => {
                "survives a kill; a power cut of the server may take the last seconds"
            }
            Self::UntilSnapshot => {
                "survives a kill; if the server ends, what came after its last snapshot is lost"
            }
            Self::WhileServerLives => "survives a kill; if the server ends, everything is lost",
            Self::Unknown => "survives a kill; the server does not tell what it keeps",
        })
    }
}

impl fmt::Display for Survives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.commit == self.sync {
            true => write!(f, "a commit {}", self.commit)?,
            false => write!(f, "a commit {}; a sync {}", self.commit, self.sync)?,
        }
        self.risks.iter().try_for_each(|risk| write!(f, "; {risk}"))
    }
}
