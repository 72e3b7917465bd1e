//! A list of 20,000 items on a real nginx, killed (-9) at fifty random moments, with the list edited and
//! the number of workers changed between the runs. `PITON_TEST_SEED` draws other moments and edits.
//!
//! What nginx serves: small files, a share of which are slow, cut short at the first tries, busy (503)
//! at the first tries, missing (404), and some that are broken for ever (500).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use piton_testkit::real::{Access, Invocation, Nginx, StopWhen};
use piton_testkit::seed::{draw, seed};
use piton_testkit::server::{Context, Fault, Resource, Server, Site, pattern};

const ITEMS: u64 = 20_000;
const KILLS: u64 = 50;
/// Answers of the fault server that go wrong before one is right.
const BAD_TRIES: u32 = 2;
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(300);

/// What becomes of an item in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Plain,
    Slow,
    /// Cut short at first.
    Cut,
    /// 503 at first.
    Busy,
    /// 404.
    Missing,
    /// 500 for ever.
    Broken,
}

impl Kind {
    fn of(number: u64) -> Self {
        match number % 1000 {
            0..10 => Self::Missing,
            10..13 => Self::Slow,
            20..40 => Self::Cut,
            40..45 => Self::Busy,
            60 => Self::Broken,
            _ => Self::Plain,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Slow => "slow",
            Self::Cut | Self::Busy | Self::Broken => "faulty",
            Self::Missing => "missing",
        }
    }

    fn lands(self) -> bool {
        !matches!(self, Self::Missing | Self::Broken)
    }
}

fn name(number: u64) -> String {
    format!("f{number:05}.bin")
}

fn path(number: u64) -> String {
    format!("/{}/{}", Kind::of(number).folder(), name(number))
}

/// Mostly around a kilobyte, now and then up to two megabytes.
fn len(number: u64) -> u64 {
    match number % 500 {
        3 => 300_000 + number * 17 % 1_700_000,
        // Slow ones: a quarter of a second at 64 KiB a second.
        10..13 => 16 << 10,
        _ => number * 37 % 2_000,
    }
}

fn content(number: u64) -> Vec<u8> {
    pattern::bytes(number, len(number) as usize)
}

/// The faulty ones, for nginx to hand on.
fn faulty() -> Server {
    let mut site = Site::new();
    for number in (0..ITEMS).filter(|number| Kind::of(*number).folder() == "faulty") {
        site = site.with(&path(number), Resource::pattern(number, len(number)).etag("\"1\""));
    }
    let broken = Fault::status(500).when(|context| kind_of(context) == Kind::Broken);
    let busy = at_first(Kind::Busy, Fault::status(503));
    let cut = at_first(Kind::Cut, Fault::cut_connection_after(1));
    Server::start(site.fault(broken).fault(busy).fault(cut))
}

/// A fault of the first answers for each file of this kind.
fn at_first(kind: Kind, fault: Fault) -> Fault {
    let tries: Mutex<BTreeMap<String, u32>> = Mutex::default();
    fault.when(move |context| {
        if kind_of(context) != kind {
            return false;
        }
        let mut tries = tries.lock().unwrap();
        let tries = tries.entry(context.request.path().to_owned()).or_default();
        *tries += 1;
        *tries <= BAD_TRIES
    })
}

fn kind_of(context: &Context<'_>) -> Kind {
    Kind::of(number_of(file_name(context.request.path())))
}

fn nginx(root: &Path, faulty: &Server) -> Nginx {
    for folder in ["plain", "slow"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for number in 0..ITEMS {
        if matches!(Kind::of(number), Kind::Plain | Kind::Slow) {
            fs::write(root.join(&path(number)[1..]), content(number)).unwrap();
        }
    }
    let directives = format!(
        "keepalive_requests 100000;\n\
         location /slow/ {{ limit_rate 64k; }}\n\
         location /faulty/ {{ proxy_pass http://{}; proxy_buffering off; }}\n",
        faulty.addr()
    );
    Nginx::serving(root).directives(&directives).start()
}

/// The list as it stands before a run: some lines out, sorted one way or another.
fn edited(round: u64, nginx: &Nginx) -> String {
    let mut numbers: Vec<u64> = (0..ITEMS)
        .filter(|number| round == KILLS || draw(round * ITEMS + number, 50) != 0)
        .collect();
    match draw(round + 1_000_003, 4) {
        0 => numbers.reverse(),
        1 => numbers.sort_by_key(|number| draw(round * 7 * ITEMS + number, u64::MAX)),
        2 => numbers.rotate_left(draw(round, ITEMS / 2) as usize),
        _ => {}
    }
    let mut list = String::from("# edited between the runs\n\n");
    for number in numbers {
        writeln!(list, "{}", nginx.url(&path(number))).unwrap();
    }
    list
}

struct Job {
    dir: tempfile::TempDir,
}

impl Job {
    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    fn finished(&self) -> HashSet<String> {
        let Ok(entries) = fs::read_dir(self.files()) else { return HashSet::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".bin")).collect()
    }

    fn piton(&self, words: &[&str]) -> Invocation<'static> {
        Invocation::new(env!("CARGO_BIN_EXE_piton"), self.dir.path())
            .args(["--config", "none"])
            .args(words.iter().map(ToString::to_string))
            .timeout(PATIENCE)
    }

    fn get(&self, workers: u64) -> Invocation<'static> {
        let workers = workers.to_string();
        self.piton(&[
            "get",
            "--quiet",
            "-i",
            "list.txt",
            "-d",
            "files",
            "-j",
            &workers,
            "--per-host",
            &workers,
        ])
    }
}

