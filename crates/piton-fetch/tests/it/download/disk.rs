//! A disk that refuses.

use std::io;
use std::path::Path;

use piton_durable::fs::{Fs, FsFile, Open};
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

    piton_testkit::forward_fs!(this => OsFs;
        stat rename remove sync_dir list create_dir canonicalize user new_file_mode random);
}

impl FsFile for FullPart {
    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        // Longer than the engine goes without a look at how it stands: both news come at once.
        std::thread::sleep(Duration::from_millis(150));
        Err(io::ErrorKind::StorageFull.into())
    }

    piton_testkit::forward_file!(this => this.0;
        read_at sync_data sync_all set_len reserve start_writeback stat try_lock lock_holder
        set_mode set_owner set_modified set_attribute attribute);
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
