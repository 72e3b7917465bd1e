//! What is taken out of texts before they are shown: logins, and characters that would make a terminal, or whoever
//! reads it, see something else than what is there.

use url::Url;

/// The address without user and password.
pub fn url(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for addresses that cannot have a login.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.into()
}

/// The text with the login of every address in it left out: what stands between `://` and the
/// last `@` before the host ends. A line break within it does not end it: addresses are read without.
pub fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let is_blank = |c: char| c.is_whitespace() && !c.is_control();
        let host_end = after.find(|c: char| "/?#\"'<>`".contains(c) || is_blank(c));
        let (authority, path) = after.split_at(host_end.unwrap_or(after.len()));
        shown.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = path;
    }
    shown.push_str(rest);
    shown
}

/// The text as one line for a terminal: without logins, and without characters that steer it, change the
/// direction of what follows, or cannot be seen.
pub fn for_terminal(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut before = ' ';
    for c in text(line).chars() {
        let joins = JOINERS.contains(&c) && !before.is_ascii() && before != INSTEAD;
        before = if joins || !is_deceptive(c) { c } else { INSTEAD };
        shown.push(before);
    }
    shown
}

/// JSON as text. What would steer a terminal or cannot be seen is escaped: the same data, and whoever looks
/// at it sees what it is.
pub fn json(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if !text.contains(is_deceptive) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            escaped.extend(units.map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Stands for what is not shown.
const INSTEAD: char = '\u{fffd}';

/// Within scripts and emoji these shape what stands before them; elsewhere they only hide.
const JOINERS: [char; 4] = ['\u{200c}', '\u{200d}', '\u{fe0e}', '\u{fe0f}'];

/// Whether a character of a text is not what a reader sees: a control, or one that Unicode calls ignorable
/// (`Default_Ignorable_Code_Point`), among which are those that turn the direction, or a break of lines.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// For what was meant as an address and is none: a password with a `/` in it makes the login hard
/// to find, so all before the last `@` goes.
pub fn rubbish(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://{after}"),
            None => after.to_owned(),
        },
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_left_out() {
        let address = Url::parse("https://ann:secret@example.com/a@b?c").unwrap();
        assert_eq!(url(&address), "https://example.com/a@b?c");
        for (given, shown) in [
            ("cannot reach http://ann:secret@h:8080/x.", "cannot reach http://h:8080/x."),
            ("http://a:b@c@h and ftp://u@i/?q=@", "http://h and ftp://i/?q=@"),
            ("https://h/@user/a:b@c", "https://h/@user/a:b@c"),
            ("'http://a:b@h'", "'http://h'"),
            ("no address: a@b", "no address: a@b"),
            ("http://ann:se\tcr\net@h/", "http://h/"),
            ("://", "://"),
        ] {
            assert_eq!(text(given), shown);
        }
        assert_eq!(rubbish("http://ann:sec/ret@host:99999/x"), "http://host:99999/x");
        assert_eq!(rubbish("ann:secret@host"), "host");
        assert_eq!(rubbish("htp:/x"), "htp:/x");
    }

    #[test]
    fn a_terminal_shows_what_is_there() {
        for (given, shown) in [
            ("http://ann:secret@h/\u{1b}[2J", "http://h/\u{fffd}[2J"),
            ("invoice\u{202e}gpj.exe", "invoice\u{fffd}gpj.exe"),
            ("a\u{2066}b\u{2069}\u{200f}\u{61c}", "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}"),
            ("ex\u{200d}am\u{200b}ple\u{feff}.com", "ex\u{fffd}am\u{fffd}ple\u{fffd}.com"),
            ("a\nb\r\u{85}c\u{2028}d", "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}d"),
            ("tag\u{e0041}\u{3164}", "tag\u{fffd}\u{fffd}"),
            // Nothing of these is to be lost.
            (
                "👩\u{200d}🔬 ☺\u{fe0f} e\u{301} می\u{200c}خواهم 名前",
                "👩\u{200d}🔬 ☺\u{fe0f} e\u{301} می\u{200c}خواهم 名前",
            ),
            ("\u{200b}\u{200d}x", "\u{fffd}\u{fffd}x"),
        ] {
            assert_eq!(for_terminal(given), shown);
            assert_eq!(for_terminal(shown), shown);
        }
    }

    #[test]
    fn json_shows_what_it_is_and_stays_the_same() {
        let object = serde_json::json!({ "out": "a\u{9b}2J\u{202e}gpj.exe\u{e0041}\n é名" });
        let text = json(&object);
        assert_eq!(text, r#"{"out":"a\u009b2J\u202egpj.exe\udb40\udc41\n é名"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), object);
    }
}
