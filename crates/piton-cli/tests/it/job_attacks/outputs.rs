//! Outputs and states that others change, and two runs at once.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use piton_testkit::seed::{draw, seed};

use super::{job, lines, place, read, run, says};
use crate::command::{Place, Ran, spool_in};

/// Stops at byte 40, until a file says that it may go on.
const STOPS: &str = "[ -e go ] || [ $PITON_OFFSET -lt 40 ] || exit 1; cat";

const OUT: [&str; 6] = ["lines", "in", "--chunk", "8", "-o", "out"];

fn stopped() -> Place {
    let place = place(&lines(30));
    says(&run(&place, &OUT, STOPS), 13, "exit code 1");
    place.write("go", b"");
    place
}

fn continues(place: &Place) {
    says(&run(place, &OUT, STOPS), 0, "done");
    assert_eq!(read(place, "out").as_bytes(), lines(30));
}

#[test]
fn what_another_program_appended_is_kept_aside() {
    let place = stopped();
    let mut part = OpenOptions::new().append(true).open(place.path("out.part")).unwrap();
    part.write_all(b"foreign\n").unwrap();
    says(&run(&place, &OUT, STOPS), 0, "what another program wrote is in");
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
    let aside = std::fs::read_dir(place.path("")).unwrap().map(|it| it.unwrap().file_name());
    let aside: Vec<_> = aside.filter(|it| it.to_string_lossy().contains("aside")).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(read(&place, aside[0].to_str().unwrap()).contains("foreign\n"));
}

#[test]
fn one_that_was_cut_changed_or_removed_stops_the_job() {
    type Deed = fn(&Place, &[u8]);
    let deeds: [(Deed, &str); 3] = [
        (|place, part| place.write("out.part", &part[..part.len() - 1]), "were committed"),
        (
            |place, part| place.write("out.part", &[&part[..part.len() - 1], b"!"].concat()),
            "another program changed",
        ),
        (|place, _| std::fs::remove_file(place.path("out.part")).unwrap(), "is gone"),
    ];
    for (deed, text) in deeds {
        let place = stopped();
        let part = std::fs::read(place.path("out.part")).unwrap();
        deed(&place, &part);
        says(&run(&place, &OUT, STOPS), 3, text);
        place.write("out.part", &part);
        continues(&place);
    }
}

#[test]
fn a_state_that_is_gone_stops_the_job_and_it_may_start_over() {
    let place = stopped();
    std::fs::remove_file(place.path("out.piton-job")).unwrap();
    says(&run(&place, &OUT, STOPS), 3, "no state that says how much of it counts");
    says(&run(&place, &[&OUT[..], &["--restart"]].concat(), STOPS), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
}

/// The output is moved away under a run, and another file takes its place.
#[test]
fn one_that_is_replaced_during_a_run_stops_it() {
    let place = place(&lines(30));
    let script = "[ $PITON_OFFSET = 0 ] || while [ ! -e go ]; do sleep 0.01; done; cat";
    let mut child =
        job(&place, &OUT, script).stderr(File::create(place.path("err")).unwrap()).spawn().unwrap();
    wait_for(|| read(&place, "out.part").len() == 8);
    std::fs::rename(place.path("out.part"), place.path("elsewhere")).unwrap();
    place.write("out.part", b"mine\n");
    place.write("go", b"");
    assert_eq!(child.wait().unwrap().code(), Some(3), "{}", read(&place, "err"));
    assert_eq!(read(&place, "out.part"), "mine\n");
    std::fs::rename(place.path("elsewhere"), place.path("out.part")).unwrap();
    says(&run(&place, &OUT, script), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
}

#[test]
fn a_file_that_gets_the_name_during_a_run_stays() {
    let place = place(&lines(6));
    let script = "[ -e out ] || echo theirs > out; echo x >> runs; cat";
    says(&run(&place, &OUT, script), 3, "already exists");
    assert_eq!(read(&place, "out"), "theirs\n");
    std::fs::remove_file(place.path("out")).unwrap();
    let runs = read(&place, "runs");
    says(&run(&place, &OUT, script), 0, "");
    assert_eq!(read(&place, "out").as_bytes(), lines(6));
    assert_eq!(read(&place, "runs"), runs, "nothing runs again");
}

fn shell(place: &Place, redirect: &str, script: &str) -> Ran {
    place.write("script", script.as_bytes());
    let piton = env!("CARGO_BIN_EXE_piton");
    let line = format!("{piton} lines in --chunk 8 -- sh -c \"$(cat script)\" {redirect}");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line]).current_dir(&place.dir).env_clear();
    command.env("HOME", place.dir.path()).env("PATH", "/usr/bin:/bin");
    command.output().unwrap().into()
}

#[test]
fn a_file_that_the_shell_has_emptied_is_refused() {
    let place = place(&lines(30));
    says(&shell(&place, "> log", STOPS), 13, "exit code 1");
    place.write("go", b"");
    says(&shell(&place, "> log", STOPS), 3, "if the shell emptied it with >");
    says(&shell(&place, ">> log", STOPS), 3, "were committed");
}

