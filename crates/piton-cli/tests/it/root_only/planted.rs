//! Another user puts state where the next run looks for its own: nothing of it is used, and nothing of ours
//! goes into it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use piton::durable::crc::crc32c;
use piton::durable::extent::Extent;
use piton::durable::fs::OsFs;
use piton::durable::part::{OpenPart, Opened, Part, Target};
use piton_testkit::server::{Resource, Server, Site, pattern};

use crate::command::{Place, Ran};

const SEED: u64 = 5;
const LEN: u64 = 100_000;
/// Nobody else on the machine.
const STRANGER: u32 = 64_322;
const VICTIM: u32 = 64_323;
const SAID: &str = "it belongs to user 64322, and piton runs as user";

/// A folder that everybody may write to, and a server of `/f`.
struct Desk {
    place: Place,
    server: Server,
    digest: String,
}

impl Desk {
    /// `None` (and said so) without the right to be two users.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            piton_testkit::skip("needs root, to be another user");
            return None;
        }
        let file = Resource::pattern(SEED, LEN).etag("\"1\"");
        let digest = format!("sha256:{}", file.sha256());
        let server = Server::start(Site::new().with("/f", file));
        let place = Place::new();
        fs::set_permissions(&place.dir, PermissionsExt::from_mode(0o777)).unwrap();
        Some(Self { place, server, digest })
    }

    fn piton(&self, args: &[&str]) -> Ran {
        self.place.piton(&[&["--config", "none"], args].concat())
    }

    fn get(&self) -> Ran {
        self.piton(&["get", "--checksum", &self.digest, &self.server.url("/f")])
    }

    /// A part of all but the last bytes and its journal, as a run leaves them that was killed.
    fn unfinished(&self, name: &str, overwrite: bool) {
        let target = Target::new(self.place.path(name));
        let opened = Part::open(Arc::new(OsFs), &target, OpenPart::default()).unwrap();
        let Opened::Part(part, _) = opened else { panic!("finished") };
        let url = self.server.url("/f");
        let meta = format!(
            r#"{{"url":"{url}","identity":{{"size":{LEN},"etag":{{"tag":"1"}}}},"begun":1,"ranges":true,
                "overwrite":{overwrite}}}"#
        );
        part.begin(meta.as_bytes(), Some(LEN)).unwrap();
        let mut bytes = vec![0; LEN as usize - 1000];
        pattern::fill(SEED, 0, &mut bytes);
        part.write(&bytes, 0).unwrap();
        let crc = crc32c(&bytes);
        part.claim(Extent { start: 0, len: bytes.len() as u64, crc }).unwrap();
        part.checkpoint().unwrap();
    }

    /// It is the stranger's from now on. Returns the handle that he keeps.
    fn give(&self, name: &str, mode: u32) -> File {
        let path = self.place.path(name);
        let handle = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        chown(&path, Some(STRANGER), Some(STRANGER)).unwrap();
        handle
    }

    fn refuses(&self, file: &str, args: &[&str]) {
        self.is_refused(file, &self.piton(args));
    }

    #[track_caller]
    fn is_refused(&self, file: &str, ran: &Ran) {
        assert_eq!(ran.code, 3, "{file}: {ran:?}");
        assert!(ran.stderr.contains(&format!("{file}: {SAID}")), "{file}: {ran:?}");
        assert!(ran.stderr.contains("hint: run piton as that user"), "{ran:?}");
        assert_eq!(self.server.stats().requests_for("/f").count(), 0, "{file}: {ran:?}");
    }
}

fn is_right(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.len() as u64 == LEN && pattern::first_difference(SEED, 0, &bytes).is_none()
}

#[test]
fn a_part_with_an_open_handle() {
    let files: [&[&str]; 3] = [&["f.part"], &["f.part", "f.piton"], &["f.piton"]];
    for planted in files {
        for mode in [0o600, 0o666] {
            let Some(desk) = Desk::new() else { return };
            desk.unfinished("f", false);
            let handles: Vec<File> = planted.iter().map(|name| desk.give(name, mode)).collect();
            let before = fs::read(desk.place.path(planted[0])).unwrap();
            let ran = desk.get();
            assert_eq!(ran.code, 3, "{ran:?}");
            assert!(ran.stderr.contains(&format!("{}: {SAID}", planted[0])), "{ran:?}");
            assert!(!desk.place.path("f").exists());
            assert_eq!(fs::read(desk.place.path(planted[0])).unwrap(), before);
            drop(handles);
        }
    }
}

