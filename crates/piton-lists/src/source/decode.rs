//! Compressed lists, detected by their first bytes.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Bytes per read.
pub(super) const BUFFER: usize = 64 << 10;

/// RFC 1952 section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878 section 3.1.1; a list may also start with a skippable frame (section 3.1.2).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_SKIPPED: [u8; 3] = [0x2a, 0x4d, 0x18];

/// The largest zstd window, as a power of two: 32 MiB, which is what `zstd --ultra -20` uses. A list that
/// needs more fails instead of filling the memory (guarantee G8).
const ZSTD_WINDOW: u32 = 25;

/// The output of a reader, decompressed if it is gzip (one or more members) or zstd (one or more frames).
pub(super) fn decoded<R>(mut reader: R) -> io::Result<Box<dyn BufRead + Send>>
where
    R: BufRead + Send + 'static,
{
    let mut magic = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut magic)?;
    let is_zstd = magic == ZSTD
        || matches!(magic.split_first(), Some((0x50..=0x5f, rest)) if rest == ZSTD_SKIPPED);
    let is_gzip = magic.starts_with(&GZIP);
    let whole = io::Cursor::new(magic).chain(reader);
    if is_gzip {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole))));
    }
    if is_zstd {
        let mut decoder = zstd::Decoder::with_buffer(whole)?;
        decoder.window_log_max(ZSTD_WINDOW)?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)));
    }
    Ok(Box::new(whole))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    pub(in crate::source) fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(in crate::source) fn zst(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn decode(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        decoded(Cursor::new(bytes))?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn members_and_frames_are_one_list() {
        let skipped = [&[0x53][..], &ZSTD_SKIPPED, &[1, 0, 0, 0, 7]].concat();
        for (bytes, text) in [
            (b"http://h/\n".to_vec(), &b"http://h/\n"[..]),
            ([gz(b"one\n"), gz(b""), gz(b"two\n")].concat(), b"one\ntwo\n"),
            ([zst(b"one\n"), skipped.clone(), zst(b"two\n")].concat(), b"one\ntwo\n"),
            ([skipped, zst(b"one\n")].concat(), b"one\n"),
            (vec![], b""),
            (b"P".to_vec(), b"P"),
            (vec![0x1f], &[0x1f]),
        ] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
    }

    #[test]
    fn a_list_that_is_cut_or_damaged_is_an_error() {
        let list = b"http://h.example/one\nhttp://h.example/two\n".repeat(100);
        for whole in [gz(&list), zst(&list)] {
            for len in 4..whole.len() {
                assert!(decode(whole[..len].to_vec()).is_err(), "cut at {len}");
            }
            let mut damaged = whole.clone();
            damaged[20] ^= 1;
            let decoded = decode(damaged);
            assert!(decoded.is_err() || decoded.unwrap() != list);
        }
        assert!(decode([gz(&list), b"rubbish".to_vec()].concat()).is_err());
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        for (log, fits) in [(ZSTD_WINDOW, true), (ZSTD_WINDOW + 1, false)] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(b"http://h/\n").unwrap();
            assert_eq!(decode(encoder.finish().unwrap()).is_ok(), fits, "{log}");
        }
    }
}