#[test]
fn a_file_that_the_shell_appends_to_continues_unless_others_wrote_to_it() {
    let place = place(&lines(30));
    place.write("log", b"before\n");
    says(&shell(&place, ">> log", STOPS), 13, "exit code 1");
    place.write("go", b"");
    let log = std::fs::read(place.path("log")).unwrap();
    place.write("log", &[&log[..], b"foreign\n"].concat());
    says(&shell(&place, ">> log", STOPS), 3, "another program appended to it");
    place.write("log", &log);
    says(&shell(&place, ">> log", STOPS), 0, "done");
    assert_eq!(read(&place, "log").as_bytes(), [b"before\n", &lines(30)[..]].concat());
}

#[test]
fn of_two_runs_at_once_one_is_refused() {
    let place = place(&lines(6));
    let script = "while [ ! -e go ]; do sleep 0.01; done; cat";
    let mut first = job(&place, &OUT, script).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for(|| place.path("out.piton-job").exists() && place.path("out.part").exists());
    std::thread::sleep(Duration::from_millis(100));
    says(&run(&place, &OUT, script), 9, "");
    // With a state of its own, and the same output.
    let other = [&OUT[..], &["--state", "file:other"]].concat();
    assert_ne!(run(&place, &other, script).code, 0);
    place.write("go", b"");
    assert!(first.wait().unwrap().success());
    assert_eq!(read(&place, "out").as_bytes(), lines(6));
}

#[test]
fn two_jobs_that_append_to_one_file_do_not_mix() {
    let place = place(&lines(6));
    let script = "while [ ! -e go ]; do sleep 0.01; done; cat";
    let one = ["lines", "in", "--append", "log", "--state", "file:one"];
    let mut first = job(&place, &one, script).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for(|| place.path("one").exists() && place.path("log").exists());
    std::thread::sleep(Duration::from_millis(100));
    let two = ["lines", "in", "--append", "log", "--state", "file:two"];
    says(&run(&place, &two, script), 9, "");
    place.write("go", b"");
    assert!(first.wait().unwrap().success());
    says(&run(&place, &two, script), 0, "done");
    assert_eq!(read(&place, "log").as_bytes(), lines(6).repeat(2));
}

/// Each seventh byte or so of the state, of a job with results in the spool.
#[test]
fn a_state_that_is_damaged_anywhere_gives_an_error_or_the_right_output() {
    let source = stopped_with_a_spool();
    let state = std::fs::read(source.path("out.piton-job")).unwrap();
    let (mut errors, mut at) = (0, 0);
    while at < state.len() {
        let place = Place::new();
        let spool = spool_of(&source);
        for name in ["in", "out.part", "go", &spool] {
            place.write(name, &std::fs::read(source.path(name)).unwrap());
        }
        let mut damaged = state.clone();
        damaged[at] ^= 1 << draw(at as u64, 8);
        place.write("out.piton-job", &damaged);
        let ran = run(&place, &OUT, FAILS_LATE);
        match ran.code {
            0 => {
                assert_eq!(read(&place, "out").as_bytes(), lines(30), "byte {at}, seed {}", seed())
            }
            3 => errors += 1,
            _ => panic!("byte {at}, seed {}: {ran:?}", seed()),
        }
        at += 1 + draw(at as u64 + 1000, 60) as usize;
    }
    assert!(errors > 10, "{errors}");
}

/// Each seventh byte or so of the spool: its results are not believed, and their chunks run again.
#[test]
fn a_spool_that_is_damaged_anywhere_costs_time_only() {
    let source = stopped_with_a_spool();
    let name = spool_of(&source);
    let spool = std::fs::read(source.path(&name)).unwrap();
    let mut at = 0;
    while at < spool.len() {
        let place = Place::new();
        for name in ["in", "out.part", "go", "out.piton-job"] {
            place.write(name, &std::fs::read(source.path(name)).unwrap());
        }
        let mut damaged = spool.clone();
        damaged[at] ^= 1 << draw(at as u64, 8);
        place.write(&name, &damaged);
        let ran = run(&place, &OUT, FAILS_LATE);
        assert_eq!(ran.code, 0, "byte {at}, seed {}: {ran:?}", seed());
        assert_eq!(read(&place, "out").as_bytes(), lines(30), "byte {at}, seed {}", seed());
        at += 1 + draw(at as u64 + 1000, 30) as usize;
    }
}

/// The chunk at byte 40 has failed when some behind it were done.
const FAILS_LATE: &str = "[ -e go ] || [ $PITON_OFFSET != 40 ] || { sleep 0.3; exit 1; }; cat";

/// The file of the spool, below the place.
fn spool_of(place: &Place) -> String {
    let path = spool_in(&place.path("out.piton-spool")).unwrap();
    format!("out.piton-spool/{}", path.file_name().unwrap().to_str().unwrap())
}

fn stopped_with_a_spool() -> Place {
    let place = place(&lines(30));
    says(&run(&place, &[&OUT[..], &["--jobs", "3"]].concat(), FAILS_LATE), 13, "exit code 1");
    assert!(std::fs::metadata(place.path(&spool_of(&place))).unwrap().len() > 200);
    place.write("go", b"");
    place
}

fn wait_for(condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
