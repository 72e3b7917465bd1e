//! The journal: against a simple model, and against bytes that are not a journal.

use std::collections::BTreeMap;

use piton_durable::journal::{
    End, HEADER_LEN, HeadError, Header, MAX_PAYLOAD, Record, Tear, VERSION, fold, parse,
};
use piton_durable::part::Extent;
use proptest::prelude::*;

fn header() -> Header {
    Header { version: VERSION, salt: 0x5a17, part_identity: 7 }
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = header().encode().to_vec();
    for (sequence, record) in (1..).zip(records) {
        record.encode(header().salt, sequence, &mut bytes);
    }
    bytes
}

fn example() -> Vec<Record> {
    vec![
        Record::Meta(b"https://example.org/file".to_vec()),
        Record::Written(Extent { start: 0, len: 10, crc: 1 }),
        Record::Written(Extent { start: 10, len: 10, crc: 2 }),
        Record::Synced { through: 3 },
        Record::Hash { kind: 1, state: vec![9; 40] },
        Record::Forget(12..13),
        Record::Verified { len: 20 },
    ]
}

#[test]
fn torn_at_every_byte_it_keeps_the_records_before() {
    let bytes = encode(&example());
    let whole = parse(&bytes).unwrap();
    assert_eq!(whole.end, End::Clean { offset: bytes.len() as u64 });
    for cut in 0..bytes.len() {
        match parse(&bytes[..cut]) {
            Err(error) => assert!(cut < HEADER_LEN && error == HeadError::Unreadable, "{cut}"),
            Ok(parsed) => {
                let end = parsed.end.offset();
                let kept = whole.entries.iter().filter(|entry| {
                    let next = whole.entries.get(entry.sequence as usize);
                    next.map_or(bytes.len() as u64, |next| next.offset) <= cut as u64
                });
                assert_eq!(parsed.entries, kept.cloned().collect::<Vec<_>>(), "cut at {cut}");
                let clean = matches!(parsed.end, End::Clean { .. });
                assert_eq!(clean, end == cut as u64, "cut at {cut}");
            }
        }
    }
}

#[test]
fn flipped_at_every_bit_it_keeps_the_records_before() {
    let bytes = encode(&example());
    let whole = parse(&bytes).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match parse(&flipped) {
            Err(error) => {
                // Never `Newer`: a flipped version must not make the journal untouchable.
                assert!(bit / 8 < HEADER_LEN && error == HeadError::Unreadable, "bit {bit}");
            }
            Ok(parsed) => {
                let before = whole.entries.iter().rfind(|entry| entry.offset <= bit as u64 / 8);
                let before = before.map_or(0, |hit| hit.sequence as usize - 1);
                assert_eq!(parsed.entries, whole.entries[..before], "bit {bit}");
                assert!(matches!(parsed.end, End::Torn { .. }), "bit {bit}");
            }
        }
    }
}

#[test]
fn a_newer_version_is_told_from_a_damaged_one() {
    let newer = Header { version: VERSION + 1, ..header() }.encode();
    assert_eq!(parse(&newer), Err(HeadError::Newer(VERSION + 1)));
    assert_eq!(parse(b""), Err(HeadError::Unreadable));
    assert_eq!(parse(&[0; 4096]), Err(HeadError::Unreadable));
}

