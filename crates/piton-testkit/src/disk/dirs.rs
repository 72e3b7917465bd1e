//! Directory entries: those that programs see, and those that a power cut leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use piton_durable::fs::parent_dir;

use super::rng::Rng;

/// Names and the inodes they stand for.
#[derive(Default)]
pub(super) struct Names {
    pub(super) live: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    pending: Vec<Change>,
}

/// A change of one operation: the names it touches, and what they stand for afterwards.
struct Change {
    set: Vec<(PathBuf, Option<u64>)>,
}

impl Names {
    pub(super) fn settle(&mut self, path: PathBuf, inode: u64) {
        self.durable.insert(path.clone(), inode);
        self.live.insert(path, inode);
    }

    pub(super) fn change(&mut self, set: Vec<(PathBuf, Option<u64>)>) {
        apply(&mut self.live, &set);
        self.pending.push(Change { set });
    }

    /// Makes all changes in `dir` durable. A change that touches two directories is one transaction.
    pub(super) fn sync(&mut self, dir: &Path) {
        let touches = |change: &Change| change.set.iter().any(|(path, _)| parent_dir(path) == dir);
        let (synced, pending) = std::mem::take(&mut self.pending).into_iter().partition(touches);
        self.pending = pending;
        for change in synced as Vec<Change> {
            apply(&mut self.durable, &change.set);
        }
    }

    /// Makes all changes durable.
    pub(super) fn sync_all(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change.set);
        }
    }

    pub(super) fn cut(&mut self, rng: &mut Rng) {
        let style = rng.below(4);
        let changes = std::mem::take(&mut self.pending);
        let torn_after = rng.below(changes.len() as u64 + 1) as usize;
        let mut lost: BTreeSet<PathBuf> = BTreeSet::new();
        for (index, change) in changes.into_iter().enumerate() {
            let survives = match style {
                0 => false,
                1 => true,
                2 => index < torn_after,
                _ => rng.coin(),
            };
            // Nothing overtakes an earlier change of the same name.
            if survives && !change.set.iter().any(|(path, _)| lost.contains(path)) {
                apply(&mut self.durable, &change.set);
            } else {
                lost.extend(change.set.into_iter().map(|(path, _)| path));
            }
        }
        // A directory that was lost takes all with it.
        let kept: BTreeSet<PathBuf> = self.durable.keys().cloned().collect();
        self.durable.retain(|path, _| {
            let above = path.ancestors().skip(1);
            above.filter(|above| !is_root(above)).all(|above| kept.contains(above))
        });
        self.live = self.durable.clone();
    }

    /// The inodes that some name stands for, now or after some power cut.
    pub(super) fn reachable(&self) -> BTreeSet<u64> {
        let pending = self.pending.iter().flat_map(|change| change.set.iter());
        let pending = pending.filter_map(|(_, inode)| *inode);
        self.live.values().chain(self.durable.values()).copied().chain(pending).collect()
    }
}

/// What is there without having been made.
pub(super) fn is_root(path: &Path) -> bool {
    [Path::new("/"), Path::new("."), Path::new("")].contains(&path)
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, set: &[(PathBuf, Option<u64>)]) {
    for (path, inode) in set {
        match inode {
            Some(inode) => names.insert(path.clone(), *inode),
            None => names.remove(path),
        };
    }
}
