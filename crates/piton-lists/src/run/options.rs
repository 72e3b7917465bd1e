//! How a list is processed.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use piton_checkpoint::Backoff;
use piton_checkpoint::ledger::ErrorClass;
use piton_durable::part::Durability;
use piton_fetch::digest::Digest;
use piton_fetch::{Download, RateLimit};

use crate::flow::Limits;
use crate::name::Naming;

/// How a list is processed. Each field has a default: [`Options::new`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The target folder: every file of the list goes there or below, whatever the list says.
    pub folder: PathBuf,
    /// How items without their own name are named.
    pub naming: Naming,
    /// How much is done in parallel, and how the load on hosts is limited.
    pub limits: Limits,
    /// A rate limit for all files together.
    pub rate: Option<RateLimit>,
    /// A rate limit for each host, in bytes per second.
    pub host_rate: Option<NonZeroU64>,
    /// The number of connections for all files together. While many files wait, each has one; the last ones
    /// share them, those of one host at most [`Limits::per_host`] of them.
    pub connections: usize,
    /// What a download must survive. The ledger has its own setting, given when it is opened.
    pub durability: Durability,
    /// How often an item is retried in this run after a failure that may pass. A mebibyte of progress
    /// resets the count.
    pub retries: u32,
    /// The minimum pauses before retries. If the host failed, it has its own pauses, too:
    /// [`Limits::backoff`].
    pub backoff: Backoff,
    /// Start nothing new after this many failures.
    pub max_failures: Option<MaxFailures>,
    /// Stop before the first download if a line of the list is invalid.
    pub strict: bool,
    /// Ask the servers of finished items whether they still have that version, and fetch what has changed.
    pub check: bool,
    /// Which items to try.
    pub select: Select,
    /// Changes each download before it starts: time limits, whether an existing file is replaced. Choosing
    /// another name is the job of the ledger, not of [`piton_fetch::IfExists::Rename`].
    pub adjust: Option<Adjust>,
    /// The caller's own options for the ledger to keep, in the caller's format:
    /// [`piton_checkpoint::ledger::Run::options`] has them for the next run.
    pub remember: String,
    /// Called for each file that was finished in this run, once that is recorded.
    pub recorded: Option<Recorded>,
}

/// Changes a download before it starts.
pub type Adjust = Arc<dyn Fn(&mut Download) + Send + Sync>;

/// Called for each finished file, on the thread of the ledger. While it blocks, outcomes wait for their
/// commit, and eventually nothing new is started.
pub type Recorded = Arc<dyn Fn(DoneFile) + Send + Sync>;

/// A file that is durable under its final name, and recorded as done in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoneFile {
    /// Its path.
    pub path: PathBuf,
    /// The first URL of its item, without a login.
    pub url: String,
    /// Its length in bytes.
    pub size: u64,
    /// Computed digests that matched.
    pub verified: Vec<Digest>,
}

impl Options {
    /// Into this folder, with default options.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            naming: Naming::default(),
            limits: Limits::default(),
            rate: None,
            host_rate: None,
            connections: 16,
            durability: Durability::Power,
            retries: 5,
            backoff: Backoff {
                first: std::time::Duration::from_millis(500),
                longest: std::time::Duration::from_secs(30),
            },
            max_failures: None,
            strict: false,
            check: false,
            select: Select::All,
            adjust: None,
            remember: String::new(),
            recorded: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("folder", &self.folder)
            .field("limits", &self.limits)
            .field("select", &self.select)
            .finish_non_exhaustive()
    }
}

/// How many items may fail in one run, permanently or after all their tries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxFailures {
    /// A number of items.
    Count(u64),
    /// A share of the items in the list, in per cent.
    Percent(f64),
}

impl MaxFailures {
    /// Whether `failed` of `items` exceeds the limit.
    pub(super) fn is_exceeded(self, failed: u64, items: u64) -> bool {
        match self {
            Self::Count(most) => failed > most,
            Self::Percent(most) => failed as f64 * 100.0 > most * items as f64,
        }
    }
}

/// Which items of a list to try.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Select {
    /// All that may still succeed: those that were never started, were interrupted, or failed in a way that
    /// may pass. Items that failed permanently or are quarantined are only counted.
    All,
    /// Failed items, permanent or not, and quarantined items; nothing else. With classes, only those whose
    /// last failure had one of them.
    Retry {
        /// Classes of failures; if empty, all.
        classes: Vec<Classes>,
    },
}

/// A class of failures, or a group of classes: `5xx` is every status from 500 to 599.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes(ErrorClass);

impl Classes {
    /// Whether a failure of `class` is one of these.
    pub fn contain(&self, class: &ErrorClass) -> bool {
        let (wanted, class) = (self.0.as_str(), class.as_str());
        let is_status = class.len() == 3 && class.bytes().all(|byte| byte.is_ascii_digit());
        match wanted.strip_suffix("xx") {
            Some(first) if first.len() == 1 && is_status => class.starts_with(first),
            _ => wanted == class,
        }
    }
}

impl From<ErrorClass> for Classes {
    fn from(class: ErrorClass) -> Self {
        Self(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_statuses() {
        let contain = |wanted: &str, class: &str| {
            let wanted = Classes::from(wanted.parse::<ErrorClass>().unwrap());
            wanted.contain(&class.parse().unwrap())
        };
        assert!(contain("5xx", "503") && contain("404", "404") && contain("dns", "dns"));
        assert!(!contain("5xx", "404") && !contain("4xx", "4xx-not") && !contain("dns", "tls"));
    }

    #[test]
    fn failures_are_counted_or_a_share() {
        assert!(
            !MaxFailures::Count(2).is_exceeded(2, 10) && MaxFailures::Count(2).is_exceeded(3, 10)
        );
        assert!(MaxFailures::Count(0).is_exceeded(1, 1));
        assert!(!MaxFailures::Percent(10.0).is_exceeded(1, 10));
        assert!(MaxFailures::Percent(10.0).is_exceeded(2, 10));
    }
}
