//! Xz: streams in a row, each of blocks that can be decoded alone. Decoding can start at each block.
//!
//! The container is read here, since liblzma's own reader cannot start inside one and does not say where blocks begin;
//! a block's filters are decoded by the library. Each block is compared with its check, and all of a stream with its
//! index: of the blocks that came before a restart, their number and a CRC of their sizes are in the point.

mod header;

use crc_fast::{CrcAlgorithm, Digest as Crc};
pub(super) use header::MAGIC;
use header::{Number, block_header, check_len, dictionary, stream_footer, stream_header};
use liblzma::stream::{Action, Error as LzmaError, Filters, Status, Stream as Lzma};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::feed::Feed;
use super::point::{Marks, Place, Point, XzStream};
use super::{Decoder, Produced};

/// Points are so far apart, or further where blocks are longer.
pub(super) const SPACING: u64 = 4 << 10;
const WITHIN: &str = "an xz stream";

/// A decoder of a whole file.
pub(super) struct Xz {
    /// Uncompressed bytes so far.
    at: u64,
    max_window: u64,
    state: State,
}

enum State {
    /// Before a stream, or at the end. The file must begin with a stream.
    Before {
        first: bool,
    },
    /// Before a block, or the index.
    Between(XzStream),
    Inside(XzStream, Box<Block>),
}

struct Block {
    lzma: Lzma,
    check: Check,
    /// The length of its header.
    header: u64,
    compressed: Option<u64>,
    uncompressed: Option<u64>,
    /// Where it began, in uncompressed bytes.
    since: u64,
}

/// The check of a block, of what came out so far.
enum Check {
    None,
    Crc32(u32),
    Crc64(Box<Crc>),
    Sha256(Box<Sha256>),
}

impl Xz {
    /// At a stream, or at a block inside one. The feed is there too.
    pub(super) fn open(feed: &Feed, at: u64, stream: Option<XzStream>, max_window: u64) -> Self {
        let first = State::Before { first: feed.offset() == 0 };
        Self { at, max_window, state: stream.map_or(first, State::Between) }
    }

    /// A stream begins, or the file ends. Zeros may come before it, four at a time.
    fn begin(
        &mut self,
        feed: &mut Feed,
        marks: &mut Marks,
        first: bool,
    ) -> Result<Produced, Fault> {
        let (byte, at) = (feed.offset(), self.at);
        let damaged = |what| Fault::Damaged { what, at: byte, since: at };
        let ahead = feed.peek(12)?;
        if !first {
            marks.add(Point { at, place: Place::Xz { byte, stream: None } });
        }
        match ahead {
            [] if !first => return Ok(Produced::End),
            [0, 0, 0, 0, ..] if !first => {
                feed.consume(4);
                return Ok(Produced::Bytes(0));
            }
            [0, ..] if !first => return Err(damaged("the padding of an xz stream is invalid")),
            _ if ahead.len() < 12 && MAGIC.starts_with(ahead.get(..6).unwrap_or(ahead)) => {
                return Err(feed.cut(WITHIN));
            }
            _ => {}
        }
        let check = match ahead.first_chunk() {
            Some(header) => stream_header(header).map_err(damaged)?,
            None => return Err(damaged("something that is not an xz stream follows")),
        };
        if first {
            marks.add(Point { at, place: Place::Xz { byte, stream: None } });
        }
        feed.consume(12);
        self.state = State::Between(XzStream { check, blocks: 0, sizes: 0 });
        Ok(Produced::Bytes(0))
    }

    /// A block begins, or the index.
    fn between(
        &mut self,
        feed: &mut Feed,
        marks: &mut Marks,
        stream: XzStream,
    ) -> Result<Produced, Fault> {
        let (byte, at) = (feed.offset(), self.at);
        let damaged = |what| Fault::Damaged { what, at: byte, since: at };
        let len = match feed.peek(1)?.first() {
            None => return Err(feed.cut(WITHIN)),
            Some(0) => return self.index(feed, stream),
            Some(len) => (usize::from(*len) + 1) * 4,
        };
        let header = feed.peek(len)?.get(..len);
        let Some(header) = header else { return Err(feed.cut(WITHIN)) };
        let header = block_header(header).map_err(damaged)?;
        let lzma = self.filters(&header.filters, byte)?;
        marks.add(Point { at, place: Place::Xz { byte, stream: Some(stream) } });
        feed.consume(len);
        let check = match stream.check {
            0 => Check::None,
            1 => Check::Crc32(0),
            4 => Check::Crc64(Box::new(Crc::new(CrcAlgorithm::Crc64Xz))),
            10 => Check::Sha256(Box::new(Sha256::new())),
            _ => {
                let what = "its blocks have a check that is not known";
                return Err(Fault::Unsupported { what, at: byte });
            }
        };
        let (compressed, uncompressed) = (header.compressed, header.uncompressed);
        let block = Block { lzma, check, header: len as u64, compressed, uncompressed, since: at };
        self.state = State::Inside(stream, Box::new(block));
        Ok(Produced::Bytes(0))
    }

