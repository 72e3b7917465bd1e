//! Records end at the same places, however the input is cut into buffers.

use std::num::NonZeroU64;

use piton_records::Framing;
use piton_records::framing::Ending;
use proptest::prelude::*;

/// The ends that a scanner finds, with the input cut at these places.
fn scan(framing: Framing, input: &[u8], cuts: &[usize]) -> (Vec<usize>, Ending) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    let (mut scanner, mut ends, mut own) = (framing.scanner(), Vec::new(), Vec::new());
    for piece in cuts.windows(2) {
        own.clear();
        scanner.scan(&input[piece[0]..piece[1]], &mut own);
        ends.extend(own.iter().map(|end| end + piece[0]));
    }
    (ends, scanner.ending())
}

fn naive_delimited(input: &[u8], byte: u8) -> Vec<usize> {
    (0..input.len()).filter(|at| input[*at] == byte).map(|at| at + 1).collect()
}

/// RFC 4180, byte by byte.
fn naive_csv(input: &[u8], separator: u8) -> (Vec<usize>, bool) {
    let (mut ends, mut field_start, mut quoted) = (Vec::new(), true, false);
    let mut at = 0;
    while at < input.len() {
        let byte = input[at];
        if quoted {
            if byte == b'"' && input.get(at + 1) == Some(&b'"') {
                at += 1;
            } else if byte == b'"' {
                quoted = false;
            }
        } else if byte == b'"' && field_start {
            quoted = true;
            field_start = false;
        } else if byte == b'\n' {
            ends.push(at + 1);
            field_start = true;
        } else {
            field_start = byte == separator;
        }
        at += 1;
    }
    (ends, quoted)
}

fn csv_text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"a,\"\n\r;b".to_vec()), 0..200)
}

proptest! {
    #[test]
    fn delimited(input in prop::collection::vec(0..4_u8, 0..300), byte in 0..4_u8, cuts: Vec<usize>) {
        let (ends, ending) = scan(Framing::Delimited(byte), &input, &cuts);
        prop_assert_eq!(&ends, &naive_delimited(&input, byte));
        let open = ends.last().copied().unwrap_or(0) < input.len();
        prop_assert_eq!(ending == Ending::Open, open);
    }

    #[test]
    fn csv(input in csv_text(), cuts: Vec<usize>, separator in prop::sample::select(b",;".to_vec())) {
        let (ends, ending) = scan(Framing::Csv { separator }, &input, &cuts);
        let (wanted, quoted) = naive_csv(&input, separator);
        prop_assert_eq!(ends, wanted);
        // Behind a quote that may be the first of two, both say that the field is closed.
        prop_assert_eq!(ending == Ending::InQuotes, quoted);
    }

    /// What a well-known parser takes for records, where it has the same rules: fields that are quoted as they should be.
    #[test]
    fn csv_as_others_read_it(
        rows in prop::collection::vec(prop::collection::vec("[a\",\n]{0,6}", 1..4), 1..8),
        cuts: Vec<usize>,
    ) {
        let mut input = Vec::new();
        for row in &rows {
            let fields: Vec<String> =
                row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            input.extend_from_slice(fields.join(",").as_bytes());
            input.extend_from_slice(b"\r\n");
        }
        let (ends, ending) = scan(Framing::CSV, &input, &cuts);
        prop_assert_eq!(ending, Ending::Boundary);
        let mut starts = vec![0];
        starts.extend(&ends);
        for (row, piece) in rows.iter().zip(starts.windows(2)) {
            let record = Framing::CSV.trim(&input[piece[0]..piece[1]]);
            let mut reader = csv_core::Reader::new();
            let (mut text, mut field_ends) = (vec![0; 1000], vec![0; 10]);
            let (_, _, written, fields) = reader.read_record(record, &mut text, &mut field_ends);
            let (_, _, more, last) = reader.read_record(b"", &mut text[written..], &mut field_ends[fields..]);
            prop_assert_eq!(fields + last, row.len());
            let joined: String = row.concat();
            prop_assert_eq!(&text[..written + more], joined.as_bytes());
        }
        prop_assert_eq!(ends.len(), rows.len());
    }

    #[test]
    fn chunks(len in 0..300_usize, size in 1..50_u64, cuts: Vec<usize>) {
        let size = NonZeroU64::new(size).unwrap();
        let (ends, ending) = scan(Framing::Chunks(size), &vec![7; len], &cuts);
        let step = usize::try_from(size.get()).unwrap();
        prop_assert_eq!(ends, (step..=len).step_by(step).collect::<Vec<_>>());
        prop_assert_eq!(ending == Ending::Open, len % step != 0);
    }
}

#[test]
fn what_ends_a_record_is_not_part_of_it() {
    assert_eq!(Framing::LINES.trim(b"a\r\n"), b"a\r");
    assert_eq!(Framing::LINES.trim(b"a"), b"a");
    assert_eq!(Framing::Delimited(0).trim(b"a\n\0"), b"a\n");
    assert_eq!(Framing::CSV.trim(b"a,b\r\n"), b"a,b");
    assert_eq!(Framing::CSV.trim(b"a,b\n"), b"a,b");
}
