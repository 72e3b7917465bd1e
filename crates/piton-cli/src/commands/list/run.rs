//! `piton get -i` and `piton retry`: from options to a run.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use piton::checkpoint::ledger::{How, Ledger, Reader};
use piton::durable::fs::{Fs, OsFs};
use piton::durable::part::Durability;
use piton::fetch::parse::checksum_file::ChecksumFile;
use piton::fetch::{Connections, Download, IfExists};
use piton::lists::flow::Limits;
use piton::lists::run::{Adjust, Options, Select};
use piton::lists::source::{Origin, Source};

use super::bring::source;
use super::drive::Drive;
use super::files::raise_limit;
use super::kept::{Given, Kept};
use super::on_done::Words;
use super::place::Place;
use super::{ledger_durability, now, plan};
use crate::args::{
    Bytes, CheckOptions, FileOptions, GetArgs, ListFlow, ListRun, ListSource, NetworkOptions,
    OutputOptions, RetryArgs, Span, TransferOptions,
};
use crate::commands::{batch, client, get::checksum_file};
use crate::config::Config;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::out;
use crate::screen::list::choose;
use crate::trouble::Trouble;

/// `piton get -i LIST`.
pub(crate) fn get(
    args: GetArgs,
    config: Config,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    check_options(&args.files, &args.checks)?;
    let place = Place::of(&args.list.unwrap_or_default(), args.source.state.as_deref())?;
    if args.files.dry_run {
        return plan::plan(&place, &args.source, args.output.json);
    }
    let files = args.files;
    let wanted = Wanted {
        place,
        source: args.source,
        flow: args.flow.or(config.list),
        run: args.run,
        transfer: args.transfer.or(config.transfer),
        directory: files.directory,
        default_directory: config.get.directory,
        if_exists: if files.overwrite { IfExists::Overwrite } else { IfExists::Refuse },
        only_newer: files.only_newer,
        restart: files.restart,
        select: Select::All,
        check: args.check,
        checksums: args.checks.checksum_file,
    };
    wanted.start(&args.network.or(config.network), args.output, environment)
}

/// `piton retry LIST`.
pub(crate) fn retry(
    args: RetryArgs,
    config: Config,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    let place = Place::of(&args.list, args.source.state.as_deref())?;
    super::refuse_input(&place)?;
    let wanted = Wanted {
        place,
        source: args.source,
        flow: args.flow.or(config.list),
        run: args.run,
        transfer: args.transfer.or(config.transfer),
        directory: args.directory,
        default_directory: config.get.directory,
        if_exists: if args.overwrite { IfExists::Overwrite } else { IfExists::Refuse },
        only_newer: false,
        restart: false,
        select: Select::Retry { classes: args.class.into_iter().map(Into::into).collect() },
        check: false,
        checksums: None,
    };
    wanted.start(&args.network.or(config.network), args.output, environment)
}

/// What goes with addresses on the command line only.
fn check_options(files: &FileOptions, checks: &CheckOptions) -> Result<(), Trouble> {
    if files.output.is_some() {
        return Err(Trouble::usage("-o FILE does not go with a list")
            .hint("-d DIR names the folder for its files; a list can name each file itself"));
    }
    if !files.mirror.is_empty() {
        return Err(Trouble::usage("--mirror does not go with a list")
            .hint("a list can have mirrors for each file"));
    }
    if files.rename {
        return Err(Trouble::usage("--rename does not go with a list").hint(
            "items that want one name get numbers by themselves; --overwrite replaces files",
        ));
    }
    if !checks.checksum.is_empty() {
        return Err(Trouble::usage("--checksum does not go with a list").hint(
            "a list can have a digest for each file; --checksum-file FILE looks them up by name",
        ));
    }
    Ok(())
}

/// A run as it was asked for.
struct Wanted {
    place: Place,
    source: ListSource,
    flow: ListFlow,
    run: ListRun,
    transfer: TransferOptions,
    /// `-d`.
    directory: Option<PathBuf>,
    /// Of the config file.
    default_directory: Option<PathBuf>,
    if_exists: IfExists,
    only_newer: bool,
    restart: bool,
    select: Select,
    check: bool,
    checksums: Option<String>,
}

