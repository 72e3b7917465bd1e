//! Part and journal that somebody removes or exchanges: under a running download, and between two runs.

mod deeds;
mod random;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton::durable::fs::OsFs;
use piton::durable::journal;
use piton_testkit::server::{MIB, Resource, Server, Site, pattern};

use crate::command::{Place, Ran};

const PATTERN: u64 = 6;
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(place: &Place, url: &str, digest: &str) -> Child {
    let args = ["--config", "none", "get", "-x", "1", "--checksum", digest, url];
    let mut command = place.command(&args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

/// Until the journal claims so many bytes, `synced` ones if those are asked for.
fn wait_for(place: &Place, bytes: u64, synced: bool) {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let claimed = journal::read(&OsFs, &place.path("file.piton")).map_or(0, |journal| {
            let extents =
                if synced { journal.fold.synced() } else { journal.fold.claims.extents() };
            extents.iter().map(|extent| extent.len).sum()
        });
        if claimed >= bytes {
            return;
        }
        sleep(Duration::from_millis(5));
    }
    panic!("the download does not get that far");
}

fn is_right(path: &Path, len: u64) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.len() as u64 == len && pattern::first_difference(PATTERN, 0, &bytes).is_none()
}

/// `rm NAME.part NAME.piton`, and the same command again.
#[test]
fn a_download_that_lost_its_files_says_so_and_takes_none_of_the_next() {
    const LEN: u64 = 6 * MIB;
    let file = Resource::pattern(PATTERN, LEN).etag("\"1\"");
    let digest = format!("sha256:{}", file.sha256());
    // So that the first would end while the second is half-way.
    let server = Server::start(Site::new().with("/file", file).rate_per_connection(4 * MIB));
    let (place, url) = (Place::new(), server.url("/file"));
    let first = start(&place, &url, &digest);
    wait_for(&place, LEN / 2, false);
    fs::remove_file(place.path("file.part")).unwrap();
    fs::remove_file(place.path("file.piton")).unwrap();
    let second = start(&place, &url, &digest);

    let first = wait(first);
    // As the first leaves it.
    let right = place.path("file").exists().then(|| is_right(&place.path("file"), LEN));
    assert_eq!((first.code, right), (3, None), "{first:?}");
    assert!(
        first.stderr.contains("is no longer the file that this download writes"),
        "{}",
        first.stderr
    );
    assert!(first.stderr.contains("hint:"), "{}", first.stderr);
    let second = wait(second);
    assert_eq!(second.code, 0, "{second:?}");
    assert!(is_right(&place.path("file"), LEN));
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 1);
}

/// Restored from a backup with a megabyte of zeros, as another file and into the same one.
#[test]
fn a_part_that_was_restored_from_a_backup_is_not_believed() {
    const LEN: u64 = 24 * MIB;
    for removed in [true, false] {
        let server = Server::start(
            Site::new()
                .with("/file", Resource::pattern(PATTERN, LEN).etag("\"1\""))
                .rate_per_connection(16 * MIB),
        );
        let (place, url) = (Place::new(), server.url("/file"));
        let args = ["--config", "none", "get", "--quiet", "-x", "1", &url];
        let mut killed = place.command(&args).stdin(Stdio::null()).spawn().unwrap();
        wait_for(&place, 4 * MIB, true);
        killed.kill().unwrap();
        assert!(!killed.wait().unwrap().success());

        // Later than the journal by more than a clock is coarse.
        sleep(Duration::from_millis(100));
        let part = place.path("file.part");
        let mut bytes = fs::read(&part).unwrap();
        bytes[MIB as usize..2 * MIB as usize].fill(0);
        if removed {
            fs::remove_file(&part).unwrap();
        }
        // `cp` truncates what is there.
        File::create(&part).unwrap().write_all(&bytes).unwrap();
        let ran = place.piton(&args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(is_right(&place.path("file"), LEN), "removed first: {removed}");
    }
}

/// The hint for a file that exists would turn a device into one.
#[test]
fn no_hint_says_to_overwrite_what_is_no_file() {
    let server = Server::start(Site::new().with("/file", Resource::pattern(PATTERN, 1000)));
    let place = Place::new();
    let made = std::process::Command::new("mknod").arg(place.path("out")).arg("p").status();
    assert!(made.unwrap().success());
    for how in [&[][..], &["--overwrite"], &["--rename"], &["-N"]] {
        let url = server.url("/file");
        let mut args = vec!["--config", "none", "get", "--quiet", "-o", "out", &url];
        args.extend(how);
        let ran = place.piton(&args);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains("out is not a regular file"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("--overwrite"), "{}", ran.stderr);
    }
    assert!(server.stats().requests.is_empty(), "nothing is asked for");
}

/// Read while it is moved aside or written over, the source would be lost.
#[test]
fn what_a_download_itself_writes_is_not_its_source() {
    let place = Place::new();
    let bytes = pattern::bytes(PATTERN, 100_000);
    for source in ["out.part", "out.piton", "linked"] {
        fs::write(place.path(source), &bytes).unwrap();
        if source == "linked" {
            fs::hard_link(place.path(source), place.path("out.part")).unwrap();
        }
        let url = format!("file://{}", place.path(source).display());
        for how in [&[][..], &["--durability", "none"], &["--restart"], &["--overwrite"]] {
            let mut args = vec!["--config", "none", "get", "--quiet", "-o", "out", &url];
            args.extend(how);
            let ran = place.piton(&args);
            assert_eq!(ran.code, 2, "{source} {how:?}: {ran:?}");
            assert!(ran.stderr.contains("that this download itself writes"), "{}", ran.stderr);
            assert_eq!(fs::read(place.path(source)).unwrap(), bytes, "{source} {how:?}");
        }
        fs::remove_file(place.path(source)).unwrap();
    }
}

/// A bit that is no longer what it was below what an earlier run had hashed, in a part that looks as it was
/// left: the journal is the younger file, as after a backup of both.
#[test]
fn a_bit_that_flipped_below_a_saved_digest_is_found() {
    const LEN: u64 = 64 * MIB;
    let file = Resource::pattern(PATTERN, LEN).etag("\"1\"");
    let digest = format!("sha256:{}", file.sha256());
    let server = Server::start(Site::new().with("/file", file).rate_per_connection(40 * MIB));
    let (place, url) = (Place::new(), server.url("/file"));
    let mut killed = start(&place, &url, &digest);
    let (part, journal) = (place.path("file.part"), place.path("file.piton"));
    let is_saved = || {
        let read = journal::read(&OsFs, &journal);
        read.is_ok_and(|journal| !journal.fold.hashes.is_empty())
    };
    let end = Instant::now() + PATIENCE;
    while !is_saved() && Instant::now() < end {
        sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(part.exists() && is_saved(), "it has no such moment");

    let mut bytes = fs::read(&part).unwrap();
    bytes[MIB as usize] ^= 1;
    fs::write(&part, bytes).unwrap();
    fs::write(&journal, fs::read(&journal).unwrap()).unwrap();
    let asked = server.stats().sent();
    let ran = wait(start(&place, &url, &digest));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(is_right(&place.path("file"), LEN));
    // What is bad is fetched again and what was missing, not all of it.
    assert!(server.stats().sent() - asked < LEN * 3 / 4);
}
