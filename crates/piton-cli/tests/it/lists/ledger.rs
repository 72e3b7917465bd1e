//! A ledger that cannot be used: said, left as it is, and gone on with when the cause is gone.

use std::fs;
use std::path::{Path, PathBuf};

use piton_testkit::SmallDisk;
use piton_testkit::seed::{draw, seed};

use super::Desk;
use crate::command::Ran;

const LEDGER: &str = "list.txt.piton.db";
const FILES: usize = 40;
/// Where SQLite keeps the format of the program, in four bytes, the most significant first.
const USER_VERSION: usize = 60;

/// A list of which all is done but what the server has not, and its ledger.
fn gone_through() -> (Desk, Vec<u8>) {
    let desk = Desk::new(FILES as u64);
    let paths = paths(FILES);
    desk.list(&paths.iter().map(String::as_str).chain(["/gone"]).collect::<Vec<_>>());
    assert_eq!(desk.get(&[]).code, 13);
    let bytes = fs::read(desk.place.path(LEDGER)).unwrap();
    (desk, bytes)
}

fn paths(files: usize) -> Vec<String> {
    (0..files).map(|number| format!("/{number}")).collect()
}

/// Puts this in the place of the ledger, and away what belonged to the one before.
fn put(desk: &Desk, bytes: &[u8]) {
    for beside in ["list.txt.piton.db-wal", "list.txt.piton.db-shm", "list.txt.piton.flight"] {
        let _ = fs::remove_file(desk.place.path(beside));
    }
    desk.place.write(LEDGER, bytes);
}

/// Every command that wants the ledger says this of it, asks nobody, and leaves it as it is.
fn refused(desk: &Desk, bytes: &[u8], said: &str) {
    put(desk, bytes);
    let asked = desk.all_requests();
    for args in [
        &["get", "-i", "list.txt"][..],
        &["retry", "list.txt"],
        &["status", "list.txt"],
        &["failures", "list.txt"],
    ] {
        let ran = desk.piton(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(desk.all_requests(), asked);
    assert!(fs::read(desk.place.path(LEDGER)).unwrap() == bytes, "it was written to");
}

/// With the ledger as it was, all is known that was known.
fn goes_on(desk: &Desk, bytes: &[u8]) {
    put(desk, bytes);
    let asked = desk.all_requests();
    let ran = desk.get(&[]);
    let counts = "41 items: 40 done (40 before), 1 failed permanently";
    assert!(ran.code == 13 && ran.stderr.contains(counts), "{}", ran.stderr);
    assert_eq!(desk.all_requests(), asked);
}

#[test]
fn one_of_a_newer_version_is_left_to_that() {
    let (desk, bytes) = gone_through();
    let mut newer = bytes.clone();
    newer[USER_VERSION..][..4].copy_from_slice(&2_u32.to_be_bytes());
    let said = "list.txt.piton.db was written by a newer version of piton (ledger format 2)";
    refused(&desk, &newer, said);
    assert!(desk.get(&[]).stderr.contains("hint: use that version"));
    goes_on(&desk, &bytes);
}

#[test]
fn one_that_was_cut_short_is_damaged() {
    let (desk, bytes) = gone_through();
    for cut in [0, 16, 99, 4096, bytes.len() / 2, bytes.len() - 4096] {
        refused(&desk, &bytes[..cut], "list.txt.piton.db is damaged: ");
    }
    goes_on(&desk, &bytes);
}

/// A flipped bit is found, or it is where it says nothing of an item; then the run goes on rightly.
#[test]
fn one_with_flipped_bits_never_calls_done_what_is_not() {
    let (desk, bytes) = gone_through();
    let mut found = 0;
    for round in 0..40 {
        let mut flipped = bytes.clone();
        let at = draw(2 * round, bytes.len() as u64) as usize;
        flipped[at] ^= 1 << draw(2 * round + 1, 8);
        put(&desk, &flipped);
        let ran = desk.get(&["-q"]);
        let context = format!("byte {at}, PITON_TEST_SEED={}: {}", seed(), ran.stderr);
        if ran.code == 3 {
            found += 1;
            assert!(ran.stderr.contains(LEDGER), "{context}");
        } else {
            assert!(ran.code == 13 && ran.stderr.contains("41 items: 40 done"), "{context}");
            assert!(ran.stderr.contains("1 failed permanently"), "{context}");
        }
    }
    assert!(found > 0, "PITON_TEST_SEED={}", seed());
    assert!(paths(FILES).iter().all(|path| desk.is_right(&path[1..])));
    goes_on(&desk, &bytes);
}

#[test]
fn one_on_a_full_disk_keeps_what_it_has_and_goes_on_when_there_is_room() {
    const MANY: usize = 1000;
    let Some(disk) = SmallDisk::mount("size=4m") else { return };
    let desk = Desk::new(MANY as u64);
    let paths = paths(MANY);
    desk.list(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    let ledger = disk.path().join("list.piton.db");
    let get = || desk.get(&["-d", "out", "--state", ledger.to_str().unwrap(), "-q"]);

    // Not even room to begin.
    let ballast = Ballast::fill(disk.path(), 0);
    let ran = get();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("list.piton.db"), "{}", ran.stderr);
    assert_eq!(desk.all_requests(), 0);
    ballast.clear();

    // Room for some outcomes.
    let ballast = Ballast::fill(disk.path(), 512 << 10);
    let ran = get();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("no space left on the disk of "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: free some space and run the same command again"),
        "{}",
        ran.stderr
    );
    let kept = count(&desk, &ledger);
    assert!(0 < kept && kept < MANY as u64, "{kept}");
    let sent = desk.server.stats().sent();

    ballast.clear();
    let ran = get();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(count(&desk, &ledger), MANY as u64);
    assert!((0..MANY).all(|number| desk.is_right(&format!("out/{number}"))));
    // Files whose outcome found no room are known again: only what was under way comes once more.
    let fetched_before = sent / super::LEN;
    let again = (desk.server.stats().sent() - sent) / super::LEN;
    assert!(again + fetched_before <= MANY as u64 + 16, "{again} after {fetched_before}");
}

/// How many items the ledger calls done, as the command says.
fn count(desk: &Desk, ledger: &Path) -> u64 {
    let ran: Ran =
        desk.piton(&["status", "list.txt", "--json", "--state", ledger.to_str().unwrap()]);
    let status: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    status["done"].as_u64().unwrap()
}

/// A file that takes all room but some.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(disk: &Path, leave: u64) -> Self {
        let path = disk.join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        // In small steps at the end, so that nothing is left.
        for step in [1 << 20, 4 << 10] {
            while std::io::Write::write_all(&mut file, &vec![1; step]).is_ok() {}
        }
        file.sync_all().unwrap();
        let len = file.metadata().unwrap().len();
        file.set_len(len - leave).unwrap();
        file.sync_all().unwrap();
        Self(path)
    }

    fn clear(self) {
        fs::remove_file(self.0).unwrap();
    }
}
