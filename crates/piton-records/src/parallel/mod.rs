//! Pieces of a source in parallel, each result once and in its place.
//!
//! One thread reads the source, hands out pieces, and is the only one that writes: it places each result, in the order of
//! the source ([`Order::Source`]) or as it comes ([`Order::Any`]). What is finished behind a piece that is not goes into
//! a spool meanwhile, so that it never runs again.

mod items;
mod letters;
mod limits;
mod map;
mod monitor;
mod order;
mod piece;
mod plan;
mod run;
mod spool;
mod worker;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::letters::{Letter, LetterError};
pub use self::limits::MaxFailures;
pub use self::map::Work;
pub(crate) use self::map::spool_beside;
pub use self::monitor::{Figures, Monitor};
pub use self::piece::FilePiece;
pub(crate) use self::plan::mixed_of;
pub use self::run::Done;
pub(crate) use self::spool::Spool;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::spool::head_holds;
pub use self::worker::{Attempt, Failed};
use crate::source::Unit;
pub use crate::state::Order;

/// More threads than this do not help anybody.
const MOST_WORKERS: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// How much of the spool is used at most, unless another limit is set.
const SPOOL_LIMIT: u64 = 1 << 30;

/// How large a piece is. It is part of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// So many records.
    Records(NonZeroUsize),
    /// Records until they have so many bytes.
    Bytes(NonZeroU64),
}

impl Size {
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Records(count) => Unit::Records(count.get()),
            Self::Bytes(bytes) => Unit::Bytes(bytes.get()),
        }
    }
}

/// As the state of a job has it.
impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Records(count) if count.get() == 1 => f.write_str("1 record"),
            Self::Records(count) => write!(f, "{count} records"),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
        }
    }
}

/// How pieces are processed in parallel.
///
/// Size, order, header and [`Parallel::what`] are part of the job: a resume with others stops and says what differs. The
/// number of workers and the limits may change from run to run.
#[derive(Debug, Clone)]
pub struct Parallel {
    pub(crate) workers: NonZeroUsize,
    pub(crate) size: Size,
    pub(crate) order: Order,
    pub(crate) header: bool,
    pub(crate) what: String,
    pub(crate) accept_other_work: bool,
    pub(crate) retries: u32,
    pub(crate) rate: Option<f64>,
    pub(crate) split_failed: bool,
    pub(crate) max_failures: Option<MaxFailures>,
    pub(crate) spool: Option<PathBuf>,
    pub(crate) spool_limit: u64,
    pub(crate) commit_each: bool,
    pub(crate) pause: Duration,
    pub(crate) monitor: Arc<Monitor>,
}

impl Parallel {
    /// So many workers, a record at a time, results in the order of the source.
    ///
    /// At most 4,096 workers.
    pub fn new(workers: NonZeroUsize) -> Self {
        Self {
            workers: workers.min(MOST_WORKERS),
            size: Size::Records(NonZeroUsize::MIN),
            order: Order::Source,
            header: false,
            what: String::new(),
            accept_other_work: false,
            retries: 0,
            rate: None,
            split_failed: false,
            max_failures: None,
            spool: None,
            spool_limit: SPOOL_LIMIT,
            commit_each: false,
            pause: Duration::from_secs(1),
            monitor: Arc::default(),
        }
    }

    /// How large a piece is: one record, unless this says otherwise. A kill repeats at most the pieces in flight, so let it
    /// be one record where a record is expensive, and some 64 KiB where it is cheap.
    #[must_use]
    pub fn size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    /// The order of the results.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The first record of the source is in no piece: each one has it as its [`FilePiece::header`].
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// What is done with the records, so that a resume that would do something else is noticed.
    #[must_use]
    pub fn what(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    /// Continues also if [`Parallel::what`] differs from what the job was begun with.
    #[must_use]
    pub fn accept_other_work(mut self, accept: bool) -> Self {
        self.accept_other_work = accept;
        self
    }

    /// How often a piece is tried again after a failure that may pass. The pauses grow from `pause` to a minute.
    #[must_use]
    pub fn retries(mut self, retries: u32, pause: Duration) -> Self {
        (self.retries, self.pause) = (retries, pause);
        self
    }

    /// At most so many attempts a second, of all workers together.
    #[must_use]
    pub fn rate(mut self, per_second: Option<f64>) -> Self {
        self.rate = per_second.filter(|rate| rate.is_finite() && *rate > 0.0);
        self
    }

    /// Halves a piece that failed until the records are found that make it fail. Only for work that treats each record
    /// alone.
    #[must_use]
    pub fn split_failed(mut self, split: bool) -> Self {
        self.split_failed = split;
        self
    }

    /// With more dead letters than this the job stops.
    #[must_use]
    pub fn max_failures(mut self, most: Option<MaxFailures>) -> Self {
        self.max_failures = most;
        self
    }

    /// The folder for results that wait for their turn; `NAME.piton-spool` beside the job's name by default.
    #[must_use]
    pub fn spool(mut self, dir: impl Into<PathBuf>) -> Self {
        self.spool = Some(dir.into());
        self
    }

    /// Bytes in that folder, about: with so many no further piece is started before the one that all wait for is finished.
    #[must_use]
    pub fn spool_limit(mut self, bytes: u64) -> Self {
        self.spool_limit = bytes;
        self
    }

    /// Commits each result that is placed, so that a kill repeats the pieces in flight and no other.
    #[must_use]
    pub fn commit_each(mut self, each: bool) -> Self {
        self.commit_each = each;
        self
    }

    /// Where the figures go, and where the run can be paused and stopped.
    #[must_use]
    pub fn monitor(mut self, monitor: Arc<Monitor>) -> Self {
        self.monitor = monitor;
        self
    }
}
