//! One question to one source and its answer, within the limits of time: what the first question, segments and
//! range readers share.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use piton_checkpoint::Class;
use piton_remote::{Ask, Connection, Reply};
use tokio::time::timeout;

use super::mirrors::{LinkEnd, Source};
use super::transfer_error::TransferError;
use crate::failure::Failure;

/// Puts a question to `source` and waits for the head of the answer, for `limit` and while nobody asks to stop.
/// `question` comes with the generation of the URL that it asks.
///
/// Where a redirect led to serves only for a while: when it fails, the original URL is asked next, which may lead
/// elsewhere by now. What would be final is not while that can be asked, and the error says so.
pub(super) async fn exchange(
    source: &Source,
    connection: &mut Connection,
    question: &(Ask, u32),
    limit: Duration,
    stopped: impl Future<Output = ()>,
) -> Result<Reply, TransferError> {
    let (ask, generation) = question;
    // By reference: it is large, and `timeout` would move it.
    let mut asking = pin!(connection.ask(ask));
    let asked = tokio::select! {
        asked = timeout(limit, asking.as_mut()) => asked,
        () = stopped => return Err(TransferError::Stopped),
    };
    let error: TransferError = match asked {
        Ok(Ok(reply)) => return Ok(reply),
        Ok(Err(error)) => error.into(),
        Err(_) => {
            source.standing().did_not_answer();
            Failure::NoAnswer { host: source.host(), after: limit, tries: 1 }.into()
        }
    };
    let end = if error.class() == Class::Fatal { LinkEnd::Final } else { LinkEnd::Passing };
    // While other answers come in from there, it is only this connection that is not served.
    let asks_elsewhere = (end == LinkEnd::Final || source.serving.load(Ordering::Relaxed) == 0)
        && source.resolve_again(*generation, end);
    Err(match error {
        TransferError::Failed(failure) if asks_elsewhere && end == LinkEnd::Final => {
            TransferError::ExpiredLink(failure)
        }
        error => error,
    })
}

/// Waits for bytes of a body, for `limit` and while nobody asks to stop.
pub(super) async fn received<T>(
    host: impl FnOnce() -> String,
    limit: Duration,
    bytes: impl Future<Output = T>,
    stopped: impl Future<Output = ()>,
) -> Result<T, TransferError> {
    tokio::select! {
        bytes = timeout(limit, bytes) => {
            bytes.map_err(|_| Failure::Stalled { host: host(), after: limit, tries: 1 }.into())
        }
        () = stopped => Err(TransferError::Stopped),
    }
}
