//! What a connection writes: gathered, written by position, and claimed.

use std::sync::Arc;

use piton_durable::crc;
use piton_durable::part::{Durability, Extent, PartError};
use tokio::time::{Duration, Instant};

use super::{Account, Shared};
use crate::at_stake;
use crate::plan::Grant;

/// Bytes written at once and then claimed as one extent: what a kill may cost at most (G2).
/// Smaller writes cost more CPU …
const LONGEST: usize = at_stake::BYTES;
const SHORTEST: usize = 128 << 10;
/// … but all buffers of a download together stay below this (G8).
const ALL: usize = 8 << 20;
/// What was gathered is written when it has this age, whether the buffer is full or not (G2).
const AGE: Duration = at_stake::AGE;

/// CRC32C of nothing.
const NO_BYTES: u32 = 0;

/// Carries the bytes of one connection into the part: gathers them, writes them by position, and
/// claims each extent in the journal with the CRC32C of what was in memory.
pub(crate) struct SegmentWriter {
    shared: Arc<Shared>,
    account: Arc<Account>,
    /// Where the first byte of the buffer belongs.
    at: u64,
    buffer: Vec<u8>,
    filled: usize,
    /// Bytes came in that were not wanted any more: the body is further on than `at`.
    spilled: bool,
    /// The extent that is written but not claimed.
    start: u64,
    crc: u32,
    claimed: Instant,
}

impl SegmentWriter {
    /// One of at most `of` writers, at `at`.
    pub(super) fn new(shared: Arc<Shared>, account: Arc<Account>, at: u64, of: usize) -> Self {
        let buffer = vec![0; (ALL / of.max(1)).clamp(SHORTEST, LONGEST)];
        let claimed = Instant::now();
        let (filled, spilled) = (0, false);
        Self { shared, account, at, buffer, filled, spilled, start: at, crc: NO_BYTES, claimed }
    }

    /// Starts again at another place; what was gathered must have been flushed.
    pub(crate) fn move_to(&mut self, at: u64) -> Result<(), PartError> {
        self.claim()?;
        (self.at, self.start, self.filled, self.spilled) = (at, at, 0, false);
        Ok(())
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.at + self.filled as u64
    }

    /// Whether bytes behind [`SegmentWriter::position`] were read and left out.
    pub(crate) fn has_spilled(&self) -> bool {
        self.spilled
    }

    /// Room for bytes; never empty after a flush.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// The next `bytes` of the room were filled. Returns whether it is time to flush.
    pub(crate) fn filled(&mut self, bytes: usize) -> bool {
        self.filled = (self.filled + bytes).min(self.buffer.len());
        self.filled == self.buffer.len()
    }

    /// Whether nothing is gathered.
    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The system put the next `len` bytes into the part, where their CRC is `crc`: claims them. Nothing may be gathered.
    pub(crate) fn placed(&mut self, len: u64, crc: u32) -> Result<(), PartError> {
        self.shared.state().written_over(&(self.at..self.at + len));
        self.crc = crc::combine(self.crc, crc, len);
        self.at += len;
        self.claim()
    }

    /// Writes what was gathered, as far as `grant` allows (asked again until all is granted), and
    /// claims it.
    /// Returns bytes written, and whether the segment continues.
    pub(crate) fn flush(
        &mut self,
        mut grant: impl FnMut(u64) -> Grant,
    ) -> Result<(u64, bool), PartError> {
        let mut from = 0;
        let mut written = 0;
        while from < self.filled {
            let Grant { skip, write } = grant((self.filled - from) as u64);
            if skip + write == 0 {
                self.filled = 0;
                self.spilled = true;
                self.claim()?;
                return Ok((written, false));
            }
            if skip > 0 {
                self.claim()?;
                self.at += skip;
                self.start = self.at;
                from += skip as usize;
            }
            let bytes = self.buffer.get(from..from + write as usize).unwrap_or_default();
            if !bytes.is_empty() {
                self.shared.part.write(bytes, self.at)?;
                self.shared.state().written_over(&(self.at..self.at + write));
                self.crc = crc::combine(self.crc, crc::crc32c(bytes), write);
                self.at += write;
                from += write as usize;
                written += write;
            }
        }
        self.filled = 0;
        self.claim()?;
        Ok((written, true))
    }

    /// Claims what is written and not yet claimed, in the journal, with its CRC32C. Only then do others hear of
    /// it: no digest state may speak of bytes that the journal does not claim, since other bytes may be
    /// written there after a crash without a claim of these being taken back.
    fn claim(&mut self) -> Result<(), PartError> {
        let len = self.at - self.start;
        if len > 0 {
            if self.shared.durability != Durability::None {
                let extent = Extent { start: self.start, len, crc: self.crc };
                self.shared.part.claim(extent)?;
                self.shared.wrote(extent, &self.account);
            }
            let mut state = self.shared.state();
            let complete = state.add(self.start..self.at);
            let hashing = state.hash_front.is_running();
            drop(state);
            if complete {
                self.shared.complete.notify_one();
            }
            if hashing {
                self.shared.front.notify_one();
            }
        }
        self.crc = NO_BYTES;
        self.start = self.at;
        self.claimed = Instant::now();
        Ok(())
    }

    /// Whether this connection may continue, given its speed: with more unsynced than the guarantee
    /// allows it has to wait for a checkpoint (G2).
    pub(crate) fn may_go_on(&self, rate: f64) -> bool {
        if self.shared.durability != Durability::Power {
            return true;
        }
        let allowance = self.shared.pace.allowance(rate);
        let unsynced = self.account.unsynced() + (self.at - self.start);
        if unsynced * 2 >= allowance {
            let mut state = self.shared.state();
            if !state.pressed {
                state.pressed = true;
                drop(state);
                self.shared.changed.notify_all();
            }
        }
        unsynced < allowance
    }

    /// Waits for a checkpoint if this connection has to. Ends on a failed checkpoint too: the
    /// coordinator hears of that by itself.
    pub(crate) async fn wait(&self, rate: f64) {
        while !self.may_go_on(rate) && !self.shared.state().failed {
            let synced = self.shared.synced.notified();
            if self.may_go_on(rate) {
                return;
            }
            // With a limit, in case the notice came between the two looks.
            let _ = tokio::time::timeout(AGE, synced).await;
        }
    }

    /// Whether what was gathered or written waits for its claim longer than a kill may cost.
    pub(crate) fn is_old(&self) -> bool {
        self.claimed.elapsed() >= AGE
    }
}
