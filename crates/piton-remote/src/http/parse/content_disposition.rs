//! The Content-Disposition header (RFC 6266), and its `filename*` (RFC 8187).

use super::encoded_words;
use crate::decode;

/// The file name that a Content-Disposition proposes, as the server meant it. It is *not* safe to use:
/// whoever creates a file by it has to clean it first.
///
/// The first `filename*` that can be decoded wins over the first `filename`. Beyond the RFC this takes
/// what servers really send: no disposition type, names with spaces and no quotes, quotes that never
/// close, raw UTF-8 or ISO-8859-1, `filename*` in quotes, doubled parameters; and in `filename`, where that
/// gives valid text, percent-encoded UTF-8 and the encoded words of mail (RFC 2047). `None` if there is no
/// name or it is empty.
pub(crate) fn file_name(value: &[u8]) -> Option<String> {
    let value = decode::utf8_or_latin1(value);
    let mut plain = None;
    for (name, value) in Parameters(&value) {
        if value.is_empty() {
            continue;
        }
        if name.eq_ignore_ascii_case("filename*") {
            if let Some(decoded) = extended(&value) {
                return Some(decoded);
            }
        } else if name.eq_ignore_ascii_case("filename") {
            plain.get_or_insert(value);
        }
    }
    let plain = plain?;
    Some(encoded_words::decode(&plain).or_else(|| percent_encoded(&plain)).unwrap_or(plain))
}

/// What a plain name stands for that is percent-encoded UTF-8, as browsers take it. `None`: it is no such
/// name, and means itself.
fn percent_encoded(name: &str) -> Option<String> {
    let decoded = String::from_utf8(decode::percent(name)?).ok()?;
    (decoded != name && !decoded.is_empty()).then_some(decoded)
}

/// The `name=value` pairs between semicolons; what has no `=`, such as the type, is left out.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let end = self.0.find([';', '=']).unwrap_or(self.0.len());
            let (name, rest) = self.0.split_at_checked(end)?;
            let Some(rest) = rest.strip_prefix('=') else {
                self.0 = rest.strip_prefix(';').unwrap_or("");
                continue;
            };
            let (value, rest) = match rest.trim_start().strip_prefix('"') {
                Some(quoted) => quoted_string(quoted),
                None => {
                    let (value, rest) = rest.split_once(';').unwrap_or((rest, ""));
                    (value.trim().to_owned(), rest)
                }
            };
            self.0 = rest;
            // `attachment filename=x` lacks its semicolon.
            let name = name.trim();
            let name = name.rsplit(char::is_whitespace).next().unwrap_or(name);
            return Some((name, value));
        }
        None
    }
}

/// What stands before the closing quote, with `\x` for `x` (RFC 9110 section 5.6.4), and what follows the
/// next semicolon.
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    (value, chars.as_str().split_once(';').map_or("", |(_, rest)| rest))
}

/// `charset'language'percent-encoded` in UTF-8 or ISO-8859-1 (RFC 8187 section 3.2).
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let bytes = decode::percent(encoded)?;
    let decoded = if charset.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(bytes).ok()?
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        decode::latin1(&bytes)
    } else {
        return None;
    };
    (!decoded.is_empty()).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        assert_eq!(file_name(value.as_bytes()).as_deref(), expected, "{value}");
    }

    #[test]
    fn as_the_rfcs_have_it() {
        check("Attachment; filename=example.html", Some("example.html"));
        check("INLINE; FILENAME= \"an example.html\"", Some("an example.html"));
        check("attachment; filename*= UTF-8''%e2%82%ac%20rates", Some("€ rates"));
        check(
            "attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates",
            Some("€ rates"),
        );
        check("attachment; filename*=UTF-8'en'a.txt; filename=b.txt", Some("a.txt"));
        check("attachment; filename*=iso-8859-1'en'%A3%20rates", Some("£ rates"));
        check(r#"attachment; filename="a\"b\\c;d=e.txt"; size=5"#, Some(r#"a"b\c;d=e.txt"#));
        check("attachment", None);
        check("", None);
    }

    #[test]
    fn plain_names_that_are_encoded() {
        check("attachment; filename=\"%E6%B5%8B%E8%AF%95.txt\"", Some("测试.txt"));
        check("attachment; filename=a%20b%C3%A9.txt", Some("a bé.txt"));
        check(
            "attachment; filename=\"=?UTF-8?B?5rWL6K+V?= =?utf-8?q?_1.txt?=\"",
            Some("测试 1.txt"),
        );
        check("attachment; filename==?UTF-8?Q?na=C3=AFve.txt?=", Some("naïve.txt"));
        // What does not decode means itself.
        for name in ["100%.txt", "50%off", "%FF%FE.txt", "%é", "=?UTF-8?B?/w==?=", "=?x?B?YQ==?="]
        {
            check(&format!("attachment; filename=\"{name}\""), Some(name));
        }
        check("a; filename=\"%E6%B5%8B\"; filename*=UTF-8''b.txt", Some("b.txt"));
    }

    #[test]
    fn a_bad_extended_name_falls_back() {
        for bad in
            ["UTF-8''%", "UTF-8''%e2%82", "UTF-8''%ff", "UTF-16''a", "a.txt", "UTF-8'a", "UTF-8''"]
        {
            check(&format!("attachment; filename*={bad}; filename=b.txt"), Some("b.txt"));
            check(&format!("attachment; filename*={bad}"), None);
        }
        check("a; filename*=UTF-16''x; filename*=UTF-8''y", Some("y"));
    }

    #[test]
    fn what_servers_really_send() {
        check("filename=foo.txt", Some("foo.txt"));
        check("filename=\"foo.txt\"", Some("foo.txt"));
        check(";;filename=foo.txt;", Some("foo.txt"));
        check("attachment filename=foo.txt", Some("foo.txt"));
        check("attachment; filename=foo bar (1).txt", Some("foo bar (1).txt"));
        check("attachment; filename=foo bar.txt ; x=y", Some("foo bar.txt"));
        check("attachment; filename = foo.txt", Some("foo.txt"));
        check("attachment; filename=\"never closed.txt", Some("never closed.txt"));
        check("attachment; filename=\"ends in \\", Some("ends in "));
        check("attachment; filename=\"a.txt\"rubbish; filename*=UTF-8''b.txt", Some("b.txt"));
        check("attachment; filename*=\"UTF-8''a%20b.txt\"", Some("a b.txt"));
        check("attachment; filename=a.txt; filename=b.txt", Some("a.txt"));
        check("attachment; filename=; filename=b.txt", Some("b.txt"));
        check("attachment; filename=\"\"", None);
        check("attachment; xfilename=a; filename_=b; x-filename=c", None);
        check("attachment; filename=a=b.txt", Some("a=b.txt"));
        check("attachment; filename=\"naïve.txt\"", Some("naïve.txt"));
        assert_eq!(file_name(b"attachment; filename=na\xefve.txt").as_deref(), Some("naïve.txt"));
        check("attachment; filename=\"../../etc/passwd\"", Some("../../etc/passwd"));
    }
}
