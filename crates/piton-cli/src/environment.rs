//! The environment variables. No other file reads them.

use std::env::var_os;
use std::path::PathBuf;

/// The variables that the command uses, as they were when it started.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) proxies: Proxies,
    home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    no_color: bool,
    dumb_terminal: bool,
}

/// Proxy URLs; an empty variable counts as unset, as in curl.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    pub(crate) http: Option<String>,
    pub(crate) https: Option<String>,
    pub(crate) all: Option<String>,
    pub(crate) no: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        Self {
            proxies: Proxies {
                // Lower case only: a CGI server sets HTTP_PROXY from a header of the request.
                http: text(&["http_proxy"]),
                https: text(&["https_proxy", "HTTPS_PROXY"]),
                all: text(&["all_proxy", "ALL_PROXY"]),
                no: text(&["no_proxy", "NO_PROXY"]),
            },
            home: path("HOME"),
            // The XDG specification says to ignore relative paths.
            config_home: path("XDG_CONFIG_HOME").filter(|path| path.is_absolute()),
            no_color: var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            dumb_terminal: var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb"),
        }
    }

    /// The path of the config file.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        let folder = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")));
        Some(folder?.join("piton/config.toml"))
    }

    /// The file for `--netrc`.
    pub(crate) fn netrc_file(&self) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(".netrc"))
    }

    /// Expands a leading `~/`: no shell does that for the config file.
    pub(crate) fn expand(&self, path: PathBuf) -> PathBuf {
        match (&self.home, path.strip_prefix("~")) {
            (Some(home), Ok(rest)) => home.join(rest),
            _ => path,
        }
    }

    /// Whether a terminal can be drawn on, and not only written to line by line.
    pub(crate) fn can_draw(&self) -> bool {
        !self.dumb_terminal
    }

    /// Whether a terminal may show colours (<https://no-color.org>).
    pub(crate) fn colours(&self) -> bool {
        !self.no_color && !self.dumb_terminal
    }
}

fn text(names: &[&str]) -> Option<String> {
    names
        .iter()
        .filter_map(var_os)
        .map(|value| value.to_string_lossy().into_owned())
        .find(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_file_is_in_the_xdg_place() {
        let mut environment = Environment::default();
        assert_eq!(environment.config_file(), None);
        environment.home = Some("/home/a".into());
        assert_eq!(environment.config_file(), Some("/home/a/.config/piton/config.toml".into()));
        environment.config_home = Some("/x".into());
        assert_eq!(environment.config_file(), Some("/x/piton/config.toml".into()));
    }

    #[test]
    fn a_tilde_is_the_home() {
        let environment = Environment { home: Some("/home/a".into()), ..Default::default() };
        assert_eq!(environment.expand("~/b".into()), PathBuf::from("/home/a/b"));
        assert_eq!(environment.expand("~".into()), PathBuf::from("/home/a"));
        assert_eq!(environment.expand("~b/c".into()), PathBuf::from("~b/c"));
        assert_eq!(environment.expand("/b".into()), PathBuf::from("/b"));
    }
}
