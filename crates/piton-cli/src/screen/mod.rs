//! What a person or a program sees during downloads.

mod bars;
mod block;
mod colour;
pub(crate) mod human;
pub(crate) mod job;
mod json;
mod json_lines;
mod kind;
mod line;
pub(crate) mod list;
mod map;
mod plain;
mod quiet;
pub(crate) mod sentence;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use piton::fetch::{Download, Event, Monitor, Outcome, Place};

use self::kind::Kind;
use crate::args::OutputOptions;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::redact;
use crate::trouble::Trouble;

/// One way to show downloads.
pub(crate) trait Screen {
    /// How often [`Screen::draw`] is called; `None`: never.
    fn interval(&self) -> Option<Duration>;
    /// The figures may have changed.
    fn draw(&mut self, files: &[File]);
    /// Something happened to a file.
    fn event(&mut self, file: &File, event: &Event);
    /// A file has ended, successfully or not.
    fn ended(&mut self, file: &File, ended: &Ended);
    /// A signal arrived: every file is being saved.
    fn saving(&mut self, files: &[File]);
    /// All files have ended. The error is the first one of writing the output for a program.
    fn close(&mut self) -> io::Result<()>;
}

/// Chooses the screen from the options and the terminal.
pub(crate) fn choose(output: OutputOptions, environment: &Environment) -> Box<dyn Screen> {
    match Kind::of(output, environment) {
        Kind::Json => Box::new(json::Json::new(io::stdout())),
        Kind::Quiet => Box::new(quiet::Quiet),
        Kind::Bars { colours } => Box::new(bars::Bars::new(colours)),
        Kind::Plain => Box::new(plain::Plain::new(io::stderr())),
    }
}

/// One download as the screens know it.
pub(crate) struct File {
    /// Its position among the files of this call, from 0.
    pub(crate) index: usize,
    /// Its URL, without a login.
    pub(crate) url: String,
    pub(crate) monitor: Monitor,
    /// Whether it has ended.
    pub(crate) over: bool,
    path: Option<PathBuf>,
}

impl File {
    pub(crate) fn new(index: usize, download: &Download, monitor: Monitor) -> Self {
        let path = match &download.place {
            Place::File(path) => Some(path.clone()),
            Place::Folder(_) => None,
        };
        Self { index, url: redact::url(&download.url), monitor, over: false, path }
    }

    /// Whether `piton resume` can resume it. A journal cannot name a local file as its source.
    pub(crate) fn journal_is_enough(&self) -> bool {
        !self.url.starts_with("file:")
    }

    /// Updates the final name.
    pub(crate) fn note(&mut self, event: &Event) {
        if let Event::Started { path, .. } = event {
            self.path = Some(path.clone());
        }
    }

    pub(crate) fn end(&mut self) {
        self.over = true;
    }

    /// The final name, once known.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.path.clone().or_else(|| self.monitor.progress().path)
    }

    /// A short label: the file's name, or the last part of the URL until the name is known.
    pub(crate) fn name(&self) -> String {
        let name = match self.path() {
            Some(path) => file_name(&path),
            None => {
                let address = self.url.split(['?', '#']).next().unwrap_or_default();
                let mut parts = address.rsplit('/').filter(|part| !part.is_empty());
                parts.next().unwrap_or(&self.url).to_owned()
            }
        };
        crate::out::clean(&name)
    }
}

pub(crate) use sentence::quoted;

/// The last part of a path, or all of it if it has none.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// How a file ended.
pub(crate) enum Ended {
    Done(Outcome),
    /// By a signal; everything is saved.
    Stopped {
        exit: Exit,
        have: u64,
        path: Option<PathBuf>,
    },
    Failed(Trouble),
}

impl Ended {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Done(_) => Exit::Done,
            Self::Stopped { exit, .. } => *exit,
            Self::Failed(trouble) => trouble.exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_its_address_until_its_name_is_known() {
        let name = |url: &str| {
            let download = Download::new(url.parse().unwrap(), Place::Folder(".".into()));
            File::new(0, &download, Monitor::default()).name()
        };
        assert_eq!(name("http://u:p@h/a/b.iso?token=/c"), "b.iso");
        assert_eq!(name("http://h/a/"), "a");
        assert_eq!(name("http://h"), "h");
        let named = Download::new("http://h/a".parse().unwrap(), Place::File("d/b".into()));
        assert_eq!(File::new(0, &named, Monitor::default()).name(), "b");
    }
}
