//! The entry to the library: a client that downloads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::Identity;
use piton_durable::fs::Fs;
use url::Url;

use crate::download::{Download, Outcome};
use crate::engine;
use crate::error::Failure;
use crate::monitor::Monitor;
use crate::transport::Transport;

/// Downloads. Clones share connections, cookies and limits.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
    pub(crate) fs: Arc<dyn Fs>,
}

impl Client {
    /// A client over this transport that keeps its files on `fs`.
    pub fn new(transport: Transport, fs: Arc<dyn Fs>) -> Self {
        Self { transport, fs }
    }

    /// Downloads, going on where an earlier call stopped. Dropping the future is like a kill: what
    /// was claimed is kept. Use `stop` to end with everything saved.
    pub async fn download(
        &self,
        what: Download,
        monitor: Monitor,
        stop: Stop,
    ) -> Result<Outcome, Failure> {
        engine::run(self, what, monitor, stop).await
    }

    /// Asks the server and looks at the disk, changes nothing: what [`Client::download`] would do.
    pub async fn plan(&self, what: &Download) -> Result<Plan, Failure> {
        engine::plan(self, what).await
    }

    /// Whether the file at `path` was finished by a download, whichever that was, and not edited since.
    ///
    /// # Errors
    /// What the system says when it looks.
    pub fn has_finished(&self, path: &Path) -> std::io::Result<bool> {
        engine::was_finished(self.fs.as_ref(), path)
    }

    /// The file system that files are kept on.
    pub fn fs(&self) -> &Arc<dyn Fs> {
        &self.fs
    }

    /// Reads a small resource (a list of digests) into memory, at most `limit` bytes.
    pub async fn read(&self, url: &Url, limit: usize) -> Result<Vec<u8>, Failure> {
        engine::read(self, url, limit).await
    }
}

/// What a download would do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// The final name.
    pub path: PathBuf,
    /// Which version the server has.
    pub identity: Identity,
    /// Whether the server gives ranges.
    pub ranges: bool,
    /// Bytes that are here from an earlier run.
    pub have: u64,
    /// A file stands under the final name.
    pub exists: bool,
    /// After redirects.
    pub address: Url,
}

/// Stops downloads: each saves what it has and ends with [`Failure::Stopped`].
#[derive(Clone, Debug, Default)]
pub struct Stop {
    sender: Arc<tokio::sync::watch::Sender<bool>>,
}

impl Stop {
    /// A stop that was not used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops.
    pub fn stop(&self) {
        self.sender.send_replace(true);
    }

    /// Whether [`Stop::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits until [`Stop::stop`] is called.
    pub async fn stopped(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives in `self`, so this cannot fail before it is true.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}
