//! Jobs in each store: taken twice, started over, and on servers that lose what they were told.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use piton_checkpoint::store::StoreError;
use piton_records::{Builder, Checkpoints, Error, Job};
use piton_testkit::real::Redis;
use piton_testkit::seed::draw;

use crate::harness::{lines, result, wanted};
use crate::killed::{FAILED, input, with_state};

const COUNT: usize = 40;

/// A job in a folder of its own, with its state wherever the test wants it.
struct Place {
    folder: tempfile::TempDir,
    state: String,
}

impl Place {
    fn new(state: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in"), lines(COUNT)).unwrap();
        let state = state(folder.path());
        Self { folder, state }
    }

    fn builder(&self) -> Builder {
        let how = Checkpoints::Records { commit: 1, sync: 3 };
        Job::builder(self.folder.path().join("job")).state(&*self.state).checkpoints(how)
    }

    /// A run that looks at each record before its result counts, and ends after record `stop`.
    fn run(&self, builder: Builder, stop: u64, mut look: impl FnMut(u64)) -> Result<(), Error> {
        let mut job = builder.open()?;
        let mut out = job.output(self.folder.path().join("out"))?;
        for record in job.lines(self.folder.path().join("in"))? {
            let record = record?;
            out.write(&record, result(&record))?;
            look(record.line());
            if record.line() == stop {
                return Ok(());
            }
        }
        job.finish()
    }

    fn to_the_end(&self) -> Result<(), Error> {
        self.run(self.builder(), u64::MAX, |_| ())
    }

    fn is_whole(&self) -> bool {
        std::fs::read(self.folder.path().join("out")).unwrap() == wanted(&lines(COUNT))
    }
}

fn in_files() -> Vec<Place> {
    vec![
        Place::new(|folder| format!("file:{}", folder.join("state").display())),
        Place::new(|folder| format!("json:{}", folder.join("state").display())),
        Place::new(|folder| format!("sqlite:{}", folder.join("state").display())),
    ]
}

fn in_redis(redis: &Redis) -> Place {
    Place::new(|_| format!("{}?job=a", redis.url()))
}

/// `None`: there is none here, and that is reported.
fn redis(options: &[&str]) -> Option<Redis> {
    match Redis::available() {
        Ok(()) => Some(Redis::start(options)),
        Err(missing) => {
            piton_testkit::skip(missing);
            None
        }
    }
}

#[test]
fn ten_resumes_in_a_row_and_then_nothing_to_do() {
    let server = redis(&[]);
    for place in in_files().into_iter().chain(server.as_ref().map(in_redis)) {
        for stop in (3..33).step_by(3) {
            place.run(place.builder(), stop, |_| ()).unwrap();
        }
        place.to_the_end().unwrap();
        assert!(place.is_whole(), "{}", place.state);
        place.run(place.builder(), 0, |line| panic!("{line} again")).unwrap();
    }
}

#[test]
fn a_restart_starts_over_in_each_store() {
    let server = redis(&[]);
    for place in in_files().into_iter().chain(server.as_ref().map(in_redis)) {
        // Also where there is nothing.
        place.run(place.builder().restart(), 7, |_| ()).unwrap();
        place.run(place.builder(), 20, |_| ()).unwrap();
        let mut first = None;
        place
            .run(place.builder().restart(), 5, |line| {
                first.get_or_insert(line);
            })
            .unwrap();
        assert_eq!(first, Some(1), "{}", place.state);
        place.to_the_end().unwrap();
        assert!(place.is_whole(), "{}", place.state);
    }
}

#[test]
fn a_text_that_names_no_store_is_an_error_when_the_job_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let error = Job::builder(folder.path().join("job")).state("job.json").open().map(drop);
    assert!(matches!(error, Err(Error::Spec(_))), "{error:?}");
}

#[test]
fn a_job_says_what_its_state_survives() {
    for (place, wanted) in in_files().into_iter().zip([
        "a commit survives a kill, and perhaps a power cut; a sync survives a power cut",
        "a commit survives a power cut",
        "a commit survives a kill, and perhaps a power cut; a sync survives a power cut",
    ]) {
        assert_eq!(place.builder().open().unwrap().survives().to_string(), wanted);
    }
}

#[test]
fn an_emptied_server_ends_the_run_and_stops_the_next_one() {
    let Some(redis) = redis(&[]) else { return };
    let place = in_redis(&redis);
    let emptied = place.run(place.builder(), u64::MAX, |line| {
        if line == 10 {
            redis.ask(&["FLUSHALL"]);
        }
    });
    assert!(matches!(emptied, Err(Error::Store(StoreError::Lost { .. }))), "{emptied:?}");
    let next = place.to_the_end();
    assert!(matches!(next, Err(Error::OutputWithoutPosition { .. })), "{next:?}");
    assert_eq!(redis.ask(&["HGET", "piton:job:a", "last"]), "0", "nothing was committed");
    place.run(place.builder().restart(), u64::MAX, |_| ()).unwrap();
    assert!(place.is_whole());
}

