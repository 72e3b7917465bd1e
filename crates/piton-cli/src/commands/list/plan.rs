//! `piton get -i LIST --dry-run`: what a run would do, without asking any server.

use std::cmp::Ordering;

use piton::checkpoint::ledger::{LedgerError, Reader};
use piton::lists::format::Entry;
use piton::lists::report::{self, ReportError};
use piton::lists::source::{Origin, Source};
use serde_json::json;

use super::bring::{check_kept, source};
use super::kept::Kept;
use super::now;
use super::place::Place;
use crate::args::ListSource;
use crate::exit::Exit;
use crate::out;
use crate::screen::human;
use crate::trouble::Trouble;

/// The number of invalid lines to show, as in a run.
const TELL: u64 = 20;

/// What a run of a list would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Plan {
    items: u64,
    to_fetch: u64,
    /// Of these, those that were tried before.
    again: u64,
    done: u64,
    /// Failed permanently or quarantined: `piton retry` tries them.
    left_out: u64,
    bad_lines: u64,
}

/// Prints what `piton get -i` would do.
pub(super) fn plan(place: &Place, given: &ListSource, as_json: bool) -> Result<Exit, Trouble> {
    if place.origin == Origin::Input {
        return Err(Trouble::usage(
            "--dry-run does not read standard input, since a later run could not read it again",
        )
        .hint("save the list to a file and give its name"));
    }
    let kept = match Reader::open(&place.ledger) {
        Ok(ledger) => Kept::of(&ledger)?,
        Err(LedgerError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    check_kept(place)?;
    let source = source(place, given, &kept.unwrap_or_default())?;
    let plan = match report::status(&source, &place.ledger, now()) {
        Ok(status) => Plan {
            items: status.items,
            to_fetch: status.remaining(),
            again: status.transient.saturating_add(status.interrupted),
            done: status.done,
            left_out: status.fatal.saturating_add(status.quarantined),
            bad_lines: status.bad_lines,
        },
        Err(ReportError::Ledger(LedgerError::Missing { .. })) => new(&source)?,
        Err(error) => return Err(error.into()),
    };
    match as_json {
        true => out::print_json(&object(place, &plan))?,
        false => out::print_text(&sentences(place, &plan))?,
    }
    Ok(Exit::Done)
}

/// The plan for a list of which nothing was started.
fn new(source: &Source) -> Result<Plan, Trouble> {
    let mut plan = Plan::default();
    for entry in source.entries()? {
        match entry? {
            Entry::Item(_) => plan.items = plan.items.saturating_add(1),
            Entry::Bad(bad) => {
                plan.bad_lines = plan.bad_lines.saturating_add(1);
                match plan.bad_lines.cmp(&(TELL + 1)) {
                    Ordering::Less => out::say(format!("piton: {}", out::clean(&bad.to_string()))),
                    Ordering::Equal => {
                        out::say("piton: further invalid lines are counted, but not shown");
                    }
                    Ordering::Greater => {}
                }
            }
            Entry::Notice(_) => {}
        }
    }
    Ok(Plan { to_fetch: plan.items, ..plan })
}

fn object(place: &Place, plan: &Plan) -> serde_json::Value {
    json!({
        "type": "list_plan",
        "list": place.named.to_string_lossy(),
        "items": plan.items,
        "to_fetch": plan.to_fetch,
        "again": plan.again,
        "done": plan.done,
        "left_out": plan.left_out,
        "bad_lines": plan.bad_lines,
    })
}

fn sentences(place: &Place, plan: &Plan) -> String {
    let mut text = format!("{}\n", out::clean(&place.named.to_string_lossy()));
    for (name, value) in [
        ("items", plan.items),
        ("to fetch", plan.to_fetch),
        ("again", plan.again),
        ("done", plan.done),
        ("skipped", plan.left_out),
        ("bad lines", plan.bad_lines),
    ] {
        text += &format!("  {name:<12} {}\n", human::count(value));
    }
    text
}
