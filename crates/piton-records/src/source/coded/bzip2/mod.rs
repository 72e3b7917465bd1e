//! Bzip2: streams in a row, each of blocks that can be decoded alone. A block begins at any bit, with a 48-bit mark.
//!
//! The decoder of the library takes a stream from its start; at a block it gets a header made for it, and the bits
//! of the file moved to bytes. What looks like a mark may be part of a block. So the decoder is fed to a mark and no
//! further: if the block before it comes out, the mark is one, since no block comes out before its last bit is in.
//! The end of a stream is read here, with the checksum over its blocks, which also holds if decoding started inside.

mod marks;

use bzip2::{Decompress, Error as BzError, Status};
use marks::{BITS, BLOCK, END, Mark, Scan, bits, shifted};

use super::fault::Fault;
use super::feed::Feed;
use super::point::{BzStream, Marks, Place, Point};
use super::{Decoder, Produced};

/// Points are so far apart, or further where blocks are longer.
pub(super) const SPACING: u64 = 4 << 10;
/// The bytes that a mark, a checksum and the bits before them have at most.
const AHEAD: usize = 16;
const WITHIN: &str = "a bzip2 stream";

/// What a file begins with: a header, and the mark of its first block or of its end.
pub(super) fn is_bzip2(bytes: &[u8]) -> bool {
    match bytes {
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
            bits(rest, 0, 48).is_some_and(|mark| mark == BLOCK || mark == END)
        }
        _ => false,
    }
}

/// A decoder of a whole file.
pub(super) struct Bzip2 {
    /// Uncompressed bytes so far.
    at: u64,
    state: State,
    moved: Vec<u8>,
}

enum State {
    /// Before a stream, or at the end. The file must begin with a stream.
    Before {
        first: bool,
    },
    /// At the block inside a stream where decoding starts.
    AtBlock {
        stream: BzStream,
        bit: u64,
    },
    Inside(Box<Stream>),
}

struct Stream {
    decoder: Decompress,
    level: u8,
    /// The checksum of the blocks that came out, and of the one that is decoded.
    combined: u32,
    /// Where the bits of the file begin that the decoder gets, and how many bytes of them it has got.
    origin: u64,
    fed: u64,
    scan: Scan,
    /// What looks like a mark, to which the decoder is fed.
    ahead: Option<Mark>,
    /// Where the block began, in uncompressed bytes.
    since: u64,
}

impl Bzip2 {
    /// At a stream, or at a block inside one that begins at this bit. The feed is at its byte.
    pub(super) fn open(feed: &Feed, at: u64, place: Option<(BzStream, u64)>) -> Self {
        let first = State::Before { first: feed.offset() == 0 };
        let state = place.map_or(first, |(stream, bit)| State::AtBlock { stream, bit });
        Self { at, state, moved: Vec::new() }
    }

    /// The decoder starts at the block at this bit.
    fn start(&mut self, stream: BzStream, bit: u64) -> Result<(), Fault> {
        let BzStream { level, combined } = stream;
        let mut decoder = Decompress::new(false);
        let header = [b'B', b'Z', b'h', b'0' + level];
        let status = decoder.decompress(&header, &mut []);
        if status.map_err(|error| fault(error, bit, self.at))? == Status::MemNeeded {
            return Err(Fault::no_memory());
        }
        let scan = Scan::new((bit + BITS) / 8);
        let (at, origin) = (self.at, bit);
        let stream =
            Stream { decoder, level, combined, origin, fed: 0, scan, ahead: None, since: at };
        self.state = State::Inside(Box::new(stream));
        Ok(())
    }

    /// A stream begins, or the file ends.
    fn begin(
        &mut self,
        feed: &mut Feed,
        marks: &mut Marks,
        first: bool,
    ) -> Result<Produced, Fault> {
        let (byte, at) = (feed.offset(), self.at);
        let ahead = feed.peek(AHEAD)?;
        let point = Point { at, place: Place::Bzip2 { bit: byte * 8, stream: None } };
        let level = match ahead {
            [] if !first => {
                marks.add(point);
                return Ok(Produced::End);
            }
            [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] => level - b'0',
            _ if b"BZh".starts_with(ahead) || ahead == b"BZh" => return Err(feed.cut(WITHIN)),
            _ => {
                let what = "something that is not a bzip2 stream follows";
                return Err(Fault::Damaged { what, at: byte, since: at });
            }
        };
        marks.add(point);
        feed.consume(4);
        let bit = feed.offset() * 8;
        self.start(BzStream { level, combined: 0 }, bit)?;
        self.pass(feed, marks, bit)?;
        Ok(Produced::Bytes(0))
    }

