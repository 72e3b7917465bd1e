//! What must hold of the parser of flight recorders for every input.
//!
//! The fuzz target `flight` calls the same function (the fuzz crate includes this file); the test at the
//! end looks whether it holds near the seeds of the target and for random bytes.

use piton_checkpoint::ledger::flight::Entry;
use piton_checkpoint::ledger::flight::fuzzing::{Head, parse};

/// Whatever is found in a recorder was there, byte for byte. For the bytes as they are, and under a head
/// and checksums that are right.
pub(crate) fn flight(data: &[u8]) {
    found(data);
    let head = Head { ledger: 1, salt: 2 };
    let mut framed = head.encode().to_vec();
    let mut entries = Vec::new();
    for slot in data.chunks_exact(28) {
        let since = u64::from_le_bytes(slot[20..].try_into().unwrap());
        let entry = Entry {
            key: slot[..16].try_into().unwrap(),
            attempt: u32::from_le_bytes(slot[16..20].try_into().unwrap()),
            since: since >> 1,
            harmless: since & 1 == 1,
        };
        framed.extend(entry.encode(head.salt));
        entries.push(entry);
    }
    entries.truncate(1 << 16);
    assert_eq!(parse(&framed), Some((head, entries)));
    framed.extend(data);
    found(&framed);
}

fn found(bytes: &[u8]) {
    let Some((head, entries)) = parse(bytes) else { return };
    assert_eq!(bytes[..32], head.encode());
    let mut slots = bytes[32..].chunks_exact(32);
    for entry in entries {
        assert!(slots.any(|slot| slot == entry.encode(head.salt)), "{entry:?}");
    }
}

#[cfg(test)]
mod tests {
    use piton_testkit::hostile::Target;

    #[test]
    fn flight() {
        Target::new("flight", super::flight).holds();
    }
}
