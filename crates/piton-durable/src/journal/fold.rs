//! The state that the records of a journal describe.

use std::collections::BTreeMap;

use super::format::Record;
use super::parse::Entry;
use crate::extent::{Claims, Extent, merge};

/// The state that the records of a journal describe, taken one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// The newest description of the download.
    pub meta: Option<Vec<u8>>,
    /// The claimed extents.
    pub claims: Claims,
    /// The newest hash state of each kind.
    pub hashes: BTreeMap<u8, Vec<u8>>,
    /// The final length, if everything was verified and nothing has changed since.
    pub verified: Option<u64>,
    /// Claims by records up to this sequence number were synced.
    pub synced_through: u64,
    /// Sequence number of the newest claim.
    pub(crate) newest_claim: u64,
}

impl Fold {
    /// Applies the record with this sequence number.
    pub(crate) fn apply(&mut self, sequence: u64, record: &Record) {
        match record {
            Record::Meta(meta) => self.meta = Some(meta.clone()),
            Record::Written(extent) => {
                self.verified = None;
                self.newest_claim = sequence;
                if self.claims.insert(*extent, sequence) {
                    // Bytes were overwritten, and the states may cover what was there before.
                    self.hashes.clear();
                }
            }
            Record::Synced { through } => self.synced_through = self.synced_through.max(*through),
            Record::Hash { kind, state } => {
                self.hashes.insert(*kind, state.clone());
            }
            Record::Forget(range) => {
                self.verified = None;
                self.claims.remove(range);
                self.hashes.clear();
            }
            Record::Verified { len } => self.verified = Some(*len),
        }
    }

    /// The extents that were synced: believed without reading them.
    pub fn synced(&self) -> Vec<Extent> {
        self.extents(true)
    }

    /// The extents that were only written: believed after reading them.
    pub fn written(&self) -> Vec<Extent> {
        self.extents(false)
    }

    fn extents(&self, synced: bool) -> Vec<Extent> {
        let wanted =
            |(extent, sequence)| ((sequence <= self.synced_through) == synced).then_some(extent);
        self.claims.iter().filter_map(wanted).collect()
    }

    /// The fewest records that fold to the same state: synced extents that touch are merged, and written
    /// ones if nothing is ever synced. Otherwise a power cut that damages one byte
    /// would cost all of a merged extent, of which an earlier sync may have promised a part.
    pub(crate) fn records(&self, durable: bool) -> Vec<Record> {
        let mut records: Vec<Record> = self.meta.clone().map(Record::Meta).into_iter().collect();
        records.extend(merge(self.synced().into_iter()).into_iter().map(Record::Written));
        if records.len() > 1 {
            records.push(Record::Synced { through: records.len() as u64 });
        }
        let written = match durable {
            true => self.written(),
            // They are all there is, and their number must stay bounded (G8).
            false => merge(self.written().into_iter()),
        };
        records.extend(written.into_iter().map(Record::Written));
        let hash =
            |(kind, state): (&u8, &Vec<u8>)| Record::Hash { kind: *kind, state: state.clone() };
        records.extend(self.hashes.iter().map(hash));
        records.extend(self.verified.map(|len| Record::Verified { len }));
        records
    }
}

/// Folds the records of a journal, in order.
pub fn fold(entries: &[Entry]) -> Fold {
    let mut fold = Fold::default();
    for entry in entries {
        fold.apply(entry.sequence, &entry.record);
    }
    fold
}
