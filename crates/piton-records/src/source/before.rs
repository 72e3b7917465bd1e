//! How a source is read, and whether it is still what was read before.

use std::path::Path;

use piton_durable::fs::FsFile;

use super::coded::{Compression, Point, Restart};
use super::identity::{Changed, Growth, Identity, Position, SourceChange, hash_up_to, hex};
use crate::error::Error;
use crate::framing::Framing;

/// The longest record, unless another limit is set.
pub(crate) const MAX_RECORD: u64 = 16 << 20;
/// The largest window, unless another limit is set.
pub(crate) const MAX_WINDOW: u64 = 128 << 20;

/// How a source is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) framing: Framing,
    pub(crate) max_record: u64,
    pub(crate) growth: Growth,
    pub(crate) changed: Changed,
    pub(crate) verify: bool,
    pub(crate) compression: Compression,
    pub(crate) max_window: u64,
}

impl Reading {
    /// As it is without any choices.
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            framing,
            max_record: MAX_RECORD,
            growth: Growth::default(),
            changed: Changed::default(),
            verify: false,
            compression: Compression::default(),
            max_window: MAX_WINDOW,
        }
    }
}

/// What the last commit says of a source.
pub(crate) struct Before<'a> {
    pub(crate) position: Position,
    pub(crate) identity: &'a Identity,
    /// Where decoding starts; `None`: the source is plain.
    pub(crate) restart: Option<(&'a Restart, Point)>,
}

impl Before<'_> {
    pub(super) fn position(this: Option<&Self>) -> Position {
        this.map_or(Position::default(), |this| this.position)
    }

    /// Up to where the identity knows the file.
    pub(super) fn read(&self) -> u64 {
        match &self.restart {
            None => self.position.bytes,
            Some((restart, _)) => restart.read,
        }
    }

    /// How the source was compressed.
    pub(super) fn compression(&self) -> Compression {
        match &self.restart {
            None => Compression::None,
            Some((_, point)) => point.compression(),
        }
    }

    /// Compares the file, of `now` bytes, with this; returns how far it is to be read.
    pub(super) fn check(
        &self,
        file: &dyn FsFile,
        path: &Path,
        now: u64,
        reading: Reading,
    ) -> Result<u64, Error> {
        let differs = |change| Error::SourceChanged { path: path.to_owned(), change };
        let (was, chosen) = (self.compression(), reading.compression);
        if chosen != Compression::Detect && chosen != was {
            let (was, now) = (was.word().to_owned(), chosen.word().to_owned());
            return Err(Error::JobDiffers { what: "compression", was, now });
        }
        if reading.changed == Changed::Rebase {
            let position = match &self.restart {
                None => self.position.bytes,
                Some((_, point)) => point.byte(),
            };
            return match now < position {
                true => Err(differs(SourceChange::EndsBefore { position, len: now })),
                false => Ok(now),
            };
        }
        let (identity, position) = (self.identity, self.read());
        let len = identity.check(file, position, now, reading.growth);
        let len = len.map_err(Error::io("read", path))?.map_err(differs)?;
        if let (true, Some(wanted)) = (reading.verify, &identity.sha256) {
            let hash = hash_up_to(file, position).map_err(Error::io("read", path))?;
            if hex(hash) != *wanted {
                return Err(differs(SourceChange::Digest { position }));
            }
        }
        Ok(len)
    }
}
