//! `piton get -i` and `piton retry`: from options to a run.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton::checkpoint::ledger::{How, Ledger, Reader};
use piton::durable::fs::{Fs, OsFs};
use piton::durable::part::Durability;
use piton::fetch::parse::checksum_file::ChecksumFile;
use piton::fetch::{Connections, Download, IfExists};
use piton::lists::flow::Limits;
use piton::lists::run::{Adjust, Options, Select};
use piton::lists::source::{Origin, Source};

use url::Url;

use super::bring::{Limit, check_kept, source};
use super::drive::Drive;
use super::files::raise_limit;
use super::kept::{Given, Kept};
use super::on_done::Words;
use super::place::Place;
use super::{ledger_durability, now, plan};
use crate::args::{
    Bytes, CheckOptions, FetchOptions, FileOptions, GetArgs, LetterOptions, ListFlow, ListOptions,
    RetryArgs, Span,
};
use crate::commands::{batch, get::checksum_file, job};
use crate::config::Config;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::network::Network;
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
    let place = Place::of(&args.list.unwrap_or_default(), args.options.source.state.as_deref())?;
    let files = args.files;
    if files.dry_run {
        return plan::plan(&place, &args.options.source, args.fetch.output.json);
    }
    let mut wanted = Wanted::new(place, args.options, args.fetch, config);
    wanted.directory = files.directory;
    wanted.if_exists = if_exists(files.overwrite);
    wanted.only_newer = files.only_newer;
    wanted.restart = files.restart;
    wanted.check = args.check;
    wanted.checksums = args.checks.checksum_file;
    wanted.start(environment)
}

/// `piton retry LIST`.
pub(crate) fn retry(
    args: RetryArgs,
    config: Config,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    let letters = Path::new(&args.list);
    if !args.command.is_empty() {
        if !args.class.is_empty() || args.directory.is_some() || args.overwrite {
            return Err(Trouble::usage(
                "--class, -d and --overwrite work with a list, not with CMD",
            ));
        }
        let options = args.letters.job(&args.options, &args.fetch);
        return job::retry(letters, args.command, options, environment);
    }
    if job::are_letters(letters) {
        let why = format!("{} holds dead letters, which need a CMD", out::path(letters));
        return Err(
            Trouble::usage(why).hint("piton retry LETTERS -o OUT -- CMD runs CMD for each letter")
        );
    }
    if args.letters != LetterOptions::default() {
        return Err(Trouble::usage("the options under Dead letters need a CMD"));
    }
    let place = Place::of(&args.list, args.options.source.state.as_deref())?;
    super::refuse_input(&place)?;
    let mut wanted = Wanted::new(place, args.options, args.fetch, config);
    wanted.directory = args.directory;
    wanted.if_exists = if_exists(args.overwrite);
    wanted.select = Select::Retry { classes: args.class.into_iter().map(Into::into).collect() };
    wanted.start(environment)
}

fn if_exists(overwrite: bool) -> IfExists {
    if overwrite { IfExists::Overwrite } else { IfExists::Refuse }
}

/// Options that work only with URLs on the command line.
fn check_options(files: &FileOptions, checks: &CheckOptions) -> Result<(), Trouble> {
    if files.output.is_some() {
        return Err(Trouble::usage("-o FILE does not work with a list")
            .hint("-d DIR sets the folder for its files; the list can name each file"));
    }
    if !files.mirror.is_empty() {
        return Err(Trouble::usage("--mirror does not work with a list")
            .hint("the list can give mirrors for each file"));
    }
    if files.rename {
        return Err(Trouble::usage("--rename does not work with a list").hint(
            "items with the same name are numbered anyway; --overwrite replaces existing files",
        ));
    }
    if !checks.checksum.is_empty() {
        return Err(Trouble::usage("--checksum does not work with a list").hint(
            "the list can give a digest for each file; --checksum-file FILE looks them up by name",
        ));
    }
    Ok(())
}

/// A run as requested.
struct Wanted {
    place: Place,
    list: ListOptions,
    fetch: FetchOptions,
    /// `-d`.
    directory: Option<PathBuf>,
    /// From the config file.
    default_directory: Option<PathBuf>,
    if_exists: IfExists,
    only_newer: bool,
    restart: bool,
    select: Select,
    check: bool,
    checksums: Option<String>,
}

