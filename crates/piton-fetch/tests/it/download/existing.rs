//! Files that stand under the final name: recognised, left alone, replaced, or kept beside.

use std::fs::{File, FileType};
use std::os::unix::fs::FileTypeExt;
use std::time::{Instant, SystemTime};

use piton_durable::fs::{Open, write_all_at};
use piton_durable::part::PartError;
use piton_fetch::IfExists;
use piton_testkit::disk::{Crash, SimDisk};
use piton_testkit::server::{DigestField, RetryAfter, http_date};

use super::mirrors::{Mirrors, named};
use super::*;

const LEN: u64 = 2 * MIB;
const OLD: &[u8] = b"something of mine";

fn time(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + day * 86_400)
}

fn desk(resource: Resource) -> Desk {
    Desk::new(Site::new().with("/f.bin", resource))
}

fn set_time(desk: &Desk, name: &str, time: SystemTime) {
    let file = File::options().write(true).open(desk.path(name)).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn it_is_left_alone_and_that_is_said() {
    for n in [1, 3] {
        let desk = desk(Resource::pattern(1, LEN).etag("\"a\"").last_modified(time(1)));
        desk.write("f.bin", OLD);
        let failure = desk.get(desk.over(n, "/f.bin")).unwrap_err();
        assert!(matches!(failure, Failure::Exists { .. }), "{failure:?}");
        assert_eq!((desk.files(), desk.read("f.bin")), (vec!["f.bin".to_owned()], OLD.to_vec()));
        assert!(desk.server.stats().sent() < 128 * KIB, "a transfer in vain");
    }
}

#[test]
fn it_is_replaced_only_at_the_end() {
    let desk = Desk::new(
        Site::new().with("/f.bin", Resource::pattern(1, LEN).etag("\"a\"")).rate_total(4 * MIB),
    );
    desk.write("f.bin", OLD);
    let mut what = desk.over(2, "/f.bin");
    what.if_exists = IfExists::Overwrite;
    desk.kill_at(what.clone(), MIB);
    assert_eq!(desk.read("f.bin"), OLD);
    desk.server.replace("/f.bin", Resource::pattern(1, LEN).wrong_digest(DigestField::ReprSha256));
    let failure = desk.get(what.clone()).unwrap_err();
    assert!(matches!(failure, Failure::Integrity { .. }), "{failure:?}");
    assert_eq!(desk.read("f.bin"), OLD);
    desk.server.replace("/f.bin", Resource::pattern(3, LEN).etag("\"b\""));
    desk.get(what).unwrap();
    desk.assert_only("f.bin", 3, LEN);
}

#[test]
fn the_next_free_name_is_taken() {
    let desk = desk(Resource::pattern(1, LEN).etag("\"a\""));
    desk.write("f.bin", OLD);
    desk.write("f.1.bin", OLD);
    let mut what = desk.what("/f.bin");
    what.if_exists = IfExists::Rename;
    let outcome = desk.get(what.clone()).unwrap();
    assert_eq!(outcome.path, desk.path("f.2.bin"));
    desk.assert_pattern("f.2.bin", 1, LEN);
    assert_eq!((desk.read("f.bin"), desk.read("f.1.bin")), (OLD.to_vec(), OLD.to_vec()));
    // And it is recognised there.
    let again = desk.get(what).unwrap();
    assert!(again.already_complete && again.path == desk.path("f.2.bin"), "{again:?}");
}

/// A server that answers the question for one byte with all of them.
#[test]
fn one_byte_was_asked_for_and_all_come() {
    for how in [IfExists::Rename, IfExists::Overwrite, IfExists::Refuse] {
        let desk = desk(Resource::pattern(1, LEN));
        desk.server.add_fault(Fault::ignores_range());
        desk.write("f.bin", OLD);
        let mut what = desk.what("/f.bin");
        what.if_exists = how;
        let ended = desk.get(what);
        match how {
            IfExists::Rename => desk.assert_pattern("f.1.bin", 1, LEN),
            IfExists::Overwrite => desk.assert_only("f.bin", 1, LEN),
            IfExists::Refuse => assert!(matches!(ended, Err(Failure::Exists { .. }))),
        }
        assert!(how == IfExists::Overwrite || desk.read("f.bin") == OLD);
        assert_eq!(desk.requests(), 1);
    }
}

#[test]
fn a_name_that_was_taken_while_the_download_ran() {
    let site =
        Site::new().with("/f.bin", Resource::pattern(1, LEN).etag("\"a\"")).rate_total(4 * MIB);
    let desk = Desk::new(site);
    desk.kill_at(desk.what("/f.bin"), MIB);
    desk.write("f.bin", OLD);
    let failure = desk.get(desk.what("/f.bin")).unwrap_err();
    let said = matches!(
        failure,
        Failure::Exists { .. } | Failure::Local(piton_durable::part::PartError::Exists { .. })
    );
    assert!(said, "{failure:?}");
    assert_eq!(desk.read("f.bin"), OLD);
    // Nothing that came in is lost: with leave it lands without another transfer.
    let mut what = desk.what("/f.bin");
    what.if_exists = IfExists::Overwrite;
    let sent = desk.server.stats().sent();
    desk.get(what).unwrap();
    assert!(desk.server.stats().sent() - sent <= LEN - MIB / 2);
    desk.assert_only("f.bin", 1, LEN);
}

#[test]
fn it_is_recognised_by_size_and_time() {
    let desk = desk(Resource::pattern(1, LEN).last_modified(time(1)));
    desk.write("f.bin", &pattern::bytes(1, LEN as usize));
    set_time(&desk, "f.bin", time(1));
    assert!(desk.get(desk.what("/f.bin")).unwrap().already_complete);
    set_time(&desk, "f.bin", time(2));
    assert!(matches!(desk.get(desk.what("/f.bin")), Err(Failure::Exists { .. })));
    assert!(desk.server.stats().sent() < 64 * KIB);
}

/// Each URL calls its version differently; which of them the file came from does not matter.
#[test]
fn the_version_of_any_mirror_is_recognised() {
    let mirrors = Mirrors::new(named("a"), [named("b"), named("c")]);
    let mut only_last = mirrors.desk.over(1, "/f");
    only_last.url = mirrors.others[1].url("/f").parse().unwrap();
    mirrors.desk.get(only_last).unwrap();
    let before = mirrors.sent();
    for if_exists in [IfExists::Refuse, IfExists::Rename] {
        // One that is dead says nothing of the file.
        mirrors.others[0].add_fault(Fault::resets_unanswered());
        let mut again = mirrors.unjudged(2);
        again.if_exists = if_exists;
        assert!(mirrors.desk.get(again).unwrap().already_complete, "{if_exists:?}");
    }
    let fetched: u64 = mirrors.sent().iter().zip(before).map(|(now, before)| now - before).sum();
    assert!(fetched < 100, "{fetched}");
    assert_eq!(mirrors.desk.files(), ["f"]);
    // Nobody has what is here now.
    std::fs::write(mirrors.desk.path("f"), "mine").unwrap();
    let failure = mirrors.desk.get(mirrors.unjudged(2)).unwrap_err();
    assert!(matches!(failure, Failure::Exists { .. }), "{failure}");
}

/// The first URL has a new version, and a mirror still has the one that is here.
#[test]
fn an_old_mirror_does_not_vouch_for_an_old_file() {
    let old = || Resource::pattern(2, LEN).etag("\"old\"").last_modified(time(1));
    for new in [
        Resource::pattern(3, LEN + 1).etag("\"new\""),
        Resource::pattern(3, LEN).etag("\"new\"").last_modified(time(2)),
    ] {
        let all = Mirrors::new(Site::new().with("/f", old()), [Site::new().with("/f", old())]);
        all.desk.get(all.unjudged(1)).unwrap();
        all.desk.server.replace("/f", new);
        let failure = all.desk.get(all.unjudged(1)).unwrap_err();
        assert!(matches!(failure, Failure::Exists { .. }), "{failure:?}");
    }
}

/// The URL that the file came from says 503 once.
#[test]
fn a_url_that_hiccups_is_asked_whether_the_file_is_its_own() {
    let busy = Fault::status(503).turns(2..=2);
    let all = Mirrors::new(named("a").fault(busy), [named("b")]);
    all.desk.get(all.desk.over(1, "/f")).unwrap();
    assert!(all.desk.get(all.unjudged(1)).unwrap().already_complete);
}

/// Whether a file is a mirror's is asked in passing: a server that is silent or wants to be left alone is not
/// waited for.
#[test]
fn mirrors_are_not_waited_for_to_recognise_a_file() {
    for fault in [Fault::status_retry_after(503, RetryAfter::Seconds(21_600)), Fault::hang()] {
        let all = Mirrors::new(named("a").fault(fault), [named("b")]);
        all.desk.write("f", &pattern::bytes(9, 12 * MIB as usize));
        let begun = Instant::now();
        let failure = all.desk.get(all.unjudged(1)).unwrap_err();
        assert!(matches!(failure, Failure::Exists { .. }), "{failure:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}

#[test]
fn one_that_was_edited_since_is_not_recognised() {
    let desk = desk(Resource::pattern(1, LEN).etag("\"a\""));
    desk.get(desk.what("/f.bin")).unwrap();
    let mut bytes = desk.read("f.bin");
    bytes[5] ^= 1;
    desk.write("f.bin", &bytes);
    assert!(matches!(desk.get(desk.what("/f.bin")), Err(Failure::Exists { .. })));
    assert_eq!(desk.read("f.bin"), bytes);
}

#[test]
fn a_new_version_is_not_taken_for_the_old_one() {
    let desk = desk(Resource::pattern(1, LEN).etag("\"a\""));
    desk.get(desk.what("/f.bin")).unwrap();
    desk.server.replace("/f.bin", Resource::pattern(2, LEN).etag("\"b\""));
    assert!(matches!(desk.get(desk.what("/f.bin")), Err(Failure::Exists { .. })));
    desk.assert_only("f.bin", 1, LEN);
    let mut what = desk.what("/f.bin");
    what.if_exists = IfExists::Overwrite;
    desk.get(what).unwrap();
    desk.assert_only("f.bin", 2, LEN);
}

#[test]
fn only_if_newer() {
    let desk = desk(Resource::pattern(1, LEN).last_modified(time(2)));
    let mut what = desk.what("/f.bin");
    what.only_newer = true;
    desk.get(what.clone()).unwrap();
    desk.assert_only("f.bin", 1, LEN);
    let modified = std::fs::metadata(desk.path("f.bin")).unwrap().modified().unwrap();
    assert_eq!(http_date(modified), http_date(time(2)));

    for day in [2, 1] {
        desk.server.replace("/f.bin", Resource::pattern(2, LEN).last_modified(time(day)));
        assert!(desk.get(what.clone()).unwrap().not_newer);
        desk.assert_only("f.bin", 1, LEN);
    }
    // A server that does not understand the condition is judged by its answer.
    desk.server.add_fault(Fault::in_request(|request| request.headers.remove("if-modified-since")));
    assert!(desk.get(what.clone()).unwrap().not_newer);
    desk.server.clear_faults();

    desk.server.replace("/f.bin", Resource::pattern(3, LEN).last_modified(time(3)));
    let outcome = desk.get(what.clone()).unwrap();
    assert!(!outcome.not_newer);
    desk.assert_only("f.bin", 3, LEN);
}

/// Without a date nothing is known to be older.
#[test]
fn only_if_newer_on_a_server_without_dates() {
    let desk = desk(Resource::pattern(2, LEN));
    desk.write("f.bin", OLD);
    let mut what = desk.what("/f.bin");
    what.only_newer = true;
    desk.get(what).unwrap();
    desk.assert_only("f.bin", 2, LEN);
}

/// A folder, a socket, a FIFO and a device are never replaced: that is said before anything is asked
/// for, and nobody is advised to insist.
#[test]
fn what_is_no_file_under_the_name() {
    let refused = |desk: &Desk, kind: &str| {
        let all = [IfExists::Refuse, IfExists::Overwrite, IfExists::Rename];
        for (how, only_newer) in all.into_iter().map(|how| (how, false)).chain([(all[0], true)]) {
            let mut what = desk.what("/f.bin");
            what.place = Place::File(desk.path("f.bin"));
            (what.if_exists, what.only_newer) = (how, only_newer);
            let failure = desk.get(what).unwrap_err();
            let not_a_file = matches!(&failure, Failure::Local(PartError::NotAFile { path }) if *path == desk.path("f.bin"));
            assert!(not_a_file, "{kind}, {how:?}: {failure:?}");
            assert_eq!((desk.files(), desk.requests()), (vec!["f.bin".to_owned()], 0), "{kind}");
        }
    };
    let is = |desk: &Desk, is: fn(&FileType) -> bool| {
        is(&std::fs::symlink_metadata(desk.path("f.bin")).unwrap().file_type())
    };
    let mknod = |desk: &Desk, kind: &[&str]| {
        let mut command = std::process::Command::new("mknod");
        command.arg(desk.path("f.bin")).args(kind).output().unwrap().status.success()
    };

    let folder = desk(Resource::pattern(1, LEN));
    std::fs::create_dir(folder.path("f.bin")).unwrap();
    refused(&folder, "folder");
    assert!(is(&folder, FileType::is_dir));

    let socket = desk(Resource::pattern(1, LEN));
    let _listens = std::os::unix::net::UnixListener::bind(socket.path("f.bin")).unwrap();
    refused(&socket, "socket");
    assert!(is(&socket, FileType::is_socket));

    let fifo = desk(Resource::pattern(1, LEN));
    assert!(mknod(&fifo, &["p"]));
    refused(&fifo, "FIFO");
    assert!(is(&fifo, FileType::is_fifo));

    let device = desk(Resource::pattern(1, LEN));
    if mknod(&device, &["c", "1", "3"]) {
        refused(&device, "device");
        assert!(is(&device, FileType::is_char_device));
    } else {
        piton_testkit::skip("only root may make another /dev/null");
    }
}

/// It came while the download ran.
#[test]
fn a_fifo_that_took_the_name_meanwhile() {
    for (len, how) in
        [(LEN, IfExists::Overwrite), (KIB, IfExists::Overwrite), (LEN, IfExists::Refuse)]
    {
        let fault = Fault::pause_after(len / 2, Duration::from_millis(50));
        let desk = Desk::with(Resource::pattern(1, len).etag("\"a\""), fault);
        let fifo = desk.path("f");
        desk.server.add_fault(Fault::in_request(move |_| {
            let mut command = std::process::Command::new("mknod");
            // Already there at the second request.
            let _ = command.arg(&fifo).arg("p").output();
        }));
        let mut what = desk.what("/f");
        what.if_exists = how;
        let failure = desk.get(what).unwrap_err();
        assert!(matches!(failure, Failure::Local(PartError::NotAFile { .. })), "{failure:?}");
        assert!(std::fs::symlink_metadata(desk.path("f")).unwrap().file_type().is_fifo());
    }
}

#[test]
fn a_restart_forgets_what_is_here() {
    let site =
        Site::new().with("/f.bin", Resource::pattern(1, LEN).etag("\"a\"")).rate_total(4 * MIB);
    let desk = Desk::new(site);
    desk.kill_at(desk.what("/f.bin"), MIB);
    let mut what = desk.over(2, "/f.bin");
    what.restart = true;
    let outcome = desk.get(what).unwrap();
    assert_eq!((outcome.resumed, outcome.size), (0, LEN));
    desk.assert_only("f.bin", 1, LEN);
}

/// A kill between the name of a file and its sync: the next run finds it complete, and says so only of what
/// a power cut leaves.
#[test]
fn a_file_that_is_found_complete_is_durable() {
    each(0..8, |seed| {
        let disk = SimDisk::seeded(seed);
        let desk =
            Desk::new(Site::new().with("/f", Resource::pattern(1, 9000).last_modified(time(1))));
        // What the run before did until it was killed.
        let file = disk.open("/f".as_ref(), Open::CreateNew { mode: 0o644 }).unwrap();
        write_all_at(&*file, &pattern::bytes(1, 9000), 0).unwrap();
        file.set_modified(time(1)).unwrap();
        drop(file);
        disk.crash(Crash::Kill);
        disk.restart();

        let mut what = desk.what("/f");
        what.place = Place::File("/f".into());
        let outcome = desk.get_onto(Arc::new(disk.clone()), what, Stop::new()).unwrap();
        assert!(outcome.already_complete, "{outcome:?}");
        disk.crash(Crash::Power);
        disk.restart();
        assert_eq!(disk.bytes("/f"), Some(pattern::bytes(1, 9000)), "seed {seed}");
    });
}
