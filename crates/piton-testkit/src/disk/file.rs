//! The bytes of one simulated file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use piton_durable::fs::{FileId, Owner, Stat};

use super::rng::Rng;

/// What a disk writes as a whole.
pub(super) const BLOCK: usize = 4096;

/// A file: what programs see, and what the disk holds.
pub(super) struct Node {
    pub(super) is_dir: bool,
    /// The inode number that programs see. A later file gets it too.
    number: u64,
    /// When it was created, and when it last changed, by the clock of the disk in nanoseconds.
    birth: u64,
    changed: u64,
    /// Handles that have it open: its number is not free.
    pub(super) handles: BTreeSet<u64>,
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    /// Blocks that differ, as far as the system knows.
    dirty: BTreeSet<usize>,
    /// Whether the disk knows the file itself, and not only its bytes: without that they are of no use.
    pub(super) committed: bool,
    /// A write that failed, of which nobody was told yet.
    pub(super) untold: Option<i32>,
    /// What an older file left in the blocks that this one may get.
    pub(super) recycled: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: Owner,
    pub(super) modified: SystemTime,
    pub(super) attributes: BTreeMap<String, Vec<u8>>,
    /// The handle that holds the lock.
    pub(super) locked_by: Option<u64>,
}

impl Node {
    pub(super) fn new(number: u64, now: u64, mode: u32) -> Self {
        Self {
            is_dir: false,
            committed: true,
            untold: None,
            number,
            birth: now,
            changed: now,
            handles: BTreeSet::new(),
            live: Vec::new(),
            durable: Vec::new(),
            dirty: BTreeSet::new(),
            recycled: Vec::new(),
            mode,
            owner: Owner { user: 0, group: 0 },
            modified: UNIX_EPOCH + Duration::from_secs(1),
            attributes: BTreeMap::new(),
            locked_by: None,
        }
    }

    /// A directory.
    pub(super) fn dir(number: u64, now: u64) -> Self {
        Self { is_dir: true, ..Self::new(number, now, 0o755) }
    }

    /// It has these bytes, and the disk has them.
    pub(super) fn settle(&mut self, bytes: Vec<u8>) {
        self.durable = bytes.clone();
        self.live = bytes;
        self.dirty.clear();
    }

    /// Something about it changed.
    pub(super) fn change(&mut self, now: u64) {
        self.changed = now;
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn stat(&self, tells_births: bool, links: u64) -> Stat {
        Stat {
            id: FileId { device: 1, inode: self.number, birth: tells_births.then_some(self.birth) },
            len: self.live.len() as u64,
            is_file: !self.is_dir,
            is_dir: self.is_dir,
            mode: self.mode,
            links,
            owner: self.owner,
            modified: self.modified,
            changed: UNIX_EPOCH + Duration::from_nanos(self.changed),
        }
    }

    /// A bit of a byte flips on the disk, unnoticed.
    pub(super) fn rot(&mut self, at: usize) {
        for bytes in [&mut self.live, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1;
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.live.len() < end {
            self.touch(self.live.len()..end);
            resize(&mut self.live, end);
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.touch(offset..end);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.touch(len.min(self.live.len())..len.max(self.live.len()));
        resize(&mut self.live, len);
    }

    fn touch(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.dirty.extend(range.start / BLOCK..=(range.end - 1) / BLOCK);
        }
    }

    pub(super) fn sync(&mut self) {
        resize(&mut self.durable, self.live.len());
        for block in std::mem::take(&mut self.dirty) {
            copy_block(&mut self.durable, block, &self.live);
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The system reports the error once and forgets what it could not write.
    pub(super) fn fail_sync(&mut self) {
        self.dirty.clear();
    }

    /// The system writes a block on its own account.
    pub(super) fn write_back_one(&mut self, rng: &mut Rng) {
        let count = self.dirty.len() as u64;
        if count > 0 && rng.below(4) == 0 {
            let at = rng.below(count) as usize;
            if let Some(block) = self.dirty.iter().nth(at).copied() {
                let end = ((block + 1) * BLOCK).min(self.live.len());
                if self.durable.len() < end {
                    resize(&mut self.durable, end);
                }
                copy_block(&mut self.durable, block, &self.live);
                self.dirty.remove(&block);
            }
        }
    }

    /// The power was cut: what the disk holds is what there is.
    pub(super) fn cut(&mut self, rng: &mut Rng) {
        if !self.committed {
            (self.live, self.durable, self.dirty) = Default::default();
            return;
        }
        let style = rng.below(5);
        let torn_after = rng.below(self.dirty.len() as u64 + 1) as usize;
        let resized = match style {
            0 => false,
            1 | 4 => true,
            _ => rng.coin(),
        };
        let old_len = self.durable.len();
        if resized {
            resize(&mut self.durable, self.live.len());
        }
        // A file that grew without its data having been written may show what the blocks held before.
        if style == 4 {
            let first_new = old_len.div_ceil(BLOCK) * BLOCK;
            let end = self.durable.len().min(self.recycled.len());
            if first_new < end {
                self.durable[first_new..end].copy_from_slice(&self.recycled[first_new..end]);
            }
        }
        for (index, block) in std::mem::take(&mut self.dirty).into_iter().enumerate() {
            let survives = match style {
                0 | 4 => false,
                1 => true,
                2 => index < torn_after,
                _ => rng.coin(),
            };
            if survives {
                copy_block(&mut self.durable, block, &self.live);
            }
        }
        self.live = self.durable.clone();
    }
}

/// Copies one block as far as both files have it.
fn copy_block(to: &mut [u8], block: usize, from: &[u8]) {
    let start = block * BLOCK;
    let end = (start + BLOCK).min(to.len()).min(from.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

/// `Vec::resize` with zeros, which without optimisation goes byte by byte.
fn resize(bytes: &mut Vec<u8>, len: usize) {
    match len.checked_sub(bytes.len()) {
        Some(more) => bytes.extend_from_slice(&vec![0; more]),
        None => bytes.truncate(len),
    }
}
