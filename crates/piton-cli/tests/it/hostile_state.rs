//! Journals and ledgers that say anything at all, in files of our own, so that they are used: whatever is run,
//! nothing outside the folder changes, nothing panics, and no login is shown or left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton::durable::crc::crc32c;
use piton::durable::extent::Extent;
use piton::durable::fs::OsFs;
use piton::durable::part::{OpenPart, Opened, Part, Target};
use piton_testkit::server::{Resource, Server, Site, pattern};

use crate::command::{Place, Ran};

const SEED: u64 = 8;
const LEN: u64 = 200_000;
const ROUNDS: u64 = 24;
/// In what is planted, and in no output.
const PLANTED: &str = "planted-login";
/// Given on the command line, and in no file.
const GIVEN: &str = "given-login";

/// Small numbers from the seed of the test.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Flips some bytes, cuts some off, or adds some.
    fn spoil(&mut self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self.below(4) {
            0 => bytes.truncate(self.below(bytes.len() as u64 + 1) as usize),
            1 => bytes.extend((0..self.below(5000)).map(|at| at as u8)),
            _ if bytes.is_empty() => {}
            _ => {
                for _ in 0..=self.below(6) {
                    let at = self.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << self.below(8);
                }
            }
        }
        fs::write(path, bytes).unwrap();
    }
}

/// A journal that is well made, of a download that never was.
fn plant(place: &Place, server: &Server, draw: &mut Draw, name: &str) {
    let opened = Part::open(Arc::new(OsFs), &Target::new(place.path(name)), OpenPart::default());
    let Ok(Opened::Part(part, _)) = opened else { return };
    let authority = server.url("").replace("http://", "");
    let good = server.url("/f");
    let urls = [
        good.clone(),
        format!("http://{PLANTED}:{PLANTED}@{authority}/f"),
        format!("http://{authority}/../../../../etc/passwd"),
        format!("http://{authority}/f?token={PLANTED}"),
        "file:///etc/passwd".to_owned(),
        "http://127.0.0.1:1/".to_owned(),
        "\u{1b}]0;x\u{7}".to_owned(),
        String::new(),
    ];
    let sizes = ["null", "0", "1", "200000", "18446744073709551615"];
    let url = urls[draw.below(urls.len() as u64) as usize].clone();
    let mirror = urls[draw.below(urls.len() as u64) as usize].clone();
    let meta = serde_json::json!({
        "url": url,
        "identity": {
            "size": serde_json::from_str::<serde_json::Value>(draw.one(&sizes)).unwrap(),
            "etag": draw.one(&["\"1\"", "W/\"1\"", "", "\u{1b}[2J"]),
        },
        "begun": draw.one(&[i64::MIN, 0, i64::MAX]),
        "ranges": draw.below(2) == 0,
        "overwrite": draw.below(2) == 0,
        "digests": [draw.one(&["sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "../x", ""])],
        "encoding": draw.one(&[None, Some("gzip"), Some("../../x")]),
        "identity_of": draw.one(&[None, Some("http://elsewhere/")]),
        "mirrors": [{ "url": mirror, "priority": 1 }],
        "judged_by": draw.one(&[None, Some("whole"), Some("pieces")]),
    });
    if part.begin(meta.to_string().as_bytes(), None).is_err() {
        return;
    }
    let mut bytes = vec![0; draw.below(LEN) as usize];
    pattern::fill(draw.one(&[SEED, 1]), 0, &mut bytes);
    // What cannot be written or claimed is not planted.
    let _ = part.write(&bytes, 0);
    for _ in 0..draw.below(4) {
        let start = draw.one(&[0, 1000, u64::MAX - 10, 1 << 62]);
        let extent = Extent { start, len: bytes.len() as u64, crc: crc32c(&bytes) };
        let _ = part.claim(extent);
    }
    let _ = part.checkpoint();
}

/// Every file at and below a folder, with its bytes.
fn all(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(all(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn whole_runs_over_it_stay_in_their_folder_and_show_no_login() {
    let file = Resource::pattern(SEED, LEN).etag("\"1\"");
    let digest = format!("sha256:{}", file.sha256());
    let server = Server::start(Site::new().with("/f", file).with("/g", Resource::pattern(9, 5000)));
    let (f, g) = (server.url("/f"), server.url("/g"));
    for round in 0..ROUNDS {
        let mut draw =
            Draw((piton_testkit::seed::seed() ^ (round + 1)).wrapping_mul(0x9e37_79b9) | 1);
        let place = Place::new();
        place.write("outside/precious", b"precious");
        place.write("work/list.txt", format!("{f}\n{g}\n").as_bytes());
        let work = place.path("work");
        let run = |args: &[&str]| -> Ran {
            let args = [&["--config", "none"], args, &["--retries", "0"]].concat();
            let mut command = place.command(&args);
            command.current_dir(&work).output().unwrap().into()
        };
        let ran = run(&["get", "-i", "list.txt"]);
        assert_eq!(ran.code, 0, "{round}: {ran:?}");
        if draw.below(3) > 0 {
            draw.spoil(&work.join("list.txt.piton.db"));
        }
        for beside in ["db-wal", "flight"] {
            if draw.below(3) == 0 {
                let junk: Vec<u8> = (0..draw.below(9000)).map(|_| draw.below(256) as u8).collect();
                fs::write(work.join(format!("list.txt.piton.{beside}")), junk).unwrap();
            }
        }
        for name in ["f", "g"] {
            if draw.below(2) == 0 {
                fs::remove_file(work.join(name)).unwrap();
            }
        }
        for name in ["work/f", "work/g", "work/h"] {
            plant(&place, &server, &mut draw, name);
            if draw.below(3) == 0 && place.path(name).with_extension("piton").exists() {
                draw.spoil(&place.path(name).with_extension("piton"));
            }
        }
        let before = all(&place.path("outside"));
        let login = format!("{GIVEN}:{GIVEN}");
        let mut named = Vec::new();
        for args in [
            &["status", "."][..],
            &["status", "list.txt"],
            &["failures", "list.txt"],
            &["get", "-i", "list.txt"],
            &["resume", "."],
            &["get", "--user", &login, "--checksum", &digest, "--overwrite", &f],
        ] {
            let takes_retries = matches!(args[0], "get" | "resume");
            let ran = match takes_retries {
                true => run(args),
                false => {
                    let args = [&["--config", "none"], args].concat();
                    place.command(&args).current_dir(&work).output().unwrap().into()
                }
            };
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains("panicked") && ran.code != 1, "{round} {args:?}: {ran:?}");
            for secret in [PLANTED, GIVEN] {
                assert!(!said.contains(secret), "{round} {args:?}: {ran:?}");
            }
            assert!(!said.contains('\u{1b}'), "{round} {args:?}: {ran:?}");
            named.push((args[0], ran));
        }
        assert_eq!(all(&place.path("outside")), before, "{round}");
        let top = fs::read_dir(&place.dir).unwrap().count();
        assert_eq!(top, 2, "{round}: something was made beside the folder");
        for (path, bytes) in all(&work) {
            assert!(!holds(&bytes, GIVEN), "{round}: {}", path.display());
        }
        // The last command says whether the file is right, and it is what it says.
        let (_, last) = named.last().unwrap();
        if last.code == 0 {
            let bytes = fs::read(work.join("f")).unwrap();
            assert_eq!(bytes.len() as u64, LEN, "{round}");
            assert_eq!(pattern::first_difference(SEED, 0, &bytes), None, "{round}");
        }
    }
}