#[test]
fn every_kind_of_tear_has_its_name() {
    let good = encode(&example()[..1]);
    let end = good.len() as u64;
    let torn = |tail: &[u8]| match parse(&[&good, tail].concat()).unwrap().end {
        End::Torn { offset, why } if offset == end => why,
        other => panic!("{other:?}"),
    };
    let record = |record: &Record, salt, sequence| {
        let mut bytes = Vec::new();
        record.encode(salt, sequence, &mut bytes);
        bytes
    };
    let written = |start, len| Record::Written(Extent { start, len, crc: 0 });
    let salt = header().salt;
    assert_eq!(torn(&[0; 25]), Tear::Salt, "a tail of zeros");
    assert_eq!(torn(&[0xff; 40]), Tear::TooLong(u32::MAX));
    assert_eq!(torn(&[0, 0]), Tear::Short);
    assert_eq!(torn(&record(&written(0, 1), salt + 1, 2)), Tear::Salt);
    assert_eq!(torn(&record(&written(0, 1), salt, 3)), Tear::Sequence(3));
    assert_eq!(torn(&record(&written(0, 0), salt, 2)), Tear::Payload(2));
    assert_eq!(torn(&record(&written(u64::MAX, 2), salt, 2)), Tear::Payload(2));
    assert_eq!(torn(&record(&Record::Synced { through: 2 }, salt, 2)), Tear::Payload(3));
    let too_long = Record::Meta(vec![0; MAX_PAYLOAD + 1]);
    assert_eq!(torn(&record(&too_long, salt, 2)), Tear::TooLong(MAX_PAYLOAD as u32 + 1));
    let mut flipped = record(&written(0, 1), salt, 2);
    flipped[30] ^= 1;
    assert_eq!(torn(&flipped), Tear::Checksum);
}

/// What a part of 64 bytes is claimed to hold, byte by byte: the claim (by its sequence number) that
/// each byte belongs to.
#[derive(Default)]
struct Model {
    bytes: BTreeMap<u64, u64>,
    synced: u64,
    verified: Option<u64>,
}

impl Model {
    fn drop_claims_in(&mut self, range: std::ops::Range<u64>) {
        let hit: Vec<u64> = range.filter_map(|at| self.bytes.get(&at).copied()).collect();
        self.bytes.retain(|_, claim| !hit.contains(claim));
    }

    fn apply(&mut self, sequence: u64, record: &Record) {
        match record {
            Record::Written(extent) => {
                self.drop_claims_in(extent.range());
                self.bytes.extend(extent.range().map(|at| (at, sequence)));
                self.verified = None;
            }
            Record::Forget(range) => {
                self.drop_claims_in(range.clone());
                self.verified = None;
            }
            Record::Synced { through } => self.synced = self.synced.max(*through),
            Record::Verified { len } => self.verified = Some(*len),
            _ => {}
        }
    }

    fn bytes_of(&self, synced: bool) -> Vec<u64> {
        let wanted = |(_, claim): &(&u64, &u64)| (**claim <= self.synced) == synced;
        self.bytes.iter().filter(wanted).map(|(at, _)| *at).collect()
    }
}

fn bytes_in(extents: &[Extent]) -> Vec<u64> {
    extents.iter().flat_map(Extent::range).collect()
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let range = (0_u64..64, 1_u64..16);
    let record = prop_oneof![
        6 => (range.clone(), any::<u32>())
            .prop_map(|((start, len), crc)| Record::Written(Extent { start, len, crc })),
        2 => any::<prop::sample::Index>()
            .prop_map(|index| Record::Synced { through: index.index(64) as u64 }),
        2 => range.prop_map(|(start, len)| Record::Forget(start..start + len)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Record::Meta),
        1 => (0_u8..3, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(kind, state)| Record::Hash { kind, state }),
        1 => any::<u64>().prop_map(|len| Record::Verified { len }),
    ];
    prop::collection::vec(record, 0..60).prop_map(|mut records| {
        for (sequence, record) in (1_u64..).zip(&mut records) {
            if let Record::Synced { through } = record {
                *through %= sequence;
            }
        }
        records
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_folds_as_the_model_does(records in records()) {
        let parsed = parse(&encode(&records)).unwrap();
        let read: Vec<Record> = parsed.entries.iter().map(|entry| entry.record.clone()).collect();
        prop_assert_eq!(&read, &records);

        let mut model = Model::default();
        for (sequence, record) in (1..).zip(&records) {
            model.apply(sequence, record);
        }
        let fold = fold(&parsed.entries);
        prop_assert_eq!(bytes_in(&fold.synced()), model.bytes_of(true));
        prop_assert_eq!(bytes_in(&fold.written()), model.bytes_of(false));
        prop_assert_eq!(fold.verified, model.verified);
    }

    #[test]
    fn no_bytes_are_too_strange_to_read(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
        bytes.splice(0..0, encode(&example()));
        let parsed = parse(&bytes).unwrap();
        prop_assert!(parsed.entries.len() >= example().len());
        fold(&parsed.entries);
    }
}
