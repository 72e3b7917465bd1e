//! Small files, which have neither part nor journal as long as all goes well.

use std::io;
use std::path::Path;

use piton_durable::fs::{FsFile, Open};
use piton_durable::part::PartError;
use piton_fetch::{IfExists, RateLimit};
use piton_testkit::server::DigestField;

use super::*;

/// The real files, and the names under which some were opened.
#[derive(Clone)]
struct Spy {
    opened: Arc<Mutex<Vec<PathBuf>>>,
    /// Whether files can be made without a name here.
    unnamed: bool,
}

impl Spy {
    fn new(unnamed: bool) -> Self {
        Self { opened: Arc::default(), unnamed }
    }

    fn get(&self, desk: &Desk, what: Download) -> Result<Outcome, Failure> {
        desk.get_onto(Arc::new(self.clone()), what, Stop::new())
    }

    /// Whether a part or a journal was begun.
    fn saw_a_part(&self) -> bool {
        let state = |path: &PathBuf| path.extension().is_some_and(|last| last != "f");
        self.opened.lock().unwrap().iter().any(state)
    }
}

impl Fs for Spy {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        if matches!(how, Open::Create { .. } | Open::CreateNew { .. }) {
            self.opened.lock().unwrap().push(path.to_owned());
        }
        OsFs.open(path, how)
    }
    fn create_unnamed(&self, dir: &Path, mode: u32) -> io::Result<Arc<dyn FsFile>> {
        match self.unnamed {
            true => OsFs.create_unnamed(dir, mode),
            false => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    piton_testkit::forward_fs!(this => OsFs;
        stat rename remove sync_dir list create_dir canonicalize user new_file_mode random);
}

#[test]
fn no_part_up_to_a_mebibyte() {
    for (len, part) in [(1, false), (4 * KIB, false), (64 * KIB + 1, false), (MIB + 1, true)] {
        for n in [1, 3] {
            let desk = Desk::new(Site::new().with("/f", Resource::pattern(1, len).etag("\"a\"")));
            let spy = Spy::new(true);
            let outcome = spy.get(&desk, desk.over(n, "/f")).unwrap();
            assert_eq!((outcome.size, outcome.resumed), (len, 0));
            assert_eq!(spy.saw_a_part(), part, "{len} over {n}");
            assert_eq!(desk.saw(|event| matches!(event, Event::Landing)), !part);
            assert!(desk.saw(|event| matches!(event, Event::Started { .. })));
            // A large one may be asked for in pieces, some of them twice.
            assert!(part || (outcome.fetched, desk.requests()) == (len, 1));
            desk.assert_only("f", 1, len);
            // It is known again, by what was noted on it or by its time.
            assert!(desk.get(desk.what("/f")).unwrap().already_complete);
        }
    }
}

/// G2: what is not whole within a tenth of a second has to survive a kill.
#[test]
fn what_comes_slowly_goes_on_in_a_part() {
    let fault = Fault::pause_after(10 * KIB, Duration::from_millis(400));
    let desk = Desk::with(Resource::pattern(1, 100 * KIB).etag("\"a\""), fault);
    let spy = Spy::new(true);
    let outcome = spy.get(&desk, desk.what("/f")).unwrap();
    assert!(spy.saw_a_part());
    assert_eq!((outcome.fetched, desk.requests()), (100 * KIB, 1), "nothing is asked for twice");
    desk.assert_only("f", 1, 100 * KIB);
}

#[test]
fn a_body_that_breaks_is_gone_on_with() {
    for fault in [Fault::cut_after(10 * KIB), Fault::reset_after(10 * KIB), Fault::cut_after(0)] {
        let desk = Desk::with(Resource::pattern(1, 100 * KIB).etag("\"a\""), fault.first(1));
        let outcome = desk.get(desk.what("/f")).unwrap();
        assert_eq!(outcome.size, 100 * KIB);
        assert_eq!(desk.requests(), 2);
        desk.assert_only("f", 1, 100 * KIB);
    }
}

#[test]
fn a_stop_saves_what_came() {
    let desk = Desk::with(Resource::pattern(1, 100 * KIB).etag("\"a\""), Fault::stall_after(KIB));
    let stop = Stop::new();
    let later = stop.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        later.stop();
    });
    let failure = desk.get_until(desk.what("/f"), stop).unwrap_err();
    stopper.join().unwrap();
    assert!(matches!(failure, Failure::Stopped { .. }), "{failure}");
    desk.server.clear_faults();
    desk.get(desk.what("/f")).unwrap();
    desk.assert_only("f", 1, 100 * KIB);
}

/// G1, and the same second chance that a large file has.
#[test]
fn a_wrong_digest_never_lands() {
    for len in [4 * KIB, 300 * KIB] {
        let resource = || Resource::pattern(1, len).etag("\"a\"").digest(DigestField::ReprSha256);
        let desk = Desk::with(resource(), Fault::flip_once(len / 2));
        let outcome = desk.get(desk.what("/f")).unwrap();
        assert_eq!(outcome.verified.len(), 1);
        assert!(desk.saw(|event| matches!(event, Event::FetchingAgain { .. })));
        desk.assert_only("f", 1, len);

        let desk = Desk::with(resource(), Fault::flip(len / 2));
        let failure = desk.fail(desk.what("/f"));
        assert!(matches!(failure, Failure::Integrity { .. }), "{failure}");
        assert!(!desk.files().contains(&"f".to_owned()));
    }
}

