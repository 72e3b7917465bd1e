//! The options of a run that a ledger keeps, so that the next run puts files into the same places.

use std::path::{Path, PathBuf};

use piton::checkpoint::ledger::{LedgerError, Reader};
use piton::durable::fs::{Fs, OsFs, parent_dir};
use piton::lists::name::Naming;
use piton::lists::source::Origin;
use serde::{Deserialize, Serialize};

use super::bring::base_to_keep;
use super::place::Place;
use crate::args::ListSource;
use crate::screen::quoted;
use crate::trouble::Trouble;
use crate::{out, redact};

/// The options that decide where files go and what the list means. Stored in ledgers as JSON: fields may be
/// added, but none may change its meaning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// The target folder; absolute.
    pub(super) folder: PathBuf,
    /// Whether host and folders of the URLs are kept.
    pub(super) tree: bool,
    /// `--list-format`.
    pub(super) format: Option<String>,
    /// `--base`, or the URL that the list came from; without a login.
    pub(super) base: Option<String>,
    /// The ledger file that this was written to. A copy, or a file from an archive, is another file, and
    /// says nothing about what the user of this machine wanted.
    pub(super) ledger: Option<String>,
}

impl Kept {
    /// The options of the last run; `None` if there was none, or none that this version understands.
    pub(super) fn of(ledger: &Reader) -> Result<Option<Self>, Trouble> {
        let last = ledger.runs(1)?.into_iter().next();
        Ok(last.and_then(|last| serde_json::from_str(&last.run.options).ok()))
    }

    /// Whether the ledger is the one that this was written to.
    fn is_of(&self, ledger: &Path) -> bool {
        self.ledger.is_some() && self.ledger == which_file(ledger)
    }

    /// Whether relative URLs may be completed as in the last run: with a ledger from elsewhere, other
    /// servers would be asked, now or when the printed failures are fetched.
    pub(super) fn check_base(&self, place: &Place, given: &ListSource) -> Result<(), Trouble> {
        let own = |base: &&String| match &place.origin {
            Origin::Url(url) => is_of_origin(base, url),
            _ => false,
        };
        let Some(base) = self.base.as_ref().filter(|base| !own(base)) else { return Ok(()) };
        if given.base.is_some() || self.is_of(&place.ledger) {
            return Ok(());
        }
        let (ledger, shown) = (out::path(&place.ledger), redact::rubbish(base));
        Err(Trouble::usage(format!(
            "{ledger} was moved or copied here, and would complete URLs with {shown}"
        ))
        .hint(format!("to keep that base URL: --base {}", quoted(&shown))))
    }

    pub(super) fn to_text(&self) -> String {
        // Only a path that is not UTF-8 can fail here: then nothing is kept.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn naming(&self) -> Naming {
        if self.tree { Naming::Tree } else { Naming::Flat }
    }
}

/// What a call says about where files go and what the list means.
pub(super) struct Given<'a> {
    pub(super) place: &'a Place,
    pub(super) source: &'a ListSource,
    /// `-d`.
    pub(super) directory: Option<&'a Path>,
    /// From the config file.
    pub(super) default_directory: Option<&'a Path>,
    pub(super) tree: bool,
    pub(super) flat: bool,
}

impl Given<'_> {
    /// As [`Given::check`], before the ledger is opened for writing: leftovers of somebody else's run next
    /// to a refused ledger are not written into it.
    pub(super) fn check_unopened(&self) -> Result<(), Trouble> {
        match Reader::open(&self.place.ledger) {
            Ok(ledger) => self.check(Kept::of(&ledger)?.as_ref()),
            Err(LedgerError::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the last run may again decide where files go and which servers relative URLs mean. A ledger
    /// that was not written here may have come with the list, from anybody.
    pub(super) fn check(&self, last: Option<&Kept>) -> Result<(), Trouble> {
        let Some(last) = last.filter(|last| !last.is_of(&self.place.ledger)) else { return Ok(()) };
        let harmless = [
            absolute(self.default_directory.unwrap_or_else(|| Path::new("."))),
            absolute(parent_dir(&self.place.file)),
        ];
        let folder = &last.folder;
        if self.directory.is_none() && folder.is_absolute() && !harmless.contains(folder) {
            let (ledger, shown) = (out::path(&self.place.ledger), out::path(folder));
            let there = quoted(&folder.to_string_lossy());
            return Err(Trouble::usage(format!(
                "{ledger} was moved or copied here, and would put files into {shown}"
            ))
            .hint(format!("choose the folder: -d {there} for that one, -d . for this one")));
        }
        last.check_base(self.place, self.source)
    }

    /// What decides where files go: as given, or as in the last run. Adds a note for what was taken from
    /// there.
    pub(super) fn kept(&self, last: Option<&Kept>, notes: &mut Vec<String>) -> Kept {
        let default = absolute(self.default_directory.unwrap_or_else(|| Path::new(".")));
        let last_folder = last.map(|last| &last.folder).filter(|folder| folder.is_absolute());
        let folder = match (self.directory, last_folder) {
            (Some(given), last) => {
                let given = absolute(given);
                if let Some(last) = last.filter(|last| **last != given) {
                    notes.push(format!("files from earlier runs stay in {}", last.display()));
                }
                given
            }
            (None, Some(last)) => {
                if *last != default {
                    let last = last.display();
                    notes.push(format!(
                        "files go to {last}, as in the last run (-d DIR changes that)"
                    ));
                }
                last.clone()
            }
            (None, None) => default,
        };
        let last_tree = last.is_some_and(|last| last.tree);
        let tree = self.tree || last_tree && !self.flat;
        if tree && !self.tree {
            notes.push(
                "file names keep host and folders, as in the last run (--flat changes that)"
                    .to_owned(),
            );
        }
        let nothing = Kept::default();
        let last = last.unwrap_or(&nothing);
        Kept {
            folder,
            tree,
            format: self.source.list_format.clone().or_else(|| last.format.clone()),
            base: base_to_keep(self.place, self.source, last),
            ledger: which_file(&self.place.ledger),
        }
    }
}

/// Identifies the ledger file, unlike any copy of it: by inode and birth time. Not by the device, whose
/// number may change at a reboot. `None` if the file system reports no birth time.
fn which_file(ledger: &Path) -> Option<String> {
    // Without an answer, the options must be given again.
    let stat = OsFs.stat(ledger).ok().flatten()?;
    Some(format!("{:x}:{:x}", stat.id.inode, stat.id.birth?))
}

fn is_of_origin(base: &str, url: &url::Url) -> bool {
    url::Url::parse(base).is_ok_and(|base| base.origin() == url.origin())
}

/// The folder as the ledger keeps it: the same, wherever the next run is called from.
fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_older_and_newer_versions_wrote_is_read() {
        let kept = Kept {
            folder: "/data".into(),
            tree: true,
            format: Some("csv".to_owned()),
            base: Some("http://h/".to_owned()),
            ledger: Some("2a:1f".to_owned()),
        };
        let read = |text: &str| serde_json::from_str::<Kept>(text).ok();
        assert_eq!(read(&kept.to_text()), Some(kept));
        let newer = read(r#"{"folder":"/d","colour":"red"}"#).unwrap();
        assert_eq!((newer.folder, newer.tree), ("/d".into(), false));
        assert_eq!(read("flat"), None);
    }
}
