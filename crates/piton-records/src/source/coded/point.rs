//! Restart points: places of a compressed file where decoding can start, and how a state keeps them.
//!
//! A state file may say anything. Each value is checked before it is used, and a checksum over the whole tells a
//! damaged point from a good one before a byte is decoded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::Value;

use super::Compression;
use crate::source::identity::Print;

/// How far deflate looks back.
pub(super) const WINDOW: usize = 32 << 10;
/// No file has so many bytes.
const MOST: u64 = 1 << 62;

/// A place where decoding can start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// So many uncompressed bytes are before it.
    pub(crate) at: u64,
    #[serde(flatten)]
    pub(super) place: Place,
}

/// Where that is in the file, and what a decoder has to know there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "codec", rename_all = "lowercase")]
pub(super) enum Place {
    /// Before a member, or inside one.
    Gzip {
        byte: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<Member>,
    },
    /// Before a frame.
    Zstd { byte: u64 },
    /// Before a stream, or before a block inside one.
    Bzip2 {
        bit: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<BzStream>,
    },
    /// Before a stream, or before a block inside one.
    Xz {
        byte: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<XzStream>,
    },
}

/// Inside a gzip member, at the start of a deflate block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    /// The last so many bits of the byte before belong to the block.
    pub(super) bits: u8,
    /// CRC-32 of the uncompressed bytes of the member so far.
    pub(super) crc: u32,
    /// How many these are.
    pub(super) len: u64,
    pub(super) window: Window,
}

/// The last 32 KiB before a point; compressed in a state, since it has most of the bytes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window(pub(super) Vec<u8>);

/// Inside a bzip2 stream, at the start of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BzStream {
    /// The digit of its header: the size of blocks.
    pub(super) level: u8,
    /// The checksum of the blocks so far.
    pub(super) combined: u32,
}

/// Inside an xz stream, at the start of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct XzStream {
    /// Which check the blocks have.
    pub(super) check: u8,
    /// The blocks so far: their number, and a CRC-32 of their sizes, as the index must list them.
    pub(super) blocks: u64,
    pub(super) sizes: u32,
}

/// What a commit says of a compressed source: where decoding starts, and how to know that it is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restart {
    /// So many compressed bytes were read: the identity speaks of those.
    pub(crate) read: u64,
    /// The last uncompressed bytes between the point and the position.
    pub(crate) before: Print,
    point: Value,
    /// BLAKE3 of all of that.
    check: String,
}

impl Restart {
    pub(crate) fn new(read: u64, before: Print, point: &Point) -> Result<Self, serde_json::Error> {
        let point = serde_json::to_value(point)?;
        let check = check(read, &before, &point);
        Ok(Self { read, before, point, check })
    }

    /// The point, if this is what was committed, for a position behind it. Otherwise what is wrong.
    pub(crate) fn point(&self, position: u64) -> Result<Point, &'static str> {
        if check(self.read, &self.before, &self.point) != self.check {
            return Err("the restart point in the compressed source is damaged");
        }
        let point = Point::deserialize(&self.point);
        let point = point.map_err(|_| "the restart point in the compressed source is invalid")?;
        match point.is_possible() && point.at <= position && point.byte() <= self.read {
            true => Ok(point),
            false => Err("the restart point in the compressed source is impossible"),
        }
    }
}

fn check(read: u64, before: &Print, point: &Value) -> String {
    let text = format!("{read} {before:?} {point}");
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

impl Point {
    /// The byte of the file where reading starts.
    pub(crate) fn byte(&self) -> u64 {
        match &self.place {
            Place::Gzip { byte, .. } | Place::Zstd { byte } | Place::Xz { byte, .. } => *byte,
            Place::Bzip2 { bit, .. } => bit / 8,
        }
    }

    /// Which codec it belongs to.
    pub(crate) fn compression(&self) -> Compression {
        match &self.place {
            Place::Gzip { .. } => Compression::Gzip,
            Place::Zstd { .. } => Compression::Zstd,
            Place::Bzip2 { .. } => Compression::Bzip2,
            Place::Xz { .. } => Compression::Xz,
        }
    }

    /// Whether its values can occur at all.
    fn is_possible(&self) -> bool {
        self.at <= MOST && self.place.is_possible()
    }
}

impl Place {
    fn is_possible(&self) -> bool {
        match self {
            Self::Gzip { byte, member: Some(member) } => {
                member.bits < 8
                    && (*byte > 0 || member.bits == 0)
                    && member.window.0.len() as u64 <= member.len
                    && member.len <= MOST
            }
            Self::Bzip2 { stream: Some(stream), .. } => (1..=9).contains(&stream.level),
            Self::Bzip2 { bit, stream: None } => bit % 8 == 0,
            Self::Xz { stream: Some(stream), .. } => stream.check < 16,
            Self::Gzip { .. } | Self::Zstd { .. } | Self::Xz { .. } => true,
        }
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let small = zstd::bulk::compress(&self.0, 1).map_err(ser::Error::custom)?;
        serializer.serialize_str(&STANDARD.encode(small))
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let small = STANDARD.decode(text).map_err(de::Error::custom)?;
        // No more than a window comes out, whatever it says.
        zstd::bulk::decompress(&small, WINDOW).map(Self).map_err(de::Error::custom)
    }
}

/// The points of a source that may still be needed, as a decoder finds them.
#[derive(Debug)]
pub(super) struct Marks {
    /// Points are at least so many uncompressed bytes apart.
    spacing: u64,
    last: u64,
    found: Vec<Point>,
}

impl Marks {
    pub(super) fn new(spacing: u64, last: u64) -> Self {
        Self { spacing, last, found: Vec::new() }
    }

    /// Whether a point at this uncompressed byte would be worth its memory.
    pub(super) fn wants(&self, at: u64) -> bool {
        at.saturating_sub(self.last) >= self.spacing
    }

    /// One was found. At the same uncompressed byte the later one is the better one.
    pub(super) fn add(&mut self, point: Point) {
        if self.wants(point.at) || point.at == self.last {
            self.last = point.at;
            if self.found.last().is_some_and(|last| last.at == point.at) {
                self.found.pop();
            }
            self.found.push(point);
        }
    }

    /// Those that were found since the last call.
    pub(super) fn take(&mut self) -> Vec<Point> {
        std::mem::take(&mut self.found)
    }
}
