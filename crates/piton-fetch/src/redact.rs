//! Logins are taken out of addresses before anything is shown.

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
}
