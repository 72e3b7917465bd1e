//! Whole downloads against the fault-injecting server, at the level of the library.

mod disk;
mod plain;

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use piton_durable::fs::{Fs, OsFs};
use piton_fetch::transport::{Config, Transport};
use piton_fetch::{
    Client, Connections, Download, Event, Failure, Monitor, Observer, Outcome, Place, Stop,
};
use piton_testkit::server::{Server, Site, pattern};

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

    fn get(&self, what: Download) -> Result<Outcome, Failure> {
        self.get_until(what, Stop::new())
    }

    fn get_until(&self, what: Download, stop: Stop) -> Result<Outcome, Failure> {
        self.get_onto(Arc::new(OsFs), what, stop)
    }

    fn get_onto(&self, fs: Arc<dyn Fs>, what: Download, stop: Stop) -> Result<Outcome, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Transport::new(Config::default()).unwrap(), fs);
        let monitor = Monitor::new(Some(Arc::clone(&self.events) as Arc<dyn Observer>));
        let limit = Duration::from_secs(60);
        let result = runtime.block_on(async {
            tokio::time::timeout(limit, client.download(what, monitor, stop)).await
        });
        result.expect("no download in these tests takes a minute")
    }

    /// The file under `name` is exactly the pattern, and nothing else is in the folder.
    fn assert_only(&self, name: &str, seed: u64, len: u64) {
        assert_eq!(self.files(), [name]);
        let bytes = std::fs::read(self.path(name)).unwrap();
        assert_eq!(bytes.len() as u64, len);
        assert_eq!(pattern::first_difference(seed, 0, &bytes), None);
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
}

fn connections(n: u16) -> Connections {
    Connections::Fixed(NonZeroU16::new(n).unwrap())
}