#[test]
fn a_server_that_came_back_without_a_log_stops_the_next_run() {
    let Some(mut redis) = redis(&[]) else { return };
    let place = in_redis(&redis);
    place.run(place.builder(), 20, |_| ()).unwrap();
    redis.restart(&[]);
    let next = place.to_the_end();
    assert!(matches!(next, Err(Error::OutputWithoutPosition { .. })), "{next:?}");
}

#[test]
fn an_older_copy_of_the_state_cuts_the_output_back() {
    let Some(mut redis) = redis(&["--dbfilename", "older.rdb"]) else { return };
    let place = in_redis(&redis);
    place
        .run(place.builder(), 30, |line| {
            if line == 12 {
                redis.ask(&["SAVE"]);
            }
        })
        .unwrap();
    redis.restart(&[]);
    let mut first = None;
    place
        .run(place.builder(), u64::MAX, |line| {
            first.get_or_insert(line);
        })
        .unwrap();
    // When record 12 was in the works, 11 of them were committed.
    assert_eq!(first, Some(12));
    assert!(place.is_whole());
    // Of a database file the same, with an older copy put in its place.
    let place = Place::new(|folder| format!("sqlite:{}", folder.join("jobs.db").display()));
    let (database, copy) = (place.folder.path().join("jobs.db"), place.folder.path().join("copy"));
    place.run(place.builder(), 12, |_| ()).unwrap();
    std::fs::copy(&database, &copy).unwrap();
    place.run(place.builder(), 30, |_| ()).unwrap();
    std::fs::rename(&copy, &database).unwrap();
    let mut first = None;
    place
        .run(place.builder(), u64::MAX, |line| {
            first.get_or_insert(line);
        })
        .unwrap();
    assert_eq!(first, Some(12));
    assert!(place.is_whole());
}

/// The server dies at random moments and comes back with its log; the job too, then, and each result is there once.
#[test]
fn a_server_that_is_killed_again_and_again_loses_nothing_with_its_log_on() {
    if let Err(missing) = Redis::available() {
        return piton_testkit::skip(missing);
    }
    let mut redis = Redis::that_keeps_everything();
    let mut kills = 0;
    // A job that is done before it was killed often is followed by another.
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in"), input()).unwrap();
        let state = format!("{}?job={round}", redis.url());
        for turn in 0..100 {
            let mut child =
                with_state(folder.path(), Some(&state)).stderr(Stdio::null()).spawn().unwrap();
            let began = std::time::Instant::now();
            let limit = Duration::from_millis(50 + draw(round * 100 + turn, 250));
            let ended = loop {
                if let Some(ended) = child.try_wait().unwrap() {
                    break ended;
                }
                if began.elapsed() > limit {
                    redis.restart(&[]);
                    kills += 1;
                    break child.wait().unwrap();
                }
                std::thread::sleep(Duration::from_millis(2));
            };
            if ended.success() {
                break;
            }
            assert_eq!(ended.code(), Some(FAILED));
        }
        let out = std::fs::read(folder.path().join("out")).unwrap();
        assert!(out == wanted(input().strip_suffix(b"\n").unwrap()));
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "nothing was set aside");
        if kills > 2 {
            return;
        }
    }
    panic!("only {kills} kills in 20 jobs");
}

/// Starts a second process while the first one works. Returns how each ended.
fn two_at_once(state: &str, folder: &Path) -> [Option<i32>; 2] {
    std::fs::write(folder.join("in"), input()).unwrap();
    let mut first = with_state(folder, Some(state)).stderr(Stdio::null()).spawn().unwrap();
    while !folder.join("out.part").exists() {
        assert_eq!(first.try_wait().unwrap(), None, "it ended before it began");
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = with_state(folder, Some(state)).stderr(Stdio::null()).status().unwrap();
    [first.wait().unwrap().code(), second.code()]
}

#[test]
fn of_two_processes_at_once_one_is_refused_or_fenced_off() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("sqlite:{}", folder.path().join("jobs.db").display());
    assert_eq!(two_at_once(&state, folder.path()), [Some(0), Some(FAILED)]);
    let whole = |folder: &Path| {
        std::fs::read(folder.join("out")).unwrap() == wanted(input().strip_suffix(b"\n").unwrap())
    };
    assert!(whole(folder.path()));

    let Some(redis) = redis(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let state = format!("{}?job=a", redis.url());
    // The second one took over, and then found the output locked: both stop, and nothing is lost.
    assert_eq!(two_at_once(&state, folder.path()), [Some(FAILED), Some(FAILED)]);
    assert!(with_state(folder.path(), Some(&state)).status().unwrap().success());
    assert!(whole(folder.path()));
}
