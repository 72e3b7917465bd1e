//! What must hold of the journal's parser and fold for every input.
//!
//! The fuzz target `journal` calls the same function (the fuzz crate includes this file); the test at the
//! end looks whether it holds near the seeds of the target and for random bytes.

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
    let header = Header { version: VERSION, salt: 0x5a17, part_identity: 7 };
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
    use piton_testkit::hostile::Target;

    #[test]
    fn journal() {
        Target::new("journal", super::journal).holds();
    }
}
