//! kill -9 at random moments, with the list edited and the number of workers changed in between.

use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::time::Instant;

use piton_testkit::seed::{draw, seed};

use super::*;

const DIR: &str = "PITON_LISTS_CHILD_DIR";
const JOBS: &str = "PITON_LISTS_CHILD_JOBS";
const FILES: u64 = 300;
const MISSING: u64 = 10;
const KILLS: u64 = 12;
/// Far beyond what any part of it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test: what the killed process does.
#[test]
#[ignore = "is run by another test, in a process of its own"]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let mut options = options(&dir);
    let jobs = std::env::var(JOBS).unwrap().parse().unwrap();
    (options.limits.jobs, options.limits.per_host) = (jobs, jobs);
    let ended = go(&dir, "list.piton.db", options, &Monitor::default(), Stop::new());
    exit(ended.map_or(1, |_| 0));
}

fn start(dir: &Path, jobs: u64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "killed::child", "--ignored", "--nocapture", "--test-threads=1"]);
    child.env(DIR, dir).env(JOBS, jobs.to_string()).stdout(Stdio::null());
    child.spawn().unwrap()
}

#[test]
fn no_finished_file_is_fetched_twice_whatever_was_killed_and_edited() {
    let site = site_of(FILES)
        .fault(Fault::status(503).chance(0.03, seed()))
        .fault(Fault::cut_after(1000).chance(0.03, seed() + 1));
    let desk = Desk::new(site);
    let missing = (0..MISSING).map(|number| format!("/none-{number}"));
    let whole: Vec<String> = paths(0..FILES).into_iter().chain(missing).collect();
    let mut killed = 0;
    // How often each was asked for by the time that the ledger knew how it ended.
    let mut over = BTreeMap::<String, usize>::new();
    for round in 0..KILLS {
        let kept = |at: &usize| draw(round << 32 | *at as u64, 5) > 0;
        let mut list: Vec<_> = (0..whole.len()).filter(kept).map(|at| &whole[at]).collect();
        if draw(round << 32 | 1 << 20, 2) == 0 {
            list.reverse();
        }
        desk.list(&list);
        let jobs = 1 + draw(round << 32 | 2 << 20, 16);
        let enough = desk.requests() + 1 + draw(round << 32 | 3 << 20, 40) as usize;
        let mut child = start(desk.folder.path(), jobs);
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() && desk.requests() < enough {
            assert!(begun.elapsed() < PATIENCE, "it hangs, seed {}", seed());
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        killed += u64::from(!child.wait().unwrap().success());
        let asked = desk.asked();
        for (line, known) in desk.known() {
            if matches!(known.state, State::Done | State::Fatal) {
                let path = list[line as usize - 1];
                over.entry(path.clone()).or_insert(asked[path]);
            }
        }
    }
    assert!(killed > KILLS / 2, "{killed} kills, seed {}", seed());
    desk.server.clear_faults();
    desk.list(&whole);
    let summary = desk.run(desk.options());
    let asked = desk.asked();
    for (path, times) in over {
        assert_eq!(asked[&path], times, "{path} was over, seed {}", seed());
    }
    // One that was met by five of the kills is asked for when somebody says so.
    let over = summary.done + summary.done_before + summary.fatal + summary.quarantined;
    assert_eq!(over, FILES + MISSING, "{summary:?}, seed {}", seed());
    let mut options = desk.options();
    options.select = retry(&[]);
    let summary = desk.run(options);
    let ended = (summary.done + summary.done_before, summary.fatal);
    assert_eq!(ended, (FILES, MISSING), "{summary:?}, seed {}", seed());
    (0..FILES).for_each(|number| desk.assert_file(&number.to_string(), number));
}

#[test]
fn a_name_outlives_a_kill_before_the_first_outcome() {
    // Too large for a file without a part.
    let large = |number| Resource::pattern(number, 2 << 20).etag("\"the same\"");
    let site = Site::new().with("/0", large(0)).with("/1", large(1));
    let desk = Desk::new(site.fault(Fault::stall_after(300 * KIB)));
    let items = ["/0", "  out=x", "/1", "  out=x"];
    desk.list(items);
    let mut child = start(desk.folder.path(), 2);
    let begun = Instant::now();
    let parts = ["x.part", "x.1.part"].map(|name| desk.path("out").join(name));
    while !parts.iter().all(|part| part.metadata().is_ok_and(|it| it.len() > 0)) {
        assert!(begun.elapsed() < PATIENCE, "it hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The other one first: it would get the name, and the part, of a file that looks like its own.
    desk.list([&items[2..], &items[..2]].concat());
    desk.server.clear_faults();
    assert!(desk.run(desk.options()).is_complete());
    for (name, seed) in [("x", 0), ("x.1", 1)] {
        let bytes = std::fs::read(desk.path("out").join(name)).unwrap();
        assert_eq!(pattern::first_difference(seed, 0, &bytes), None, "{name}");
    }
}
