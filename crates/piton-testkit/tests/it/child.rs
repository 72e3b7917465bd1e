//! What the traced or cut-off program does: this test binary, run again with a role.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, process, thread};

use piton_testkit::power::{BlockLog, FsKind, Volume};
use piton_testkit::syscalls::Program;

const ROLE: &str = "PITON_TESTKIT_ROLE";
const DIR: &str = "PITON_TESTKIT_DIR";

/// What `replace` writes.
pub(crate) const CONTENT: [u8; 8192] = [7; 8192];

/// This test binary in a role, working in `dir`.
pub(crate) fn program(role: &str, dir: &Path) -> Program {
    Program::new(env::current_exe().unwrap())
        .args(["--exact", "child::run", "--ignored", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(DIR, dir)
}

/// Not a test: the entry of the child.
#[test]
#[ignore = "is run by other tests, in a process of its own"]
fn run() {
    let (Ok(role), Some(dir)) = (env::var(ROLE), env::var_os(DIR).map(PathBuf::from)) else {
        return;
    };
    let done = match role.as_str() {
        "replace" => replace(&dir, "file"),
        "threads" => threads(&dir),
        "in_turn" => in_turn(&dir),
        "vectored" => vectored(&dir),
        "endless" => endless(),
        "abandon" => abandon(),
        _ => panic!("no such role: {role}"),
    };
    // The exit code is how the parent sees what the child saw.
    process::exit(done.map_or_else(|error| error.raw_os_error().unwrap_or(99), |()| 0));
}

/// Six file syscalls: openat, pwrite64, fdatasync, rename, openat, fsync.
fn replace(dir: &Path, name: &str) -> io::Result<()> {
    let temporary = dir.join(name).with_extension("tmp");
    let file = File::create(&temporary)?;
    file.write_all_at(&CONTENT, 0)?;
    file.sync_data()?;
    fs::rename(&temporary, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// Two threads at once, of six syscalls each.
fn threads(dir: &Path) -> io::Result<()> {
    thread::scope(|scope| {
        let other = scope.spawn(|| replace(dir, "other"));
        replace(dir, "file")?;
        other.join().unwrap()
    })
}

/// The same, one thread after the other.
fn in_turn(dir: &Path) -> io::Result<()> {
    thread::scope(|scope| scope.spawn(|| replace(dir, "other")).join().unwrap())?;
    replace(dir, "file")
}

/// One write of ten bytes in three pieces; says how much of it the kernel took.
fn vectored(dir: &Path) -> io::Result<()> {
    let pieces = [IoSlice::new(b"abc"), IoSlice::new(b"defg"), IoSlice::new(b"hij")];
    let lengths = || pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>();
    let before = lengths();
    let taken = File::create(dir.join("file"))?.write_vectored(&pieces)?;
    assert_eq!(before, lengths(), "the tracer left its changes behind");
    println!("taken: {taken}");
    Ok(())
}

/// Starts a process of its own and never ends.
fn endless() -> io::Result<()> {
    let mut child = Command::new("sleep").arg("1000").spawn()?;
    println!("started: {}.", child.id());
    child.wait().map(drop)
}

/// Dies with a volume and a block log mounted; says where they are.
fn abandon() -> io::Result<()> {
    let volume = Volume::create(FsKind::Ext4, 0).unwrap();
    let log = BlockLog::create(FsKind::Ext4, 0).unwrap();
    println!("\nleft:{}\nleft:{}", volume.path().display(), log.path().display());
    io::stdout().flush()?;
    process::abort()
}
