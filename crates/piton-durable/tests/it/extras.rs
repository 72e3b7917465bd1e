//! Attributes and times are extras: a file whose bytes are right does not fail for want of them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use piton_durable::crc::crc32c;
use piton_durable::fs::Existing;
use piton_durable::land::{Landed, Landing, Pipeline};
use piton_durable::part::{Durability, Extent, Finish, OpenPart, Opened, Part, PartError, Target};
use piton_testkit::disk::{Failure, Fault, SimDisk};

const BYTES: &[u8] = b"all of it";
const EPERM: i32 = 1;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EDQUOT: i32 = 122;

fn attributes() -> Vec<(String, Vec<u8>)> {
    vec![("user.one".to_owned(), vec![1]), ("user.two".to_owned(), vec![2])]
}

/// Two attributes and the time.
const EXTRAS: usize = 3;

fn land(disk: &SimDisk) -> bool {
    let landing = Landing {
        path: PathBuf::from("/file"),
        bytes: BYTES.to_vec(),
        existing: Existing::Keep,
        modified: Some(UNIX_EPOCH + Duration::from_secs(7)),
        attributes: attributes(),
        durability: Durability::Power,
    };
    let said = Arc::new(Mutex::new(false));
    let to = Arc::clone(&said);
    let mut pipeline = Pipeline::new(Arc::new(disk.clone()));
    let told = move |ended| *to.lock().unwrap() = matches!(ended, Ok(Landed::There));
    pipeline.cycle(vec![(landing, Box::new(told))]);
    pipeline.settle();
    *said.lock().unwrap()
}

fn finish(disk: &SimDisk) -> bool {
    let finished = || -> Result<PathBuf, PartError> {
        let target = Target::new("/file".into());
        let opened = Part::open(Arc::new(disk.clone()), &target, OpenPart::default())?;
        let Opened::Part(part, _) = opened else { panic!("nothing was finished") };
        part.begin(b"meta", None)?;
        part.write(BYTES, 0)?;
        part.claim(Extent { start: 0, len: BYTES.len() as u64, crc: crc32c(BYTES) })?;
        part.finish(Finish {
            len: BYTES.len() as u64,
            existing: Existing::Keep,
            mode: None,
            modified: Some(UNIX_EPOCH + Duration::from_secs(7)),
            attributes: attributes(),
        })
    };
    finished().is_ok()
}

/// At how many operations this error is borne.
fn borne(code: i32, way: fn(&SimDisk) -> bool) -> usize {
    let disk = SimDisk::seeded(1);
    assert!(way(&disk));
    let borne = |at: &u64| {
        let disk = SimDisk::seeded(1);
        disk.inject(Fault { at: *at, failure: Failure::Error(code) });
        way(&disk) && disk.bytes("/file").as_deref() == Some(BYTES)
    };
    (1..=disk.operations()).filter(borne).count()
}

#[test]
fn no_quota_and_no_rule_fails_a_file_for_want_of_them_and_a_broken_disk_does() {
    // Of a part the mode as well: where it cannot be set, only its owner may read the file.
    for (way, extras) in [(land as fn(&SimDisk) -> bool, EXTRAS), (finish, EXTRAS + 1)] {
        for code in [EDQUOT, EPERM, ENOSPC] {
            assert_eq!(borne(code, way), borne(EIO, way) + extras, "error {code}");
        }
        assert_eq!(borne(EROFS, way), borne(EIO, way));
    }
}
