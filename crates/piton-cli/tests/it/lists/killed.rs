//! Stopped and killed in the middle, and gone on with: each file is right, and fetched once.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use piton_testkit::real::Nginx;
use piton_testkit::seed::{draw, seed};
use piton_testkit::server::{KIB, pattern};
use piton_testkit::skip;
use rustix::process::{Pid, Signal, kill_process};

use super::{Desk, SEED};
use crate::command::{Place, Ran};

const FILES: u64 = 300;
const KILLS: u64 = 4;
/// Far beyond what any step takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn kill_9_of_a_list_on_nginx() {
    if let Err(missing) = Nginx::available() {
        return skip(missing);
    }
    let served = tempfile::tempdir().unwrap();
    for file in 0..FILES {
        std::fs::write(served.path().join(file.to_string()), content(file)).unwrap();
    }
    let nginx = Nginx::serving(served.path()).start();
    let place = Place::new();
    let mut lines: Vec<_> = (0..FILES).map(|file| nginx.url(&format!("/{file}"))).collect();
    lines.push(nginx.url("/missing"));
    for round in 0..KILLS {
        place.write("list.txt", (lines.join("\n") + "\n").as_bytes());
        // Slow enough to be met in the middle, with another number of workers each time.
        let jobs = (1 + draw(round, 8)).to_string();
        let options = ["-j", &jobs, "--requests-per-second", "400", "-q"];
        let mut child = start(&place, &options);
        let wanted = (FILES / (KILLS + 1) * (round + 1)) as usize;
        wait_for(|| finished(&place) >= wanted || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        // Edited in between: turned round, and one in seven at another place.
        lines.reverse();
        let moved = lines.split_off(lines.len() - lines.len() / 7);
        lines.splice(0..0, moved);
    }
    let ran: Ran = command(&place, &["-q"]).output().unwrap().into();
    assert_eq!(ran.code, 13, "the one that is missing: {}; seed {}", ran.stderr, seed());
    assert!(ran.stderr.contains(&format!("{FILES} done")), "{}", ran.stderr);
    for file in 0..FILES {
        let bytes = std::fs::read(place.path("out").join(file.to_string())).unwrap();
        assert!(bytes == content(file), "{file}; seed {}", seed());
    }
    let mut sent = BTreeMap::<String, u64>::new();
    // One byte is asked for to see whether a file that is there is that of the server.
    for request in nginx.requests().into_iter().filter(|request| request.bytes > 1) {
        *sent.entry(request.path).or_default() += 1;
    }
    // What a kill met on its way may be asked for once more: at most as many as ran at a time.
    let again: u64 = sent.values().map(|count| count - 1).sum();
    assert!(again <= KILLS * 9, "{again} of {FILES} twice; seed {}", seed());
    assert_eq!(sent.len() as u64, FILES + 1);
}

#[test]
fn a_signal_saves_and_says_how_to_go_on() {
    let desk = Desk::with(super::site(3).rate_per_connection(KIB));
    desk.list(&["/0", "/1", "/2"]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let asked = desk.all_requests();
        let mut child = start(&desk.place, &["-j", "2"]);
        wait_for(|| {
            assert_eq!(child.try_wait().unwrap(), None, "it is slow");
            desk.all_requests() > asked
        });
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("stopped; everything is saved\n3 items: 0 done"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("to resume: piton get -i list.txt\n"), "{}", ran.stderr);
    }
    let ran = desk.piton(&["status", "--json", "list.txt"]);
    let status: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&status["pending"], &status["interrupted"]), (&3.into(), &0.into()), "{status}");
}

#[test]
fn half_of_standard_input_is_no_list() {
    let desk = Desk::new(1);
    let mut command = desk.place.command(&["--config", "none", "get", "-i", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let input = child.stdin.as_mut().unwrap();
    input.write_all(desk.text(&["/0"]).as_bytes()).unwrap();
    let folder = desk.place.path("");
    wait_for(|| entries(&folder).iter().any(|name| name.starts_with("stdin.piton.list.tmp-")));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // In a terminal the signal ends whatever writes into the pipe as well.
    drop(child.stdin.take());
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing of it is kept"), "{}", ran.stderr);
    assert_eq!((entries(&folder), desk.all_requests()), (Vec::new(), 0));
}

fn command(place: &Place, options: &[&str]) -> Command {
    let args = [&["--config", "none", "get", "-i", "list.txt", "-d", "out"], options].concat();
    let mut command = place.command(&args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn start(place: &Place, options: &[&str]) -> Child {
    command(place, options).spawn().unwrap()
}

fn content(file: u64) -> Vec<u8> {
    pattern::bytes(SEED + file, 1000 + 37 * file as usize)
}

pub(super) fn wait_for(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it hangs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn finished(place: &Place) -> usize {
    entries(&place.path("out")).iter().filter(|name| !name.contains('.')).count()
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
