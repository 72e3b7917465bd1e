//! The netrc file: logins by host (netrc(5), with the quotes and comments that curl and wget know).

use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

/// The logins of a netrc file.
#[derive(Clone, Default)]
pub struct Netrc {
    machines: Vec<(Option<String>, Login)>,
}

/// A login. Its debug form hides the password.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Login {
    /// The user name; empty if the file gives only a password.
    pub user: String,
    /// The password; empty if the file gives only a user name.
    pub password: String,
}

impl Netrc {
    /// Parses the text of a netrc file. Words that are not known are passed over, and so are macros.
    ///
    /// # Errors
    /// [`NetrcError`] where a word lacks its value or a quote does not close. It holds no part of the
    /// file, which has secrets in it.
    pub fn parse(text: &str) -> Result<Netrc, NetrcError> {
        let mut words = Words::new(text);
        let mut machines: Vec<(Option<String>, Login)> = Vec::new();
        while let Some(keyword) = words.next_keyword()? {
            let login = machines.last_mut().map(|(_, login)| login);
            match keyword.as_str() {
                "machine" => {
                    let host = words.value("machine")?;
                    machines.push((Some(host), Login::default()));
                }
                "default" => machines.push((None, Login::default())),
                "login" => {
                    let user = words.value("login")?;
                    if let Some(login) = login {
                        login.user = user;
                    }
                }
                "password" => {
                    let password = words.value("password")?;
                    if let Some(login) = login {
                        login.password = password;
                    }
                }
                "account" => {
                    words.value("account")?;
                }
                "macdef" => words.skip_macro(),
                _ => {}
            }
        }
        Ok(Netrc { machines })
    }

    /// The login for a host: of the first entry with its name, whatever the case, otherwise the default
    /// one. `None` if there is no entry or it is empty.
    pub fn lookup(&self, host: &str) -> Option<Login> {
        let named = self
            .machines
            .iter()
            .find(|(machine, _)| machine.as_ref().is_some_and(|m| m.eq_ignore_ascii_case(host)));
        let (_, login) =
            named.or_else(|| self.machines.iter().find(|(machine, _)| machine.is_none()))?;
        (*login != Login::default()).then(|| login.clone())
    }
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.machines.iter().map(|(m, l)| (m, l))).finish()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A netrc file that cannot be read. The user has to fix it; without it no login is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetrcError {
    /// The file ends where a value should be.
    #[error("netrc: {keyword:?} has no value")]
    NoValue {
        /// The word before, such as `machine`.
        keyword: &'static str,
    },
    /// A quoted value does not end.
    #[error("netrc line {line}: unclosed quote")]
    OpenQuote {
        /// The line of the opening quote, from 1.
        line: usize,
    },
}

/// The words of the file; where one is expected to be a keyword, a `#` begins a comment.
struct Words<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Words { text, chars: text.char_indices().peekable() }
    }

    fn next_keyword(&mut self) -> Result<Option<String>, NetrcError> {
        loop {
            match self.word()? {
                Some(word) if word.starts_with('#') => self.skip_line(),
                word => return Ok(word),
            }
        }
    }

    fn value(&mut self, keyword: &'static str) -> Result<String, NetrcError> {
        self.word()?.ok_or(NetrcError::NoValue { keyword })
    }

    fn word(&mut self) -> Result<Option<String>, NetrcError> {
        while self.chars.next_if(|(_, c)| c.is_ascii_whitespace()).is_some() {}
        let mut word = String::new();
        let Some(&(start, first)) = self.chars.peek() else { return Ok(None) };
        if first != '"' {
            // The white space that ends a word stays: a comment must find the end of its line.
            while let Some((_, c)) = self.chars.next_if(|(_, c)| !c.is_ascii_whitespace()) {
                word.push(c);
            }
            return Ok(Some(word));
        }
        self.chars.next();
        while let Some((_, c)) = self.chars.next() {
            match c {
                '"' => return Ok(Some(word)),
                '\\' => word.extend(self.chars.next().map(|(_, c)| match c {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    c => c,
                })),
                c => word.push(c),
            }
        }
        let before = self.text.get(..start).unwrap_or("");
        Err(NetrcError::OpenQuote { line: before.matches('\n').count().saturating_add(1) })
    }

    fn skip_line(&mut self) {
        while self.chars.next_if(|(_, c)| *c != '\n').is_some() {}
    }

    /// A macro ends at the first empty line.
    fn skip_macro(&mut self) {
        self.skip_line();
        self.chars.next();
        while self.chars.peek().is_some_and(|(_, c)| !matches!(c, '\n' | '\r')) {
            self.skip_line();
            self.chars.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(text: &str, host: &str) -> Option<(String, String)> {
        Netrc::parse(text).unwrap().lookup(host).map(|login| (login.user, login.password))
    }

    fn pair(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[test]
    fn machines_and_default() {
        let text = "machine a.example login ann password one\n\
                    machine\tb.example\n  login bob\n  account x\n  password two\n\
                    machine a.example login again password three\n\
                    machine empty.example\n\
                    default login anonymous password me@\n";
        assert_eq!(lookup(text, "a.example"), pair("ann", "one"));
        assert_eq!(lookup(text, "B.EXAMPLE"), pair("bob", "two"));
        assert_eq!(lookup(text, "c.example"), pair("anonymous", "me@"));
        assert_eq!(lookup(text, "empty.example"), None);
        assert_eq!(lookup("machine a password p", "a"), pair("", "p"));
        assert_eq!(lookup("machine a login u", "a"), pair("u", ""));
        assert_eq!(lookup("", "a"), None);
        assert_eq!(lookup("login stray password stray", "a"), None);
    }

    #[test]
    fn quotes_and_comments() {
        let text = "# machine a login no password no\n\
                    machine a login \"an n\" password \"q\\\"\\\\\\t#\" # a comment machine b\n\
                    machine b login bob password #hash#\n\
                    #machine c login no\n";
        assert_eq!(lookup(text, "a"), pair("an n", "q\"\\\t#"));
        assert_eq!(lookup(text, "b"), pair("bob", "#hash#"));
        assert_eq!(lookup(text, "c"), None);
    }

    #[test]
    fn macros_and_unknown_words_are_skipped() {
        let text = "machine a login u1 password p1\n\
                    macdef init\nmachine evil login e password e\ncd /tmp\n\n\
                    machine b port 21 login u2 password p2\r\n\
                    macdef last\r\nmachine evil login e\r\n\r\nmachine c login u3";
        assert_eq!(lookup(text, "a"), pair("u1", "p1"));
        assert_eq!(lookup(text, "b"), pair("u2", "p2"));
        assert_eq!(lookup(text, "c"), pair("u3", ""));
        assert_eq!(lookup(text, "evil"), None);
    }

    #[test]
    fn errors_name_the_place_and_no_secret() {
        assert_eq!(
            Netrc::parse("machine a login").unwrap_err(),
            NetrcError::NoValue { keyword: "login" }
        );
        let error = Netrc::parse("machine a\nlogin u\npassword \"secret").unwrap_err();
        assert_eq!(error, NetrcError::OpenQuote { line: 3 });
        let netrc = Netrc::parse("machine a login u password secret").unwrap();
        assert!(!format!("{error:?} {error} {netrc:?}").contains("secret"));
    }
}
