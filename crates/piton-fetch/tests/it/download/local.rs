//! Copies of a file of this machine that the system makes, and all that can go wrong with one.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use piton_durable::fs::{Fs, FsFile, Open, read_full_at, write_all_at};
use url::Url;

use super::*;

const LEN: u64 = 20 * MIB + 777;
/// The bytes of the source, and those that it has later.
const OLD: u64 = 1;
const NEW: u64 = 2;

/// What the system does when it is asked to share (`SHARE`) or copy.
type Deed = dyn Fn(&Turn<'_>) -> io::Result<Option<u64>> + Send + Sync;

/// One call.
struct Turn<'a> {
    /// The how manieth, from 1.
    number: u64,
    shares: bool,
    source: &'a dyn FsFile,
    part: &'a dyn FsFile,
    range: Range<u64>,
}

impl Turn<'_> {
    /// Copies, at most this much.
    fn copy(&self, most: u64) -> io::Result<Option<u64>> {
        let len = (self.range.end - self.range.start).min(most);
        let mut bytes = vec![0; len as usize];
        let read = read_full_at(self.source, &mut bytes, self.range.start)?;
        write_all_at(self.part, &bytes[..read], self.range.start)?;
        Ok(Some(read as u64))
    }
}

/// The real file system, but parts share and copy as `deed` says.
struct Local {
    deed: Arc<Deed>,
    turns: Arc<AtomicU64>,
}

struct LocalPart {
    file: Arc<dyn FsFile>,
    deed: Arc<Deed>,
    turns: Arc<AtomicU64>,
}

impl LocalPart {
    fn turn(
        &self,
        source: &dyn FsFile,
        range: Range<u64>,
        shares: bool,
    ) -> io::Result<Option<u64>> {
        let number = 1 + self.turns.fetch_add(1, Ordering::SeqCst);
        (self.deed)(&Turn { number, shares, source, part: &*self.file, range })
    }
}

impl Fs for Local {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        let file = OsFs.open(path, how)?;
        let is_part = path.extension().is_some_and(|extension| extension == "part");
        let (deed, turns) = (Arc::clone(&self.deed), Arc::clone(&self.turns));
        Ok(if is_part { Arc::new(LocalPart { file, deed, turns }) } else { file })
    }

    piton_testkit::forward_fs!(this => OsFs;
        stat rename remove sync_dir list create_dir canonicalize user new_file_mode random);
}

impl FsFile for LocalPart {
    fn share_from(&self, source: &dyn FsFile, range: Range<u64>) -> io::Result<bool> {
        let wanted = range.end - range.start;
        Ok(self.turn(source, range, true)? == Some(wanted))
    }

    fn copy_from(&self, source: &dyn FsFile, range: Range<u64>) -> io::Result<Option<u64>> {
        self.turn(source, range, false)
    }

    piton_testkit::forward_file!(this => this.file;
        descriptor read_at write_at sync_data sync_all set_len reserve release space
        start_writeback stat try_lock lock_holder set_mode set_owner set_modified set_attribute
        attribute);
}

/// A source, and a folder to copy it into.
struct Copy {
    desk: Desk,
    beside: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let copy = Self { desk: Desk::new(Site::new()), beside: tempfile::tempdir().unwrap() };
        std::fs::write(copy.source(), pattern::bytes(OLD, LEN as usize)).unwrap();
        // Older than the tick of its clock.
        std::thread::sleep(Duration::from_millis(80));
        copy
    }

    fn source(&self) -> PathBuf {
        self.beside.path().join("f")
    }

    fn what(&self) -> Download {
        let url = Url::from_file_path(self.source()).unwrap();
        Download::new(url, Place::Folder(self.desk.folder.path().to_owned()))
    }

    /// Copies; returns how it ended and how often the system was asked to share or copy.
    fn get(
        &self,
        what: Download,
        deed: impl Fn(&Turn<'_>) -> io::Result<Option<u64>> + Send + Sync + 'static,
    ) -> (Result<Outcome, Failure>, u64) {
        let turns = Arc::new(AtomicU64::new(0));
        let fs = Local { deed: Arc::new(deed), turns: Arc::clone(&turns) };
        let remote = Remote::new(Config::default()).unwrap().with_files(Arc::new(OsFs));
        let client = Client::new(remote, Arc::new(fs));
        let monitor = Monitor::new(Some(Arc::clone(&self.desk.events) as Arc<dyn Observer>));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(client.download(what, monitor, Stop::new()));
        (ended, turns.load(Ordering::SeqCst))
    }

    /// The whole of this version is there, and nothing else.
    fn assert_is(&self, version: u64) {
        self.desk.assert_only("f", version, LEN);
    }
}

