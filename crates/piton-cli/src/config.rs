//! The config file: defaults for options, under the names of the flags.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::{ListFlow, NetworkOptions, TransferOptions, Whose};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::read;
use crate::trouble::Trouble;

/// The content of a config file. An option that should be decided for each call (a login, `--insecure`,
/// `--overwrite`) cannot be set here.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) get: GetDefaults,
    pub(crate) transfer: TransferOptions,
    pub(crate) list: ListFlow,
    pub(crate) network: NetworkOptions,
}

/// `[get]`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct GetDefaults {
    pub(crate) directory: Option<PathBuf>,
}

impl Config {
    /// Reads the file that `--config` names, or the one in the XDG place if there is one.
    pub(crate) fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, Trouble> {
        let (path, must_exist) = match named {
            Some(path) if path.as_os_str() == "none" => return Ok(Self::default()),
            Some(path) => (path.to_owned(), true),
            None => match environment.config_file() {
                Some(path) => (path, false),
                None => return Ok(Self::default()),
            },
        };
        let text = match read::text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Trouble::file("read", &path, &error)),
        };
        let mut config: Self = toml::from_str(&text).map_err(|e| wrong(&path, &text, &e))?;
        config.expand_paths(environment);
        Ok(config)
    }

    fn expand_paths(&mut self, environment: &Environment) {
        let paths = [
            &mut self.get.directory,
            &mut self.network.netrc_file,
            &mut self.network.cookies,
            &mut self.network.ca_file,
            &mut self.network.key,
        ];
        for path in paths {
            *path = path.take().map(|path| environment.expand(path));
        }
        // The server of the certificate may precede its path.
        self.network.cert = self.network.cert.take().map(|cert| {
            match (Whose::split_path(&cert), cert.to_str().and_then(|text| text.split_once('='))) {
                ((Whose::Of(_), path), Some((server, _))) => {
                    format!("{server}={}", environment.expand(path).display()).into()
                }
                _ => environment.expand(cert),
            }
        });
    }
}

/// One line, as compilers write it. The line of the file itself is not repeated: it may be a header with a
/// token.
fn wrong(path: &Path, text: &str, error: &toml::de::Error) -> Trouble {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count() + 1);
    let place = line.map(|line| format!(":{line}")).unwrap_or_default();
    let message = format!("{}{place}: {}", path.display(), error.message());
    Trouble::new(Exit::Usage, message).hint("--config none ignores the config file")
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), &Environment::default()).map_err(|trouble| {
            assert_eq!(trouble.exit, Exit::Usage);
            trouble.message.rsplit_once('/').unwrap().1.to_owned()
        })
    }

    fn documented_example() -> &'static str {
        let page = include_str!("../../../docs/cli.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        rest.split_once("```").unwrap().0
    }

    #[test]
    fn the_documented_example_is_read() {
        let config = load(documented_example()).unwrap();
        assert_eq!(config.get.directory, Some(PathBuf::from("~/Downloads")));
        assert_ne!(config.transfer, TransferOptions::default());
        assert_ne!(config.list, ListFlow::default());
        assert_eq!(config.network.max_redirect, Some(5));
    }

    #[test]
    fn the_documented_example_has_every_option_that_can_be_set() {
        let per_call =
            ["user", "bearer", "netrc-http", "ipv4", "ipv6", "allow-downgrade", "insecure"];
        let command = clap::Command::new("options");
        let command = ListFlow::augment_args(TransferOptions::augment_args(command));
        let command = NetworkOptions::augment_args(command);
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            let shown = documented_example().contains(&format!("{option} = "));
            assert_eq!(shown, !per_call.contains(&option), "{option}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = load("[transfer]\nretries = 3\nretires = 4\n").unwrap_err();
        assert!(error.starts_with("config.toml:3: unknown field `retires`"), "{error}");
        let error = load("colour = true\n").unwrap_err();
        assert!(error.starts_with("config.toml:1: unknown field `colour`"), "{error}");
    }

    #[test]
    fn what_is_decided_per_call_cannot_be_set() {
        for key in ["user = \"a:b\"", "insecure = true", "allow-downgrade = true"] {
            let error = load(&format!("[network]\n{key}\n")).unwrap_err();
            assert!(error.starts_with("config.toml:2: unknown field"), "{error}");
        }
    }

    #[test]
    fn wrong_values_are_named_with_their_line() {
        for (text, start) in [
            (
                "[transfer]\n\nconnections = \"many\"",
                "config.toml:3: expected a number or \"auto\"",
            ),
            ("[transfer]\nconnections = 0", "config.toml:2: expected a number or \"auto\""),
            ("[transfer]\nlimit-rate = []", "config.toml:2: expected a string or a number"),
            ("[transfer]\ndurability = \"some\"", "config.toml:2: unknown variant `some`"),
            ("retries = 3", "config.toml:1: unknown field `retries`"),
            ("[transfer", "config.toml:1: "),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let missing = Path::new("no/such/config.toml");
        let error = Config::load(Some(missing), &Environment::default()).unwrap_err();
        assert_eq!(error.exit, Exit::Local);
        let none = Config::load(Some(Path::new("none")), &Environment::default());
        assert_eq!(none, Ok(Config::default()));
        assert_eq!(Config::load(None, &Environment::default()), Ok(Config::default()));
    }

    #[test]
    fn flags_win() {
        let file = load("[transfer]\nretries = 3\nno-mtime = true").unwrap().transfer;
        let flags = load("[transfer]\nretries = 4\nconnections = 2").unwrap().transfer;
        let both = load("[transfer]\nretries = 4\nconnections = 2\nno-mtime = true").unwrap();
        assert_eq!(flags.or(file), both.transfer);
    }
}