#[test]
fn fifty_kills_of_an_edited_list() {
    if let Err(missing) = Nginx::available() {
        return piton_testkit::skip(missing);
    }
    let root = tempfile::tempdir().unwrap();
    let faulty = faulty();
    let nginx = nginx(root.path(), &faulty);
    let job = Job { dir: tempfile::tempdir().unwrap() };
    let (mut finished, mut logged, mut met) = (HashSet::new(), 0, 0);
    for round in 0..=KILLS {
        fs::write(job.dir.path().join("list.txt"), edited(round, &nginx)).unwrap();
        let mut run = job.get(1 + draw(round + 77, 32));
        if round < KILLS {
            run = run.kill(StopWhen::After(Duration::from_millis(30 + draw(round, 400))));
        }
        let outcome = run.run();
        assert!(!outcome.timed_out, "round {round} hangs, seed {}", seed());
        met += u64::from(outcome.signal.is_some());
        if outcome.signal.is_none() {
            assert_eq!(
                outcome.code,
                Some(13),
                "round {round}, seed {}: {}",
                seed(),
                outcome.stderr
            );
        }
        // What stood under its name when a run began is not fetched by it.
        let requests = nginx.requests();
        let again: Vec<&Access> = requests[logged..]
            .iter()
            .filter(|access| access.bytes > 1 && finished.contains(file_name(&access.path)))
            .collect();
        assert!(again.is_empty(), "round {round}, seed {}: fetched twice: {again:?}", seed());
        logged = requests.len();
        finished = job.finished();
        for name in &finished {
            assert!(is_right(&job.files(), name), "round {round}, seed {}: {name}", seed());
        }
    }
    assert!(met > KILLS / 2, "only {met} kills met a run");
    whole(&job, &finished);
    failures(&job);
    counts(&job);
    // A finished list is through without a request.
    let outcome = job.get(8).run();
    assert_eq!(outcome.code, Some(13), "{}", outcome.stderr);
    let asked: BTreeSet<String> =
        nginx.requests()[logged..].iter().map(|access| access.path.clone()).collect();
    let broken: BTreeSet<String> =
        (0..ITEMS).filter(|number| Kind::of(*number) == Kind::Broken).map(path).collect();
    assert_eq!(asked, broken, "only what may still succeed is asked for");
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn number_of(name: &str) -> u64 {
    name[1..6].parse().unwrap()
}

fn is_right(files: &Path, name: &str) -> bool {
    fs::read(files.join(name)).unwrap() == content(number_of(name))
}

/// Every file that can be had is there, and nothing else.
fn whole(job: &Job, finished: &HashSet<String>) {
    let wanted: HashSet<String> =
        (0..ITEMS).filter(|number| Kind::of(*number).lands()).map(name).collect();
    let missing: BTreeSet<_> = wanted.difference(finished).collect();
    assert!(missing.is_empty(), "seed {}: missing: {missing:?}", seed());
    assert_eq!(finished.len(), wanted.len(), "seed {}", seed());
    let all: BTreeSet<String> = fs::read_dir(job.files())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".bin"))
        .collect();
    assert!(all.is_empty(), "seed {}: left behind: {all:?}", seed());
}

/// Every failure is listed once, with its class.
fn failures(job: &Job) {
    let ran = job.piton(&["failures", "list.txt", "--json"]).run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut listed: Vec<(u64, String)> = ran
        .stdout
        .lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let url = entry["url"].as_str().unwrap();
            // Without a class it is none that was foreseen: its state says which.
            let class = entry["class"].as_str().or(entry["state"].as_str()).unwrap();
            (number_of(file_name(url)), class.to_owned())
        })
        .collect();
    listed.sort();
    let wanted: Vec<(u64, String)> = (0..ITEMS)
        .filter_map(|number| match Kind::of(number) {
            Kind::Missing => Some((number, "404".to_owned())),
            Kind::Broken => Some((number, "500".to_owned())),
            _ => None,
        })
        .collect();
    assert_eq!(listed, wanted, "seed {}", seed());
}

/// The counts are those of the list.
fn counts(job: &Job) {
    let ran = job.piton(&["status", "list.txt", "--json"]).run();
    let status: serde_json::Value =
        serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let count =
        |kind: fn(Kind) -> bool| (0..ITEMS).filter(|number| kind(Kind::of(*number))).count() as u64;
    assert_eq!(status["done"], count(Kind::lands), "{status}");
    assert_eq!(status["fatal"], count(|kind| kind == Kind::Missing), "{status}");
    assert_eq!(status["transient"], count(|kind| kind == Kind::Broken), "{status}");
}