/// What the journal claims is of this version.
fn assert_claims(copy: &Copy, version: u64) {
    let journal = copy.desk.path("f.piton");
    let Ok(journal) = piton_durable::journal::read(&OsFs, &journal) else { return };
    let part = std::fs::read(copy.desk.path("f.part")).unwrap();
    for extent in journal.fold.claims.extents() {
        let bytes = &part[extent.start as usize..(extent.start + extent.len) as usize];
        assert_eq!(pattern::first_difference(version, extent.start, bytes), None, "{extent:?}");
    }
}

#[test]
fn what_the_system_copies_is_right_however_it_does_it() {
    let full = || io::Error::from_raw_os_error(28);
    type Case = (&'static str, Box<Deed>, u64);
    let cases: [Case; 9] = [
        ("neither", Box::new(|_| Ok(None)), 3),
        ("shares", Box::new(|turn| turn.copy(u64::MAX)), 4),
        ("copies", Box::new(|turn| if turn.shares { Ok(None) } else { turn.copy(u64::MAX) }), 23),
        ("a little", Box::new(|turn| if turn.shares { Ok(None) } else { turn.copy(4097) }), 5000),
        ("the end at once", Box::new(|turn| Ok((!turn.shares).then_some(0))), 3),
        ("EIO", Box::new(|_| Err(io::Error::from_raw_os_error(5))), 3),
        ("full", Box::new(move |_| Err(full())), 3),
        ("once", Box::new(|turn| if turn.number < 3 { turn.copy(u64::MAX) } else { Ok(None) }), 4),
        (
            "interrupted",
            Box::new(|turn| match (turn.shares, turn.number % 2) {
                (false, 0) => Err(io::ErrorKind::Interrupted.into()),
                (true, _) => Ok(None),
                _ => turn.copy(u64::MAX),
            }),
            40,
        ),
    ];
    each(cases, |(name, deed, least)| {
        let copy = Copy::new();
        let (ended, turns) = copy.get(copy.what(), deed);
        let outcome = ended.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!((outcome.size, outcome.fetched), (LEN, LEN), "{name}");
        assert!((least..least * 2).contains(&turns), "{name}: {turns} turns");
        copy.assert_is(OLD);
    });
}

/// What happens to the source in the middle of its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Written again from its start.
    Rewritten,
    WrittenOver,
    Replaced,
    Cut,
}

/// So long it is after that.
const CUT: u64 = 5 * MIB;

impl Change {
    fn make(self, path: &Path) {
        let file = || std::fs::File::options().write(true).open(path).unwrap();
        let new = pattern::bytes(NEW, LEN as usize);
        match self {
            Self::Rewritten => std::fs::write(path, new).unwrap(),
            Self::WrittenOver => file().write_all_at(&new, 0).unwrap(),
            Self::Replaced => {
                std::fs::write(path.with_extension("new"), new).unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            }
            Self::Cut => file().set_len(CUT).unwrap(),
        }
    }

    /// What the source has then.
    fn result(self) -> Vec<u8> {
        match self {
            Self::Cut => pattern::bytes(OLD, CUT as usize),
            _ => pattern::bytes(NEW, LEN as usize),
        }
    }
}

