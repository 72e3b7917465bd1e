//! What an HTTP library's error says of the exchange that failed.

use std::error::Error;
use std::io;

use super::tls;
use crate::error::{RemoteError, TlsFault};

/// The first error of type `E` among `error` and what caused it; looks into [`io::Error`]s as well.
pub(super) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An io::Error's own source skips the error it wraps.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// A copy of an [`io::Error`] that is only lent: its kind and its words.
pub(super) fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// The innermost reason, which is the one that says something.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// hyper's errors while the head was awaited.
pub(super) fn head_failed(host: &str, error: &hyper::Error) -> RemoteError {
    let host = host.to_owned();
    if error.is_parse() {
        return RemoteError::Protocol { host, why: root(error) };
    }
    if let Some(why) = broken_by_peer(error) {
        return RemoteError::Protocol { host, why };
    }
    // TLS 1.3 servers refuse a client certificate, or the lack of one, only after the handshake.
    if let Some(alert @ rustls::Error::AlertReceived(_)) = cause(error) {
        return tls::failed(&host, alert, TlsFault::Protocol, tls::Asked::ForCertificate);
    }
    let source = match cause::<io::Error>(error) {
        Some(source) => copy(source),
        None => io::Error::new(io::ErrorKind::ConnectionAborted, root(error)),
    };
    RemoteError::Reset { host, source }
}

/// hyper's errors while the body came in.
pub(super) fn body_failed(
    host: &str,
    error: &hyper::Error,
    got: u64,
    expected: Option<u64>,
) -> RemoteError {
    if let Some(why) = broken_by_peer(error) {
        return RemoteError::Protocol { host: host.to_owned(), why };
    }
    match cause::<io::Error>(error) {
        Some(source) => io_failed(host, copy(source), got, expected),
        None if error.is_incomplete_message() => {
            RemoteError::Truncated { host: host.to_owned(), got, expected }
        }
        None => {
            let source = io::Error::new(io::ErrorKind::ConnectionAborted, root(error));
            RemoteError::Io { host: host.to_owned(), source }
        }
    }
}

/// The connection's own errors while the body came in. TLS says "unexpected end" when the close was not
/// announced, which is what a cut looks like.
pub(super) fn io_failed(
    host: &str,
    source: io::Error,
    got: u64,
    expected: Option<u64>,
) -> RemoteError {
    let host = host.to_owned();
    if source.kind() == io::ErrorKind::UnexpectedEof {
        RemoteError::Truncated { host, got, expected }
    } else {
        RemoteError::Io { host, source }
    }
}

/// What the peer did against the protocol: garbled chunks, or frames that do not add up.
fn broken_by_peer(error: &hyper::Error) -> Option<String> {
    if let Some(h2) = cause::<h2::Error>(error) {
        let ours = h2.is_library() && !h2.is_remote();
        let broken = matches!(
            h2.reason(),
            Some(
                h2::Reason::PROTOCOL_ERROR
                    | h2::Reason::FRAME_SIZE_ERROR
                    | h2::Reason::COMPRESSION_ERROR
                    | h2::Reason::FLOW_CONTROL_ERROR
            )
        );
        return (ours && broken).then(|| h2.to_string());
    }
    let io = cause::<io::Error>(error)?;
    let garbled = matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
    // A damaged TLS record is the network's doing, not the server's.
    (garbled && cause::<rustls::Error>(io).is_none()).then(|| io.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_cause_is_found() {
        let inner = rustls::Error::DecryptError;
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert!(cause::<rustls::Error>(&wrapped).is_some());
        assert!(cause::<h2::Error>(&wrapped).is_none());
    }
}
