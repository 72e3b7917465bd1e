//! A disk that refuses.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use piton_durable::fs::{Existing, Fs, FsFile, Open, Owner, Stat};
use piton_durable::part::PartError;
use piton_testkit::server::Resource;

use super::*;

/// The real file system, but what is written to a part takes its time and then finds no room.
struct FullParts;

struct FullPart(Arc<dyn FsFile>);

impl Fs for FullParts {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        let file = OsFs.open(path, how)?;
        let part = path.extension().is_some_and(|extension| extension == "part");
        Ok(if part { Arc::new(FullPart(file)) } else { file })
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        OsFs.stat(path)
    }

    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        OsFs.rename(from, to, existing)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsFs.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsFs.sync_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        OsFs.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsFs.create_dir(dir)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        OsFs.canonicalize(path)
    }

    fn user(&self) -> u32 {
        OsFs.user()
    }
    fn new_file_mode(&self, dir: &Path) -> io::Result<u32> {
        OsFs.new_file_mode(dir)
    }
    fn random(&self) -> io::Result<u64> {
        OsFs.random()
    }
}

impl FsFile for FullPart {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        // Longer than the engine goes without a look at how it stands: both news come at once.
        std::thread::sleep(Duration::from_millis(150));
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn reserve(&self, range: Range<u64>) -> io::Result<bool> {
        self.0.reserve(range)
    }

    fn start_writeback(&self, offset: u64, len: u64) {
        self.0.start_writeback(offset, len);
    }

    fn stat(&self) -> io::Result<Stat> {
        self.0.stat()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }

    fn lock_holder(&self) -> Option<u32> {
        self.0.lock_holder()
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.0.set_mode(mode)
    }

    fn set_owner(&self, owner: Owner) -> io::Result<()> {
        self.0.set_owner(owner)
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.0.set_modified(time)
    }

    fn set_attribute(&self, name: &str, value: &[u8]) -> io::Result<bool> {
        self.0.set_attribute(name, value)
    }

    fn attribute(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.attribute(name)
    }
}

/// What the engine hears first is a matter of chance, so it is asked several times.
#[test]
fn the_last_bytes_find_no_room() {
    for _ in 0..12 {
        let desk = Desk::new(Site::new().with("/f", Resource::pattern(8, 40 * KIB).etag("\"a\"")));
        let failed = desk.get_onto(Arc::new(FullParts), desk.what("/f"), Stop::new());
        let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        assert!(
            matches!(&failed, Err(Failure::Local(PartError::Io { source, .. })) if full(source)),
            "{failed:?}",
        );
        assert_eq!(desk.files(), ["f.part", "f.piton"]);
        desk.get(desk.what("/f")).unwrap();
        desk.assert_only("f", 8, 40 * KIB);
    }
}
