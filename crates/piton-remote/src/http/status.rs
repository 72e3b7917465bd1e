//! What an HTTP status that says no comes down to (RFC 9110 section 15).

use crate::refusal::RefusalKind;

/// What `status` comes down to. One place for a file and for an item of a list.
pub(super) fn kind(status: u16) -> RefusalKind {
    match status {
        // The server accepted it, and is making the file.
        202 => RefusalKind::NotReady,
        401 => RefusalKind::Unauthorized,
        403 => RefusalKind::Denied,
        404 | 410 => RefusalKind::Gone,
        408 | 425 => RefusalKind::Transient,
        429 => RefusalKind::TooMany,
        503 | 509 => RefusalKind::Busy,
        // Seen from servers, and from what stands before them, that mind a Range header.
        400 | 405 | 406 | 412 | 416 | 417 | 501 => RefusalKind::BadQuestion,
        // No such HTTP version, and faults in how the server is set up.
        505 | 506 | 508 | 510 => RefusalKind::Permanent,
        500..=599 => RefusalKind::Transient,
        _ => RefusalKind::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meaning::{FailureClass, Meaning, Retry};
    use crate::refusal::Refusal;

    #[test]
    fn every_status_means_one_thing() {
        for status in 100..=999 {
            let (host, text) = ("a.test".to_owned(), status.to_string());
            let (kind, code) = (kind(status), Some(status));
            let meaning =
                Meaning::of_refusal(&Refusal { host, kind, code, text, retry_after: None });
            let later = matches!(status, 202 | 408 | 425 | 429)
                || ((500..600).contains(&status) && !matches!(status, 501 | 505 | 506 | 508 | 510));
            assert_eq!(meaning.retry == Retry::Later, later, "{status}");
            assert_eq!(meaning.class, FailureClass::Status(status));
            assert_eq!(meaning.class.to_string(), status.to_string());
        }
    }
}
