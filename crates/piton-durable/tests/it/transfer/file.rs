//! The files that are downloaded.

use std::ops::Range;
use std::path::{Path, PathBuf};

use piton_durable::part::Target;
use piton_testkit::seed::draw;
use piton_testkit::server::{KIB, MIB, pattern};

use super::FILES;

/// What stands under every other final name before.
pub(super) const OLD: &[u8] = b"what stood under the final name before";

/// One of the files, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct File(u64);

impl File {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..FILES).map(Self)
    }

    pub(crate) fn numbered(number: u64) -> Self {
        Self(number % FILES)
    }

    pub(super) fn number(self) -> usize {
        self.0 as usize
    }

    pub(super) fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("file-{}", self.0))
    }

    pub(super) fn target(self, dir: &Path) -> Target {
        Target::new(self.path(dir))
    }

    pub(super) fn len(self) -> u64 {
        MIB + draw(self.0, MIB)
    }

    /// Whether another file is to be replaced.
    pub(super) fn has_old(self) -> bool {
        self.0.is_multiple_of(2)
    }

    /// What belongs at `range`.
    pub(super) fn bytes(self, range: &Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        pattern::fill(self.0, range.start, &mut bytes);
        bytes
    }

    pub(super) fn is_right(self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.len() && self.is_right_at(0, bytes)
    }

    pub(super) fn is_right_at(self, start: u64, bytes: &[u8]) -> bool {
        pattern::first_difference(self.0, start, bytes).is_none()
    }

    /// The pieces in which it comes in.
    pub(super) fn pieces(self) -> impl Iterator<Item = Range<u64>> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let len = 20 * KIB + draw(self.0 << 32 | start, 40 * KIB);
            let piece = start..(start + len).min(self.len());
            start = piece.end;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// Puts the old files where they are to stand.
pub(crate) fn lay_out(dir: &Path) {
    for file in File::all().filter(|file| file.has_old()) {
        std::fs::write(file.path(dir), OLD).unwrap();
    }
}
