//! Work that blocks, beside the network's thread.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;

/// Runs something that blocks where it does not hold up the network: on a thread of the runtime's pool.
/// Where the system has no thread for the pool, it runs here, and the network waits for it.
///
/// Dropping the future does not end the work; the runtime waits for it when it is dropped. So who drops both
/// can begin the same again at once: nothing holds the files any more, which a thread of our own would.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |from: &Mutex<Option<_>>| from.lock().unwrap_or_else(PoisonError::into_inner).take();
    let own = Arc::clone(&work);
    // The pool panics where its first thread cannot be created.
    let spawned =
        catch_unwind(AssertUnwindSafe(|| spawn_blocking(move || take(&own).map(|work| work()))));
    let result = match spawned {
        Ok(task) => match task.await {
            Ok(result) => result,
            Err(gone) => match gone.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Only the end of the runtime cancels a blocking task, and this future with it.
                Err(_) => None,
            },
        },
        Err(_) => take(&work).map(|work| work()),
    };
    match result {
        Some(result) => result,
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
