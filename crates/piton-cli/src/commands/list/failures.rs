//! `piton failures`.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use piton::checkpoint::ledger::{Known, Reader};
use piton::lists::Item;
use piton::lists::format::to_json;
use piton::lists::report::{ReportError, Wanted, each_failure, write_failures};
use serde_json::{Map, Value};

use super::bring::{check_kept, source};
use super::kept::Kept;
use super::place::Place;
use super::refuse_input;
use crate::args::{FailuresArgs, ListSource};
use crate::commands::job;
use crate::exit::Exit;
use crate::out;
use crate::redact;
use crate::trouble::Trouble;

/// Prints the items that are not done. The exit code refers to this command, not to the list.
pub(crate) fn failures(args: &FailuresArgs) -> Result<Exit, Trouble> {
    let letters = Path::new(&args.list);
    if job::are_letters(letters) {
        if !args.class.is_empty() || args.source != ListSource::default() {
            return Err(Trouble::usage("--class and the options under List work with a list only"));
        }
        return job::failures(letters, args.json);
    }
    let place = Place::of(&args.list, args.source.state.as_deref())?;
    refuse_input(&place)?;
    let kept = Kept::of(&Reader::open(&place.ledger)?)?.unwrap_or_default();
    kept.check_base(&place, &args.source)?;
    check_kept(&place)?;
    let source = source(&place, &args.source, &kept)?;
    let classes = args.class.iter().cloned().map(Into::into).collect();
    let wanted = Wanted { classes, ..Wanted::default() };
    let mut failed = None;
    out::print_with(|stdout| {
        let written = match args.json {
            true => write_objects(&place, &source, &wanted, stdout),
            false => write_failures(&source, &place.ledger, &wanted, stdout).map(drop),
        };
        match written {
            Err(ReportError::Write(error)) => Err(error),
            other => {
                failed = other.err();
                Ok(())
            }
        }
    })?;
    failed.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

/// One object per item: its own keys, so that it is valid as input, and its outcome.
fn write_objects(
    place: &Place,
    source: &piton::lists::source::Source,
    wanted: &Wanted,
    to: &mut dyn Write,
) -> Result<(), ReportError> {
    let mut failed: Option<io::Error> = None;
    each_failure(source, &place.ledger, wanted, |item, known| {
        failed = writeln!(to, "{}", out::json(&object(item, known))).err();
        if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed.map_or(Ok(()), |error| Err(ReportError::Write(error)))
}

fn object(item: &Item, known: &Known) -> Value {
    let mut object: Map<String, Value> = serde_json::from_str(&to_json(item)).unwrap_or_default();
    for (name, value) in [
        ("line", item.line.into()),
        ("state", known.state.name().into()),
        ("class", known.class.as_ref().map(|class| class.as_str()).into()),
        ("message", known.detail.as_deref().map(redact::text).into()),
        ("attempts", known.attempts.into()),
        ("at", (known.at as f64 / 1000.0).into()),
    ] {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}
