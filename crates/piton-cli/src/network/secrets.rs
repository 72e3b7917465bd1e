//! The logins, headers and certificates of the command line, and the server that each is for.

use http::{HeaderName, HeaderValue};
use piton::remote::http::{Credentials, Identity, Login, is_harmless};

use crate::args::{NetworkOptions, Whose};
use crate::read;
use crate::trouble::Trouble;

/// The secrets that the options hold.
#[derive(Default)]
pub(super) struct Secrets {
    /// For the servers that an option names.
    pub(super) named: Vec<Credentials>,
    /// For the servers that the command line names as sources.
    pub(super) unnamed: Credentials,
    /// Headers for every server.
    pub(super) for_all: Vec<(HeaderName, HeaderValue)>,
}

impl Secrets {
    pub(super) fn of(options: &NetworkOptions) -> Result<Self, Trouble> {
        let mut secrets = Self::default();
        for line in &options.header {
            let (whose, line) = Whose::split(line, |rest| header(rest).is_some());
            let header = header(line).ok_or_else(|| wrong_header(line))?;
            match whose {
                Whose::Everyone => secrets.for_all.push(header),
                Whose::Unnamed if is_harmless(&header.0) => secrets.for_all.push(header),
                whose => secrets.add(
                    whose,
                    "--header",
                    Credentials { headers: vec![header], ..Credentials::default() },
                )?,
            }
        }
        for user in &options.user {
            let (whose, user) = Whose::split(user, |rest| rest.contains(':'));
            let (user, password) = user
                .split_once(':')
                .ok_or_else(|| Trouble::usage("--user needs a password: USER:PASSWORD"))?;
            let login = Login::Basic { user: user.to_owned(), password: password.to_owned() };
            secrets.add_login(whose, login, "--user")?;
        }
        for token in &options.bearer {
            // In RFC 6750, a token has `=` only at its end.
            let is_token = |rest: &str| rest.contains(|c| c != '=');
            let (whose, token) = Whose::split(token, is_token);
            secrets.add_login(whose, Login::Bearer(token.to_owned()), "--bearer")?;
        }
        secrets.add_identity(options)?;
        Ok(secrets)
    }

    fn add(&mut self, whose: Whose, option: &str, own: Credentials) -> Result<(), Trouble> {
        let twice = || Trouble::usage(format!("{option} is given twice for one server"));
        let has_login = |other: &Credentials| own.login.is_some() && other.login.is_some();
        match whose {
            Whose::Unnamed if has_login(&self.unnamed) => return Err(twice()),
            Whose::Unnamed => {
                self.unnamed.headers.extend(own.headers);
                self.unnamed.login = self.unnamed.login.take().or(own.login);
                self.unnamed.identity = own.identity.or(self.unnamed.identity.take());
            }
            Whose::Of(origin) => {
                let origins = vec![origin];
                if self.named.iter().any(|other| other.origins == origins && has_login(other)) {
                    return Err(twice());
                }
                self.named.push(Credentials { origins, ..own });
            }
            Whose::Everyone => {
                return Err(Trouble::usage(format!("{option} cannot go to every server"))
                    .hint("put HOST= before the value; the option can be repeated"));
            }
        }
        Ok(())
    }

    fn add_login(&mut self, whose: Whose, login: Login, option: &str) -> Result<(), Trouble> {
        self.add(whose, option, Credentials { login: Some(login), ..Credentials::default() })
    }

    fn add_identity(&mut self, options: &NetworkOptions) -> Result<(), Trouble> {
        let Some(cert) = &options.cert else {
            return match options.key {
                Some(_) => Err(Trouble::usage("--key needs --cert")),
                None => Ok(()),
            };
        };
        let (whose, cert) = Whose::split_path(cert);
        let key = options.key.as_ref().unwrap_or(&cert);
        let file = |path| read::bytes(path).map_err(|error| Trouble::file("read", path, &error));
        let identity = Identity { cert_chain_pem: file(&cert)?, key_pem: file(key)? };
        self.add(
            whose,
            "--cert",
            Credentials { identity: Some(identity), ..Credentials::default() },
        )
    }
}

/// The option that does not name its server, if there is one.
pub(super) fn unnamed(credentials: &Credentials) -> Option<String> {
    let header = credentials.headers.first().map(|(name, _)| format!("the header {name}"));
    let login = credentials.login.as_ref().map(|login| match login {
        Login::Bearer(_) => "--bearer".to_owned(),
        _ => "--user".to_owned(),
    });
    login.or(header).or_else(|| credentials.identity.as_ref().map(|_| "--cert".to_owned()))
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

fn wrong_header(line: &str) -> Trouble {
    let name = line.split_once(':').map(|(name, _)| format!(" {:?}", name.trim()));
    let name = name.unwrap_or_default();
    Trouble::usage(format!("--header{name} is not a header: expected \"NAME: VALUE\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_split_at_the_first_colon() {
        let (name, value) = header("X-Time:  12:30 ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-time", "12:30"));
        assert!(header("Authorization: Bearer t").unwrap().1.is_sensitive());
        for wrong in ["", "name", "na me: v", ": v", "a: b\nc: d"] {
            assert_eq!(header(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_what_is_harmless_goes_to_everybody() {
        let lines = [
            "Accept: a/b",
            "accept-language: de",
            "Referer: http://h/",
            "*=X-Project: seven",
            "X-Api-Key: secret",
            "Cookie: a=b",
            "http://h:8080=PRIVATE-TOKEN: secret",
        ];
        let header = lines.map(str::to_owned).to_vec();
        let secrets = Secrets::of(&NetworkOptions { header, ..NetworkOptions::default() }).unwrap();
        let names = |headers: &[(HeaderName, HeaderValue)]| -> Vec<String> {
            headers.iter().map(|(name, _)| name.to_string()).collect()
        };
        let for_all = ["accept", "accept-language", "referer", "x-project"];
        assert_eq!(names(&secrets.for_all), for_all);
        assert_eq!(names(&secrets.unnamed.headers), ["x-api-key", "cookie"]);
        assert_eq!(names(&secrets.named[0].headers), ["private-token"]);
        assert_eq!(secrets.named[0].origins[0].to_url(), "http://h:8080");
    }
}
