//! Who gave which bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use piton_checkpoint::IntervalSet;

use super::SourceId;

/// Which source the bytes came from that were written in this run. Those of earlier runs are of
/// nobody: a journal does not say.
#[derive(Debug, Default)]
pub(in crate::engine) struct Origins(BTreeMap<SourceId, IntervalSet>);

impl Origins {
    /// `source` gave these bytes.
    pub(in crate::engine) fn note(&mut self, source: SourceId, range: Range<u64>) {
        for (other, bytes) in &mut self.0 {
            if *other != source {
                bytes.remove(range.clone());
            }
        }
        self.0.entry(source).or_default().insert(range);
    }

    /// These bytes are to be fetched again.
    pub(in crate::engine) fn forget(&mut self, range: Range<u64>) {
        self.0.values_mut().for_each(|bytes| {
            bytes.remove(range.clone());
        });
    }

    /// Who gave all of these bytes.
    pub(in crate::engine) fn sole(&self, range: Range<u64>) -> Option<SourceId> {
        let gave = |bytes: &IntervalSet| bytes.covers(range.clone());
        self.0.iter().find(|(_, bytes)| gave(bytes)).map(|(source, _)| *source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_ranges_are_attributed() {
        let (a, b) = (SourceId(0), SourceId(1));
        let mut origins = Origins::default();
        origins.note(a, 0..10);
        origins.note(b, 10..20);
        assert_eq!((origins.sole(2..10), origins.sole(15..20)), (Some(a), Some(b)));
        assert_eq!(origins.sole(5..15), None);
        origins.note(b, 5..10);
        assert_eq!((origins.sole(0..5), origins.sole(5..20)), (Some(a), Some(b)));
        origins.forget(0..12);
        assert_eq!((origins.sole(12..20), origins.sole(11..20)), (Some(b), None));
    }
}
