//! `piton adopt`.

use std::path::Path;
use std::sync::Arc;

use piton::durable::fs::OsFs;
use piton::fetch::{
    Adopted, Adoption, Client, Event, Evidence, Failure, IfExists, Leftover, Monitor, Observer,
    Place, Stop,
};
use piton::remote::http::Prefer;
use serde_json::json;
use url::Url;

use super::{batch, get, list};
use crate::args::{AdoptArgs, AdoptionOptions, ListSource};
use crate::config::Config;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::network::Network;
use crate::screen::{self, human};
use crate::signals::Signals;
use crate::trouble::Trouble;
use crate::{out, redact};

pub(crate) fn adopt(
    mut args: AdoptArgs,
    config: Config,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    check(&args)?;
    if args.taken.done.is_some() {
        return list::adopt(args, config, environment);
    }
    args.fetch = args.fetch.or(&config);
    let file = args.file.clone().unwrap_or_default();
    let url = get::address(args.url.as_deref().unwrap_or_default())?;
    let leftover =
        Leftover::find(&OsFs, &file).map_err(|error| Trouble::file("look at", &file, &error))?;
    let mut what = Adoption::new(leftover, url);
    describe(&args, &mut what)?;
    let mut network = Network::of(&args.fetch.network, environment)?;
    let sums = args.checks.checksum_file.iter().filter_map(|text| Url::parse(text).ok());
    network.allow(&sums.collect::<Vec<_>>());
    network.prefer(Prefer::Http1);
    let client = network.client(&[what.download.url.clone()])?;
    batch::block_on(async {
        if let Some(list) = &args.checks.checksum_file {
            let list = get::checksum_file(list, &client).await?;
            what.download.checksum_file = Some(Arc::new(list));
        }
        if let Some(exit) = adopt_file(&client, &what, &args).await? {
            return Ok(exit);
        }
        let screen = screen::choose(args.fetch.output, environment);
        batch::run(&client, vec![what.download], screen).await
    })
}

/// Invalid combinations that the argument parser does not detect.
fn check(args: &AdoptArgs) -> Result<(), Trouble> {
    if args.taken.done.is_none() {
        return match args.source == ListSource::default() {
            true => Ok(()),
            false => Err(Trouble::usage("the options under List need --done DONE -i LIST")),
        };
    }
    let of_files = args.adoption != AdoptionOptions::default()
        || !args.checks.checksum.is_empty()
        || args.checks.checksum_file.is_some();
    match of_files {
        true => Err(Trouble::usage(
            "the options under Adoption and Integrity need FILE and URL, and do not work with --done",
        )),
        false => Ok(()),
    }
}

fn describe(args: &AdoptArgs, what: &mut Adoption) -> Result<(), Trouble> {
    if let Some(name) = &args.adoption.output {
        if name.is_dir() {
            return Err(Trouble::usage(format!("{} is a folder", name.display())));
        }
        what.download.place = Place::File(name.clone());
    }
    if let Some(samples) = args.adoption.samples {
        what.samples = samples;
    }
    what.look_only = args.adoption.dry_run;
    args.fetch.transfer.apply(&mut what.download);
    what.download.rate_limit = args.fetch.transfer.rate_limit();
    what.download.digests.clone_from(&args.checks.checksum);
    if args.adoption.overwrite {
        what.download.if_exists = IfExists::Overwrite;
    }
    Ok(())
}

