//! From a path to an open part, with what an earlier run left in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::IntervalSet;
use piton_durable::dirs;
use piton_durable::fs::Fs;
use piton_durable::part::{OpenPart, Opened, Part, PartError, Recovered, Target, Unsynced};
use piton_remote::local_path;

use crate::download::Download;
use crate::meta::Meta;

/// A part that is open, locked, and either new or of this very download.
pub(super) struct OpenedPart {
    pub(super) target: Target,
    pub(super) part: Part,
    pub(super) recovered: Recovered,
    /// The description of what the part holds; `None`: nothing.
    pub(super) meta: Option<Meta>,
}

/// What was found at the place of a target.
pub(super) enum Found {
    /// A part, open and locked.
    Part(Box<OpenedPart>),
    /// The last run had done everything but the removal of its journal.
    Finished,
}

impl OpenedPart {
    /// Opens the part of `path`. Blocks: a recovery reads.
    pub(super) fn open(
        fs: &Arc<dyn Fs>,
        path: PathBuf,
        what: &Download,
    ) -> Result<Found, PartError> {
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            dirs::create(&**fs, parent, what.durability)?;
        }
        let target = if what.private { Target::private(path) } else { Target::new(path) };
        // A local source shares its bytes again for nothing; written again they would take space.
        let cheap = what.restart || local_path(&what.url).is_some();
        let how = OpenPart {
            durability: what.durability,
            verify_all: what.verify_part,
            unsynced: if cheap { Unsynced::Forget } else { Unsynced::Rewrite },
        };
        match Part::open(Arc::clone(fs), &target, how)? {
            Opened::Finished => Ok(Found::Finished),
            Opened::Part(part, recovered) => {
                let meta = recovered.meta.as_deref().and_then(Meta::parse);
                Ok(Found::Part(Box::new(Self { target, part, recovered, meta })))
            }
        }
    }

    /// What is believed to be here.
    pub(super) fn have(&self) -> IntervalSet {
        if self.meta.is_none() {
            return IntervalSet::new();
        }
        let extents = self.recovered.extents.iter();
        extents.map(|extent| extent.start..extent.start + extent.len).collect()
    }
}
