//! Bad pieces: fetched again from somebody else, and whoever gave them is dropped if that was right.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Transfer;
use crate::engine::finish::take_back;
use crate::engine::mirrors::{Sharing, Source, SourceId};
use crate::engine::transfer_error::TransferError;
use crate::engine::worker::{ConnectionPermit, SegmentLease, work};
use crate::failure::Failure;
use crate::monitor::Event;
use crate::sink::BadPiece;

/// Pieces that were bad and are not yet right, by their numbers.
#[derive(Default)]
pub(super) struct Repairs(BTreeMap<u64, Repair>);

struct Repair {
    last: BadPiece,
    /// Who gave all of it, and gave it bad.
    gave: Vec<SourceId>,
    /// How often it was found bad.
    times: usize,
    /// Waits for somebody to be sent; nobody else works on it.
    lease: Option<SegmentLease>,
}

impl Repairs {
    pub(super) fn are_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody else is being asked for a piece that this one gave.
    fn suspects(&self, id: SourceId) -> bool {
        self.0.values().any(|repair| repair.gave.contains(&id))
    }
}

impl Transfer {
    /// Deals with pieces that were found bad, or right at last. Whoever gave a bad one whole gets nothing
    /// new to do until it is known whose fault it was.
    pub(super) async fn repair(&mut self) -> Result<(), TransferError> {
        let bad = self.job.sink.take_bad_pieces();
        if bad.is_empty() && self.repairs.are_over() {
            return Ok(());
        }
        self.settle()?;
        self.open(bad).await?;
        self.send()?;
        let sources = &self.job.sources;
        // Somebody has to be asked.
        let all = self.job.sharing != Sharing::SideBySide
            || sources.alive().all(|source| self.repairs.suspects(source.id));
        for source in sources.iter() {
            source.standing().suspected = !all && self.repairs.suspects(source.id);
        }
        Ok(())
    }

    /// Pieces that are right at last clear up who had given them bad.
    fn settle(&mut self) -> Result<(), TransferError> {
        let sink = &self.job.sink;
        let open = self.repairs.0.keys().copied();
        let right: Vec<u64> = open.filter(|number| sink.is_good_piece(*number)).collect();
        for repair in
            right.iter().filter_map(|number| self.repairs.0.remove(number)).collect::<Vec<_>>()
        {
            for id in &repair.gave {
                let sources = Arc::clone(&self.job.sources);
                let source = sources.get(*id).filter(|source| sources.others(source));
                if let Some(source) = source {
                    let error = self.integrity(&repair.last, Box::new([repair.last.number]));
                    self.give_up(source, error)?;
                }
            }
        }
        Ok(())
    }

    /// These pieces are bad: what is here of them is taken back, and they wait for sources. All at once: what is
    /// taken back of one may reach into another, and be there again, from somebody else, an instant later.
    async fn open(&mut self, bad: Vec<BadPiece>) -> Result<(), TransferError> {
        for piece in &bad {
            let giver = self.job.origins().sole(piece.range.clone());
            let repair = self.repairs.0.entry(piece.number).or_insert_with(|| Repair {
                last: piece.clone(),
                gave: Vec::new(),
                times: 0,
                lease: None,
            });
            repair.last = piece.clone();
            repair.times += 1;
            if let Some(giver) = giver.filter(|giver| !repair.gave.contains(giver)) {
                repair.gave.push(giver);
            }
        }
        if bad.is_empty() {
            return Ok(());
        }
        if !self.ranged {
            return Err(self.failure());
        }
        let ranges = bad.iter().map(|piece| piece.range.clone()).collect();
        let taken = take_back(&self.job, ranges).await?;
        for (piece, lease) in bad.iter().zip(taken) {
            let bytes = piece.range.end - piece.range.start;
            self.job.monitor.tell(Event::FetchingAgain { bytes });
            if let Some(repair) = self.repairs.0.get_mut(&piece.number) {
                repair.lease = Some(lease);
            }
        }
        Ok(())
    }

    /// Sends for bad pieces those that did not give them, as far as they can be asked now.
    fn send(&mut self) -> Result<(), TransferError> {
        let job = Arc::clone(&self.job);
        let side_by_side = job.sharing == Sharing::SideBySide;
        // One at a time: the others are not asked for a piece.
        let (known, alive) = match side_by_side {
            true => (job.sources.iter().count(), job.sources.alive().count()),
            false => (1, 1),
        };
        let mut hopeless = false;
        let mut sent = Vec::new();
        let mut free = self.count.target().saturating_sub(self.workers.len() as u32);
        for repair in self.repairs.0.values_mut().filter(|repair| repair.lease.is_some()) {
            let other = |source: &Source| !repair.gave.contains(&source.id);
            // Also the last one that is left, as long as it did not give it.
            let others = side_by_side && job.sources.alive().any(|source| other(source));
            // The only source is asked once more: bytes do get spoiled on the way.
            let again = alive == 1 && repair.times == 1;
            if repair.times > 2 * known + 1 || !(others || again) {
                hopeless = true;
                break;
            }
            if free == 0 {
                continue;
            }
            let fits = |source: &Source| (again || other(source)) && job.may_ask(source);
            let Some(source) = job.sources.choose(fits) else { continue };
            if let Some(lease) = repair.lease.take() {
                sent.push((source, lease));
                free -= 1;
            }
        }
        if hopeless {
            return Err(self.failure());
        }
        for (source, lease) in sent {
            let (connection, permit) =
                (job.remote.connection(), ConnectionPermit::new(Arc::clone(&source)));
            self.spawn(&source, false, work(connection, permit, lease, None));
        }
        Ok(())
    }

    /// No source has these pieces right.
    fn failure(&self) -> TransferError {
        let numbers = self.repairs.0.keys().copied().collect();
        match self.repairs.0.values().next() {
            Some(repair) => self.integrity(&repair.last, numbers),
            None => TransferError::Stopped,
        }
    }

    fn integrity(&self, piece: &BadPiece, pieces: Box<[u64]>) -> TransferError {
        let failure = Failure::Integrity {
            path: self.job.monitor.shared().progress.path.clone().unwrap_or_default(),
            expected: piece.expected.clone(),
            got: piece.got.clone(),
            source_of: "given with the file".to_owned(),
            pieces,
        };
        failure.into()
    }
}
