//! Where a job is on a Redis server.

use std::fmt;
use std::path::PathBuf;

/// A job on a server: its address, who we are there, and the name of the job. Neither `Display` nor `Debug` shows the
/// login.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisPlace {
    pub(in crate::store) address: Address,
    pub(in crate::store) database: u32,
    pub(in crate::store) login: Option<Login>,
    pub(in crate::store) job: String,
}

#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) struct Login {
    pub(in crate::store) user: Option<String>,
    pub(in crate::store) password: String,
}

impl RedisPlace {
    /// The key of the job.
    pub(super) fn key(&self) -> String {
        format!("piton:job:{}", self.job)
    }
}

impl fmt::Display for RedisPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, job, .. } = self;
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => {
                write!(f, "redis://[{host}]:{port}/{database}?job={job}")
            }
            Address::Tcp { host, port } => write!(f, "redis://{host}:{port}/{database}?job={job}"),
            Address::Unix(path) => write!(f, "unix:{}?job={job}&db={database}", path.display()),
        }
    }
}

impl fmt::Debug for RedisPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
