//! Words as people may paste them into a shell.

use std::borrow::Cow;

/// The word, quoted where a shell needs it. Control characters and what is not UTF-8 become escapes of `$'…'`, so that
/// the text is fit for a screen and still means the same word to bash.
pub(super) fn quoted(word: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(word) {
        Ok(text) if !text.chars().any(char::is_control) => {
            // It fails for a NUL byte only, which is a control character.
            shlex::try_quote(text).unwrap_or_else(|_| Cow::Owned(escaped(word)))
        }
        _ => Cow::Owned(escaped(word)),
    }
}

fn escaped(word: &[u8]) -> String {
    let mut text = "$'".to_owned();
    for chunk in word.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                '\\' | '\'' => text.extend(['\\', char]),
                char if char.is_control() => {
                    let mut bytes = [0; 4];
                    escape_bytes(char.encode_utf8(&mut bytes).as_bytes(), &mut text);
                }
                char => text.push(char),
            }
        }
        escape_bytes(chunk.invalid(), &mut text);
    }
    text.push('\'');
    text
}

/// In octal: three digits at most, so that a digit behind them stays what it is.
fn escape_bytes(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        text.push_str(&format!("\\{byte:03o}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        for (word, text) in [
            ("wc", "wc"),
            ("-l", "-l"),
            ("/a/b_c.d", "/a/b_c.d"),
            ("é", "'é'"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$HOME", "'$HOME'"),
            ("it's", "\"it's\""),
            ("a\nb", "$'a\\nb'"),
            ("it's\t\\", "$'it\\'s\\t\\\\'"),
            ("\u{1b}[31m", "$'\\033[31m'"),
            ("\u{85}7", "$'\\302\\2057'"),
        ] {
            assert_eq!(quoted(word.as_bytes()), text);
        }
        assert_eq!(quoted(b"a\xff7"), "$'a\\3777'");
    }

    #[test]
    fn a_shell_reads_the_same_word() {
        // dash does not know $'…'.
        if std::process::Command::new("bash").arg("-c").arg(":").status().is_err() {
            return piton_testkit::skip("there is no bash");
        }
        let words: [&[u8]; 9] = [
            b"plain",
            b"",
            b"a b",
            b"it's",
            b"a\nb\tc\r\\'",
            b"\x1b[0m7",
            b"\xff\xfe8",
            b"!x ^ ~",
            b"$`\"\\",
        ];
        for word in words {
            let script = format!("printf %s {}", quoted(word));
            let output =
                std::process::Command::new("bash").arg("-c").arg(&script).output().unwrap();
            assert_eq!(output.stdout, word, "{script}");
        }
    }
}
