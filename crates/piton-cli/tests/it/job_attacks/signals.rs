//! Signals, a terminal that goes away, readers that want no more.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{job, lines, place, read, run, says};
use crate::command::Place;

const OUT: [&str; 8] = ["lines", "in", "--chunk", "8", "-o", "out", "--jobs", "2"];

/// From byte 40 on chunks wait for a file; each notes its process and that it is done.
const WAITS: &str = "echo $$ >> pids; [ $PITON_OFFSET -lt 40 ] || \
                     while [ ! -e go ]; do sleep 0.05; done; echo $PITON_OFFSET >> runs; cat";

fn start(place: &Place, script: &str) -> Child {
    let stderr = File::create(place.path("err")).unwrap();
    job(place, &OUT, script).stderr(stderr).stdin(Stdio::null()).spawn().unwrap()
}

/// Five chunks are done, and two wait.
fn until_it_waits(place: &Place) {
    wait_for(|| read(place, "pids").lines().count() == 7 && read(place, "out.part").len() == 40);
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn wait_for(condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a command of the job still runs.
fn is_running(place: &Place) -> bool {
    read(place, "pids").lines().any(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie does not run; in a container nobody may reap it.
        stat.contains("(sh)") && !stat.contains("(sh) Z")
    })
}

fn continues(place: &Place) {
    place.write("go", b"");
    says(&run(place, &OUT, WAITS), 0, "done");
    assert_eq!(read(place, "out").as_bytes(), lines(30));
    let runs = read(place, "runs");
    let mut offsets: Vec<_> = runs.lines().collect();
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets.len(), runs.lines().count(), "each chunk was finished once: {runs}");
}

#[test]
fn one_saves_ends_the_commands_and_is_the_exit_code() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
        let place = place(&lines(30));
        let mut child = start(&place, WAITS);
        until_it_waits(&place);
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{}", read(&place, "err"));
        assert!(read(&place, "err").contains("run the same command again to continue"));
        assert!(!is_running(&place));
        continues(&place);
    }
}

/// The commands ignore SIGTERM: the first signal waits for them, the second does not.
#[test]
fn two_quit_at_once_and_leave_no_command_behind() {
    let place = place(&lines(30));
    let deaf = format!("trap '' TERM; {WAITS}");
    let mut child = start(&place, &deaf);
    until_it_waits(&place);
    send(&child, Signal::INT);
    wait_for(|| read(&place, "err").contains("saving"));
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "it waits for its commands");
    send(&child, Signal::INT);
    let began = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{}", read(&place, "err"));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    wait_for(|| !is_running(&place));
    place.write("go", b"");
    says(&run(&place, &OUT, &deaf), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
}

#[test]
fn ctrl_z_saves_and_suspends_until_it_is_continued() {
    let place = place(&lines(30));
    let mut child = start(&place, WAITS);
    until_it_waits(&place);
    send(&child, Signal::TSTP);
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next()
    };
    wait_for(|| state() == Some('T'));
    // What was saved is enough: a copy of it continues.
    let copy = Place::new();
    for name in ["in", "out.part", "out.piton-job"] {
        copy.write(name, &std::fs::read(place.path(name)).unwrap());
    }
    copy.write("go", b"");
    says(&run(&copy, &OUT, WAITS), 0, "done");
    assert_eq!(read(&copy, "out").as_bytes(), lines(30));
    // From the line "10 10" on a chunk has two lines of six bytes.
    assert_eq!(read(&copy, "runs").lines().count(), 10, "what was saved does not run again");
    place.write("go", b"");
    send(&child, Signal::CONT);
    assert!(child.wait().unwrap().success(), "{}", read(&place, "err"));
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
}

