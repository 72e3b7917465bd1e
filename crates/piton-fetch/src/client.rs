//! The entry to the library: a client that downloads.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use piton_checkpoint::Identity;
use piton_durable::fs::Fs;
use url::Url;

use crate::adopt::{self, Adopted, Adoption};
use crate::download::{Download, Outcome};
use crate::engine;
use crate::error::Failure;
use crate::monitor::Monitor;
use crate::sink::Landings;
use crate::transport::Transport;

/// Downloads. Clones share connections, cookies, limits, and the thread that saves small files, which ends
/// with the last of them.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
    pub(crate) fs: Arc<dyn Fs>,
    landings: Arc<OnceLock<Option<Landings>>>,
}

impl Client {
    /// A client over this transport that keeps its files on `fs`.
    pub fn new(transport: Transport, fs: Arc<dyn Fs>) -> Self {
        Self { transport, fs, landings: Arc::default() }
    }

    /// What saves small files, from their first on. `None` where there is no thread for it.
    pub(crate) fn landings(&self) -> Option<&Landings> {
        self.landings.get_or_init(|| Landings::start(&self.fs).ok()).as_ref()
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

    /// Takes over a file that another program began: compares it with the server in some places, and
    /// makes what agrees the part of a download, with its journal. [`Client::download`] with
    /// `what.download` then goes on with it.
    ///
    /// The bytes between the places are believed without proof; [`Evidence`](crate::Evidence) says how
    /// sure that is. Until the comparison has succeeded the file is as it was, and after a crash at any
    /// instant it is that still, or the part. The program that began it should have ended.
    ///
    /// # Errors
    /// [`Failure::Unadoptable`], or as a download fails.
    pub async fn adopt(
        &self,
        what: &Adoption,
        monitor: &Monitor,
        stop: &Stop,
    ) -> Result<Adopted, Failure> {
        adopt::adopt(self, what, monitor, stop).await
    }

    /// The same client, with its connections, cookies and limits, that keeps its files on `fs`.
    pub fn keeping(&self, fs: Arc<dyn Fs>) -> Self {
        Self::new(self.transport.clone(), fs)
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