/// In a folder like `/tmp` even opening the file fails; what is said is what is wrong.
#[test]
fn a_part_in_a_folder_for_all() {
    let Some(desk) = Desk::new() else { return };
    let folder = desk.place.path("shared");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o1777)).unwrap();
    desk.place.write("shared/f.part", b"");
    let mut theirs = desk.give("shared/f.part", 0o666);
    let program = desk.place.path("piton");
    fs::copy(env!("CARGO_BIN_EXE_piton"), &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let ran: Ran = Command::new(program)
        .args(["--config", "none", "get", "--checksum", &desk.digest, &desk.server.url("/f")])
        .current_dir(&folder)
        .env_clear()
        .env("HOME", &folder)
        .uid(VICTIM)
        .gid(VICTIM)
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains(&format!("f.part: {SAID} 64323")), "{ran:?}");
    theirs.write_all(b"something else").unwrap();
    assert!(!folder.join("f").exists());
}

/// The old rule of a group that shares a folder is no way in either.
#[test]
fn a_part_that_others_may_have_open_never_becomes_the_file() {
    let Some(desk) = Desk::new() else { return };
    desk.unfinished("f", false);
    let part = desk.place.path("f.part");
    fs::set_permissions(&part, PermissionsExt::from_mode(0o664)).unwrap();
    let mut theirs = OpenOptions::new().write(true).open(&part).unwrap();
    let ran = desk.get();
    assert_eq!(ran.code, 0, "{ran:?}");
    theirs.write_all(b"something else").unwrap();
    assert!(is_right(&desk.place.path("f")));
    assert!(desk.place.path("f.part.aside-1").exists(), "{ran:?}");
}

#[test]
fn a_part_that_is_a_second_name_of_another_file() {
    let Some(desk) = Desk::new() else { return };
    desk.place.write("precious", b"precious");
    // With a journal: without one it would be moved aside anyway.
    desk.unfinished("f", false);
    fs::remove_file(desk.place.path("f.part")).unwrap();
    fs::hard_link(desk.place.path("precious"), desk.place.path("f.part")).unwrap();
    let ran = desk.get();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fs::read(desk.place.path("precious")).unwrap(), b"precious");
    assert!(is_right(&desk.place.path("f")));
}

#[test]
fn a_journal_has_root_replace_nothing() {
    for with_part in [true, false] {
        let Some(desk) = Desk::new() else { return };
        desk.place.write("precious", b"precious");
        desk.unfinished("precious", true);
        drop(desk.give("precious.piton", 0o644));
        match with_part {
            true => drop(desk.give("precious.part", 0o644)),
            false => fs::remove_file(desk.place.path("precious.part")).unwrap(),
        }
        for args in [
            &["resume", "."][..],
            &["resume", "precious"],
            &["status", "."],
            &["show", "precious.piton"],
        ] {
            desk.refuses("precious.piton", args);
        }
        assert_eq!(fs::read(desk.place.path("precious")).unwrap(), b"precious");
    }
}

#[test]
fn a_journal_of_ours_beside_a_part_of_theirs() {
    let Some(desk) = Desk::new() else { return };
    desk.unfinished("f", false);
    drop(desk.give("f.part", 0o644));
    desk.refuses("f.part", &["resume", "."]);
}

#[test]
fn links_in_the_place_of_state() {
    for name in ["f.part", "f.piton"] {
        let Some(desk) = Desk::new() else { return };
        desk.unfinished("other", false);
        desk.unfinished("f", false);
        let ours = desk.place.path(&name.replace('f', "other"));
        let before = fs::read(&ours).unwrap();
        fs::remove_file(desk.place.path(name)).unwrap();
        symlink(&ours, desk.place.path(name)).unwrap();
        let ran = desk.get();
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains(&format!("{name}: it is a link")), "{ran:?}");
        assert_eq!(fs::read(&ours).unwrap(), before);
        let ran = desk.piton(&["resume", "f"]);
        assert_eq!(ran.code, 3, "{ran:?}");
    }
}