/// Whatever of the source changes, before the bytes are taken or after: no file of both versions, and no claim on bytes
/// of another one.
#[test]
fn a_source_that_changes_while_it_is_copied() {
    let mut cases = Vec::new();
    for change in [Change::Rewritten, Change::WrittenOver, Change::Replaced, Change::Cut] {
        for shares in [true, false] {
            for before in [true, false] {
                cases.extend([2, 3].map(|at| (change, shares, before, at)));
            }
        }
    }
    each(cases, |case| {
        let (change, shares, before, at) = case;
        let (copy, old) = (Copy::new(), pattern::bytes(OLD, LEN as usize));
        let (source, changed) = (copy.source(), AtomicU64::new(0));
        let changes = Arc::new(changed);
        let count = Arc::clone(&changes);
        let (ended, _) = copy.get(copy.what(), move |turn| {
            if turn.shares != shares {
                return Ok(None);
            }
            let now = turn.number >= at && count.fetch_add(1, Ordering::SeqCst) == 0;
            if now && before {
                change.make(&source);
            }
            let copied = turn.copy(u64::MAX);
            if now && !before {
                change.make(&source);
            }
            copied
        });
        assert!(changes.load(Ordering::SeqCst) > 0, "{case:?}");
        if ended.is_ok() {
            let file = copy.desk.read("f");
            // That of the old name is whole, too: it was open.
            let is_old = change == Change::Replaced && file == old;
            assert!(is_old || file == change.result(), "{case:?}: {ended:?}");
            assert_eq!(copy.desk.files(), ["f"], "{case:?}");
            return;
        }
        assert!(copy.desk.files().iter().all(|name| name != "f"), "{case:?}");
        assert_claims(&copy, OLD);
        // Again, with the source as it is now.
        copy.get(copy.what(), |turn| turn.copy(u64::MAX)).0.unwrap();
        assert!(copy.desk.read("f") == change.result(), "{case:?}");
    });
}

/// A system that puts other bytes there than those of the source is found out by a digest: the one that is checked is
/// of what is in the part.
#[test]
fn a_system_that_copies_wrong_bytes_is_found_by_a_digest() {
    let copy = Copy::new();
    let mut what = copy.what();
    let sha256 = Resource::pattern(OLD, LEN).sha256();
    what.digests = vec![format!("sha256:{sha256}").parse().unwrap()];
    let (ended, _) = copy.get(what, |turn| {
        let copied = turn.copy(u64::MAX)?;
        if turn.number == 3 {
            turn.part.write_at(b"wrong", turn.range.start + 1000)?;
        }
        Ok(copied)
    });
    // Nobody knows which bytes are wrong, so all are fetched again.
    assert_eq!(ended.unwrap().fetched, 2 * LEN);
    copy.assert_is(OLD);
}

/// Several connections would wait for the same disk.
#[test]
fn one_connection_is_enough() {
    let copy = Copy::new();
    let mut what = copy.what();
    what.connections = connections(8);
    what.rate_limit = Some(piton_fetch::RateLimit::new(10 * MIB));
    let most = Arc::new(AtomicU64::new(0));
    let fs = Local { deed: Arc::new(|turn| turn.copy(u64::MAX)), turns: Arc::default() };
    let remote = Remote::new(Config::default()).unwrap().with_files(Arc::new(OsFs));
    let monitor = Monitor::new(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = std::time::Instant::now();
    runtime.block_on(async {
        let client = Client::new(remote, Arc::new(fs));
        let mut download = std::pin::pin!(client.download(what, monitor.clone(), Stop::new()));
        loop {
            tokio::select! {
                ended = &mut download => return ended.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    most.fetch_max(monitor.progress().connections.into(), Ordering::SeqCst);
                }
            }
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert!(
        begun.elapsed() > Duration::from_millis(1700),
        "the limit holds: {:?}",
        begun.elapsed()
    );
    copy.assert_is(OLD);
}
