//! Work that blocks, beside the network's thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

/// A thread of the runtime's pool that has nothing to do stays longer than this.
const STAYS: Duration = Duration::from_secs(5);

thread_local! {
    /// When this thread last gave the pool something to do.
    static GIVEN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs something that blocks where it does not hold up the network: on a thread of the runtime's pool.
/// Where the system has no thread for the pool, it runs here, and the network waits for it.
///
/// Dropping the future does not end the work; the runtime waits for it when it is dropped. So who drops both
/// can begin the same again at once: nothing holds the files any more, which a thread of our own would.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if !pool_has_a_thread() {
        return work();
    }
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |from: &Mutex<Option<_>>| from.lock().unwrap_or_else(PoisonError::into_inner).take();
    let own = Arc::clone(&work);
    // The last thread of the system may be gone since it was asked for.
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

/// The pool panics where its first thread cannot be created, and what a panic says is on stderr before it can
/// be caught. So where the pool may have none, it is tried first whether the system gives one.
fn pool_has_a_thread() -> bool {
    let now = Instant::now();
    let given = GIVEN.get().is_some_and(|given| now.duration_since(given) < STAYS);
    let has = given || Builder::new().spawn(|| ()).map(JoinHandle::join).is_ok();
    GIVEN.set(has.then_some(now));
    has
}