    /// The decoder for these filters.
    fn filters(&self, filters: &[(u64, Vec<u8>)], at: u64) -> Result<Lzma, Fault> {
        let unsupported = |what| Fault::Unsupported { what, at };
        let mut chain = Filters::new();
        for (index, (id, properties)) in filters.iter().enumerate() {
            let last = index + 1 == filters.len();
            if (*id == 0x21) != last {
                return Err(unsupported("an xz block has filters in an unknown order"));
            }
            if last {
                let needed = dictionary(properties);
                let needed = needed.ok_or(unsupported("an xz block has an invalid dictionary"))?;
                if needed > self.max_window {
                    return Err(Fault::Window { needed, allowed: self.max_window, at });
                }
            }
            let added = match *id {
                0x03 => chain.delta_properties(properties),
                0x04 => chain.x86_properties(properties),
                0x05 => chain.powerpc_properties(properties),
                0x06 => chain.ia64_properties(properties),
                0x07 => chain.arm_properties(properties),
                0x08 => chain.arm_thumb_properties(properties),
                0x09 => chain.sparc_properties(properties),
                0x0a => chain.arm64_properties(properties),
                0x0b => chain.riscv_properties(properties),
                0x21 => chain.lzma2_properties(properties),
                _ => return Err(unsupported("an xz block has an unknown filter")),
            };
            added.map_err(|error| fault(error, at, self.at))?;
        }
        Lzma::new_raw_decoder(&chain).map_err(|error| fault(error, at, self.at))
    }

    /// A stream ends: its index must list the blocks that there were.
    fn index(&mut self, feed: &mut Feed, stream: XzStream) -> Result<Produced, Fault> {
        let at = feed.offset();
        let damaged = |what| Fault::Damaged { what, at, since: self.at };
        let mut index = Index { feed, crc: 0, len: 0 };
        index.byte()?;
        let invalid = || damaged("the index of an xz stream is invalid");
        let blocks = index.number()?.ok_or_else(invalid)?;
        let mut sizes = 0;
        if blocks != stream.blocks {
            return Err(damaged("the index of an xz stream does not list its blocks"));
        }
        for _ in 0..blocks {
            let unpadded = index.number()?.ok_or_else(invalid)?;
            let uncompressed = index.number()?.ok_or_else(invalid)?;
            sizes = add_sizes(sizes, unpadded, uncompressed);
        }
        while !index.len.is_multiple_of(4) {
            if index.byte()? != 0 {
                return Err(invalid());
            }
        }
        let (crc, len) = (index.crc, index.len + 4);
        if feed.bytes(WITHIN)? != crc.to_le_bytes() {
            return Err(damaged("the index of an xz stream does not match its checksum"));
        }
        if sizes != stream.sizes {
            return Err(damaged("the index of an xz stream does not list its blocks"));
        }
        let wanted = stream_footer(&feed.bytes(WITHIN)?, stream.check).map_err(damaged)?;
        if wanted != len {
            return Err(damaged("the footer of an xz stream does not match its index"));
        }
        self.state = State::Before { first: false };
        Ok(Produced::Bytes(0))
    }

