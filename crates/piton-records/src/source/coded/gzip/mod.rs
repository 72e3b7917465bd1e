//! Gzip: members in a row, each with a header, a deflate stream and a trailer. Decoding can start at the end of any
//! deflate block, with the 32 KiB before it.

mod header;
mod inflate;

pub(super) use header::{MAGIC, RESERVED};
use inflate::{Inflate, InflateError, Stopped};

use super::fault::Fault;
use super::feed::Feed;
use super::point::{Marks, Member, Place, Point, Window};
use super::{Decoder, Produced};

/// Points are so far apart, or further where deflate blocks are longer. Decoding so much takes a fraction of a
/// millisecond; copying a window for each costs a fraction of a percent.
pub(super) const SPACING: u64 = 256 << 10;

/// A decoder of a whole file.
pub(super) struct Gzip {
    /// Uncompressed bytes so far.
    at: u64,
    state: State,
}

enum State {
    /// Before a member, or at the end. The file must begin with a member.
    Before {
        first: bool,
    },
    Inside(Inside),
    /// Behind the last block of a member with this CRC and length.
    Trailer {
        crc: u32,
        len: u64,
    },
    /// After the last member: zeros are ignored there, as gzip does.
    Padding,
}

struct Inside {
    inflate: Inflate,
    crc: u32,
    len: u64,
}

impl Gzip {
    /// At this place. The feed is there too.
    pub(super) fn open(feed: &Feed, at: u64, place: Option<(Member, u8)>) -> Result<Self, Fault> {
        let state = match place {
            None => State::Before { first: feed.offset() == 0 },
            Some((Member { bits, crc, len, window }, byte)) => {
                let inflate = Inflate::at_block(&window.0, bits, byte)
                    .map_err(|error| fault(error, feed.offset(), at))?;
                State::Inside(Inside { inflate, crc, len })
            }
        };
        Ok(Self { at, state })
    }

    /// A member begins, or the file ends.
    fn begin(&mut self, feed: &mut Feed, marks: &mut Marks) -> Result<Produced, Fault> {
        let State::Before { first } = self.state else { return Ok(Produced::Bytes(0)) };
        let (at, since) = (feed.offset(), self.at);
        let ahead = feed.peek(2)?;
        match (ahead, first) {
            ([], false) => {
                marks.add(Point { at: since, place: Place::Gzip { byte: at, member: None } });
                return Ok(Produced::End);
            }
            ([0x1f], _) | ([], true) => return Err(feed.cut("the header of a gzip member")),
            ([0x1f, 0x8b, ..], _) => {}
            ([0, ..], false) => {
                self.state = State::Padding;
                return Ok(Produced::Bytes(0));
            }
            _ => {
                let what = "neither a gzip member nor zeros follow the last member";
                return Err(Fault::Damaged { what, at, since });
            }
        }
        marks.add(Point { at: since, place: Place::Gzip { byte: at, member: None } });
        header::take(feed, since)?;
        let inflate = Inflate::new().map_err(|error| fault(error, feed.offset(), since))?;
        self.state = State::Inside(Inside { inflate, crc: 0, len: 0 });
        Ok(Produced::Bytes(0))
    }

    /// A member ends: it must be what its trailer says.
    fn end(&mut self, feed: &mut Feed, crc: u32, len: u64) -> Result<Produced, Fault> {
        let (at, since) = (feed.offset(), self.at.saturating_sub(len));
        let mut field = || feed.bytes("the trailer of a gzip member").map(u32::from_le_bytes);
        let (wanted_crc, wanted_len) = (field()?, field()?);
        let damaged = |what| Err(Fault::Damaged { what, at, since });
        if wanted_crc != crc {
            return damaged("a gzip member does not match its CRC");
        }
        if u64::from(wanted_len) != len & 0xffff_ffff {
            return damaged("a gzip member does not have the length that its trailer says");
        }
        self.state = State::Before { first: false };
        Ok(Produced::Bytes(0))
    }

    /// Only zeros may follow.
    fn pad(&self, feed: &mut Feed) -> Result<Produced, Fault> {
        let at = feed.offset();
        let zeros = feed.peek(1)?;
        let (len, other) = (zeros.len(), zeros.iter().position(|byte| *byte != 0));
        if let Some(other) = other {
            let what = "something else follows the zeros behind the last gzip member";
            return Err(Fault::Damaged { what, at: at + other as u64, since: self.at });
        }
        feed.consume(len);
        Ok(if len == 0 { Produced::End } else { Produced::Bytes(0) })
    }
}

impl Decoder for Gzip {
    fn step(
        &mut self,
        feed: &mut Feed,
        out: &mut [u8],
        marks: &mut Marks,
    ) -> Result<Produced, Fault> {
        let member = match &mut self.state {
            State::Before { .. } => return self.begin(feed, marks),
            State::Padding => return self.pad(feed),
            State::Trailer { crc, len } => {
                let (crc, len) = (*crc, *len);
                return self.end(feed, crc, len);
            }
            State::Inside(member) => member,
        };
        let since = self.at.saturating_sub(member.len);
        let place = feed.offset();
        let input = feed.peek(1)?;
        let ended = input.is_empty();
        let step = member.inflate.step(input, out, marks.wants(self.at));
        let step = step.map_err(|error| fault(error, place, since))?;
        feed.consume(step.taken);
        let new = out.get(..step.made).unwrap_or_default();
        member.crc = zlib_rs::crc32::crc32(member.crc, new);
        member.len += step.made as u64;
        self.at += step.made as u64;
        match step.stopped {
            Stopped::AtBlock { bits } if marks.wants(self.at) => {
                let window = Window(member.inflate.window());
                let (crc, len) = (member.crc, member.len);
                let member = Some(Member { bits, crc, len, window });
                marks
                    .add(Point { at: self.at, place: Place::Gzip { byte: feed.offset(), member } });
            }
            Stopped::Between if ended && step.made == 0 => {
                return Err(feed.cut("a gzip member"));
            }
            Stopped::Between | Stopped::AtBlock { .. } => {}
            Stopped::AtEnd => {
                self.state = State::Trailer { crc: member.crc, len: member.len };
            }
        }
        Ok(Produced::Bytes(step.made))
    }
}

fn fault(error: InflateError, at: u64, since: u64) -> Fault {
    match error {
        InflateError::Data => Fault::Damaged { what: "its deflate data is invalid", at, since },
        InflateError::Memory => Fault::no_memory(),
    }
}
