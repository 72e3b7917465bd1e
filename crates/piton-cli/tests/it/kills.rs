//! kill -9 at chosen moments of a download over four connections, again and again (G2).
//!
//! What a kill costs is seen from both ends: which bytes the part holds that the journal does not claim,
//! and which bytes of the part the server is asked for again. The first is exact, but for what had
//! not reached the part: a connection gathers at most 1 MiB, for at most a tenth of a second, writes it
//! and claims it at once. The second also counts what was sent and lay in socket buffers, unread, and
//! so may be large in single cases. `PITON_TEST_SEED` draws other moments.

mod urls;

use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton::checkpoint::IntervalSet;
use piton::durable::fs::OsFs;
use piton::durable::journal;
use piton_testkit::server::{KIB, MIB, RequestRecord, Resource, Server, Site, pattern};

use crate::command::Place;
use piton_testkit::seed::{draw, seed};

const KILLS: u64 = 30;
const CONNECTIONS: u64 = 4;
const PATTERN: u64 = 5;
const BLOCK: usize = 4096;
/// What is asked for again on purpose, at either end of a gap, to compare.
const OVERLAP: u64 = 16 * KIB;
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one kill cost, in bytes.
#[derive(Debug, Default)]
struct Costs {
    /// In the part and not claimed; in order of size.
    unclaimed: Vec<u64>,
    /// In the part and sent again; in order of size.
    sent_again: Vec<u64>,
    /// Kills after which the part is so much younger than its journal that the next run reads all of it.
    distrusted: u64,
}

/// Fast: an extent is full before it is old.
#[test]
fn a_kill_costs_a_mebibyte_per_connection_at_most() {
    let costs = kill_again_and_again(96 * MIB, 16 * MIB);
    let most = costs.unclaimed.last().copied().unwrap_or(0);
    // Most kills find nothing written and not claimed; but they do find downloads under way, whose
    // next run compares a joint.
    assert!(costs.sent_again.iter().any(|&bytes| bytes > 0), "no kill met a download: {costs:?}");
    assert!(most <= CONNECTIONS * MIB, "PITON_TEST_SEED={}: {costs:?}", seed());
    let bound = CONNECTIONS * (MIB + 2 * OVERLAP);
    assert!(median(&costs.sent_again) <= bound, "PITON_TEST_SEED={}: {costs:?}", seed());
}

/// Slow: an extent is old before it is full. A busy machine may make single ones late.
#[test]
fn a_kill_costs_a_tenth_of_a_second_when_bytes_are_slow() {
    const RATE: u64 = MIB;
    let costs = kill_again_and_again(40 * MIB, RATE);
    let bound = CONNECTIONS * RATE / 10;
    assert!(median(&costs.unclaimed) <= bound, "PITON_TEST_SEED={}: {costs:?}", seed());
    // It may happen, and only costs reading; but not as a rule.
    assert!(costs.distrusted <= KILLS / 3, "PITON_TEST_SEED={}: {costs:?}", seed());
    let bound = bound + CONNECTIONS * 2 * OVERLAP;
    assert!(median(&costs.sent_again) <= bound, "PITON_TEST_SEED={}: {costs:?}", seed());
}

fn median(sorted: &[u64]) -> u64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

/// Kills a download that often and lets it go on each time; at the end the file is right.
fn kill_again_and_again(len: u64, rate: u64) -> Costs {
    let file = Resource::pattern(PATTERN, len).etag("\"1\"");
    let server = Server::start(Site::new().with("/file", file).rate_per_connection(rate));
    let mut costs = Costs::default();
    let mut place = Place::new();
    let mut present = IntervalSet::new();
    for round in 0..=KILLS {
        let asked = server.stats().requests.len();
        let killed_after = Duration::from_millis(60 + draw(round, 240));
        let limit = if round < KILLS { killed_after } else { PATIENCE };
        let done = run_for(&place, &server.url("/file"), limit);
        assert!(done || round < KILLS, "the last run does not end");
        costs.sent_again.push(sent_again(&server.stats().requests[asked..], &present));
        if done {
            assert_eq!(pattern_of(&place, "file"), whole(len), "round {round}, seed {}", seed());
            let names = fs::read_dir(place.path("")).unwrap().count();
            assert_eq!(names, 1, "something is left beside the file");
            // Fast enough to be ready before the last kill: once more.
            place = Place::new();
            present = IntervalSet::new();
        } else {
            assert!(!place.path("file").exists(), "round {round}: not all of it, and a final name");
            present = pattern_of(&place, "file.part");
            let claimed = claimed(&place);
            costs.distrusted += u64::from(is_younger_than_its_journal(&place));
            costs.unclaimed.push(present.iter().map(|range| missing(&claimed, range)).sum());
        }
    }
    costs.unclaimed.sort_unstable();
    costs.sent_again.sort_unstable();
    costs
}

/// Runs the command and kills it after `limit`. Whether it was done before.
fn run_for(place: &Place, url: &str, limit: Duration) -> bool {
    let args = ["--config", "none", "get", "--quiet", "-x", &CONNECTIONS.to_string(), url];
    let mut child = place.command(&args).stdin(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return true;
        }
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    // It may have ended in this instant.
    child.wait().unwrap().success()
}

/// How many bytes of `present` were sent for these requests.
fn sent_again(requests: &[RequestRecord], present: &IntervalSet) -> u64 {
    let sent = requests.iter().map(|request| {
        let range = request.range.as_deref().and_then(|range| range.strip_prefix("bytes="));
        let first = range.and_then(|range| range.split('-').next()).unwrap_or("0");
        let first: u64 = first.parse().unwrap();
        first..first + request.sent
    });
    sent.map(|range| range.end - range.start - missing(present, range)).sum()
}

/// How many bytes of `range` are not in `set`.
fn missing(set: &IntervalSet, range: Range<u64>) -> u64 {
    set.gaps(range).map(|gap| gap.end - gap.start).sum()
}

/// As docs/journal-format.md has it: somebody may have written to the part since.
fn is_younger_than_its_journal(place: &Place) -> bool {
    let changed = |name: &str| {
        fs::metadata(place.path(name)).map_or(0, |it| it.ctime() * 1_000_000_000 + it.ctime_nsec())
    };
    let (part, journal) = (changed("file.part"), changed("file.piton"));
    journal > 0 && part > journal + 20_000_000
}

/// What the journal claims, if there is one yet.
fn claimed(place: &Place) -> IntervalSet {
    let Ok(journal) = journal::read(&OsFs, &place.path("file.piton")) else {
        return IntervalSet::new();
    };
    journal.fold.claims.extents().iter().map(|extent| extent.range()).collect()
}

/// Where the file holds what it should.
fn pattern_of(place: &Place, name: &str) -> IntervalSet {
    let bytes = fs::read(place.path(name)).unwrap_or_default();
    let mut right = IntervalSet::new();
    for (at, block) in (0..).step_by(BLOCK).zip(bytes.chunks(BLOCK)) {
        if pattern::first_difference(PATTERN, at, block).is_none() {
            right.insert(at..at + block.len() as u64);
        }
    }
    right
}

fn whole(len: u64) -> IntervalSet {
    std::iter::once(0..len).collect()
}
