//! Lists gone through against the fault-injecting server, at the level of the library.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod adopt_changed;
mod adopted;
mod edited;
mod full;
mod hosts;
mod killed;
mod limits;
mod names;
mod outcomes;
mod reports;
mod stopped;
mod whole_runs;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use piton_checkpoint::Backoff;
use piton_checkpoint::ledger::{How, Known, Ledger, LedgerError, Reader, State};
use piton_durable::fs::OsFs;
use piton_durable::part::Durability;
use piton_fetch::{Client, Stop};
use piton_lists::run::{
    Early, End, Event, Monitor, Observer, Options, Run, RunError, Select, Summary,
};
use piton_lists::source::{Keyed, Source};
use piton_remote::Remote;
use piton_remote::http::Config;
use piton_testkit::server::{Context, Excess, Fault, Resource, RetryAfter, Server, Site, pattern};

const KIB: u64 = 1 << 10;

/// A server, a folder with a list, a ledger and a target folder, and the means to go through it.
struct Desk {
    server: Server,
    folder: tempfile::TempDir,
    /// Where the ledger is, below the folder.
    ledger: &'static str,
}

/// What a run told, in its order.
#[derive(Default)]
struct Diary {
    lines: Mutex<Vec<String>>,
    /// Stops the run when so many items have ended.
    stop_after: Option<(usize, Stop)>,
}

impl Observer for Diary {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Started { item, .. } => format!("started {}", item.line),
            Event::Again { item, .. } => format!("again {}", item.line),
            Event::Ended { item, end, .. } => match end {
                End::Done(_) => format!("done {}", item.line),
                End::Failed { class, .. } => {
                    let class = class.map(|class| class.as_str().to_owned()).unwrap_or_default();
                    format!("failed {} {class}", item.line)
                }
                End::Stopped => format!("stopped {}", item.line),
                _ => format!("unchecked {}", item.line),
            },
            Event::BadLine(bad) => format!("bad {}", bad.line),
            Event::Notice(notice) => format!("notice {}", notice.line),
            Event::Suppressed(kind) => format!("suppressed {kind:?}"),
            Event::GivenUp { host, items, .. } => format!("given up {host} {items}"),
            _ => return,
        };
        let mut lines = self.lines.lock().unwrap();
        lines.push(line);
        let ended = lines.iter().filter(|line| line.starts_with("done")).count();
        if let Some((after, stop)) = &self.stop_after
            && ended >= *after
        {
            stop.stop();
        }
    }
}

impl Diary {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Desk {
    fn new(site: Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { server: Server::start(site), folder, ledger: "list.piton.db" }
    }

