//! `piton adopt --done DONE -i LIST`.

use std::path::Path;
use std::sync::Arc;

use piton::checkpoint::ledger::{How, Ledger};
use piton::durable::fs::{Fs, OsFs};
use piton::fetch::Stop;
use piton::lists::adopt::{AdoptError, Adoption, DoneReport};
use piton::lists::source::{Origin, Source};
use serde_json::{Value, json};

use super::bring::{Limit, bring, check_kept, source};
use super::kept::{Given, Kept};
use super::place::Place;
use super::{ledger_durability, now, run};
use crate::args::{AdoptArgs, FetchOptions};
use crate::commands::batch;
use crate::config::Config;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::network::Network;
use crate::out;
use crate::screen::human;
use crate::signals::Signals;
use crate::trouble::Trouble;

/// Marks the items of a list that a done file names as done.
pub(in crate::commands) fn adopt(
    args: AdoptArgs,
    config: Config,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    let AdoptArgs { taken, source: given, fetch, .. } = args;
    let FetchOptions { transfer, network, output } = fetch.or(&config);
    let done = taken.done.unwrap_or_default();
    let place = Place::of(&taken.list.unwrap_or_default(), given.state.as_deref())?;
    let client = Network::of(&network, environment)?.client(&place.named_urls())?;
    let brings = !matches!(place.origin, Origin::File(_));
    if !brings {
        check_kept(&place)?;
        // Before a ledger is created for a list that does not exist.
        Source::new(&place.file).open()?;
    }
    let limit = Limit::of(config.list.max_list_size, transfer.max_size());
    let durability = transfer.durability().unwrap_or_default();
    let how = How { durability: ledger_durability(durability), create: true, now: now() };
    let given_now = Given {
        place: &place,
        source: &given,
        directory: taken.directory.as_deref(),
        default_directory: config.get.directory.as_deref(),
        tree: taken.tree,
        flat: taken.flat,
    };
    given_now.check_unopened()?;
    let is_new = matches!(OsFs.stat(&place.ledger), Ok(None));
    let ledger = Ledger::open(&place.ledger, &how)?;
    let exit = batch::block_on(async {
        let last = Kept::of(&ledger.reader()?)?;
        let mut notes = Vec::new();
        given_now.check(last.as_ref())?;
        let kept = given_now.kept(last.as_ref(), &mut notes);
        if !output.quiet {
            notes.iter().for_each(|note| out::say(format!("piton: {}", out::clean(note))));
        }
        let adoption = Adoption {
            fs: Arc::new(OsFs),
            path: done.clone(),
            source: source(&place, &given, &last.unwrap_or_default())?,
            ledger: ledger.clone(),
            folder: kept.folder.clone(),
            naming: kept.naming(),
            trust: taken.trust,
            remember: kept.to_text(),
            now: how.now,
            group: Adoption::GROUP,
        };
        let stop = Stop::new();
        let mut signals = Signals::install().map_err(|error| Trouble::cannot_start(&error))?;
        let adopting = async {
            if brings {
                bring(&place, &client, limit, &stop).await?;
            }
            let stop = stop.clone();
            match tokio::task::spawn_blocking(move || adoption.adopt(&stop)).await {
                Ok(result) => result.map_err(Trouble::from),
                Err(gone) => match gone.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // No one cancels it.
                    Err(_) => Err(AdoptError::Stopped.into()),
                },
            }
        };
        tokio::pin!(adopting);
        let report = tokio::select! {
            report = &mut adopting => report?,
            exit = signals.first() => {
                stop.stop();
                // It may have finished anyway.
                adopting.await.map_err(|trouble| Trouble { exit, ..trouble })?
            }
        };
        tell(&place, &done, &report, output.json, output.quiet)?;
        Ok(Exit::Done)
    });
    run::end(&place, ledger, is_new, exit)
}

fn tell(
    place: &Place,
    done: &Path,
    report: &DoneReport,
    as_json: bool,
    quiet: bool,
) -> Result<(), Trouble> {
    if as_json {
        return out::print_json(&object(place, done, report));
    }
    if !quiet {
        sentences(place, done, report).iter().for_each(out::say);
    }
    Ok(())
}

fn object(place: &Place, done: &Path, report: &DoneReport) -> Value {
    let stranger = |stranger: &Option<(u64, String)>| {
        let stranger = stranger.as_ref();
        stranger.map(|(line, text)| json!({ "line": line, "text": out::clean(text) }))
    };
    json!({
        "type": "list_adopted",
        "list": place.named.to_string_lossy(),
        "state": place.ledger.to_string_lossy(),
        "done_file": done.to_string_lossy(),
        "items": report.items,
        "bad_lines": report.bad_lines,
        "lines": report.lines,
        "marked": report.marked,
        "already": report.already,
        "missing": report.missing,
        "strangers": report.strangers,
        "first_stranger": stranger(&report.first_stranger),
        "last_stranger": stranger(&report.last_stranger),
        "last_is_stranger": report.last_is_stranger,
    })
}

fn sentences(place: &Place, done: &Path, report: &DoneReport) -> Vec<String> {
    let items = |count| human::counted(count, "item", "items");
    let lines = |count| human::counted(count, "line", "lines");
    let mut said = vec![format!(
        "{}: {} of {} marked as done from {}",
        out::clean(&place.named.to_string_lossy()),
        human::count(report.marked),
        items(report.items),
        out::path(done),
    )];
    if report.already > 0 {
        said.push(format!("  {} were already done", human::count(report.already)));
    }
    if report.missing > 0 {
        said.push(format!(
            "  {} not marked, since {}: piton get will fetch {}",
            items(report.missing),
            if report.missing == 1 { "its file is missing" } else { "their files are missing" },
            if report.missing == 1 { "it" } else { "them" },
        ));
    }
    if report.bad_lines > 0 {
        said.push(format!("  {} of the list invalid", lines(report.bad_lines)));
    }
    if let (Some(first), Some(last)) = (&report.first_stranger, &report.last_stranger) {
        let shown = |(number, text): &(u64, String)| {
            format!("line {number}, {}", excerpt(&out::clean(text)))
        };
        said.push(format!(
            "  {} of {} {} no item of the list",
            human::count(report.strangers),
            lines(report.lines),
            if report.strangers == 1 { "names" } else { "name" },
        ));
        said.push(match report.strangers {
            1 => format!("    {}", shown(first)),
            _ => format!("    from {} to {}", shown(first), shown(last)),
        });
        if report.last_is_stranger {
            said.push(
                "    the last line is one of them: the item finished last is no longer in the list"
                    .to_owned(),
            );
        }
    }
    said
}

/// Lines may be as long as the longest URL.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
