//! Sends a reply with its deviations.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::delivery::{Action, Delivery, Extent};
use super::pace::Pace;
use super::reply::{Payload, Reply};
use super::shared::Shared;
use super::stats::Entry;
use super::wire::Wire;

const PIECE: u64 = 256 * 1024;

/// How the connection goes on after a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next request.
    Request,
    /// It ends in good order.
    Finish,
    /// It ends with a FIN.
    Cut,
    /// It ends with a RST.
    Reset,
    /// It stays open and silent.
    Stall,
}

/// The sending of one reply.
pub(super) struct Sender<'a> {
    pub(super) shared: &'a Shared,
    pub(super) wire: &'a mut Wire,
    /// The pace of the connection, where there is one.
    pub(super) pace: Option<&'a Pace>,
    /// Body bytes sent on the connection so far.
    pub(super) on_connection: &'a mut u64,
    pub(super) entry: &'a Entry,
    pub(super) reply: &'a Reply,
    pub(super) deliveries: Vec<Delivery>,
}

/// The paces that bind one reply: its own, that of the connection, and that of the server.
struct Paces<'a> {
    of_reply: Vec<Pace>,
    shared: &'a Shared,
    of_connection: Option<&'a Pace>,
    /// A good number of bytes for one write.
    piece: u64,
}

impl<'a> Paces<'a> {
    fn new(shared: &'a Shared, of_connection: Option<&'a Pace>, deliveries: &[Delivery]) -> Self {
        let of_reply = deliveries.iter().filter_map(|delivery| match delivery {
            Delivery::Rate(rate) => Some(Pace::new(*rate)),
            _ => None,
        });
        let mut paces = Self { of_reply: of_reply.collect(), shared, of_connection, piece: PIECE };
        paces.piece = paces.all().map(Pace::piece).fold(PIECE, u64::min);
        paces
    }

    fn all(&self) -> impl Iterator<Item = &Pace> {
        self.of_reply.iter().chain(self.of_connection).chain(&self.shared.pace)
    }

    /// Returns when `bytes` more may be sent.
    fn wait(&self, bytes: u64) -> io::Result<()> {
        self.all().try_for_each(|pace| pace.wait(bytes, &self.shared.halt))
    }
}