impl Wanted {
    fn start(
        self,
        network: &NetworkOptions,
        output: OutputOptions,
        environment: &Environment,
    ) -> Result<Exit, Trouble> {
        let on_done = self.run.on_done.as_deref().map(Words::of).transpose()?;
        let client = client(network, environment)?;
        let is_retry = matches!(self.select, Select::Retry { .. });
        let bring = !is_retry && !matches!(self.place.origin, Origin::File(_));
        if !bring {
            // Before a ledger is made for a list that is not there.
            Source::new(&self.place.file).open()?;
        }
        let durability = self.transfer.durability().unwrap_or_default();
        let how = How { durability: ledger_durability(durability), create: !is_retry, now: now() };
        let is_new = matches!(OsFs.stat(&self.place.ledger), Ok(None));
        let ledger = Ledger::open(&self.place.ledger, &how)?;
        let kept = Kept::of(&ledger.reader()?)?;
        let mut notes = Vec::new();
        let recovered = ledger.recovered();
        if recovered.interrupted > 0 {
            notes.push(format!(
                "an earlier run was killed; {} under way then go first",
                crate::screen::human::counted(recovered.interrupted, "item", "items")
            ));
        }
        let given = Given {
            place: &self.place,
            source: &self.source,
            directory: self.directory.as_deref(),
            default_directory: self.default_directory.as_deref(),
            tree: self.run.tree,
            flat: self.run.flat,
        };
        let now_kept = given.kept(kept.as_ref(), &mut notes);
        let source = source(&self.place, &self.source, &kept.unwrap_or_default())?;
        let screen = choose(output, environment);
        let exit = batch::block_on(async {
            let checksums = match &self.checksums {
                Some(source) => Some(Arc::new(checksum_file(source, &client).await?)),
                None => None,
            };
            let options = self.options(&now_kept, durability, checksums, &mut notes);
            let drive = Drive {
                place: &self.place,
                client,
                ledger: ledger.clone(),
                source,
                options,
                on_done,
                screen,
                bring,
                notes,
                retry: is_retry,
            };
            drive.go().await
        });
        end(&self.place, ledger, is_new, exit)
    }

    fn options(
        &self,
        kept: &Kept,
        durability: Durability,
        checksums: Option<Arc<ChecksumFile>>,
        notes: &mut Vec<String>,
    ) -> Options {
        let mut options = Options::new(kept.folder.clone());
        options.naming = kept.naming();
        options.limits = limits(&self.flow);
        options.rate = self.transfer.rate_limit();
        options.host_rate =
            self.flow.limit_rate_per_host.and_then(|Bytes(rate)| NonZeroU64::new(rate));
        let each = self.transfer.connections().map_or(1, Connections::at_most);
        let (jobs, told) = raise_limit(options.limits.jobs, each);
        notes.extend(told);
        options.limits.jobs = jobs;
        options.limits.per_host = options.limits.per_host.min(jobs);
        options.connections = options.connections.max(jobs.get());
        options.durability = durability;
        if let Some(retries) = self.transfer.retries() {
            options.retries = retries;
        }
        options.max_failures = self.run.max_failures();
        options.strict = self.run.strict;
        options.check = self.check;
        options.select = self.select.clone();
        options.remember = kept.to_text();
        options.adjust = Some(self.adjust(checksums));
        options
    }

    /// Gives each download the options of this call.
    fn adjust(&self, checksums: Option<Arc<ChecksumFile>>) -> Adjust {
        let transfer = self.transfer.without_retries();
        let (if_exists, only_newer, restart) = (self.if_exists, self.only_newer, self.restart);
        Arc::new(move |download: &mut Download| {
            transfer.apply(download);
            download.if_exists = if_exists;
            download.only_newer = only_newer;
            download.restart = restart;
            download.checksum_file.clone_from(&checksums);
        })
    }
}

/// Closes the ledger, also after an error: what was recorded is to be in the file when this ends.
pub(super) fn end(
    place: &Place,
    ledger: Ledger,
    is_new: bool,
    exit: Result<Exit, Trouble>,
) -> Result<Exit, Trouble> {
    let closed = ledger.close();
    if is_new && exit.is_err() {
        remove_unused(place);
    }
    match (exit, closed) {
        (Ok(Exit::Done), Err(error)) => Err(error.into()),
        (Ok(exit), Err(error)) => {
            out::complain(None, &error.into());
            Ok(exit)
        }
        (exit, _) => exit,
    }
}

/// A list that could not even be had leaves no ledger behind.
fn remove_unused(place: &Place) {
    let runs = Reader::open(&place.ledger).and_then(|ledger| ledger.runs(1));
    if runs.is_ok_and(|runs| runs.is_empty()) {
        // At worst an empty one stays.
        let _ = Ledger::remove(&place.ledger);
    }
}

fn limits(flow: &ListFlow) -> Limits {
    let mut limits = Limits::default();
    limits.jobs = flow.jobs.unwrap_or(limits.jobs);
    limits.per_host = flow.per_host.unwrap_or(limits.per_host);
    limits.wait = flow.wait.map_or(limits.wait, |Span(wait)| wait);
    limits.random_wait = flow.random_wait.unwrap_or(limits.random_wait);
    limits.spacing =
        flow.requests_per_second.map_or(limits.spacing, |frequency| frequency.spacing());
    limits
}