    /// A block ends: padding, check, and what the index must say of it.
    fn end(&mut self, feed: &mut Feed) -> Result<(), Fault> {
        let State::Inside(stream, block) = &self.state else { return Ok(()) };
        let (at, since) = (feed.offset(), block.since);
        let damaged = |what| Fault::Damaged { what, at, since };
        let (compressed, made) = (block.lzma.total_in(), block.lzma.total_out());
        let other = |wanted: Option<u64>, is| wanted.is_some_and(|wanted| wanted != is);
        if other(block.compressed, compressed) || other(block.uncompressed, made) {
            return Err(damaged("an xz block does not have the length that its header says"));
        }
        let padding = (4 - compressed % 4) % 4;
        for _ in 0..padding {
            if feed.byte(WITHIN)? != 0 {
                return Err(damaged("the padding of an xz block is invalid"));
            }
        }
        let check_len = check_len(stream.check);
        let stored = feed.peek(check_len)?.get(..check_len);
        let Some(stored) = stored else { return Err(feed.cut(WITHIN)) };
        let is_right = match &block.check {
            Check::None => true,
            Check::Crc32(crc) => stored == crc.to_le_bytes(),
            Check::Crc64(crc) => stored == crc.finalize().to_le_bytes(),
            Check::Sha256(hash) => stored == hash.clone().finalize().as_slice(),
        };
        if !is_right {
            return Err(damaged("an xz block does not match its check"));
        }
        let unpadded = block.header + compressed + check_len as u64;
        let XzStream { check, blocks, sizes } = *stream;
        let sizes = add_sizes(sizes, unpadded, made);
        feed.consume(check_len);
        self.state = State::Between(XzStream { check, blocks: blocks.saturating_add(1), sizes });
        Ok(())
    }
}

impl Decoder for Xz {
    fn step(
        &mut self,
        feed: &mut Feed,
        out: &mut [u8],
        marks: &mut Marks,
    ) -> Result<Produced, Fault> {
        let block = match &mut self.state {
            State::Before { first } => {
                let first = *first;
                return self.begin(feed, marks, first);
            }
            State::Between(stream) => {
                let stream = *stream;
                return self.between(feed, marks, stream);
            }
            State::Inside(_, block) => block,
        };
        let (at, since) = (feed.offset(), block.since);
        let input = feed.peek(1)?;
        let ended = input.is_empty();
        let (taken, made) = (block.lzma.total_in(), block.lzma.total_out());
        let status = block.lzma.process(input, out, Action::Run);
        let status = status.map_err(|error| fault(error, at, since))?;
        let taken = usize::try_from(block.lzma.total_in() - taken).unwrap_or(0);
        let made = usize::try_from(block.lzma.total_out() - made).unwrap_or(0);
        block.check.update(out.get(..made).unwrap_or_default());
        feed.consume(taken);
        self.at += made as u64;
        match status {
            Status::StreamEnd => self.end(feed)?,
            _ if taken == 0 && made == 0 && ended => return Err(feed.cut(WITHIN)),
            _ if taken == 0 && made == 0 => return Err(fault(LzmaError::Data, at, since)),
            _ => {}
        }
        Ok(Produced::Bytes(made))
    }
}

impl Check {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Crc32(crc) => *crc = zlib_rs::crc32::crc32(*crc, bytes),
            Self::Crc64(crc) => crc.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }
}

/// The checksum over the sizes of blocks, with one more.
fn add_sizes(sizes: u32, unpadded: u64, uncompressed: u64) -> u32 {
    let sizes = zlib_rs::crc32::crc32(sizes, &unpadded.to_le_bytes());
    zlib_rs::crc32::crc32(sizes, &uncompressed.to_le_bytes())
}

/// The bytes of an index, with their checksum.
struct Index<'a> {
    feed: &'a mut Feed,
    crc: u32,
    len: u64,
}

impl Index<'_> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = self.feed.byte(WITHIN)?;
        self.crc = zlib_rs::crc32::crc32(self.crc, &[byte]);
        self.len += 1;
        Ok(byte)
    }

    /// `None`: there is none.
    fn number(&mut self) -> Result<Option<u64>, Fault> {
        let mut number = Number::default();
        loop {
            match number.add(self.byte()?) {
                Ok(None) => {}
                Ok(value) => return Ok(value),
                Err(()) => return Ok(None),
            }
        }
    }
}

fn fault(error: LzmaError, at: u64, since: u64) -> Fault {
    match error {
        LzmaError::Mem | LzmaError::MemLimit => Fault::no_memory(),
        LzmaError::Options | LzmaError::UnsupportedCheck | LzmaError::NoCheck => {
            Fault::Unsupported { what: "an xz block has options that are not known", at }
        }
        LzmaError::Data | LzmaError::Format | LzmaError::Program => {
            Fault::Damaged { what: "an xz block is invalid", at, since }
        }
    }
}
