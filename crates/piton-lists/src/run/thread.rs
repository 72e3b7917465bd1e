//! Blocking work, each on its own thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::Builder;

use tokio::sync::oneshot;

/// Starts `work`; the future returns its result. Dropping the future does not end the work.
///
/// # Errors
/// The system cannot create a thread (`nproc`, `pids.max`). The pool of the runtime would panic then.
pub(super) fn begin<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<impl Future<Output = T>> {
    let (tell, told) = oneshot::channel();
    let thread = Builder::new().name("piton-run".to_owned());
    // Whoever does not wait any more does not want to know. The handle is not needed for anything else.
    thread.spawn(move || drop(tell.send(catch_unwind(AssertUnwindSafe(work)))))?;
    Ok(async move {
        match told.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            // It always tells, be it of a panic.
            Err(_) => std::future::pending().await,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_work_gives_is_given_and_so_is_its_panic() {
        assert_eq!(begin(|| 7).unwrap().await, 7);
        let panicked = tokio::spawn(async { begin(|| panic!("on purpose")).unwrap().await }).await;
        assert!(panicked.unwrap_err().is_panic());
    }
}
