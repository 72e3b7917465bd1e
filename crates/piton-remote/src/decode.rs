//! From bytes to text, for names in headers and addresses.

/// The bytes that percent-encoded `text` stands for; `None` if a `%` is not followed by two hex digits (RFC
/// 8187 section 3.2.1).
pub(crate) fn percent(text: &str) -> Option<Vec<u8>> {
    let mut escapes = text.split('%');
    escapes.next();
    let well_formed = escapes.all(|after| {
        after.as_bytes().first_chunk::<2>().is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    well_formed.then(|| percent_encoding::percent_decode_str(text).collect())
}

/// Text in UTF-8 if it is that, otherwise in ISO-8859-1, in which every byte is a character.
pub fn utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => latin1(bytes),
    }
}

/// Text in ISO-8859-1.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_escapes_are_seen() {
        assert_eq!(percent("a%20b%C3%a9"), Some("a bé".as_bytes().to_vec()));
        assert_eq!(percent(""), Some(vec![]));
        for wrong in ["%", "%2", "a%2", "%%20", "%zz", "%é"] {
            assert_eq!(percent(wrong), None, "{wrong}");
        }
    }
}
