//! `SERVER=` before the value of an option: which server the value is for.

use std::path::{Path, PathBuf};

use piton::remote::Origin;

/// Which servers a login, a token, a header or a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Not said: those that the command line names as what to fetch.
    Unnamed,
    /// `*=`: every server that is asked.
    Everyone,
    /// `HOST=`, `HOST:PORT=` or `http://HOST=`.
    Of(Origin),
}

impl Whose {
    /// Takes whom the option is for off its value. A value may have a `=` of its own: what stands before it
    /// counts as a server only if it can be one and `fits` what follows. `=` in front says that there is
    /// none.
    pub(crate) fn split(text: &str, fits: impl Fn(&str) -> bool) -> (Self, &str) {
        match text.split_once('=') {
            Some(("", rest)) => (Self::Unnamed, rest),
            Some(("*", rest)) => (Self::Everyone, rest),
            Some((server, rest)) if fits(rest) => match server.parse() {
                Ok(origin) => (Self::Of(origin), rest),
                Err(_) => (Self::Unnamed, text),
            },
            _ => (Self::Unnamed, text),
        }
    }

    /// The same for a file.
    pub(crate) fn split_path(path: &Path) -> (Self, PathBuf) {
        match path.to_str() {
            Some(text) => {
                let (whose, rest) = Self::split(text, |rest| !rest.is_empty());
                (whose, rest.into())
            }
            None => (Self::Unnamed, path.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_stand_in_front() {
        let login = |text| {
            let (whose, rest) = Whose::split(text, |rest| rest.contains(':'));
            let whose = match whose {
                Whose::Unnamed => "unnamed".to_owned(),
                Whose::Everyone => "everyone".to_owned(),
                Whose::Of(origin) => origin.to_url(),
            };
            (whose, rest)
        };
        for (text, whose, rest) in [
            ("ann:secret", "unnamed", "ann:secret"),
            ("ann:sec=ret", "unnamed", "ann:sec=ret"),
            ("ann:c2VjcmV0==", "unnamed", "ann:c2VjcmV0=="),
            ("h.example=ann:secret", "https://h.example", "ann:secret"),
            ("h.example:8443=ann:s=t", "https://h.example:8443", "ann:s=t"),
            ("http://[::1]:80=ann:secret", "http://[::1]", "ann:secret"),
            ("h.example=ann", "unnamed", "h.example=ann"),
            ("=cn=admin:secret", "unnamed", "cn=admin:secret"),
            ("*=ann:secret", "everyone", "ann:secret"),
        ] {
            assert_eq!(login(text), (whose.to_owned(), rest), "{text}");
        }
        let file = |text: &str| Whose::split_path(Path::new(text));
        assert_eq!(file("me.pem"), (Whose::Unnamed, "me.pem".into()));
        assert_eq!(file("./a=b.pem"), (Whose::Unnamed, "./a=b.pem".into()));
        assert_eq!(file("h=me.pem"), (Whose::Of("h".parse().unwrap()), "me.pem".into()));
    }
}
