//! The bytes of a flight recorder (`docs/ledger-format.md`), pure, and safe on any bytes.

use piton_durable::crc::crc32c;

use super::super::outcome::Key;

/// Bytes of the head and of a slot. A slot never lies across two pages, so a kill cannot halve it.
pub(super) const SLOT: usize = 32;
/// At most this many items are recorded at once, and no reader looks further.
pub(super) const MAX_SLOTS: u32 = 1 << 16;

const MAGIC: [u8; 8] = *b"\x89PITFL\r\n";
const VERSION: u16 = 1;
/// Bytes of the head, and of a slot, that their checksum covers.
const COVERED: usize = SLOT - 4;

/// The header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the ledger to which it belongs.
    pub ledger: u64,
    /// New for every run, so that no slot of an older one counts.
    pub salt: u64,
}

/// An item that is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which item.
    pub key: Key,
    /// Which try of it, in all runs, counted from 1.
    pub attempt: u32,
    /// Since when, in milliseconds since 1970 (UTC).
    pub since: u64,
    /// The process had survived it in this try: it did not cause the crash.
    pub harmless: bool,
}

/// The bit of `since` that says [`Entry::harmless`].
const HARMLESS: u64 = 1 << 63;

/// Reads the bytes of a flight recorder: the head, and the items whose slots are whole. `None`: not a
/// recorder, or one of another version.
pub fn parse(bytes: &[u8]) -> Option<(Head, Vec<Entry>)> {
    let (slots, _) = bytes.as_chunks::<SLOT>();
    let (head, slots) = slots.split_first()?;
    let head = Head::decode(head)?;
    let slots = slots.iter().take(MAX_SLOTS as usize);
    Some((head, slots.filter_map(|slot| Entry::decode(slot, head.salt)).collect()))
}

impl Head {
    /// The bytes of it.
    pub fn encode(self) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 12, &self.ledger.to_le_bytes());
        put(&mut bytes, 20, &self.salt.to_le_bytes());
        let crc = crc32c(bytes.first_chunk::<COVERED>().unwrap_or(&[0; COVERED]));
        put(&mut bytes, COVERED, &crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SLOT]) -> Option<Self> {
        let head = Self { ledger: u64_at(bytes, 12)?, salt: u64_at(bytes, 20)? };
        (head.encode() == *bytes).then_some(head)
    }
}

impl Entry {
    /// The bytes of its slot in a recorder of this salt.
    pub fn encode(self, salt: u64) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        put(&mut bytes, 0, &self.key);
        put(&mut bytes, 16, &self.attempt.to_le_bytes());
        let harmless = if self.harmless { HARMLESS } else { 0 };
        put(&mut bytes, 20, &(self.since & !HARMLESS | harmless).to_le_bytes());
        let mut covered = [0; 8 + COVERED];
        put(&mut covered, 0, &salt.to_le_bytes());
        put(&mut covered, 8, bytes.first_chunk::<COVERED>().unwrap_or(&[0; COVERED]));
        put(&mut bytes, COVERED, &crc32c(&covered).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SLOT], salt: u64) -> Option<Self> {
        let since = u64_at(bytes, 20)?;
        let entry = Self {
            key: *bytes.first_chunk()?,
            attempt: u32::from_le_bytes(*bytes.get(16..)?.first_chunk()?),
            since: since & !HARMLESS,
            harmless: since & HARMLESS != 0,
        };
        (entry.encode(salt) == *bytes).then_some(entry)
    }
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..what.len())) {
        place.copy_from_slice(what);
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { ledger: 0x1122_3344_5566_7788, salt: 99 };
    const ENTRY: Entry =
        Entry { key: [7; 16], attempt: 3, since: 1_700_000_000_000, harmless: false };

    #[test]
    fn what_was_written_is_read() {
        let mut bytes = HEAD.encode().to_vec();
        bytes.extend(ENTRY.encode(HEAD.salt));
        bytes.extend([0; SLOT]);
        bytes.extend(Entry { attempt: 4, harmless: true, ..ENTRY }.encode(HEAD.salt));
        let (head, entries) = parse(&bytes).unwrap();
        assert_eq!(head, HEAD);
        assert_eq!(entries, [ENTRY, Entry { attempt: 4, harmless: true, ..ENTRY }]);
    }

    #[test]
    fn a_flipped_bit_an_old_run_and_a_torn_slot_are_nothing() {
        let mut bytes = HEAD.encode().to_vec();
        bytes.extend(ENTRY.encode(HEAD.salt));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = parse(&flipped).map(|(_, entries)| entries);
            assert!(found.is_none_or(|entries| entries.is_empty()), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            let found = parse(&bytes[..cut]).map(|(_, entries)| entries);
            assert!(found.is_none_or(|entries| entries.is_empty()), "cut at {cut}");
        }
        bytes.extend(ENTRY.encode(HEAD.salt + 1));
        assert_eq!(parse(&bytes).unwrap().1, [ENTRY]);
    }
}