/// Compares and adopts. `None`: there is something to continue.
async fn adopt_file(
    client: &Client,
    what: &Adoption,
    args: &AdoptArgs,
) -> Result<Option<Exit>, Trouble> {
    let stop = Stop::new();
    let mut signals = Signals::install().map_err(|error| Trouble::cannot_start(&error))?;
    let monitor = Monitor::new(Some(Arc::new(ShowEvents { quiet: args.fetch.output.quiet })));
    let mut adopting = std::pin::pin!(client.adopt(what, &monitor, &stop));
    let (result, signalled) = tokio::select! {
        result = &mut adopting => (result, None),
        exit = signals.first() => {
            stop.stop();
            (adopting.await, Some(exit))
        }
    };
    match result {
        Ok(adopted) => {
            report(&adopted, what.leftover.file(), args)?;
            Ok(signalled.or_else(|| {
                let enough = args.adoption.no_download || args.adoption.dry_run;
                enough.then_some(Exit::Done)
            }))
        }
        Err(Failure::Stopped { .. }) => {
            out::say(format!(
                "{}: stopped; the file is unchanged",
                out::path(what.leftover.file())
            ));
            Ok(Some(signalled.unwrap_or(Exit::Interrupted)))
        }
        Err(failure) => Err(trouble(&failure)),
    }
}

/// The hints differ from those of a download.
fn trouble(failure: &Failure) -> Trouble {
    let trouble = Trouble::from(failure);
    match failure {
        Failure::Exists { .. } => {
            trouble.hint("--overwrite replaces it at the end, -o NAME chooses another name")
        }
        Failure::Changed { .. } => {
            trouble.hint("run the same command again to compare with the new version")
        }
        _ => trouble,
    }
}

/// Prints what was adopted, or would be: on stdout if that was the request.
fn report(adopted: &Adopted, file: &Path, args: &AdoptArgs) -> Result<(), Trouble> {
    let taken = !args.adoption.dry_run;
    if args.fetch.output.json {
        let url = args.url.as_deref().unwrap_or_default();
        return out::print_json(&object(adopted, file, taken, url));
    }
    let lines = sentences(adopted, file, taken);
    match taken {
        true if args.fetch.output.quiet => {}
        true => lines.iter().for_each(out::say),
        false => out::print_text(&lines.join("\n"))?,
    }
    Ok(())
}

fn object(adopted: &Adopted, file: &Path, taken: bool, url: &str) -> serde_json::Value {
    let Evidence { believed, compared, places, longest_unseen, missed, .. } = adopted.evidence;
    json!({
        "type": "adopted",
        "url": redact::text(url),
        "path": adopted.path.to_string_lossy(),
        "from": file.to_string_lossy(),
        "taken": taken,
        "size": adopted.size,
        "found": adopted.found,
        "believed": believed,
        "compared": compared,
        "places": places,
        "longest_unseen": longest_unseen,
        "missed": missed,
    })
}

fn sentences(adopted: &Adopted, file: &Path, taken: bool) -> Vec<String> {
    let Evidence { believed, compared, places, longest_unseen, missed, .. } = adopted.evidence;
    let verb = if taken { "adopted" } else { "can be adopted" };
    let mut lines = vec![format!(
        "{}: {} of {} {verb} from {}",
        out::path(&adopted.path),
        human::size(believed),
        human::size(adopted.size),
        out::path(file),
    )];
    if compared == believed {
        lines.push("  every byte of it was compared with the server".to_owned());
    } else {
        let place = if places == 1 { "place" } else { "places" };
        lines.push(format!(
            "  {} of it, in {places} {place}, was compared with the server and matches",
            human::size(compared)
        ));
        lines.push(format!(
            "  the data between them, at most {} in a row, is unproven: one wrong block of {} there would \
             go unnoticed with a probability of {:.1}%",
            human::size(longest_unseen),
            human::size(Evidence::BLOCK),
            missed * 100.0
        ));
    }
    let differs = adopted.found.saturating_sub(believed);
    if differs > 0 {
        lines.push(format!(
            "  {} more differ from the server, or follow data that does; they will be fetched",
            human::size(differs)
        ));
    }
    lines
}

/// Shows what the comparison waits for.
struct ShowEvents {
    quiet: bool,
}

impl Observer for ShowEvents {
    fn event(&self, event: &Event) {
        if let (false, Some(sentence)) = (self.quiet, screen::sentence::event(event)) {
            out::say(sentence);
        }
    }
}
