//! Work that blocks, beside the network's thread.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Runs something that blocks where it does not hold up the network: on a thread of its own. Where the
/// system has no thread left, it runs here, and the network waits for it.
///
/// tokio's own pool panics when its first thread cannot be created, and when a later one cannot, its work
/// waits behind work that may take hours.
///
/// Dropping the future does not end the work.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |from: &Mutex<Option<_>>| from.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (tell, told) = oneshot::channel();
    let own = Arc::clone(&work);
    let run = move || {
        if let Some(work) = take(&own) {
            // Whoever does not wait any more is as after a kill.
            let _ = tell.send(catch_unwind(AssertUnwindSafe(work)));
        }
    };
    let thread = thread::Builder::new().name("piton-blocking".to_owned()).spawn(run);
    if thread.is_err()
        && let Some(work) = take(&work)
    {
        return work();
    }
    match told.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        // Only the end of the process ends the thread before it has told.
        Err(_) => std::future::pending().await,
    }
}
