//! One question to one source and its answer, within the limits of time: what the first question, segments and
//! range readers share.

use std::pin::pin;
use std::time::Duration;

use piton_remote::{Ask, AskError, Connection, Reply};
use tokio::time::timeout;

use super::mirrors::Source;
use super::transfer_error::TransferError;

/// Puts a question to `source` and waits for the head of the answer, for `limit` and while nobody asks to stop.
/// `question` comes with the generation of the URL that it asks.
///
/// A refusal from where a redirect led to may only be that of a link that is too old: then the original URL is
/// asked from now on, and the error says so.
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
        asked = timeout(limit, asking.as_mut()) => asked.map_err(|_| {
            source.standing().did_not_answer();
            TransferError::NoAnswer { host: source.host(), after: limit }
        })?,
        () = stopped => return Err(TransferError::Stopped),
    };
    asked.map_err(|error| match error {
        AskError::Failed(error) => error.into(),
        AskError::Refused(refusal) => {
            let may_be = refusal.kind.may_be_an_expired_link();
            let expired = may_be && source.resolve_again(*generation);
            TransferError::Refused { refusal: Box::new(refusal), expired }
        }
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
            bytes.map_err(|_| TransferError::Stalled { host: host(), after: limit })
        }
        () = stopped => Err(TransferError::Stopped),
    }
}
