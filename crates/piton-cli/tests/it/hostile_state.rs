//! Journals and ledgers that say anything at all, in files of our own, so that they are used: whatever is run,
//! nothing outside the folder changes, nothing panics, and no login is shown or left.

use std::fs;
use std::process::Command;

use piton::fetch::redact::is_deceptive;
use piton_testkit::hostile::journal::{About, plant};
use piton_testkit::hostile::{Draw, Walled, ledger};
use piton_testkit::seed::draw as random;
use piton_testkit::server::{Resource, Server, Site, pattern};

use crate::command::Ran;

const SEED: u64 = 8;
const LEN: u64 = 200_000;
const ROUNDS: u64 = 16;
/// In what is planted, and in no output.
const PLANTED: &str = "planted-login";
/// Given on the command line, and in no file.
const GIVEN: &str = "given-login";

/// Two folders, and a server of `/f` and `/g`.
struct Desk {
    place: Walled,
    server: Server,
    digest: String,
}

impl Desk {
    /// The list of both has been gone through; one of them failed.
    fn new() -> Self {
        let file = Resource::pattern(SEED, LEN).etag("\"1\"");
        let digest = format!("sha256:{}", file.sha256());
        let server = Server::start(Site::new().with("/f", file));
        let place = Walled::new();
        let list = format!("{}\n{}\n", server.url("/f"), server.url("/g"));
        fs::write(place.path("list.txt"), &list).unwrap();
        fs::write(place.path("done.txt"), list).unwrap();
        let desk = Self { place, server, digest };
        let ran = desk.run(&["get", "-i", "list.txt", "--retries", "0"]);
        assert_eq!(ran.code, 13, "{ran:?}");
        desk.server.replace("/g", Resource::pattern(9, 5000));
        desk
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_piton"));
        command.args(["--config", "none"]).args(args).current_dir(self.place.work()).env_clear();
        command.env("HOME", self.place.work()).env("TZ", "UTC").output().unwrap().into()
    }

    /// Runs it, and looks at what it says and does.
    fn holds(&self, about: &str, args: &[&str]) -> Ran {
        let ran = self.run(args);
        let about = format!("{about} {args:?}: {ran:?}");
        assert!(!ran.stderr.contains("panicked") && ran.code != 1, "{about}");
        for said in [&ran.stdout, &ran.stderr] {
            assert!(!said.contains(PLANTED) && !said.contains(GIVEN), "{about}");
            let plain = |c: char| c == '\n' || !is_deceptive(c);
            assert!(said.chars().all(plain), "{about}");
        }
        self.place.holds(GIVEN);
        ran
    }

    /// Everything that reads state. The last says whether the file is right, and it is what it says.
    fn go_through(&self, about: &str) {
        let login = format!("{GIVEN}:{GIVEN}");
        for args in [
            &["status", "."][..],
            &["status", "list.txt"],
            &["status", "list.txt", "--json"],
            &["failures", "list.txt"],
            &["failures", "list.txt", "--json"],
            &["get", "-i", "list.txt", "--dry-run"],
            &["get", "-i", "list.txt", "--user", &login, "--retries", "0"],
            &["retry", "list.txt", "-d", ".", "--retries", "0"],
            &["get", "-i", "list.txt", "-d", ".", "--json", "--retries", "0"],
            &["adopt", "--done", "done.txt", "-i", "list.txt"],
            &["resume", ".", "--retries", "0"],
            &["forget", "list.txt"],
        ] {
            self.holds(about, args);
        }
        let url = self.server.url("/f");
        let args = ["--user", &login, "--checksum", &self.digest, "--overwrite", "--retries", "0"];
        let ran = self.holds(about, &[&["get", &url], &args[..]].concat());
        if ran.code == 0 {
            let bytes = fs::read(self.place.path("f")).unwrap();
            assert_eq!(bytes.len() as u64, LEN, "{about}");
            assert_eq!(pattern::first_difference(SEED, 0, &bytes), None, "{about}");
        }
    }

    fn spoil(&self, name: &str, draw: &mut Draw<'_>) {
        let path = self.place.path(name);
        let Ok(mut bytes) = fs::read(&path) else { return };
        draw.spoil(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

/// Bytes for the choices of a round.
fn bytes_of(round: u64) -> Vec<u8> {
    (0..400).map(|at| random(round << 20 | at, 256) as u8).collect()
}

#[test]
fn whole_runs_over_it_stay_in_their_folder_and_show_no_login() {
    for round in 0..ROUNDS {
        let bytes = bytes_of(round);
        let mut draw = Draw::new(&bytes);
        let desk = Desk::new();
        if draw.below(3) > 0 {
            desk.spoil("list.txt.piton.db", &mut draw);
        }
        for beside in ["db-wal", "flight"] {
            if draw.below(3) == 0 {
                let path = desk.place.path(&format!("list.txt.piton.{beside}"));
                fs::write(path, draw.bytes(200)).unwrap();
            }
        }
        if draw.below(2) == 0 {
            fs::remove_file(desk.place.path("f")).unwrap();
        }
        let url = desk.server.url("/f");
        let elsewhere = [desk.server.url_at("localhost", "/f")];
        let about =
            About { url: &url, seed: SEED, len: LEN, elsewhere: &elsewhere, secret: PLANTED };
        for name in ["f", "g", "h"] {
            plant(&desk.place.path(name), &about, &mut draw);
            if draw.below(3) == 0 {
                desk.spoil(&format!("{name}.piton"), &mut draw);
            }
        }
        desk.go_through(&format!("round {round}"));
    }
}

/// Tables that are well made, with rows under checksums that are right.
#[test]
fn ledgers_that_say_anything_stay_in_their_folder_and_show_no_login() {
    for round in ROUNDS..2 * ROUNDS {
        let bytes = bytes_of(round);
        let desk = Desk::new();
        let path = desk.place.path("list.txt.piton.db");
        ledger::rewrite(&path, PLANTED, &mut Draw::new(&bytes));
        desk.go_through(&format!("round {round}"));
    }
}

/// What a ledger has of texts is shown, and neither steers a terminal nor tells a login.
#[test]
fn what_is_shown_of_a_ledger_is_clean() {
    let desk = Desk::new();
    let nasty =
        format!("\u{1b}[2J\u{9b}2J\u{202e}gpj.exe\u{200b} http://{PLANTED}:{PLANTED}@host/x");
    ledger::say(&desk.place.path("list.txt.piton.db"), &nasty);
    for json in [false, true] {
        for (command, what) in [("status", "2J"), ("failures", "url")] {
            let args = [command, "list.txt", "--json"];
            let ran = desk.holds("", &args[..if json { 3 } else { 2 }]);
            assert_eq!(ran.code, 0, "{ran:?}");
            assert!(ran.stdout.contains(what) || !json && command == "failures", "{ran:?}");
            assert!(!json || ran.stdout.contains("//host/x"), "{ran:?}");
            assert!(!json || ran.stdout.contains("\\u202e"), "{ran:?}");
        }
    }
}
