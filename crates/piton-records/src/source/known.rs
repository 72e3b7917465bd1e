//! What is known of a source up to a position, for a commit.

use super::coded::{Entered, Restart};
use super::identity::{Behind, HEAD, Identity, Position, Print, TAIL, hex};
use super::{Batch, Input, Reader};
use crate::error::Error;
use crate::state::SourceState;

impl Reader {
    /// What is known of the source when everything before this place of the batch is done. The batch may be an
    /// earlier one.
    pub(crate) fn behind(&self, batch: &Batch, position: Position) -> Behind {
        let at = usize::try_from(position.bytes.saturating_sub(batch.base)).unwrap_or(usize::MAX);
        let at = at.min(batch.filled);
        let open_end = batch.open_end && at == batch.filled;
        match &self.input {
            Input::Plain { .. } => {
                let tail = batch.read().get(at.saturating_sub(TAIL)..at).unwrap_or_default();
                let sha256 = batch.hash_up_to(at).map(hex);
                Behind { position, tail: Print::of(tail), open_end, sha256, entered: None }
            }
            Input::Coded(decoded) => {
                let entered = decoded.entered(batch, at);
                let tail = Print::of(&entered.seen.tail);
                let sha256 = entered.seen.hash.clone().map(hex);
                Behind { position, tail, open_end, sha256, entered: Some(entered) }
            }
        }
    }

    /// What is known of the source, as a commit has it.
    pub(crate) fn state(
        &mut self,
        path: String,
        framing: String,
        behind: &Behind,
    ) -> Result<SourceState, Error> {
        let (identity, restart) = self.identity(behind)?;
        let (position, restart) = (behind.position, restart.map(Box::new));
        Ok(SourceState::File { path, framing, position, identity, restart })
    }

    /// The same as the state of a job has it, and where decoding starts if the source is compressed.
    fn identity(&mut self, behind: &Behind) -> Result<(Identity, Option<Restart>), Error> {
        let restart = behind.entered.as_ref().map(Entered::restart).transpose();
        let restart = restart.map_err(Error::Position)?;
        let read = restart.as_ref().map_or(behind.position.bytes, |restart| restart.read);
        let head_len = usize::try_from(read).unwrap_or(HEAD).min(self.head.len());
        let whole = head_len == HEAD;
        let head = match &self.head_print {
            Some(print) if whole => print.clone(),
            _ => Print::of(self.head.get(..head_len).unwrap_or_default()),
        };
        if whole && self.head_print.is_none() {
            self.head_print = Some(head.clone());
        }
        let identity = Identity {
            len: self.len,
            head,
            tail: behind.tail.clone(),
            open_end: behind.open_end,
            sha256: behind.sha256.clone(),
            device: self.device,
            inode: self.inode,
        };
        Ok((identity, restart))
    }
}