    /// A server of `count` files of 4 KiB: `/0`, `/1`, …
    fn of_files(count: u64) -> Self {
        Self::new(site_of(count))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the list: an address per entry; one that begins with `/` is a path on the server, an
    /// indented one an option.
    fn list<T: AsRef<str>>(&self, entries: impl IntoIterator<Item = T>) {
        let line = |entry: T| match entry.as_ref() {
            path if path.starts_with('/') => self.server.url(path) + "\n",
            other => other.to_owned() + "\n",
        };
        let text: String = entries.into_iter().map(line).collect();
        std::fs::write(self.path("list"), text).unwrap();
    }

    fn options(&self) -> Options {
        options(self.folder.path())
    }

    fn one_at_a_time(&self) -> Options {
        let mut options = self.options();
        options.limits.jobs = NonZeroUsize::MIN;
        options
    }

    fn ledger(&self) -> Ledger {
        open_ledger(&self.path(self.ledger)).unwrap()
    }

    fn run(&self, options: Options) -> Summary {
        self.run_with(options, Diary::default()).0.unwrap()
    }

    fn run_with(&self, options: Options, diary: Diary) -> (Result<Summary, RunError>, Vec<String>) {
        let stop = diary.stop_after.as_ref().map_or_else(Stop::new, |(_, stop)| stop.clone());
        let diary = Arc::new(diary);
        let ended = self.run_watched(options, Arc::clone(&diary) as Arc<dyn Observer>, stop);
        (ended, diary.lines())
    }

    fn run_watched(
        &self,
        options: Options,
        observer: Arc<dyn Observer>,
        stop: Stop,
    ) -> Result<Summary, RunError> {
        let monitor = Monitor::new(Some(observer));
        go(self.folder.path(), self.ledger, options, &monitor, stop)
    }

    /// A run that is stopped when so many items are done.
    fn run_until(&self, options: Options, done: usize) -> Summary {
        let diary = Diary { stop_after: Some((done, Stop::new())), ..Diary::default() };
        let summary = self.run_with(options, diary).0.unwrap();
        assert_eq!(summary.ended, Some(Early::Stopped), "{summary:?}");
        summary
    }

    /// As if the process had died while the item on this line was in flight.
    fn die_at(&self, line: u64, attempt: u32) {
        let source = Source::new(self.path("list"));
        let of_line = |keyed| match keyed {
            Ok(Keyed::Item(item, key)) if item.line == line => Some(key),
            _ => None,
        };
        let key = source.keyed().unwrap().find_map(of_line).unwrap();
        let ledger = self.ledger();
        let flight = self.path("list.piton.flight");
        let guard = ledger.begin(key.into(), attempt, 1).unwrap();
        let bytes = std::fs::read(&flight).unwrap();
        drop(guard);
        ledger.close().unwrap();
        // A clean end takes it away.
        std::fs::write(&flight, bytes).unwrap();
    }

    /// What the ledger knows of each item of the list, by its line.
    fn known(&self) -> BTreeMap<u64, Known> {
        let mut reader = Reader::open(&self.path(self.ledger)).unwrap();
        let mut known = BTreeMap::new();
        for scanned in Source::new(self.path("list")).keyed().unwrap() {
            if let Keyed::Item(item, key) = scanned.unwrap()
                && let Some(found) = reader.lookup(key.as_bytes()).unwrap()
            {
                known.insert(item.line, found);
            }
        }
        known
    }

    fn state(&self, line: u64) -> Option<State> {
        self.known().get(&line).map(|known| known.state)
    }

    /// The files in the target folder, with their folders.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("out")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.path("out")).unwrap();
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// The file is that of `/seed`.
    fn assert_file(&self, name: &str, seed: u64) {
        let bytes = std::fs::read(self.path("out").join(name)).unwrap();
        assert_eq!(bytes.len() as u64, 4 * KIB, "{name}");
        assert_eq!(pattern::first_difference(seed, 0, &bytes), None, "{name}");
    }

    /// How often each path was asked for.
    fn asked(&self) -> BTreeMap<String, usize> {
        let mut asked = BTreeMap::new();
        for request in self.server.stats().requests {
            *asked.entry(request.path).or_default() += 1;
        }
        asked
    }

    fn requests(&self) -> usize {
        self.server.stats().requests.len()
    }

    /// The paths that were asked for, in order.
    fn order(&self) -> Vec<String> {
        self.server.stats().requests.into_iter().map(|request| request.path).collect()
    }
}

/// Choices that suit a test, for the list in this folder.
fn options(folder: &Path) -> Options {
    let mut options = Options::new(folder.join("out"));
    options.durability = Durability::Process;
    options.retries = 2;
    let quick = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(20) };
    (options.backoff, options.limits.backoff) = (quick, quick);
    options.adjust = Some(Arc::new(|what| what.stall_timeout = Duration::from_secs(2)));
    options
}

fn open_ledger(path: &Path) -> Result<Ledger, LedgerError> {
    let durability = piton_checkpoint::ledger::Durability::Process;
    Ledger::open(path, &How { durability, create: true, now: 1 })
}

/// Goes through the list in this folder.
fn go(
    folder: &Path,
    ledger: &str,
    options: Options,
    monitor: &Monitor,
    stop: Stop,
) -> Result<Summary, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(Remote::new(Config::default()).unwrap(), Arc::new(OsFs));
    let ledger = open_ledger(&folder.join(ledger))?;
    let run = Run::new(client, ledger, Source::new(folder.join("list")), options);
    runtime.block_on(async {
        tokio::select! {
            ended = run.go(monitor.clone(), stop) => ended,
            () = tokio::time::sleep(Duration::from_secs(60)) => {
                panic!("it hangs: {:?}", monitor.progress())
            }
        }
    })
}

fn file(number: u64) -> Resource {
    Resource::pattern(number, 4 * KIB).etag(&format!("\"{number}\""))
}

fn site_of(count: u64) -> Site {
    (0..count).fold(Site::new(), |site, number| site.with(&format!("/{number}"), file(number)))
}

fn paths(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("/{number}")).collect()
}

fn retry(classes: &[&str]) -> Select {
    let class = |class: &&str| class.parse::<piton_checkpoint::ledger::ErrorClass>().unwrap();
    Select::Retry { classes: classes.iter().map(|it| class(it).into()).collect() }
}
