//! How a caller ends downloads.

use std::sync::Arc;

use tokio::sync::watch::Sender;

/// Stops downloads: each saves what it has and ends with [`Failure::Stopped`](crate::Failure::Stopped).
#[derive(Clone, Debug, Default)]
pub struct Stop {
    sender: Arc<Sender<bool>>,
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
