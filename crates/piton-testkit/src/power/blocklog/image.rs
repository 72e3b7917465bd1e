//! The content of a disk, shared between its states as far as they agree.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

pub(super) const BLOCK: usize = 4096;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A disk in memory. A clone costs a pointer per block; a write copies the block if another clone
/// has it too.
#[derive(Clone)]
pub(super) struct Image {
    /// `None`: zeros.
    blocks: Vec<Option<Arc<[u8; BLOCK]>>>,
}

impl Image {
    /// Reads a sparse file.
    pub(super) fn load(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let count = usize::try_from(length.div_ceil(BLOCK as u64)).map_err(io::Error::other)?;
        let mut image = Self { blocks: vec![None; count] };
        let mut end = 0;
        loop {
            let start = match seek(file, SeekFrom::Data(end)) {
                Ok(start) => start,
                // No more data.
                Err(Errno::NXIO) => return Ok(image),
                Err(error) => return Err(error.into()),
            };
            end = seek(file, SeekFrom::Hole(start))?;
            let mut data = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
            file.read_exact_at(&mut data, start)?;
            image.write(start, &data);
        }
    }

    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        (self.blocks.len() * BLOCK) as u64
    }

    /// Reads up to `length` bytes, less at the end.
    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut data = Vec::with_capacity(length);
        for (index, from, to) in pieces(offset, length) {
            match self.blocks.get(index) {
                Some(Some(block)) => {
                    data.extend_from_slice(block.get(from..to).unwrap_or_default())
                }
                Some(None) => data.resize(data.len() + (to - from), 0),
                None => break,
            }
        }
        data
    }

    /// Writes; what lies beyond the end is dropped.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let mut rest = data;
        for (index, from, to) in pieces(offset, data.len()) {
            let (piece, later) = rest.split_at(to - from);
            rest = later;
            let Some(block) = self.blocks.get_mut(index) else { return };
            if block.is_none() && ZEROS.starts_with(piece) {
                continue;
            }
            let block = Arc::make_mut(block.get_or_insert_with(|| Arc::new([0; BLOCK])));
            if let Some(place) = block.get_mut(from..to) {
                place.copy_from_slice(piece);
            }
        }
    }
}

/// The blocks that a range touches: index, and from where to where within the block.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut at = offset as usize;
    let end = at + length;
    std::iter::from_fn(move || {
        let (index, from) = (at / BLOCK, at % BLOCK);
        let to = BLOCK.min(from + (end - at));
        at += to - from;
        (to > from).then_some((index, from, to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written_across_blocks_and_shares_the_rest() {
        let mut image = Image { blocks: vec![None; 4] };
        let data: Vec<u8> = (0..9000_u32).map(|i| (i % 251) as u8).collect();
        image.write(100, &data);
        let before = image.clone();
        image.write(4096, &[1; 512]);

        assert_eq!(before.read(100, data.len()), data);
        assert_eq!(image.read(4096, 512), [1; 512]);
        assert_eq!(image.read(4608, 4492), data[4508..]);
        assert_eq!(image.read(0, 100), [0; 100]);
        assert_eq!(image.read(4 * 4096 - 10, 20).len(), 10, "cut at the end");
        assert!(Arc::ptr_eq(image.blocks[0].as_ref().unwrap(), before.blocks[0].as_ref().unwrap()));
    }
}