#[test]
fn without_unnamed_files_it_is_a_part() {
    let desk = Desk::new(Site::new().with("/f", Resource::pattern(1, 4 * KIB).etag("\"a\"")));
    let spy = Spy::new(false);
    let outcome = spy.get(&desk, desk.what("/f")).unwrap();
    assert!(spy.saw_a_part());
    assert_eq!((outcome.fetched, desk.requests()), (4 * KIB, 1), "nothing is asked for twice");
    desk.assert_only("f", 1, 4 * KIB);
}

#[test]
fn a_rate_is_kept() {
    let desk = Desk::new(Site::new().with("/f", Resource::pattern(1, 10 * KIB).etag("\"a\"")));
    let limit = RateLimit::new(100 * KIB);
    let begin = std::time::Instant::now();
    for number in 0..6 {
        let mut what = desk.what("/f");
        what.place = Place::File(desk.path(&number.to_string()));
        what.rate_limit = Some(limit.clone());
        desk.get(what).unwrap();
    }
    // 60 KiB; half a tenth of a second may come in advance.
    assert!(begin.elapsed() >= Duration::from_millis(500), "{:?}", begin.elapsed());
}

/// Downloads all of these at once with one client.
fn get_all(desk: &Desk, all: Vec<Download>) -> Vec<Result<Outcome, Failure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(Remote::new(Config::default()).unwrap(), Arc::new(OsFs));
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut running = tokio::task::JoinSet::new();
        for what in all {
            let (client, events) = (client.clone(), Arc::clone(&desk.events));
            running.spawn_local(async move {
                client.download(what, Monitor::new(Some(events)), Stop::new()).await
            });
        }
        running.join_all().await
    })
}

#[test]
fn a_crowd_that_wants_one_name() {
    let site = || Site::new().with("/f", Resource::pattern(1, 4 * KIB).etag("\"a\""));
    let desk = Desk::new(site());
    let outcomes = get_all(&desk, vec![desk.what("/f"); 8]);
    let (right, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert!(!right.is_empty());
    let taken =
        |ended: &Result<_, _>| matches!(ended, Err(Failure::Local(PartError::Exists { .. })));
    assert!(refused.iter().all(taken), "{refused:?}");
    desk.assert_only("f", 1, 4 * KIB);

    // Who looks again, since another took the name, finds that this is the very file.
    let desk = Desk::new(site());
    let mut what = desk.what("/f");
    what.if_exists = IfExists::Rename;
    let outcomes: Vec<_> = get_all(&desk, vec![what; 8]).into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.already_complete).count(), 1);
    desk.assert_only("f", 1, 4 * KIB);
}

#[test]
fn different_files_for_one_name_take_the_next() {
    let desk = Desk::new((0..4).fold(Site::new(), |site, number| {
        let file = Resource::pattern(number, 4 * KIB).etag(&format!("\"{number}\""));
        site.with(&format!("/{number}/f"), file)
    }));
    let what = |number| {
        let mut what = desk.what(&format!("/{number}/f"));
        what.if_exists = IfExists::Rename;
        what
    };
    let outcomes = get_all(&desk, (0..4).map(what).collect());
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(desk.files(), ["f", "f.1", "f.2", "f.3"]);
    let is = |name: &str, number| pattern::first_difference(number, 0, &desk.read(name)).is_none();
    for number in 0..4 {
        assert_eq!(desk.files().iter().filter(|name| is(name, number)).count(), 1);
    }
}

#[test]
fn a_link_that_leads_nowhere_is_left_alone() {
    for if_exists in [IfExists::Refuse, IfExists::Rename] {
        let desk = Desk::new(Site::new().with("/f", Resource::pattern(1, 4 * KIB)));
        std::os::unix::fs::symlink("nowhere", desk.path("f")).unwrap();
        let mut what = desk.what("/f");
        what.if_exists = if_exists;
        let failure = desk.get(what).unwrap_err();
        assert!(matches!(failure, Failure::Local(PartError::Exists { .. })), "{failure}");
        assert_eq!(desk.files(), ["f"]);
    }
}

#[test]
fn connections_are_used_again_by_the_downloads_that_follow() {
    let desk = Desk::new((0..48).fold(Site::new(), |site, number| {
        site.with(&format!("/{number}"), Resource::pattern(number, 4 * KIB).etag("\"a\""))
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(Remote::new(Config::default()).unwrap(), Arc::new(OsFs));
    runtime.block_on(async {
        for number in 0..48 {
            let what = desk.what(&format!("/{number}"));
            client.download(what, Monitor::default(), Stop::new()).await.unwrap();
        }
    });
    for number in 0..48 {
        desk.assert_pattern(&number.to_string(), number, 4 * KIB);
    }
    let stats = desk.server.stats();
    assert_eq!((stats.connections, stats.requests.len()), (1, 48));
}
