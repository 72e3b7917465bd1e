//! The entry to the library: a client that downloads.

use std::sync::Arc;

use piton_durable::fs::Fs;
use url::Url;

use crate::adopt::{self, Adopted, Adoption};
use crate::download::{Download, Outcome, Plan};
use crate::engine::{self, Tools};
use crate::failure::Failure;
use crate::monitor::Monitor;
use crate::stop::Stop;
use piton_remote::Remote;

/// Downloads. Clones share connections, cookies, limits, and the thread that saves small files, which ends
/// with the last of them.
#[derive(Clone)]
pub struct Client {
    tools: Tools,
}

impl Client {
    /// A client over `remote` that keeps its files on `fs`.
    pub fn new(remote: Remote, fs: Arc<dyn Fs>) -> Self {
        Self { tools: Tools::new(remote, fs) }
    }

    /// Downloads, going on where an earlier call stopped. Dropping the future is like a kill: what
    /// was claimed is kept. Use `stop` to end with everything saved.
    pub async fn download(
        &self,
        what: Download,
        monitor: Monitor,
        stop: Stop,
    ) -> Result<Outcome, Failure> {
        engine::download(&self.tools, what, monitor, stop).await
    }

    /// Asks the server and looks at the disk, changes nothing: what [`Client::download`] would do.
    pub async fn plan(&self, what: &Download) -> Result<Plan, Failure> {
        engine::plan(&self.tools, what).await
    }

    /// Adopts a file that another program began: compares it with the server in some places, and
    /// makes what agrees the part of a download, with its journal. [`Client::download`] with
    /// `what.download` then resumes it.
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
        adopt::adopt(&self.tools, what, monitor, stop).await
    }

    /// The same client, with its connections, cookies and limits, that keeps its files on `fs`.
    pub fn keeping(&self, fs: Arc<dyn Fs>) -> Self {
        Self::new(self.tools.remote.clone(), fs)
    }

    /// The file system that files are kept on.
    pub fn fs(&self) -> &Arc<dyn Fs> {
        &self.tools.fs
    }

    /// Reads a small resource (a list of digests) into memory, at most `limit` bytes.
    pub async fn read(&self, url: &Url, limit: usize) -> Result<Vec<u8>, Failure> {
        engine::read(&self.tools, url, limit).await
    }
}
