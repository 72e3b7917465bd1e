//! What failed, and why, from the ledger.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use piton_checkpoint::ledger::{Known, Reader, State};

use super::ReportError;
use crate::Item;
use crate::format::{ListError, to_json};
use crate::run::Classes;
use crate::source::{Keyed, Source};

/// Which failures to include.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Those in these states; if empty, all that were started and are not done.
    pub states: Vec<State>,
    /// Those with these classes of failure; if empty, any.
    pub classes: Vec<Classes>,
}

impl Wanted {
    fn has(&self, known: &Known) -> bool {
        let state = match self.states.is_empty() {
            true => known.state != State::Done,
            false => self.states.contains(&known.state),
        };
        let class = known.class.as_ref();
        let of_class = |classes: &Classes| class.is_some_and(|class| classes.contain(class));
        state && (self.classes.is_empty() || self.classes.iter().any(of_class))
    }
}

/// Calls `each` with the matching items of the list in `source` and their rows in the ledger, in the order
/// of the list, until it breaks. Takes no lock.
///
/// # Errors
/// [`ReportError`].
pub fn each_failure(
    source: &Source,
    ledger: &Path,
    wanted: &Wanted,
    mut each: impl FnMut(&Item, &Known) -> ControlFlow<()>,
) -> Result<(), ReportError> {
    let mut reader = Reader::open(ledger)?;
    for keyed in source.keyed().map_err(ListError::from)? {
        let Keyed::Item(item, key) = keyed? else { continue };
        let known = reader.lookup(key.as_bytes())?;
        if let Some(known) = known.filter(|known| wanted.has(known))
            && each(&item, &known).is_break()
        {
            break;
        }
    }
    Ok(())
}

/// Writes the matching items as a list that can be used as input: one URL per line if that is all there is,
/// otherwise JSON Lines. Includes the logins that the list holds. Returns the number of items.
///
/// # Errors
/// [`ReportError`].
pub fn write_failures(
    source: &Source,
    ledger: &Path,
    wanted: &Wanted,
    to: &mut dyn Write,
) -> Result<u64, ReportError> {
    let mut plain = true;
    each_failure(source, ledger, wanted, |item, _| {
        plain = is_plain(item);
        if plain { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let (mut written, mut failed) = (0, None);
    each_failure(source, ledger, wanted, |item, _| {
        let line = match item.urls.first().filter(|_| plain) {
            Some(first) => writeln!(to, "{}", first.url),
            None => writeln!(to, "{}", to_json(item)),
        };
        match line {
            Ok(()) => written += 1,
            Err(error) => failed = Some(error),
        }
        if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match failed {
        Some(error) => Err(ReportError::Write(error)),
        None => Ok(written),
    }
}

/// Whether an item consists of its URL and nothing else.
fn is_plain(item: &Item) -> bool {
    let Item { line: _, urls, out, dir, size, digests, pieces, headers } = item;
    urls.len() == 1
        && out.is_none()
        && dir.is_none()
        && size.is_none()
        && digests.is_empty()
        && pieces.is_none()
        && headers.is_empty()
}
