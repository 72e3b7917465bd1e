//! Zstandard (RFC 8878): frames in a row. Decoding can start at each frame, and nowhere inside one: there the tables
//! of earlier blocks and the whole window count.

use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::fault::Fault;
use super::feed::Feed;
use super::point::{Marks, Place, Point};
use super::{Decoder, Produced};

/// What a frame begins with.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What a skippable frame begins with, after a first byte from 0x50 to 0x5f.
pub(super) const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// The longest head of a frame, with its magic.
const HEAD: usize = 18;
/// Points are so far apart, or further where frames are longer.
pub(super) const SPACING: u64 = 4 << 10;

/// A decoder of a whole file.
pub(super) struct Zstd {
    context: DCtx<'static>,
    max_window: u64,
    /// Uncompressed bytes so far.
    at: u64,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Before a frame, or at the end. The file must begin with a frame.
    Before { first: bool },
    /// Inside a frame that began at this uncompressed byte.
    Inside { since: u64 },
    /// Inside a skippable frame.
    Skips { left: u64 },
}

impl Zstd {
    /// At a frame. The feed is there too.
    pub(super) fn open(feed: &Feed, at: u64, max_window: u64) -> Result<Self, Fault> {
        let mut context = DCtx::try_create().ok_or_else(Fault::no_memory)?;
        // Each frame's window is looked at first; this is only what the library allows.
        context.set_parameter(DParameter::WindowLogMax(31)).map_err(|_| Fault::no_memory())?;
        let state = State::Before { first: feed.offset() == 0 };
        Ok(Self { context, max_window, at, state })
    }

    /// A frame begins, or the file ends.
    fn begin(
        &mut self,
        feed: &mut Feed,
        marks: &mut Marks,
        first: bool,
    ) -> Result<Produced, Fault> {
        let (at, since) = (feed.offset(), self.at);
        let ahead = feed.peek(HEAD)?;
        if !(ahead.is_empty() && first) {
            marks.add(Point { at: since, place: Place::Zstd { byte: at } });
        }
        match head(ahead) {
            Head::End if !first => return Ok(Produced::End),
            Head::End | Head::Cut => return Err(feed.cut("the header of a zstd frame")),
            Head::Unknown => {
                let what = "something that is not a zstd frame follows";
                return Err(Fault::Damaged { what, at, since });
            }
            Head::Skippable { len } => {
                feed.consume(8);
                self.state = State::Skips { left: u64::from(len) };
            }
            Head::Frame { window } => {
                if window > self.max_window {
                    return Err(Fault::Window { needed: window, allowed: self.max_window, at });
                }
                let reset = self.context.reset(ResetDirective::SessionOnly);
                reset.map_err(|_| Fault::no_memory())?;
                self.state = State::Inside { since };
            }
        }
        Ok(Produced::Bytes(0))
    }

    fn skip(&mut self, feed: &mut Feed, left: u64) -> Result<Produced, Fault> {
        let here = feed.peek(1)?.len();
        if left > 0 && here == 0 {
            return Err(feed.cut("a skippable zstd frame"));
        }
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(here);
        feed.consume(taken);
        self.state = match left - taken as u64 {
            0 => State::Before { first: false },
            left => State::Skips { left },
        };
        Ok(Produced::Bytes(0))
    }
}

impl Decoder for Zstd {
    fn step(
        &mut self,
        feed: &mut Feed,
        out: &mut [u8],
        marks: &mut Marks,
    ) -> Result<Produced, Fault> {
        let since = match self.state {
            State::Before { first } => return self.begin(feed, marks, first),
            State::Skips { left } => return self.skip(feed, left),
            State::Inside { since } => since,
        };
        let at = feed.offset();
        let input = feed.peek(1)?;
        let ended = input.is_empty();
        let (mut input, mut output) = (InBuffer::around(input), OutBuffer::around(out));
        let left = self.context.decompress_stream(&mut output, &mut input);
        let (taken, made) = (input.pos(), output.pos());
        let left = left.map_err(|code| fault(code, at, since))?;
        feed.consume(taken);
        self.at += made as u64;
        if left == 0 {
            self.state = State::Before { first: false };
        } else if ended && made == 0 {
            return Err(feed.cut("a zstd frame"));
        }
        Ok(Produced::Bytes(made))
    }
}

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Nothing is there.
    End,
    /// The file ends within it.
    Cut,
    Unknown,
    Skippable {
        len: u32,
    },
    /// A frame that needs a window of so many bytes.
    Frame {
        window: u64,
    },
}

fn head(bytes: &[u8]) -> Head {
    let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
        let begins = MAGIC.starts_with(bytes)
            || matches!(bytes, [0x50..=0x5f, rest @ ..] if SKIPPABLE.starts_with(rest));
        return match bytes {
            [] => Head::End,
            _ if begins => Head::Cut,
            _ => Head::Unknown,
        };
    };
    match magic {
        [0x50..=0x5f, rest @ ..] if *rest == SKIPPABLE => match rest_len(bytes) {
            Some(len) => Head::Skippable { len },
            None => Head::Cut,
        },
        magic if *magic == MAGIC => match window(rest) {
            Some(window) => Head::Frame { window },
            None => Head::Cut,
        },
        _ => Head::Unknown,
    }
}

/// The length of a skippable frame.
fn rest_len(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?))
}

/// The window of a frame, from what follows its magic. `None`: there is not enough.
fn window(head: &[u8]) -> Option<u64> {
    let (descriptor, rest) = head.split_first()?;
    if descriptor & 0x20 == 0 {
        let byte = u64::from(*rest.first()?);
        let base = 1_u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * (byte & 7));
    }
    // A single segment: all that comes out is the window.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = rest.get(dictionary..)?;
    match descriptor >> 6 {
        0 => size.first().map(|byte| u64::from(*byte)),
        1 => size.first_chunk().map(|bytes| u64::from(u16::from_le_bytes(*bytes)) + 256),
        2 => size.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
        _ => size.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
    }
}

fn fault(code: usize, at: u64, since: u64) -> Fault {
    let name = zstd_safe::get_error_name(code);
    match name {
        "Allocation error : not enough memory" => Fault::no_memory(),
        "Dictionary mismatch" => Fault::Unsupported { what: "a zstd frame needs a dictionary", at },
        "Restored data doesn't match checksum" => {
            Fault::Damaged { what: "a zstd frame does not match its checksum", at, since }
        }
        _ => Fault::Damaged { what: "a zstd frame is invalid", at, since },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_of_a_frame_is_known_before_it_is_decoded() {
        // RFC 8878, 3.1.1.1.2: the least and the largest window.
        assert_eq!(window(&[0, 0]), Some(1 << 10));
        assert_eq!(window(&[0, 0xff]), Some((1 << 41) + 7 * (1 << 38)));
        assert_eq!(window(&[0x20, 7]), Some(7));
        assert_eq!(window(&[0x63, 9, 9, 9, 9, 1, 0]), Some(257));
        assert_eq!(window(&[0xa0, 0, 0, 0, 0x10]), Some(0x1000_0000));
        assert_eq!(window(&[0xe0, 0, 0, 0, 0]), None);
        assert_eq!(head(&[0x28, 0xb5]), Head::Cut);
        assert_eq!(head(&[0x53, 0x2a, 0x4d, 0x18, 1, 0, 0]), Head::Cut);
        assert_eq!(head(&[0x53, 0x2a, 0x4d, 0x18, 1, 2, 0, 0]), Head::Skippable { len: 513 });
        assert_eq!(head(b"text"), Head::Unknown);
        assert_eq!(head(b"t"), Head::Unknown);
    }
}
