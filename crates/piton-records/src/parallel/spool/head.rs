//! What stands before each entry of a spool. It comes from a file, so anything may be in it.

use piton_durable::crc::crc32c;

use crate::body::Header;

const MAGIC: [u8; 8] = *b"PITONSP1";
/// Its length, in bytes.
pub(super) const HEAD: usize = 88;

/// What an entry says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(super) job: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) key: u64,
    pub(super) body: u64,
    pub(super) letters: u64,
    pub(super) failed: u64,
    /// Bytes of the result that are its header.
    pub(super) header: Header,
    pub(super) crc: u32,
}

impl Head {
    pub(super) fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let mut rest: &mut [u8] = &mut bytes;
        let fields: [&[u8]; 11] = [
            &MAGIC,
            &self.job.to_le_bytes(),
            &self.start.to_le_bytes(),
            &self.end.to_le_bytes(),
            &self.key.to_le_bytes(),
            &self.body.to_le_bytes(),
            &self.letters.to_le_bytes(),
            &self.failed.to_le_bytes(),
            &self.header.len.to_le_bytes(),
            &self.header.crc.to_le_bytes(),
            &self.crc.to_le_bytes(),
        ];
        for field in fields {
            let (into, after) = rest.split_at_mut(field.len());
            into.copy_from_slice(field);
            rest = after;
        }
        let crc = crc32c(&bytes[..HEAD - 4]);
        bytes[HEAD - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None`: these bytes are not the head of an entry.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, crc) = bytes.get(..HEAD)?.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32c(head) {
            return None;
        }
        let (magic, mut rest) = head.split_first_chunk::<8>()?;
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(u64::from_le_bytes(*number))
        };
        let (job, start, end, key) = (number()?, number()?, number()?, number()?);
        let (body, letters, failed) = (number()?, number()?, number()?);
        let header = Header { len: number()?, crc: number()? };
        let crc = u32::from_le_bytes(*rest.first_chunk::<4>()?);
        let head = Self { job, start, end, key, body, letters, failed, header, crc };
        (*magic == MAGIC && start < end && head.len().is_some()).then_some(head)
    }

    /// Bytes behind the head.
    pub(super) fn len(&self) -> Option<u64> {
        self.body.checked_add(self.letters)
    }
}
