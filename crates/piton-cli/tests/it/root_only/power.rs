//! Power cuts under the whole command, by the shutdown ioctl, at chosen moments of downloads over three
//! connections. (The crash states of a recorded disk, and the broken protocols that are to be found,
//! are with the tests of piton-durable.)
//!
//! `PITON_POWER_STATES` scales the number of cuts; `PITON_TEST_SEED` draws other moments.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton::durable::extent::Extent;
use piton::durable::fs::OsFs;
use piton::durable::journal;
use piton_testkit::power::{FsKind, Volume, wanted_states};
use piton_testkit::seed::{draw, seed};
use piton_testkit::server::{MIB, Resource, Server, Site, pattern};

use crate::command::Place;

const PATTERN: u64 = 9;
const CONNECTIONS: u64 = 3;
const LEN: u64 = 40 * MIB;
/// Less than 8 MiB a second, so that 8 MiB is what a power cut may cost each connection.
const RATE: u64 = 7 * MIB;
const COST: u64 = CONNECTIONS * 8 * MIB;
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn power_cuts_on_ext4() {
    power_cuts(FsKind::Ext4);
}

#[test]
fn power_cuts_on_xfs() {
    power_cuts(FsKind::Xfs);
}

fn power_cuts(kind: FsKind) {
    let mut volume = match Volume::create(kind, 256 * MIB) {
        Ok(volume) => volume,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let file = Resource::pattern(PATTERN, LEN).etag("\"1\"");
    let server = Server::start(Site::new().with("/file", file).rate_per_connection(RATE));
    let place = Place::new();
    let start = Instant::now();
    let cuts = wanted_states() as u64 / 100;
    for round in 0..cuts {
        let folder = volume.path();
        let mut child = get(&place, &folder, &server);
        sleep(Duration::from_millis(draw(round, 2300)));
        let claimed = claimed(&folder);
        let done = child.try_wait().unwrap().is_some();
        volume.cut_power().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        volume.remount().unwrap();
        let problem =
            check(&folder, claimed, done).and_then(|()| goes_on(&place, &folder, &server)).err();
        assert_eq!(problem, None, "{} {round}, PITON_TEST_SEED={}", kind.name(), seed());
        fs::remove_file(folder.join("file")).unwrap();
    }
    eprintln!("{}: {cuts} cuts in {:?}", kind.name(), start.elapsed());
}

fn get(place: &Place, folder: &Path, server: &Server) -> Child {
    let connections = CONNECTIONS.to_string();
    let args = ["--config", "none", "get", "--quiet", "-x", &connections, "-d"];
    let mut command = place.command(&args);
    command.arg(folder).arg(server.url("/file"));
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How many bytes the journal claims, if there is one yet.
fn claimed(folder: &Path) -> u64 {
    let journal = journal::read(&OsFs, &folder.join("file.piton"));
    let extents = journal.map(|journal| journal.fold.claims.extents()).unwrap_or_default();
    extents.iter().map(|extent| extent.len).sum()
}

/// Looks at what the cut left, changing nothing.
fn check(folder: &Path, claimed: u64, done: bool) -> Result<(), String> {
    match fs::read(folder.join("file")) {
        // G1.
        Ok(bytes) if !is_right_at(0, &bytes) || bytes.len() as u64 != LEN => {
            return Err("a wrong file under the final name".to_owned());
        }
        Ok(_) => return Ok(()),
        Err(error) if done => return Err(format!("it was done, and is gone: {error}")),
        Err(_) => {}
    }
    let synced = match journal::read(&OsFs, &folder.join("file.piton")) {
        Ok(journal) => journal.fold.synced(),
        Err(_) => Vec::new(),
    };
    let part = fs::read(folder.join("file.part")).unwrap_or_default();
    // G3: what is believed without being read is right.
    let holds = |extent: &Extent| {
        let range = extent.start as usize..(extent.start + extent.len) as usize;
        part.get(range).is_some_and(|bytes| is_right_at(extent.start, bytes))
    };
    if let Some(extent) = synced.iter().find(|extent| !holds(extent)) {
        return Err(format!("{extent:?} is believed and wrong"));
    }
    // G2.
    let kept: u64 = synced.iter().map(|extent| extent.len).sum();
    if claimed.saturating_sub(kept) > COST {
        return Err(format!("of {claimed} bytes {kept} are left"));
    }
    Ok(())
}

/// The same command again ends with the right file and leaves nothing beside it.
fn goes_on(place: &Place, folder: &Path, server: &Server) -> Result<(), String> {
    let mut child = get(place, folder, server);
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > end => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => sleep(Duration::from_millis(5)),
        }
    };
    if !status.success() {
        return Err(format!("going on: {status}"));
    }
    let bytes = fs::read(folder.join("file")).map_err(|error| error.to_string())?;
    if bytes.len() as u64 != LEN || !is_right_at(0, &bytes) {
        return Err("done, and the file is wrong".to_owned());
    }
    if folder.join("file.part").exists() || folder.join("file.piton").exists() {
        return Err("something is left beside the file".to_owned());
    }
    Ok(())
}

fn is_right_at(start: u64, bytes: &[u8]) -> bool {
    pattern::first_difference(PATTERN, start, bytes).is_none()
}
