//! The text form of a store, as a command line or a program has it: `file:PATH`, `json:PATH`, `sqlite:PATH?job=NAME`,
//! `redis://HOST/DB?job=NAME`.

#[cfg(feature = "redis")]
mod server;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use piton_durable::fs::Fs;
use piton_durable::held::HeldError;

use super::{JournalStore, JsonStore, SqliteStore, Store, StoreError};
#[cfg(feature = "redis")]
use super::{RedisPlace, RedisStore};

/// The longest text.
const LONGEST: usize = 8192;
/// The longest name of a job.
const LONGEST_JOB: usize = 100;
/// The job of a database that names none.
const JOB: &str = "job";

/// Which store, and where.
///
/// `Display` gives the text that it was parsed from, without user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spec {
    /// `file:PATH`: a [`JournalStore`].
    Journal(PathBuf),
    /// `json:PATH`: a [`JsonStore`].
    Json(PathBuf),
    /// `sqlite:PATH?job=NAME`: a [`SqliteStore`]. Without a name it is `job`.
    Sqlite {
        /// The database.
        path: PathBuf,
        /// The job in it.
        job: String,
    },
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DB]?job=NAME`, or `unix:SOCKET?job=NAME[&db=N][&user=…][&password=…]`: a
    /// [`RedisStore`](super::RedisStore).
    #[cfg(feature = "redis")]
    Redis(RedisPlace),
}

/// Why a text names no store. It never repeats what may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// It has none of the known forms.
    #[error(
        "a state is one of file:PATH, json:PATH, sqlite:PATH?job=NAME, redis://HOST:PORT/DB?job=NAME and \
         unix:SOCKET?job=NAME"
    )]
    Form,
    /// It has no path, or too long a one.
    #[error("a state needs a path of at most {LONGEST} bytes")]
    Path,
    /// The name of a job has other characters than letters, digits, `.`, `_` and `-`, begins with a dot, is too long, or
    /// is missing where it is needed.
    #[error(
        "a job in a database or on a server has a name (?job=NAME) of at most {LONGEST_JOB} letters, digits, \
         dots, hyphens and underscores, which does not begin with a dot"
    )]
    JobName,
    /// The address of a server is invalid.
    #[error("the address of the Redis server is invalid: {0}")]
    Server(&'static str),
    /// TLS to a Redis server is not supported.
    #[error("Redis over TLS (rediss://) is not supported; use a tunnel, such as stunnel or ssh -L")]
    Tls,
    /// This build has no such store.
    #[error("this program was built without the store Redis (feature `redis`)")]
    NotBuilt,
}

/// Opens the store that `spec` names. Nothing is touched or asked before [`Store::take`].
///
/// # Errors
/// [`SpecError`].
pub fn open(spec: &str, fs: &Arc<dyn Fs>) -> Result<Arc<dyn Store>, SpecError> {
    spec.parse::<Spec>()?.open(fs)
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text.len() > LONGEST {
            return Err(SpecError::Path);
        }
        let (scheme, rest) = text.split_once(':').ok_or(SpecError::Form)?;
        match scheme {
            "file" => Ok(Self::Journal(path(rest)?)),
            "json" => Ok(Self::Json(path(rest)?)),
            "sqlite" => sqlite(rest),
            "redis" | "unix" => server(scheme, rest),
            "rediss" => Err(SpecError::Tls),
            _ => Err(SpecError::Form),
        }
    }
}

impl Spec {
    /// The store.
    ///
    /// # Errors
    /// [`SpecError::JobName`].
    pub fn open(&self, fs: &Arc<dyn Fs>) -> Result<Arc<dyn Store>, SpecError> {
        let fs = Arc::clone(fs);
        Ok(match self {
            Self::Journal(path) => Arc::new(JournalStore::new(fs, path)),
            Self::Json(path) => Arc::new(JsonStore::new(fs, path)),
            Self::Sqlite { path, job } => Arc::new(SqliteStore::new(path, job)?),
            #[cfg(feature = "redis")]
            Self::Redis(place) => Arc::new(RedisStore::new(place.clone())),
        })
    }

    /// Moves what is there aside, whatever is in it, so that the next run starts from nothing: a file as a whole, in a
    /// database or on a server this job alone. Returns its new name; `None`: there was nothing.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; where it cannot be renamed.
    pub fn set_aside(&self, fs: &Arc<dyn Fs>) -> Result<Option<String>, StoreError> {
        match self {
            Self::Journal(path) | Self::Json(path) => match JournalStore::set_aside(fs, path) {
                Err(StoreError::File(HeldError::Io { source, .. }))
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    Ok(None)
                }
                aside => aside.map(|aside| Some(aside.display().to_string())),
            },
            Self::Sqlite { path, job } => match SqliteStore::new(path, job) {
                Ok(store) => store.set_aside(),
                Err(error) => Err(StoreError::Refused {
                    place: path.display().to_string(),
                    why: error.to_string(),
                }),
            },
            #[cfg(feature = "redis")]
            Self::Redis(place) => RedisStore::new(place.clone()).set_aside(),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(path) => write!(f, "file:{}", path.display()),
            Self::Json(path) => write!(f, "json:{}", path.display()),
            Self::Sqlite { path, job } => write!(f, "sqlite:{}?job={job}", path.display()),
            #[cfg(feature = "redis")]
            Self::Redis(place) => place.fmt(f),
        }
    }
}

fn path(text: &str) -> Result<PathBuf, SpecError> {
    // "file://host/path" is a URL, and not meant.
    if text.is_empty() || text.starts_with("//") || text.contains('\0') {
        return Err(SpecError::Path);
    }
    Ok(Path::new(text).to_owned())
}

/// A path may have a question mark, if it has the name of the job too.
fn sqlite(rest: &str) -> Result<Spec, SpecError> {
    let (file, job) = match rest.rsplit_once("?job=") {
        Some((file, job)) => (file, job),
        None => (rest, JOB),
    };
    check_job(job)?;
    Ok(Spec::Sqlite { path: path(file)?, job: job.to_owned() })
}

#[cfg(feature = "redis")]
fn server(scheme: &str, rest: &str) -> Result<Spec, SpecError> {
    match scheme {
        "unix" => server::socket(rest),
        _ => server::url(rest),
    }
    .map(Spec::Redis)
}

#[cfg(not(feature = "redis"))]
fn server(_scheme: &str, _rest: &str) -> Result<Spec, SpecError> {
    Err(SpecError::NotBuilt)
}

/// A name that can be a part of a file name and of a key.
pub(super) fn check_job(job: &str) -> Result<(), SpecError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match (1..=LONGEST_JOB).contains(&job.len()) && job.bytes().all(fits) && !job.starts_with('.') {
        true => Ok(()),
        false => Err(SpecError::JobName),
    }
}