impl Wanted {
    /// All unfinished items, unless something else is selected.
    fn new(place: Place, mut list: ListOptions, fetch: FetchOptions, config: Config) -> Self {
        let fetch = fetch.or(&config);
        list.flow = list.flow.or(config.list);
        Self {
            place,
            list,
            fetch,
            directory: None,
            default_directory: config.get.directory,
            if_exists: IfExists::Refuse,
            only_newer: false,
            restart: false,
            select: Select::All,
            check: false,
            checksums: None,
        }
    }

    fn start(self, environment: &Environment) -> Result<Exit, Trouble> {
        let on_done = self.list.run.on_done.as_deref().map(Words::of).transpose()?;
        let mut network = Network::of(&self.fetch.network, environment)?;
        let sums = self.checksums.iter().filter_map(|text| Url::parse(text).ok());
        network.allow(&sums.collect::<Vec<_>>());
        let client = network.client(&self.place.named_urls())?;
        let is_retry = matches!(self.select, Select::Retry { .. });
        let bring = !is_retry && !matches!(self.place.origin, Origin::File(_));
        if !bring {
            check_kept(&self.place)?;
            // Before a ledger is created for a list that does not exist.
            Source::new(&self.place.file).open()?;
        }
        let durability = self.fetch.transfer.durability().unwrap_or_default();
        let how = How { durability: ledger_durability(durability), create: !is_retry, now: now() };
        let given = Given {
            place: &self.place,
            source: &self.list.source,
            directory: self.directory.as_deref(),
            default_directory: self.default_directory.as_deref(),
            tree: self.list.run.tree,
            flat: self.list.run.flat,
        };
        given.check_unopened()?;
        let is_new = matches!(OsFs.stat(&self.place.ledger), Ok(None));
        let ledger = Ledger::open(&self.place.ledger, &how)?;
        let kept = Kept::of(&ledger.reader()?)?;
        let mut notes = Vec::new();
        let recovered = ledger.recovered();
        if recovered.interrupted > 0 {
            notes.push(format!(
                "an earlier run was killed; starting with the {} it was fetching",
                crate::screen::human::counted(recovered.interrupted, "item", "items")
            ));
        }
        given.check(kept.as_ref())?;
        let now_kept = given.kept(kept.as_ref(), &mut notes);
        let source = source(&self.place, &self.list.source, &kept.unwrap_or_default())?;
        let screen = choose(self.fetch.output, environment);
        let exit = batch::block_on(async {
            let checksums = match &self.checksums {
                Some(source) => Some(Arc::new(checksum_file(source, &client).await?)),
                None => None,
            };
            let options = self.options(&now_kept, durability, checksums, &mut notes);
            let drive = Drive {
                place: &self.place,
                network,
                client,
                ledger: ledger.clone(),
                source,
                options,
                on_done,
                screen,
                bring,
                limit: Limit::of(self.list.flow.max_list_size, self.fetch.transfer.max_size()),
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
        options.limits = limits(&self.list.flow);
        options.rate = self.fetch.transfer.rate_limit();
        options.host_rate =
            self.list.flow.limit_rate_per_host.and_then(|Bytes(rate)| NonZeroU64::new(rate));
        let each = self.fetch.transfer.connections().map_or(1, Connections::at_most);
        let (jobs, note) = raise_limit(options.limits.jobs, each);
        notes.extend(note);
        options.limits.jobs = jobs;
        options.limits.per_host = options.limits.per_host.min(jobs);
        options.connections = options.connections.max(jobs.get());
        options.durability = durability;
        if let Some(retries) = self.fetch.transfer.retries() {
            options.retries = retries;
        }
        options.max_failures = self.list.run.max_failures();
        options.strict = self.list.run.strict;
        options.check = self.check;
        options.select = self.select.clone();
        options.remember = kept.to_text();
        options.adjust = Some(self.adjust(checksums));
        options
    }

    /// Gives each download the options of this call.
    fn adjust(&self, checksums: Option<Arc<ChecksumFile>>) -> Adjust {
        let transfer = self.fetch.transfer.without_retries();
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

/// Closes the ledger, even after an error: everything recorded must be in the file when this ends.
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

/// A list that could not even be read leaves no ledger behind.
fn remove_unused(place: &Place) {
    let runs = Reader::open(&place.ledger).and_then(|ledger| ledger.runs(1));
    if runs.is_ok_and(|runs| runs.is_empty()) {
        // At worst, an empty one stays.
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
