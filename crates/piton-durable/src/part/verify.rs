//! Reading the bytes of a part back.

use std::ops::Range;

use super::{Part, PartError};
use crate::extent::Extent;
use crate::verify::{buffer, crc, join, matches};

impl Part {
    /// Reads every claimed extent back and returns the ranges whose CRC does not match.
    ///
    /// # Errors
    /// Where the system cannot read.
    pub fn damaged(&self) -> Result<Vec<Range<u64>>, PartError> {
        let mut buffer = buffer();
        let mut damaged = Vec::new();
        for extent in self.extents() {
            let holds = matches(&*self.file, &extent, &mut buffer);
            if !holds.map_err(PartError::io("read", &self.target.part()))? {
                damaged.push(extent.range());
            }
        }
        Ok(join(damaged.into_iter()))
    }

    /// The CRC32C of these bytes as they are in the part. `None`: it ends before, or the system cannot read them.
    pub fn crc(&self, range: Range<u64>) -> Option<u32> {
        crc(&*self.file, range, &mut buffer()).ok().flatten()
    }

    /// Reads the bytes of `extent` and compares them with its CRC. Bytes that cannot be read do not
    /// match: fetching and writing them again may repair the sector.
    pub fn holds(&self, extent: &Extent) -> bool {
        matches(&*self.file, extent, &mut buffer()).unwrap_or(false)
    }
}
