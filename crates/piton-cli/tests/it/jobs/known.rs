//! What `piton status`, `show`, `forget` and `resume` know of jobs.

use serde_json::Value;

use super::{Waiting, json, names, numbers, read};
use crate::command::Place;

/// The job that `piton status --json` shows.
fn status(place: &Place, args: &[&str]) -> Value {
    let ran = place.piton(&[&["status", "--json"], args].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{args:?}: {}", ran.stdout);
    json(&ran.stdout)
}

fn two_are_done(place: &Place, args: &[&str]) -> bool {
    let ran = place.piton(&[&["status", "--json"], args].concat());
    ran.stdout.lines().any(|line| json(line)["records"] == 2)
}

/// A job of which two of five records are done, killed.
fn killed(place: &Place, more: &[&str], named: &[&str]) {
    let mut job = Waiting::start(place, more);
    job.until(|| two_are_done(place, named));
    job.kill();
}

#[test]
fn status_finds_a_job_by_whatever_names_it_and_in_every_store() {
    let place = Place::new();
    let mut job = Waiting::start(&place, &["-o", "out"]);
    job.until(|| two_are_done(&place, &["out"]));
    for named in ["out", "out.part", "out.piton-job", "."] {
        let seen = status(&place, &[named]);
        assert_eq!((&seen["running"], &seen["records"]), (&job.id().into(), &2.into()), "{named}");
        assert_eq!((&seen["position"], &seen["size"]), (&4.into(), &10.into()));
        assert_eq!((&seen["finished"], &seen["run"]), (&false.into(), &1.into()));
    }
    assert_eq!(job.finish(&place), Some(0));
    let seen = status(&place, &["out"]);
    assert_eq!((&seen["finished"], &seen["running"]), (&true.into(), &Value::Null));
    for (state, beside) in [("json:s.json", "s.json"), ("file:s.journal", "s.journal")] {
        let place = Place::new();
        killed(&place, &["-o", "out", "--state", state], &[beside]);
        assert_eq!(status(&place, &["--state", state])["output"]["path"], "out");
    }
    let place = Place::new();
    let state = ["--state", "sqlite:jobs.db?job=a"];
    let mut job = Waiting::start(&place, &[&["-o", "out"], &state[..]].concat());
    job.until(|| two_are_done(&place, &state));
    assert_eq!(status(&place, &state)["running"], job.id());
    job.kill();
    assert_eq!(status(&place, &state)["running"], Value::Null);
    let other = place.piton(&["status", "--state", "sqlite:jobs.db?job=b"]);
    assert_eq!(other.code, 3, "{}", other.stdout);
}

#[test]
fn looking_changes_nothing() {
    for state in [&["--state", "sqlite:jobs.db"][..], &["--state", "json:s.json"], &[]] {
        let place = Place::new();
        let named = if state.is_empty() { &["out"] } else { state };
        killed(&place, &[&["-o", "out"], state].concat(), named);
        let all = || -> Vec<(String, Vec<u8>)> {
            let bytes = |name: &String| std::fs::read(place.path(name)).unwrap_or_default();
            // The shared memory of SQLite holds the locks of those who read.
            let names = names(&place).into_iter().filter(|name| !name.ends_with("-shm"));
            names.map(|name| (name.clone(), bytes(&name))).collect()
        };
        let before = all();
        status(&place, named);
        place.piton(&["show", "out.piton-job"]);
        place.piton(&["resume"]);
        assert!(all() == before, "{state:?}: {:?}", names(&place));
    }
}

#[test]
fn a_table_of_jobs_and_downloads() {
    let place = Place::new();
    drop(crate::status::unfinished(&place, "big.iso"));
    numbers(&place, "n", 1000);
    assert_eq!(place.piton(&["lines", "n", "-o", "sub.txt", "--", "/bin/cat"]).code, 0);
    let ran = place.piton(&["status"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let (downloads, jobs) = ran.stdout.split_once("\n\n").unwrap();
    assert!(downloads.contains("big.iso") && !jobs.contains("big.iso"), "{}", ran.stdout);
    let row: Vec<_> = jobs.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..2], ["sub.txt", "1,000"]);
    assert_eq!(row[row.len() - 2..], ["finished", "n"]);
}

#[test]
fn show_prints_the_journal_frame_by_frame() {
    let place = Place::new();
    killed(&place, &["-o", "out"], &["out"]);
    let ran = place.piton(&["show", "out.piton-job"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("job journal format 1, salt "), "{}", ran.stdout);
    assert!(ran.stdout.contains("        32         1  run 1\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("commit, running, 2 records, 4 bytes read, 4 bytes written"));
    assert!(ran.stdout.contains("durable through "));
    let seen = json(&place.piton(&["show", "--json", "out.piton-job"]).stdout);
    assert_eq!((&seen["records"][0]["epoch"], &seen["end"]["clean"]), (&1.into(), &true.into()));
    let bytes = std::fs::read(place.path("out.piton-job")).unwrap();
    // Each record begins where it says: 21 bytes before its payload, of which the type is the last.
    for record in seen["records"].as_array().unwrap() {
        let kind = bytes[record["offset"].as_u64().unwrap() as usize + 20];
        let wanted = ["", "epoch", "commit", "durable"][usize::from(kind)];
        assert_eq!(record["type"], wanted);
    }
    std::fs::write(place.path("out.piton-job"), &bytes[..bytes.len() - 1]).unwrap();
    let torn = place.piton(&["show", "out.piton-job"]);
    assert!(torn.stdout.contains("torn: a record is cut off"), "{}{}", torn.stdout, torn.stderr);
}

#[test]
fn forget_removes_state_part_and_spool_and_nothing_else() {
    for state in [&[][..], &["--state", "json:s.json"], &["--state", "sqlite:jobs.db?job=a"]] {
        let place = Place::new();
        let mut job = Waiting::start(&place, &[&["-o", "out", "-j", "2"], state].concat());
        let named = if state.is_empty() { &["out"] } else { state };
        // The fourth and the fifth wait in the spool.
        job.until(|| two_are_done(&place, named) && place.path("out.piton-spool").exists());
        let args = [&["forget", "out"], state].concat();
        let refused = place.piton(&args);
        assert_eq!(refused.code, 9, "{state:?}: {}{}", refused.stdout, refused.stderr);
        job.kill();
        let ran = place.piton(&args);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{state:?}");
        assert!(ran.stdout.contains("out.part") && ran.stdout.contains("out.piton-spool"));
        let left: Vec<_> =
            names(&place).into_iter().filter(|name| !name.starts_with("jobs.db")).collect();
        assert_eq!(left, ["n"], "{state:?}");
        assert_eq!(place.piton(&args).code, 3, "{state:?}");
    }
}

#[test]
fn forget_keeps_a_finished_output_and_one_that_is_appended_to() {
    let place = Place::new();
    numbers(&place, "n", 5);
    place.write("log", b"before\n");
    assert_eq!(place.piton(&["lines", "n", "-o", "out", "--", "/bin/cat"]).code, 0);
    assert_eq!(place.piton(&["lines", "n", "--append", "log", "--", "/bin/cat"]).code, 0);
    // As if a kill had come before its final name.
    std::fs::rename(place.path("out"), place.path("out.part")).unwrap();
    let ran = place.piton(&["forget", "out", "log"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("out.part was kept"), "{}", ran.stdout);
    assert_eq!(names(&place), ["log", "n", "out.part"]);
    assert_eq!(read(&place, "log"), "before\n1\n2\n3\n4\n5\n");
}

#[test]
fn resume_shows_the_command_line_and_runs_nothing() {
    let place = Place::new();
    killed(&place, &["-o", "out"], &["out"]);
    place.write("go", b"");
    let ran = place.piton(&["resume", "out"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let (_, line) = ran.stderr.split_once("hint: run piton ").unwrap();
    let listed = place.piton(&["resume"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert!(listed.stderr.contains("out: an unfinished job; to continue it, run piton each n"));
    assert!(place.path("out.part").exists() && !place.path("out").exists());
    // From another folder it begins with that of the job.
    std::fs::create_dir(place.path("sub")).unwrap();
    let elsewhere = place.command(&["resume", "../out"]).current_dir(place.path("sub")).output();
    let stderr = String::from_utf8(elsewhere.unwrap().stderr).unwrap();
    assert!(stderr.contains(&format!("cd -- {} && piton each", place.dir.path().display())));
    // It is what a shell takes.
    let typed = format!("{} {line}", env!("CARGO_BIN_EXE_piton"));
    let mut shell = std::process::Command::new("bash");
    assert!(shell.args(["-c", &typed]).current_dir(&place.dir).status().unwrap().success());
    assert_eq!(read(&place, "out"), "1\n2\n3\n4\n5\n");
    assert!(place.piton(&["resume", "out"]).stderr.contains("nothing to do"));
}

#[test]
fn a_state_of_somebody_else_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    killed(&place, &["-o", "out"], &["out"]);
    let others = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(place.path("out.piton-job"), others).unwrap();
    for args in [["status", "out"], ["forget", "out"], ["resume", "out"], ["show", "out.piton-job"]]
    {
        let ran = place.piton(&args);
        assert_eq!(ran.code, 3, "{args:?} {}", ran.stdout);
        assert!(ran.stderr.contains("others may write to it"), "{args:?} {}", ran.stderr);
    }
    assert!(place.path("out.part").exists());
}
