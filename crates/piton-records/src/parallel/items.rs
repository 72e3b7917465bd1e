//! Numbers of a range and items of a program's own iterator, in pieces.

use std::collections::BTreeSet;
use std::sync::Arc;

use piton_durable::crc::crc64;
use serde::Serialize;

use super::letters::Letter;
use super::plan::{Piece, Plan};
use super::worker::Failed;
use crate::error::Error;
use crate::job::ItemSource;
use crate::record::{self, Item};
use crate::state::SourceState;

/// Items that are processed as one.
pub(crate) struct ItemPiece<P, T> {
    /// The number of the first one.
    first: u64,
    /// Each with the position behind it.
    items: Arc<[(P, Item<T>)]>,
    /// Which of them.
    range: (usize, usize),
    key: u64,
}

impl<P, T> Clone for ItemPiece<P, T> {
    fn clone(&self) -> Self {
        Self { items: Arc::clone(&self.items), ..*self }
    }
}

impl<P, T> ItemPiece<P, T> {
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item<T>> {
        let (from, to) = self.range;
        self.items.get(from..to).unwrap_or_default().iter().map(|(_, item)| item)
    }

    /// One of them.
    pub(crate) fn only(&self, index: usize) -> Self {
        let at = self.range.0 + index;
        Self { first: self.first + index as u64, range: (at, at + 1), ..self.clone() }
    }

    fn last(&self) -> Option<&(P, Item<T>)> {
        self.items.get(self.range.1.checked_sub(1)?)
    }
}

impl<P, T> Piece for ItemPiece<P, T>
where
    P: Serialize + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    fn start(&self) -> u64 {
        self.first
    }

    fn end(&self) -> u64 {
        self.first + (self.range.1 - self.range.0) as u64
    }

    fn records(&self) -> u64 {
        self.end() - self.first
    }

    fn line(&self) -> u64 {
        self.first + 1
    }

    fn letter(&self, failed: &Failed, attempts: u32) -> Letter {
        let position = self.last().map(|(position, _)| serde_json::to_string(position));
        let position = position.and_then(Result::ok).unwrap_or_default();
        Letter {
            id: record::id(self.first, crc64(position.as_bytes())),
            offset: self.first,
            length: self.records(),
            line: self.line(),
            records: self.records(),
            attempts,
            error: failed.why.clone(),
            stderr: String::new(),
            data: Some(position),
            data_base64: None,
        }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn halves(&self) -> Option<(Self, Self)> {
        let (from, to) = self.range;
        let middle = from + (to - from) / 2;
        let first = Self { range: (from, middle), ..self.clone() };
        let second = Self {
            range: (middle, to),
            first: self.first + (middle - from) as u64,
            ..self.clone()
        };
        (middle > from).then_some((first, second))
    }
}

/// Items in pieces of so many.
pub(crate) struct ItemPlan<P, I> {
    inner: I,
    /// What they are, for the state.
    source: ItemSource,
    /// Items before the next one.
    number: u64,
    size: usize,
    start: Option<P>,
    /// Where pieces end beside that.
    ends: BTreeSet<u64>,
}

impl<P, I> ItemPlan<P, I> {
    pub(crate) fn new(
        inner: I,
        source: ItemSource,
        number: u64,
        size: usize,
        start: Option<P>,
    ) -> Self {
        Self { inner, source, number, size, start, ends: BTreeSet::new() }
    }

    /// Where it begins.
    pub(crate) fn begin(&self) -> (u64, Option<P>)
    where
        P: Clone,
    {
        (self.number, self.start.clone())
    }
}

impl<P, T, I> Plan for ItemPlan<P, I>
where
    P: Serialize + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
    I: Iterator<Item = Result<(P, T), Error>>,
{
    type Piece = ItemPiece<P, T>;
    type Behind = (u64, Option<P>);

    fn end_at(&mut self, ends: BTreeSet<u64>) {
        self.ends = ends;
    }

    fn next(&mut self) -> Result<Option<Self::Piece>, Error> {
        let first = self.number;
        let mut items = Vec::new();
        let at_end = |number| number > first && self.ends.contains(&number);
        while items.len() < self.size
            && !at_end(self.number)
            && let Some(next) = self.inner.next()
        {
            let (position, value) = next?;
            items.push((position, Item::new(self.number, value)));
            self.number += 1;
        }
        let Some((position, _)) = items.last() else { return Ok(None) };
        let key = crc64(&serde_json::to_vec(position).map_err(Error::Position)?);
        let range = (0, items.len());
        Ok(Some(ItemPiece { first, items: items.into(), range, key }))
    }

    fn behind(&self, piece: &Self::Piece) -> Self::Behind {
        (piece.end(), piece.last().map(|(position, _)| position.clone()))
    }

    fn position(&self, (records, _): &Self::Behind) -> (u64, u64) {
        (*records, *records)
    }

    fn state(&mut self, (records, position): &Self::Behind) -> Result<SourceState, Error> {
        self.source.state(*records, position.as_ref())
    }

    fn changed(&self, from: u64, to: u64) -> Error {
        Error::ItemsChanged { from, to }
    }

    fn whole(&self) -> Option<u64> {
        self.source.whole()
    }
}
