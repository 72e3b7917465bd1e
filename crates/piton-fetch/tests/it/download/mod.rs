//! Whole downloads against the fault-injecting server, at the level of the library.

mod access;
mod bodies;
mod changes;
mod connections;
mod digests;
mod disk;
mod existing;
mod farms;
mod kills;
mod lengths;
mod local;
mod mirrors;
mod mounts;
mod names;
mod pages;
mod part_files;
mod pieces;
mod plain;
mod ranges;
mod small;
mod statuses;

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use piton_durable::fs::{Fs, OsFs};
use piton_fetch::{
    Client, Connections, Download, Event, Failure, Monitor, Observer, Outcome, Place, Retry, Stop,
    find_unfinished, inspect,
};
use piton_remote::{Remote, RemoteError, http::Config};
use piton_testkit::server::{Fault, Resource, Server, Site, pattern};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A server, an empty folder, and the means to download from the one into the other.
struct Desk {
    server: Server,
    folder: tempfile::TempDir,
    events: Arc<Events>,
}

#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

impl Observer for Events {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Desk {
    fn new(site: Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { server: Server::start(site), folder, events: Arc::default() }
    }

    /// A server of `resource` alone, under `/f`, with `fault`.
    fn with(resource: Resource, fault: Fault) -> Self {
        Self::new(Site::new().with("/f", resource).fault(fault))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A download of `path` into the folder, with time limits that suit a test.
    fn what(&self, path: &str) -> Download {
        let url = self.server.url(path).parse().unwrap();
        let mut what = Download::new(url, Place::Folder(self.folder.path().to_owned()));
        what.stall_timeout = Duration::from_secs(2);
        what
    }

    /// The same over this many connections.
    fn over(&self, n: u16, path: &str) -> Download {
        let mut what = self.what(path);
        what.connections = connections(n);
        what
    }

    fn get(&self, what: Download) -> Result<Outcome, Failure> {
        self.get_until(what, Stop::new())
    }

    fn get_until(&self, what: Download, stop: Stop) -> Result<Outcome, Failure> {
        self.get_onto(Arc::new(OsFs), what, stop)
    }

    fn get_onto(&self, fs: Arc<dyn Fs>, what: Download, stop: Stop) -> Result<Outcome, Failure> {
        self.run(fs, what, stop, std::future::pending()).unwrap()
    }

    /// A download that must fail, and must leave nothing but what a resume needs.
    fn fail(&self, what: Download) -> Failure {
        let failure = self.get(what).expect_err("this cannot end well");
        let state = |name: &String| name.ends_with(".part") || name.ends_with(".piton");
        assert!(self.files().iter().all(state), "{:?} after {failure}", self.files());
        failure
    }

    /// A download that is killed (its future dropped) once its journal claims this many bytes. So
    /// that it cannot end before, whatever else runs on this machine, the last bytes do not come.
    fn kill_at(&self, what: Download, bytes: u64) {
        let holds = Arc::new(AtomicBool::new(true));
        let held = Arc::clone(&holds);
        let fault = Fault::withholds_last(64 * KIB).when(move |_| held.load(Ordering::Relaxed));
        self.server.add_fault(fault);
        self.kill_when_claimed(what, bytes);
        holds.store(false, Ordering::Relaxed);
    }

    /// The same without anything that keeps it from ending.
    fn kill_when_claimed(&self, what: Download, bytes: u64) {
        let killed = async {
            while self.claimed() < bytes {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let ended = self.run(Arc::new(OsFs), what, Stop::new(), killed);
        assert!(ended.is_none(), "it ended before it could be killed: {ended:?}");
    }

    /// What the journal in the folder claims to be here.
    fn claimed(&self) -> u64 {
        let journals = find_unfinished(&OsFs, self.folder.path()).unwrap_or_default();
        let found = journals.first().and_then(|path| inspect(&OsFs, path).ok().flatten());
        found.map_or(0, |found| found.synced + found.written)
    }

    /// Runs a download until it ends or until `killed` is ready.
    fn run(
        &self,
        fs: Arc<dyn Fs>,
        what: Download,
        stop: Stop,
        killed: impl Future<Output = ()>,
    ) -> Option<Result<Outcome, Failure>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Remote::new(Config::default()).unwrap(), fs);
        let monitor = Monitor::new(Some(Arc::clone(&self.events) as Arc<dyn Observer>));
        let ended = runtime.block_on(async {
            tokio::select! {
                biased;
                ended = client.download(what, monitor, stop) => Some(ended),
                () = killed => None,
                () = tokio::time::sleep(Duration::from_secs(60)) => {
                    panic!("it hangs: {:?}", self.events())
                }
            }
        });
        // Nobody asks by HEAD: some servers refuse it, let it hang, or lie in the answer.
        assert!(self.server.stats().requests.iter().all(|request| request.method == "GET"));
        ended
    }

    /// The file under `name` is exactly the pattern, and nothing else is in the folder.
    fn assert_only(&self, name: &str, seed: u64, len: u64) {
        assert_eq!(self.files(), [name]);
        self.assert_pattern(name, seed, len);
    }

    /// The file under `name` is exactly the pattern.
    fn assert_pattern(&self, name: &str, seed: u64, len: u64) {
        let bytes = self.read(name);
        assert_eq!(bytes.len() as u64, len, "{:?}", self.events());
        assert_eq!(pattern::first_difference(seed, 0, &bytes), None, "{:?}", self.events());
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn events(&self) -> Vec<Event> {
        self.events.0.lock().unwrap().clone()
    }

    /// Whether this happened.
    fn saw(&self, what: impl Fn(&Event) -> bool) -> bool {
        self.events().iter().any(what)
    }

    fn requests(&self) -> usize {
        self.server.stats().requests.len()
    }
}

fn connections(n: u16) -> Connections {
    Connections::Fixed(NonZeroU16::new(n).unwrap())
}

/// Plays each case, some of them at once: most of a case is waiting.
fn each<T: Send>(cases: impl IntoIterator<Item = T>, play: impl Fn(T) + Sync) {
    let cases: Vec<T> = cases.into_iter().collect();
    let (players, cases) = (cases.len().min(6), Mutex::new(cases.into_iter()));
    let next = || cases.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..players {
            scope.spawn(|| {
                while let Some(case) = next() {
                    play(case);
                }
            });
        }
    });
}

/// Whether it is said that the server breaks the protocol.
fn is_protocol(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Protocol { .. } | Failure::Remote { source: RemoteError::Protocol { .. }, .. }
    )
}
