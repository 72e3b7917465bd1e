//! Work that blocks, beside the network's thread.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use tokio::sync::oneshot;

/// Runs something that blocks where it does not hold up the network: on a thread of its own. Where the
/// system has no thread, it runs here, and the network waits for it.
///
/// Dropping the future does not end the work. (The runtime's pool of threads would be a little cheaper. It
/// panics where its first one cannot be created, and what a panic says is on stderr before it is caught.)
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |from: &Mutex<Option<_>>| from.lock().unwrap_or_else(PoisonError::into_inner).take();
    let own = Arc::clone(&work);
    let (tell, told) = oneshot::channel();
    let spawned = Builder::new().name("piton-blocking".to_owned()).spawn(move || {
        if let Some(work) = take(&own) {
            // Whoever does not wait any more does not want to know.
            drop(tell.send(catch_unwind(AssertUnwindSafe(work))));
        }
    });
    let result = match spawned {
        Ok(_) => told.await.ok(),
        Err(_) => take(&work).map(|work| Ok(work())),
    };
    match result {
        Some(Ok(result)) => result,
        Some(Err(panic)) => resume_unwind(panic),
        // It always tells, be it of a panic.
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_work_gives_is_given_and_so_is_its_panic() {
        assert_eq!(blocking(|| 7).await, 7);
        let panicked = tokio::spawn(blocking(|| panic!("on purpose"))).await;
        assert!(panicked.unwrap_err().is_panic());
    }
}
