//! Targets that are no regular file, names that are long, and names that a server sends.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton_testkit::server::{KIB, MIB, Resource, Server, Site, pattern};

use crate::command::{Place, Ran};

const PATTERN: u64 = 6;
/// Small files go another way than large ones.
const LENGTHS: [u64; 2] = [20 * KIB, 2 * MIB];

fn server(len: u64) -> Server {
    Server::start(Site::new().with("/file", Resource::pattern(PATTERN, len).etag("\"1\"")))
}

fn get(place: &Place, args: &[&str]) -> Ran {
    place.piton(&[&["--config", "none", "get"], args].concat())
}

/// Everything in a folder, links as they are.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn is_whole(path: &Path, len: u64) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == pattern::bytes(PATTERN, len as usize))
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink())
}

/// Whatever the options; and no hint says to insist.
#[test]
fn what_is_no_file_is_never_replaced_nor_asked_for() {
    let server = server(20 * KIB);
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(place.path("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(place.path("socket")).unwrap();
    symlink("fifo", place.path("to-fifo")).unwrap();
    symlink("folder", place.path("to-folder")).unwrap();
    symlink("/dev/null", place.path("to-null")).unwrap();
    symlink("to-null", place.path("to-to-null")).unwrap();
    let before = names(&place.path(""));
    let url = server.url("/file");
    for target in [
        "/dev/null",
        "/dev/stdout",
        "fifo",
        "socket",
        "to-fifo",
        "to-null",
        "to-to-null",
        "to-folder",
    ] {
        for how in [&[][..], &["--overwrite"], &["--rename"], &["-N"], &["--restart"]] {
            let ran = get(&place, &[&["-o", target, &url], how].concat());
            assert!([2, 3].contains(&ran.code), "{target} {how:?}: {ran:?}");
            let hint = ran.stderr.split_once("hint:").map_or("", |(_, hint)| hint);
            assert!(!hint.contains("--overwrite") && !hint.contains("--rename"), "{}", ran.stderr);
            assert_eq!(names(&place.path("")), before, "{target} {how:?}");
            assert!(Path::new("/dev/null").metadata().is_ok_and(|it| !it.is_file()));
        }
    }
    assert_eq!(server.stats().requests.len(), 0, "it was found out after the transfer");
}

#[test]
fn what_a_link_leads_to_is_written_and_the_link_stays() {
    for len in LENGTHS {
        let server = server(len);
        let url = server.url("/file");
        for (to, real) in [
            ("real/file", "real/file"),
            ("../ROOT/real/file", "real/file"),
            ("link-2", "real/file"),
            ("via/file", "real/file"),
        ] {
            let place = Place::new();
            fs::create_dir(place.path("real")).unwrap();
            symlink("real", place.path("via")).unwrap();
            symlink("real/file", place.path("link-2")).unwrap();
            let root = place.path("").file_name().unwrap().to_str().unwrap().to_owned();
            symlink(to.replace("ROOT", &root), place.path("link")).unwrap();
            // It leads nowhere yet.
            let ran = get(&place, &["-o", "link", &url]);
            assert_eq!(ran.code, 0, "{to}: {}", ran.stderr);
            assert!(is_link(&place.path("link")) && is_whole(&place.path(real), len), "{to}");
            assert_eq!(names(&place.path("real")), ["file"], "{to}");
            assert_eq!(names(&place.path("")), ["link", "link-2", "real", "via"], "{to}");

            // A file is there: left alone, and replaced where that is asked for.
            fs::write(place.path(real), "old").unwrap();
            let ran = get(&place, &["-o", "link", &url]);
            assert_eq!(ran.code, 3, "{to}: {}", ran.stderr);
            assert_eq!(fs::read(place.path(real)).unwrap(), b"old", "{to}");
            let ran = get(&place, &["-o", "link", "--overwrite", &url]);
            assert_eq!(ran.code, 0, "{to}: {}", ran.stderr);
            assert!(is_link(&place.path("link")) && is_whole(&place.path(real), len), "{to}");
            assert_eq!(names(&place.path("real")), ["file"], "{to}");
        }
    }
}

/// Links that cannot be followed: one sentence, before the transfer, and nothing is left.
#[test]
fn a_link_that_cannot_be_followed_is_said_before_the_transfer() {
    let server = server(20 * KIB);
    let url = server.url("/file");
    let place = Place::new();
    symlink("none/file", place.path("lost")).unwrap();
    symlink("circle-2", place.path("circle")).unwrap();
    symlink("circle", place.path("circle-2")).unwrap();
    symlink("nowhere", place.path("file")).unwrap();
    let before = names(&place.path(""));
    for (args, says) in [
        (["-o", "lost"], "a folder that does not exist"),
        (["-o", "circle"], "Too many levels of symbolic links"),
        // Nobody asked for that name.
        (["-d", "."], "already exists"),
    ] {
        let ran = get(&place, &[&args[..], &[&url]].concat());
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
        assert_eq!(names(&place.path("")), before, "{args:?}");
    }
    assert_eq!(server.stats().requests.len(), 0);
}

#[test]
fn a_download_over_a_link_is_stopped_shown_and_resumed() {
    let len = 3 * MIB;
    let resource = Resource::pattern(PATTERN, len).etag("\"1\"");
    let server = Server::start(Site::new().with("/file", resource).rate_per_connection(MIB));
    let place = Place::new();
    fs::create_dir(place.path("real")).unwrap();
    symlink("real/big", place.path("link")).unwrap();
    let url = server.url("/file");
    let args = ["--config", "none", "get", "--quiet", "-x1", "-o", "link", &url];
    let mut child = place.command(&args).stdin(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    while !fs::metadata(place.path("real/big.part")).is_ok_and(|part| part.len() > 0) {
        assert!(Instant::now() < end, "it does not begin");
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(&place.path("")), ["link", "real"]);
    for path in ["link", "real/big", "."] {
        let ran = place.piton(&["status", path]);
        assert!(ran.stdout.contains("real/big"), "{path}: {ran:?}");
    }
    let ran = place.piton(&["--config", "none", "resume", "link"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(is_link(&place.path("link")) && is_whole(&place.path("real/big"), len));
    assert_eq!(names(&place.path("real")), ["big"]);
}

/// It would aim the write of this user, perhaps of root, at whatever file its owner likes.
#[test]
fn a_link_of_another_user_is_not_followed() {
    if !rustix::process::geteuid().is_root() {
        return piton_testkit::skip("only root can give a link away");
    }
    let server = server(20 * KIB);
    let place = Place::new();
    place.write("precious", b"precious");
    for (link, to) in [("to-file", "precious"), ("to-nothing", "new"), ("chain", "to-file")] {
        symlink(to, place.path(link)).unwrap();
        std::os::unix::fs::lchown(place.path(link), Some(1234), Some(1234)).unwrap();
    }
    symlink("to-file", place.path("own-to-others")).unwrap();
    for link in ["to-file", "to-nothing", "chain", "own-to-others"] {
        let ran = get(&place, &["-o", link, "--overwrite", &server.url("/file")]);
        assert_eq!(ran.code, 3, "{link}: {}", ran.stderr);
        assert!(ran.stderr.contains("belongs to user 1234"), "{link}: {}", ran.stderr);
        assert_eq!(fs::read(place.path("precious")).unwrap(), b"precious");
        assert!(!place.path("new").exists() && is_link(&place.path(link)));
    }
    assert_eq!(server.stats().requests.len(), 0);
}

/// In a list a link is followed within the folder, and one that leads out is refused.
#[test]
fn links_in_the_folder_of_a_list() {
    for len in LENGTHS {
        let server = server(len);
        let url = server.url("/file");
        let place = Place::new();
        fs::create_dir_all(place.path("out/real")).unwrap();
        place.write("elsewhere", b"precious");
        symlink("real/new", place.path("out/near")).unwrap();
        symlink("../real/up", place.path("out/real/up-link")).unwrap();
        symlink(place.path("elsewhere"), place.path("out/away")).unwrap();
        symlink("../not-there", place.path("out/nowhere")).unwrap();
        symlink("/dev/null", place.path("out/null")).unwrap();
        let outs = ["near", "real/up-link", "away", "nowhere", "null"];
        let items: String = outs.map(|out| format!("{url}?{out}\n out={out}\n")).concat();
        place.write("list", items.as_bytes());
        let ran = get(&place, &["-i", "list", "-d", "out", "--overwrite"]);
        assert_eq!(ran.code, 13, "{}", ran.stderr);
        assert!(ran.stderr.contains("2 done") && ran.stderr.contains("3 failed"), "{}", ran.stderr);
        assert!(is_whole(&place.path("out/real/new"), len), "{}", ran.stderr);
        assert!(is_whole(&place.path("out/real/up"), len), "{}", ran.stderr);
        assert_eq!(fs::read(place.path("elsewhere")).unwrap(), b"precious");
        assert!(!place.path("not-there").exists());
        assert_eq!(names(&place.path("out")), ["away", "near", "nowhere", "null", "real"]);
        assert_eq!(names(&place.path("out/real")), ["new", "up", "up-link"]);
    }
}

/// A name of so many bytes, which the file system takes.
fn long(bytes: usize, last: char) -> String {
    format!("{}{last}.iso", "n".repeat(bytes - 5))
}

#[test]
fn long_names_are_stored_resumed_and_forgotten() {
    let len = 3 * MIB;
    let resource = Resource::pattern(PATTERN, len).etag("\"1\"");
    let server = Server::start(Site::new().with("/file", resource).rate_per_connection(2 * MIB));
    let url = server.url("/file");
    for bytes in [245, 246, 255] {
        let (place, name) = (Place::new(), long(bytes, 'x'));
        let begin = || {
            let args = ["--config", "none", "get", "--quiet", "-x1", "-o", &name, &url];
            let mut child = place.command(&args).stdin(Stdio::null()).spawn().unwrap();
            let end = Instant::now() + Duration::from_secs(120);
            let has_bytes = |name: &String| {
                name.ends_with(".part") && place.path(name).metadata().is_ok_and(|it| it.len() > 0)
            };
            while !names(&place.path("")).iter().any(has_bytes) {
                assert!(Instant::now() < end, "it does not begin");
                sleep(Duration::from_millis(5));
            }
            sleep(Duration::from_millis(250));
            child.kill().unwrap();
            child.wait().unwrap();
        };
        begin();
        // Part and journal, which tell the whole name.
        let left = names(&place.path(""));
        assert_eq!(left.len(), 2, "{left:?}");
        let ran = place.piton(&["status", "--json", "."]);
        assert!(ran.stdout.contains(&name), "{bytes}: {ran:?}");
        // By the file, the folder, or what lies there.
        let journal = left.iter().find(|name| name.ends_with(".piton")).unwrap();
        let ran = place.piton(&["--config", "none", "resume", journal]);
        assert_eq!(ran.code, 0, "{bytes}: {}", ran.stderr);
        assert!(is_whole(&place.path(&name), len), "{bytes}");
        assert_eq!(names(&place.path("")), [name.as_str()], "{bytes}");

        fs::remove_file(place.path(&name)).unwrap();
        begin();
        let ran = place.piton(&["forget", &name]);
        assert_eq!(ran.code, 0, "{bytes}: {}", ran.stderr);
        assert_eq!(names(&place.path("")), Vec::<String>::new(), "{bytes}");
        // A part without a journal is moved aside, under a name that there is room for.
        begin();
        fs::remove_file(place.path(journal)).unwrap();
        let ran = get(&place, &["-o", &name, &url]);
        assert_eq!(ran.code, 0, "{bytes}: {}", ran.stderr);
        assert!(is_whole(&place.path(&name), len), "{bytes}");
        let aside = names(&place.path(""));
        assert!(
            aside.len() == 2 && aside.iter().any(|name| name.contains(".aside-1")),
            "{aside:?}"
        );
    }
}

/// Names that differ only where nothing of piton's own names tells them apart.
#[test]
fn long_names_never_share_a_part() {
    let resource = Resource::pattern(PATTERN, 2 * MIB).etag("\"1\"");
    let server = Server::start(Site::new().with("/file", resource));
    let place = Place::new();
    let outs: Vec<_> = ('a'..='f').map(|last| long(255, last)).collect();
    let url = server.url("/file");
    let items: String =
        outs.iter().map(|out| format!("{url}?{}\n out={out}\n", &out[250..])).collect();
    place.write("list", items.as_bytes());
    let ran = get(&place, &["-i", "list", "-d", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(names(&place.path("out")), outs);
    assert!(outs.iter().all(|out| is_whole(&place.path("out").join(out), 2 * MIB)));
    // Two items that want one such name: the second gets a number, and there is room for that.
    let place = Place::new();
    let out = long(255, 'z');
    place.write("list", format!("{url}?1\n out={out}\n{url}?2\n out={out}\n").as_bytes());
    let ran = get(&place, &["-i", "list", "-d", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let names = names(&place.path("out"));
    assert!(names.len() == 2 && names.contains(&out), "{names:?}");

    // Too long for any file system: one sentence, before the transfer.
    let asked = server.stats().requests.len();
    let ran = get(&place, &["-o", &long(256, 'x'), &url]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("File name too long"), "{}", ran.stderr);
    assert!(ran.stderr.contains("-o FILE chooses another name"), "{}", ran.stderr);
    assert_eq!(server.stats().requests.len(), asked);
}

#[test]
fn names_that_a_server_encodes() {
    for (sent, name) in [
        ("attachment; filename=\"%E6%B5%8B%E8%AF%95.zip\"", "测试.zip"),
        ("attachment; filename=\"=?UTF-8?B?5rWL6K+VLnppcA==?=\"", "测试.zip"),
        ("attachment; filename=\"=?utf-8?Q?na=C3=AFve=5F1.zip?=\"", "naïve_1.zip"),
        // Decoded, and then as clean as any.
        ("attachment; filename=\"..%2F..%2Fetc%2Fpasswd\"", "passwd"),
        ("attachment; filename=\"=?UTF-8?Q?=2E=2E=2Fx?=\"", "x"),
        ("attachment; filename=\"100%.zip\"", "100%.zip"),
    ] {
        let resource = Resource::pattern(PATTERN, KIB).content_disposition(sent);
        let server = Server::start(Site::new().with("/get", resource));
        let place = Place::new();
        let ran = get(&place, &[&server.url("/get")]);
        assert_eq!(ran.code, 0, "{sent}: {}", ran.stderr);
        assert_eq!(names(&place.path("")), [name], "{sent}");
    }
}
