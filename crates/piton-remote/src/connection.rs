//! Where questions are put: what all connections share, and one slot for one question at a time.

use std::fmt;
use std::sync::Arc;

use piton_durable::fs::Fs;

use crate::ask::Ask;
use crate::body::{self, Body};
use crate::error::RemoteError;
use crate::file;
use crate::http::{self, ConfigError};
use crate::refusal::Refusal;
use crate::reply::Reply;

/// What all connections share, of every protocol. Cheap to clone. It belongs to the runtime in which it is used
/// first, which drives its connections.
#[derive(Clone)]
pub struct Remote {
    http: http::Transport,
    /// Files of this machine may be sources.
    files: Option<Arc<dyn Fs>>,
}

/// Why there is no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The exchange failed.
    #[error(transparent)]
    Failed(#[from] RemoteError),
    /// The server answered, and says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Remote {
    /// Checks `config` and prepares. Contacts nobody. Only HTTP is spoken; see [`Remote::with_files`].
    ///
    /// # Errors
    /// [`ConfigError`] for a certificate or key that cannot be used, or a header that is not the user's to set.
    pub fn new(config: http::Config) -> Result<Self, ConfigError> {
        Ok(Self { http: http::Transport::new(config)?, files: None })
    }

    /// The same, which also answers `file:` URLs with files of `fs`. Without this they are refused: whoever
    /// writes a list, or a server that sends one, does not choose which files of this machine are copied.
    pub fn with_files(self, fs: Arc<dyn Fs>) -> Self {
        Self { files: Some(fs), ..self }
    }

    /// A new slot; it connects with its first question.
    pub fn connection(&self) -> Connection {
        Connection { http: self.http.lane(), files: self.files.clone() }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

/// One slot for one question at a time; keeps what it is connected by for the next question to the same host.
/// Dropping it leaves that to the connections that come after it, for half a minute.
pub struct Connection {
    http: http::Lane,
    files: Option<Arc<dyn Fs>>,
}

impl Connection {
    /// Puts the question and waits for the head of the answer, following redirects. There is no time limit
    /// beyond the one for connecting: dropping the future gives the question up.
    ///
    /// # Errors
    /// [`AskError`]; [`crate::Meaning`] says what follows from it.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Reply, AskError> {
        match ask.url.scheme() {
            "file" => {
                let files = self.files.as_ref().ok_or(RemoteError::FilesNotAllowed)?;
                let (head, holds, body) = file::answer(files, ask).await?;
                Ok(Reply { head, holds, body: Body(body::Source::File(body)) })
            }
            _ => http::answer(&mut self.http, ask).await,
        }
    }

    pub(crate) fn http(&mut self) -> &mut http::Lane {
        &mut self.http
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
