//! What must hold of the journal's parser and fold for every input.
//!
//! The fuzz target `journal` calls the same function (the fuzz crate includes this file); the tests at
//! the end run it over the seeds of the target and over random bytes.

use piton_durable::crc::crc32c;
use piton_durable::journal::{End, HEADER_LEN, Header, VERSION, fold, parse};

/// Both for the bytes as they are and for records made of them, which their checksums do not give away.
pub(crate) fn journal(data: &[u8]) {
    parsed(data);
    parsed(&framed(data));
}

/// Whatever is kept of a journal was there, byte for byte; recovery, which cuts off the rest, keeps
/// the same; and what it amounts to makes sense.
fn parsed(bytes: &[u8]) {
    let Ok(parsed) = parse(bytes) else { return };
    let end = parsed.end.offset() as usize;
    let mut again = bytes[..HEADER_LEN].to_vec();
    for entry in &parsed.entries {
        assert_eq!(entry.offset, again.len() as u64);
        entry.record.encode(parsed.header.salt, entry.sequence, &mut again);
    }
    assert_eq!(again, bytes[..end]);

    let cut = parse(&again).unwrap();
    assert_eq!((cut.header, &cut.entries), (parsed.header, &parsed.entries));
    assert_eq!(cut.end, End::Clean { offset: end as u64 });

    let fold = fold(&parsed.entries);
    assert!(fold.synced_through <= parsed.entries.len() as u64);
    let mut free_from = 0;
    for (extent, sequence) in fold.claims.iter() {
        assert!(extent.len > 0 && extent.start >= free_from, "{extent:?}");
        assert!((1..=parsed.entries.len() as u64).contains(&sequence));
        free_from = extent.start + extent.len;
    }
    let count = |extents: Vec<_>| extents.iter().map(len).sum::<u64>();
    assert_eq!(count(fold.synced()) + count(fold.written()), count(fold.claims.extents()));
}

fn len(extent: &piton_durable::extent::Extent) -> u64 {
    extent.len
}

/// A good head, and after it a record of each type byte, length byte and so many bytes of payload.
fn framed(mut data: &[u8]) -> Vec<u8> {
    let header = Header { version: VERSION, salt: 0x5a17, part_inode: 7 };
    let mut journal = header.encode().to_vec();
    for sequence in 1_u64.. {
        let [kind, len, rest @ ..] = data else { break };
        let (payload, rest) = rest.split_at((*len as usize).min(rest.len()));
        data = rest;
        let start = journal.len();
        journal.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        journal.extend_from_slice(&header.salt.to_le_bytes());
        journal.extend_from_slice(&sequence.to_le_bytes());
        journal.push(*kind);
        journal.extend_from_slice(payload);
        let crc = crc32c(&journal[start..]);
        journal.extend_from_slice(&crc.to_le_bytes());
    }
    journal
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn seeds() -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/journal");
        let entries = std::fs::read_dir(folder).unwrap();
        let seeds = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        seeds.collect()
    }

    #[test]
    fn hold_for_the_seeds_and_their_neighbours() {
        let seeds = seeds();
        assert!(!seeds.is_empty());
        for seed in seeds {
            for at in 0..seed.len() {
                journal(&seed[..at]);
                for byte in [0, seed[at] ^ 1, 0xff] {
                    let mut changed = seed.clone();
                    changed[at] = byte;
                    journal(&changed);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn hold_for_random_bytes(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            journal(&data);
        }
    }
}