impl Sender<'_> {
    /// Sends head and, unless `bodiless`, body.
    pub(super) fn send(mut self, bodiless: bool) -> io::Result<Next> {
        self.entry.status.store(self.reply.status, Ordering::Relaxed);
        let head = self.reply.head();
        if self.has(|delivery| matches!(delivery, Delivery::EndlessHead)) {
            return self.endless_head(&head);
        }
        self.wire.write_all(&head)?;
        self.wire.flush()?;
        if !bodiless && let Some(next) = self.body()? {
            return Ok(next);
        }
        Ok(if self.reply.close { Next::Finish } else { Next::Request })
    }

    /// Sends the body; `Some` when a deviation ends the connection.
    fn body(&mut self) -> io::Result<Option<Next>> {
        let len = self.reply.payload.len();
        let paces = Paces::new(self.shared, self.pace, &self.deliveries);
        let chunk = self.chunk();
        let mut buf = vec![0; PIECE.min(len.max(1)) as usize];
        let mut at = 0;
        loop {
            if let Some(next) = self.act(at)? {
                return Ok(Some(next));
            }
            if at == len {
                break;
            }
            let starts_chunk = chunk.filter(|chunk| at % chunk == 0);
            if let Some(chunk) = starts_chunk {
                if self
                    .has(|delivery| matches!(delivery, Delivery::GarbledChunk(from) if at >= *from))
                {
                    self.wire.write_all(b"zz;what?\r\n")?;
                    return Ok(Some(Next::Cut));
                }
                self.wire.write_all(format!("{:x}\r\n", chunk.min(len - at)).as_bytes())?;
            }
            let left_of_chunk = chunk.map_or(u64::MAX, |chunk| chunk - at % chunk);
            let n = paces.piece.min(self.to_next_act(at)).min(left_of_chunk).min(len - at);
            paces.wait(n)?;
            let piece = &mut buf[..n as usize];
            self.reply.payload.read_at(at, piece);
            self.spoil(at, piece);
            self.count(n);
            self.wire.write_all(piece)?;
            self.wire.flush()?;
            at += n;
            if chunk.is_some_and(|chunk| at % chunk == 0 || at == len) {
                self.wire.write_all(b"\r\n")?;
            }
        }
        self.after(&paces, chunk.is_some())
    }

    /// What comes after the last byte.
    fn after(&mut self, paces: &Paces<'_>, chunked: bool) -> io::Result<Option<Next>> {
        if chunked {
            if self.has(|delivery| matches!(delivery, Delivery::NoLastChunk)) {
                return Ok(Some(Next::Cut));
            }
            self.wire.write_all(b"0\r\n\r\n")?;
        }
        for delivery in &self.deliveries {
            if let Delivery::Extra(bytes) = delivery {
                self.wire.write_all(bytes)?;
            }
        }
        if self.has(|delivery| matches!(delivery, Delivery::Endless)) {
            let zeros = vec![0; paces.piece as usize];
            loop {
                paces.wait(paces.piece)?;
                self.count(zeros.len() as u64);
                self.wire.write_all(&zeros)?;
            }
        }
        self.wire.flush()?;
        Ok(None)
    }

    fn endless_head(&mut self, head: &[u8]) -> io::Result<Next> {
        self.wire.write_all(head.strip_suffix(b"\r\n").unwrap_or(head))?;
        let field = format!("X-Flood: {}\r\n", "x".repeat(1000));
        loop {
            self.wire.write_all(field.as_bytes())?;
        }
    }

    /// Does what is due when `at` bytes of this body are sent.
    fn act(&mut self, at: u64) -> io::Result<Option<Next>> {
        let mut done = Vec::new();
        for (index, delivery) in self.deliveries.iter().enumerate() {
            let Delivery::At { after, of, action } = delivery else { continue };
            let due = match of {
                Extent::Reply => at >= *after,
                Extent::Connection => *self.on_connection >= *after,
                Extent::Left => self.left(at).is_some_and(|left| left <= *after),
                Extent::All { sent, done } => {
                    sent.load(Ordering::Relaxed) >= *after && !done.swap(true, Ordering::Relaxed)
                }
            };
            if !due {
                continue;
            }
            match action {
                Action::Close => return Ok(Some(Next::Cut)),
                Action::Reset => return Ok(Some(Next::Reset)),
                Action::Stall => return Ok(Some(Next::Stall)),
                Action::Pause(time) => self.shared.halt.sleep(*time)?,
                Action::Replace(path, resource) => self.shared.replace(path, (**resource).clone()),
                Action::Away(time) => self.shared.away(*time),
            }
            done.push(index);
        }
        for index in done.into_iter().rev() {
            self.deliveries.remove(index);
        }
        Ok(None)
    }

    /// The size of chunks, unless another fault has put a reply without chunks in place.
    fn chunk(&self) -> Option<u64> {
        self.reply.headers.first("transfer-encoding")?;
        self.deliveries.iter().find_map(|delivery| match delivery {
            Delivery::Chunked(size) => Some(*size as u64),
            _ => None,
        })
    }

    /// How many bytes may be sent until the next thing is due.
    fn to_next_act(&self, at: u64) -> u64 {
        let counts = self.deliveries.iter().filter_map(|delivery| match delivery {
            Delivery::At { after, of: Extent::Reply, .. } => Some(after - at),
            Delivery::At { after, of: Extent::Connection, .. } => Some(after - *self.on_connection),
            Delivery::At { after, of: Extent::Left, .. } => {
                self.left(at).map(|left| left.saturating_sub(*after))
            }
            Delivery::At { after, of: Extent::All { sent, .. }, .. } => {
                after.checked_sub(sent.load(Ordering::Relaxed)).filter(|left| *left > 0)
            }
            _ => None,
        });
        counts.min().unwrap_or(u64::MAX)
    }

    /// How much of the resource lies behind the first `at` bytes of this body.
    fn left(&self, at: u64) -> Option<u64> {
        Some(self.reply.total?.saturating_sub(self.reply.payload.start() + at))
    }

    /// Changes the bytes at `at` of the body as bit flips and other versions ask.
    fn spoil(&self, at: u64, piece: &mut [u8]) {
        let Payload::Slice { start, .. } = &self.reply.payload else { return };
        let first = start + at;
        let len = piece.len();
        let index =
            |offset: u64| usize::try_from(offset.checked_sub(first)?).ok().filter(|i| *i < len);
        for delivery in &self.deliveries {
            match delivery {
                Delivery::Overwritten { offset, body } => {
                    if let Some(from) = index((*offset).max(first)) {
                        body.read_at(first + from as u64, &mut piece[from..]);
                    }
                }
                Delivery::Flip { offset, done } => {
                    let Some(byte) = index(*offset) else { continue };
                    if done.as_ref().is_none_or(|done| !done.swap(true, Ordering::Relaxed)) {
                        piece[byte] ^= 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// Counts bytes before they are written: a client that has them finds them counted.
    fn count(&mut self, n: u64) {
        *self.on_connection += n;
        self.entry.sent.fetch_add(n, Ordering::Relaxed);
        for delivery in &self.deliveries {
            if let Delivery::At { of: Extent::All { sent, .. }, .. } = delivery {
                Arc::clone(sent).fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    fn has(&self, what: impl Fn(&Delivery) -> bool) -> bool {
        self.deliveries.iter().any(what)
    }
}
