//! `piton adopt`, after programs as Debian ships them.

use std::fs;

use piton::fetch::parse::aria2_control::ControlFile;
use piton_testkit::real::{Invocation, StopWhen, find};
use piton_testkit::server::{Fault, KIB, MIB, Resource, Server, Site, pattern};
use piton_testkit::skip;

use crate::command::{Place, Ran};

const SEED: u64 = 5;
const LEN: u64 = 20 * MIB + 777;

/// A server that never sends the last bytes, so that nothing ends before it is killed.
fn server() -> Server {
    let resource = Resource::pattern(SEED, LEN).etag("\"a\"");
    let site = Site::new().with("/big.iso", resource).rate_total(16 * MIB);
    Server::start(site.fault(Fault::withholds_last(64 * KIB)))
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(&place.dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn ended_well(place: &Place, ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let bytes = fs::read(place.path("big.iso")).unwrap();
    assert_eq!(bytes.len() as u64, LEN);
    assert_eq!(pattern::first_difference(SEED, 0, &bytes), None);
    assert_eq!(names(place), ["big.iso"]);
}

/// Kills the program once it has left enough, and goes on with that.
#[track_caller]
fn kill_and_adopt(program: &'static str, args: &[&str], left: &'static str) {
    if let Err(missing) = find(program, program) {
        return skip(missing);
    }
    let (server, place) = (server(), Place::new());
    let url = server.url("/big.iso");
    let when = StopWhen::Holds(place.path(left), 8 * MIB);
    let run = Invocation::new(program, place.dir.path()).args(args.iter().copied()).arg(&url);
    let killed = run.kill(when).run();
    assert!(killed.stopped && !killed.timed_out, "{killed:?}");
    server.clear_faults();
    server.drop_connections();
    let before = server.stats().sent();
    let ran = place.piton(&["adopt", left, &url]);
    ended_well(&place, &ran);
    assert!(ran.stderr.contains(&format!("adopted from {left}\n")), "{}", ran.stderr);
    assert!(ran.stderr.contains("was compared with the server and matches"), "{}", ran.stderr);
    let fetched = server.stats().sent() - before;
    assert!(fetched < LEN - 6 * MIB, "{fetched} bytes were fetched");
}

#[test]
fn curl_and_wget() {
    kill_and_adopt("curl", &["-s", "-O"], "big.iso");
    kill_and_adopt("wget", &["-q"], "big.iso");
}

#[test]
fn what_bears_the_name_of_a_browser_or_of_the_part() {
    kill_and_adopt("curl", &["-s", "-o", "big.iso.crdownload"], "big.iso.crdownload");
    kill_and_adopt("curl", &["-s", "-o", "big.iso.part"], "big.iso.part");
}

/// Over four connections, stopped with Ctrl-C and killed after a save, with each way to reserve space.
#[test]
fn aria2() {
    if let Err(missing) = find("aria2c", "aria2") {
        return skip(missing);
    }
    for (allocation, kill) in [("none", true), ("prealloc", true), ("falloc", false)] {
        let (server, place) = (server(), Place::new());
        let url = server.url("/big.iso");
        let allocation = format!("--file-allocation={allocation}");
        let args = ["-q", "-x4", "-s4", "-k1M", "--auto-save-interval=1", &allocation, &url];
        let control = place.path("big.iso.aria2");
        let claimed = || {
            let control = fs::read(&control).ok().and_then(|bytes| ControlFile::parse(&bytes).ok());
            control.map_or(0, |control| control.claims().map(|claim| claim.end - claim.start).sum())
        };
        let when = StopWhen::Is(Box::new(|| claimed() >= 4 * MIB));
        let run = Invocation::new("aria2c", place.dir.path()).args(args);
        let stopped = if kill { run.kill(when).run() } else { run.interrupt(when).run() };
        assert!(stopped.stopped && !stopped.timed_out, "{stopped:?}");
        assert_eq!(names(&place), ["big.iso", "big.iso.aria2"]);
        let claimed = claimed();

        server.clear_faults();
        server.drop_connections();
        let ran = place.piton(&["adopt", "--json", "big.iso.aria2", &url]);
        ended_well(&place, &ran);
        let adopted: serde_json::Value =
            serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(adopted["type"], "adopted");
        let believed = adopted["believed"].as_u64().unwrap();
        // What was claimed is there, since no power was cut.
        assert_eq!(believed, claimed, "{allocation}: {adopted}");
    }
}

#[test]
fn looking_only_and_taking_over_only() {
    let (server, place) = (server(), Place::new());
    server.clear_faults();
    let url = server.url("/big.iso");
    place.write("big.iso", &pattern::bytes(SEED, 10 << 20));
    let ran = place.piton(&["adopt", "--dry-run", "big.iso", &url]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let first = "big.iso: 10.0 MiB of 20.0 MiB can be adopted from big.iso\n";
    assert!(ran.stdout.starts_with(first), "{}", ran.stdout);
    assert_eq!(names(&place), ["big.iso"]);

    let ran = place.piton(&["adopt", "--no-download", "--samples", "1000", "big.iso", &url]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(
        ran.stderr,
        "big.iso: 10.0 MiB of 20.0 MiB adopted from big.iso\n  every byte of it was compared \
         with the server\n"
    );
    assert_eq!(names(&place), ["big.iso.part", "big.iso.piton"]);

    let ran = place.piton(&["adopt", "big.iso", &url]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("piton resume continues it"), "{}", ran.stderr);
    let ran = place.piton(&["resume", "big.iso"]);
    ended_well(&place, &ran);
}

#[test]
fn what_is_refused_says_so_by_its_exit_code() {
    let (server, place) = (server(), Place::new());
    server.clear_faults();
    let url = server.url("/big.iso");
    place.write("other", &pattern::bytes(SEED + 1, 1 << 20));
    place.write("longer", &pattern::bytes(SEED, LEN as usize + 1));
    place.write("empty", b"");
    place.write("torrent", b"bytes");
    let torrent = [&[0, 1, 0, 0, 0, 0, 0, 0, 0, 20][..], &[7; 20], &[0; 28]].concat();
    place.write("torrent.aria2", &torrent);
    let before = names(&place);
    for (file, code, text) in [
        ("other", 8, "differs from the file on the server at offset 0"),
        ("longer", 8, "longer"),
        ("empty", 3, "no data"),
        ("gone", 3, "No such file"),
        ("torrent", 2, "BitTorrent"),
    ] {
        let ran = place.piton(&["adopt", file, &url]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains(text), "{file}: {}", ran.stderr);
    }
    let ran = place.piton(&["adopt", "-o", "longer", "other", &url]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("-o NAME chooses another name"), "{}", ran.stderr);
    let ran = place.piton(&["adopt", "other", &server.url("/none")]);
    assert_eq!(ran.code, 7, "{}", ran.stderr);
    server.add_fault(Fault::ignores_range());
    let ran = place.piton(&["adopt", "other", &url]);
    assert_eq!(ran.code, 12, "{}", ran.stderr);
    assert_eq!(names(&place), before);
}

#[test]
fn a_signal_during_the_comparison_leaves_the_file_as_it_was() {
    let (server, place) = (server(), Place::new());
    server.clear_faults();
    // The head and the tail come, and then nothing.
    server.add_fault(Fault::hang().turns(3..));
    let url = server.url("/big.iso");
    let bytes = pattern::bytes(SEED, 10 << 20);
    place.write("big.iso", &bytes);
    let when = StopWhen::Is(Box::new(|| server.stats().requests.len() >= 3));
    let run = Invocation::new(env!("CARGO_BIN_EXE_piton"), place.dir.path());
    let stopped = run.args(["adopt", "big.iso", &url]).interrupt(when).run();
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    assert_eq!(stopped.stderr, "big.iso: stopped; the file is unchanged\n");
    assert_eq!(names(&place), ["big.iso"]);
    assert!(fs::read(place.path("big.iso")).unwrap() == bytes);
}