    /// At this bit a block begins, or the stream ends: everything before has come out.
    fn pass(&mut self, feed: &mut Feed, marks: &mut Marks, bit: u64) -> Result<(), Fault> {
        let State::Inside(stream) = &mut self.state else { return Ok(()) };
        let (here, at) = (feed.offset(), self.at);
        // The decoder may have got the first bits of the mark.
        let bytes = feed.peek_from(bit / 8, AHEAD)?;
        let mark = bits(bytes, bit % 8, BITS as u32);
        let Some((mark, crc)) = mark.zip(bits(bytes, bit % 8 + BITS, 32)) else {
            return Err(feed.cut(WITHIN));
        };
        let crc = crc as u32;
        match mark {
            BLOCK => {
                let inside = Some(BzStream { level: stream.level, combined: stream.combined });
                marks.add(Point { at, place: Place::Bzip2 { bit, stream: inside } });
                stream.combined = stream.combined.rotate_left(1) ^ crc;
                stream.since = at;
            }
            END => {
                if crc != stream.combined {
                    let what = "a bzip2 stream does not match its checksum";
                    return Err(Fault::Damaged { what, at: bit / 8, since: stream.since });
                }
                let end = (bit + BITS + 32).div_ceil(8);
                feed.consume(usize::try_from(end - here).unwrap_or(0));
                self.state = State::Before { first: false };
            }
            _ => {
                let what = "neither a block nor the end of a bzip2 stream follows";
                return Err(Fault::Damaged { what, at: bit / 8, since: at });
            }
        }
        Ok(())
    }
}

impl Stream {
    /// How many bytes the decoder may get now, of those that are here: none beyond a mark.
    fn room(&mut self, bytes: &[u8], offset: u64) -> usize {
        if self.ahead.is_none() {
            let scanned =
                usize::try_from(self.scan.at.saturating_sub(offset)).unwrap_or(usize::MAX);
            self.ahead = self.scan.find(bytes.get(scanned..).unwrap_or_default());
        }
        let known = match self.ahead {
            Some(mark) => (mark.bit.saturating_sub(self.origin)).div_ceil(8),
            // A mark may have begun in the last bytes.
            None => (self.scan.at * 8).saturating_sub(self.origin + BITS) / 8,
        };
        usize::try_from(known.saturating_sub(self.fed)).unwrap_or(usize::MAX).min(bytes.len())
    }
}

impl Decoder for Bzip2 {
    fn step(
        &mut self,
        feed: &mut Feed,
        out: &mut [u8],
        marks: &mut Marks,
    ) -> Result<Produced, Fault> {
        let stream = match &mut self.state {
            State::Before { first } => {
                let first = *first;
                return self.begin(feed, marks, first);
            }
            State::AtBlock { stream, bit } => {
                let (stream, bit) = (*stream, *bit);
                self.start(stream, bit)?;
                self.pass(feed, marks, bit)?;
                return Ok(Produced::Bytes(0));
            }
            State::Inside(stream) => stream,
        };
        let offset = feed.offset();
        let bytes = feed.peek(AHEAD)?;
        let mut room = stream.room(bytes, offset);
        // At the end of the file nothing more can be a mark.
        let ends = bytes.len() < AHEAD && stream.ahead.is_none();
        let shift = (stream.origin % 8) as u32;
        if ends {
            // Of bits that were moved the last byte is not whole.
            room = bytes.len().saturating_sub(usize::from(shift > 0));
        }
        let input = match shift {
            0 => bytes.get(..room).unwrap_or_default(),
            shift => {
                shifted(bytes, shift, &mut self.moved, room);
                &self.moved
            }
        };
        let (taken_before, made_before) = (stream.decoder.total_in(), stream.decoder.total_out());
        let status = stream.decoder.decompress(input, out);
        let taken = stream.decoder.total_in() - taken_before;
        let made = stream.decoder.total_out() - made_before;
        let (since, block) = (stream.since, offset);
        let status = status.map_err(|error| fault(error, block * 8, since))?;
        if status == Status::StreamEnd {
            // Its end looks like no mark to us: it cannot be one.
            let what = "a bzip2 stream ends in a block";
            return Err(Fault::Damaged { what, at: block, since });
        }
        if status == Status::MemNeeded {
            return Err(Fault::no_memory());
        }
        stream.fed += taken;
        self.at += made;
        feed.consume(usize::try_from(taken).unwrap_or(0));
        let idle = taken == 0 && made == 0 && !out.is_empty();
        match stream.ahead.filter(|_| idle) {
            Some(mark) => {
                stream.ahead = None;
                // Otherwise it is part of the block.
                if self.at > since {
                    self.pass(feed, marks, mark.bit)?;
                }
            }
            None if idle && ends => return Err(feed.cut(WITHIN)),
            None if idle => return Err(fault(BzError::Sequence, block * 8, since)),
            None => {}
        }
        Ok(Produced::Bytes(usize::try_from(made).unwrap_or(0)))
    }
}

fn fault(error: BzError, bit: u64, since: u64) -> Fault {
    let what = match error {
        BzError::Data => "a bzip2 block is invalid or does not match its checksum",
        BzError::DataMagic | BzError::Sequence | BzError::Param => "a bzip2 stream is invalid",
    };
    Fault::Damaged { what, at: bit / 8, since }
}