#[test]
fn under_nohup_it_outlives_the_terminal() {
    let place = place(&lines(30));
    let job = job(&place, &OUT, WAITS);
    let mut nohup = Command::new("nohup");
    nohup.arg(job.get_program()).args(job.get_args()).current_dir(&place.dir).env_clear();
    nohup.env("PATH", "/usr/bin:/bin").env("HOME", place.dir.path());
    let stderr = File::create(place.path("err")).unwrap();
    let mut child =
        nohup.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    until_it_waits(&place);
    send(&child, Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    place.write("go", b"");
    assert!(child.wait().unwrap().success(), "{}", read(&place, "err"));
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
}

fn shell(place: &Place, line: &str) -> crate::command::Ran {
    let piton = env!("CARGO_BIN_EXE_piton");
    let mut command = Command::new("bash");
    command.args(["-c", &line.replace("piton", piton)]).current_dir(&place.dir).env_clear();
    command.env("HOME", place.dir.path()).env("PATH", "/usr/bin:/bin");
    command.output().unwrap().into()
}

#[test]
fn a_reader_that_wants_no_more_ends_it_and_the_rest_comes_next_time() {
    // More than pipes hold.
    let place = place(&lines(100_000));
    let ran =
        shell(&place, "piton lines in --chunk 64KiB -- cat | head -c 20; exit ${PIPESTATUS[0]}");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0 0\n1 1\n2 2\n3 3\n4 4\n"), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    let rest = shell(&place, "piton lines in --chunk 64KiB -- cat > /dev/null; echo $?");
    assert_eq!(rest.stdout, "0\n", "{rest:?}");
}

/// What is left after a job was killed in front of a slow reader comes, and at most one piece comes twice.
#[test]
fn a_pipe_gets_each_piece_and_after_a_kill_at_most_one_again() {
    let input = lines(2000);
    let place = place(&input);
    // The first chunk is slow: all others wait for it in the spool, and then come at once.
    let line = "piton lines in --chunk 200 --jobs 3 -- sh -c \
                '[ $PITON_OFFSET != 0 ] || sleep 0.4; cat' > fifo & pid=$!; \
                { head -c 3000; kill -9 $pid; cat; } < fifo > got; wait $pid; \
                piton lines in --chunk 200 --jobs 3 -- sh -c \
                '[ $PITON_OFFSET != 0 ] || sleep 0.4; cat' | cat > rest";
    let ran = shell(&place, &format!("mkfifo fifo; {line}"));
    let (got, rest) = (read(&place, "got"), read(&place, "rest"));
    let whole = String::from_utf8(input).unwrap();
    assert!(whole.starts_with(&got), "{ran:?}");
    assert!(!rest.is_empty() && whole.ends_with(&rest), "{ran:?}");
    let twice = (got.len() + rest.len()).checked_sub(whole.len());
    assert!(twice.is_some_and(|twice| twice <= 210), "{twice:?} bytes twice: {ran:?}");
}

#[test]
fn all_of_it_comes_again_if_it_is_saved_at_the_end_only() {
    let input: Vec<u8> =
        (0..40).flat_map(|n| format!("{n} {}\n", "y".repeat(200_000)).into_bytes()).collect();
    let place = place(&input);
    let job = "piton lines in --chunk 1MiB --commit-at-end -- cat";
    // Results of a mebibyte and more pass by the buffer.
    let line = format!(
        "mkfifo fifo; {job} > fifo & pid=$!; {{ head -c 3000000; kill -9 $pid; cat; }} < fifo > got; \
         wait $pid; {job} | cat > again"
    );
    let ran = shell(&place, &line);
    assert!(ran.stderr.contains("all of it again"), "{ran:?}");
    assert!(ran.stderr.contains("any of them again"), "{ran:?}");
    assert!(std::fs::metadata(place.path("got")).unwrap().len() >= 3_000_000);
    assert!(std::fs::read(place.path("again")).unwrap() == input);
}

#[test]
fn a_full_standard_output_is_an_error() {
    let place = place(&lines(30));
    let ran = shell(&place, "piton lines in --chunk 8 -- cat > /dev/full");
    says(&ran, 3, "No space left");
}