#[test]
fn temporary_files() {
    let Some(desk) = Desk::new() else { return };
    desk.unfinished("f", false);
    for name in ["f.piton.tmp", "f.piton.new"] {
        desk.place.write(name, b"planted");
        drop(desk.give(name, 0o666));
    }
    let ran = desk.get();
    assert!(ran.stderr.contains(&format!("f.piton.tmp: {SAID}")), "{ran:?}");
    fs::remove_file(desk.place.path("f.piton.tmp")).unwrap();
    let ran = desk.get();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(is_right(&desk.place.path("f")));
    assert_eq!(fs::read(desk.place.path("f.piton.new")).unwrap(), b"planted");
}

/// The ledger, and everything that is taken up with it.
#[test]
fn a_ledger_and_what_belongs_to_it() {
    for file in ["db", "db-wal", "db-shm", "db-journal", "flight", "db.tmp", "db.tmp-journal"] {
        // Under a temporary name nothing is looked for where there is a ledger.
        let is_temporary = file.starts_with("db.tmp");
        for begun in [true, false].into_iter().filter(|begun| !(*begun && is_temporary)) {
            let Some(desk) = Desk::new() else { return };
            desk.place.write("list.txt", desk.server.url("/f").as_bytes());
            if begun || file == "db" {
                desk.place.write("list.txt", b"");
                let ran = desk.piton(&["get", "-i", "list.txt"]);
                assert_eq!(ran.code, 0, "{ran:?}");
                desk.place.write("list.txt", desk.server.url("/f").as_bytes());
            }
            let name = format!("list.txt.piton.{file}");
            if file != "db" {
                desk.place.write(&name, b"planted");
            }
            drop(desk.give(&name, 0o666));
            let before = fs::read(desk.place.path(&name)).unwrap();
            desk.refuses(&name, &["get", "-i", "list.txt"]);
            if begun {
                for args in [["status", "list.txt"], ["retry", "list.txt"], ["forget", "list.txt"]]
                {
                    desk.refuses(&name, &args);
                }
            }
            assert_eq!(fs::read(desk.place.path(&name)).unwrap(), before);
            assert!(!desk.place.path("f").exists());
        }
    }
}

#[test]
fn a_link_to_a_ledger_counts_if_we_made_it() {
    let Some(desk) = Desk::new() else { return };
    desk.place.write("mine/list.txt", b"");
    assert_eq!(desk.piton(&["get", "-i", "mine/list.txt"]).code, 0);
    desk.place.write("list.txt", b"");
    let link = desk.place.path("list.txt.piton.db");
    symlink(desk.place.path("mine/list.txt.piton.db"), &link).unwrap();
    assert_eq!(desk.piton(&["status", "list.txt"]).code, 0);
    lchown(&link, Some(STRANGER), Some(STRANGER)).unwrap();
    for args in [&["status", "list.txt"][..], &["get", "-i", "list.txt"], &["forget", "list.txt"]] {
        desk.refuses("list.txt.piton.db", args);
    }
    assert!(desk.place.path("mine/list.txt.piton.db").exists());
}

/// What comes from standard input can hold logins, and goes into a file of our own.
#[test]
fn the_copy_of_a_list() {
    let Some(desk) = Desk::new() else { return };
    let list = format!("{}\n", desk.server.url("/f"));
    desk.place.write("stdin.piton.list", list.as_bytes());
    let mut theirs = desk.give("stdin.piton.list", 0o666);
    for args in [&["get", "-i", "stdin.piton.list"][..], &["retry", "stdin.piton.list"]] {
        let ran = desk.piton(args);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains(&format!("stdin.piton.list: {SAID}")), "{ran:?}");
    }
    let mut child = desk
        .place
        .command(&["--config", "none", "get", "-i", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let secret = list.replace("http://", "http://ann:secret@");
    child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let about = fs::metadata(desk.place.path("stdin.piton.list")).unwrap();
    assert_eq!((about.uid(), about.mode() & 0o777), (0, 0o600));
    let mut seen = String::new();
    theirs.rewind().unwrap();
    theirs.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, list, "the stranger reads what he wrote");
}

/// What is kept of a list at a URL is compared with the server's, and another user's would pass for it.
#[test]
fn the_copy_of_a_list_at_a_url() {
    let Some(desk) = Desk::new() else { return };
    desk.place.write("f.piton.list", &[b'#'; LEN as usize]);
    drop(desk.give("f.piton.list", 0o600));
    let ran = desk.piton(&["get", "-i", &desk.server.url("/f")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains(&format!("f.piton.list: {SAID}")), "{ran:?}");
}
