//! What a ledger keeps of the options of a run, so that the next one puts files into the same places.

use std::path::{Path, PathBuf};

use piton::checkpoint::ledger::Reader;
use piton::lists::name::Naming;
use serde::{Deserialize, Serialize};

use crate::trouble::Trouble;

/// The options that decide where files go and what the list means. Stands in ledgers as JSON: fields
/// may be added, and none may change its meaning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// The target folder; absolute.
    pub(super) folder: PathBuf,
    /// Whether host and folders of the addresses are kept.
    pub(super) tree: bool,
    /// `--list-format`.
    pub(super) format: Option<String>,
    /// `--base`, or the address that the list came from; without a login.
    pub(super) base: Option<String>,
}

impl Kept {
    /// Those of the last run; `None` if there was none, or none that this version understands.
    pub(super) fn of(ledger: &Reader) -> Result<Option<Self>, Trouble> {
        let last = ledger.runs(1)?.into_iter().next();
        Ok(last.and_then(|last| serde_json::from_str(&last.run.options).ok()))
    }

    pub(super) fn to_text(&self) -> String {
        // Neither a path that is not UTF-8 nor anything else of it fails but that: then nothing is kept.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn naming(&self) -> Naming {
        if self.tree { Naming::Tree } else { Naming::Flat }
    }
}

/// The folder as the ledger keeps it: the same wherever the next run is called from.
pub(super) fn absolute(folder: &Path) -> PathBuf {
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
        };
        let read = |text: &str| serde_json::from_str::<Kept>(text).ok();
        assert_eq!(read(&kept.to_text()), Some(kept));
        let newer = read(r#"{"folder":"/d","colour":"red"}"#).unwrap();
        assert_eq!((newer.folder, newer.tree), ("/d".into(), false));
        assert_eq!(read("flat"), None);
    }
}
