//! Lists: `piton get -i`, `piton retry`, `piton failures`, `piton adopt --done`, and the parts of `piton
//! status` and `piton forget` for lists.

mod adopt;
mod bring;
mod drive;
mod failures;
mod files;
mod forget;
mod kept;
mod on_done;
mod place;
mod plan;
mod run;
mod status;
mod trouble;
mod whose;

use std::time::{SystemTime, UNIX_EPOCH};

use piton::checkpoint::ledger;
use piton::durable::part::Durability;
use piton::lists::source::Origin;

use crate::trouble::Trouble;
use place::Place;

pub(super) use adopt::adopt;
pub(crate) use failures::failures;
pub(super) use forget::{forget, is_list};
pub(super) use run::get;
pub(crate) use run::retry;
pub(super) use status::status;

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The ledger gets the durability of the files, as far as it can do with less.
fn ledger_durability(durability: Durability) -> ledger::Durability {
    match durability {
        Durability::Power => ledger::Durability::Power,
        _ => ledger::Durability::Process,
    }
}

/// For the commands that read a list again.
fn refuse_input(place: &Place) -> Result<(), Trouble> {
    if place.origin != Origin::Input {
        return Ok(());
    }
    Err(Trouble::usage("standard input cannot be read twice")
        .hint(format!("use the saved copy instead of -: {}", place.file.display())))
}
