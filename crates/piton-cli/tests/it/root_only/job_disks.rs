//! Jobs on disks that fill up, and that lose their power.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton::records::parallel::Letter;
use piton_testkit::SmallDisk;
use piton_testkit::power::{BlockLog, FsKind, Volume, wanted_states};
use piton_testkit::seed::{draw, seed};

use crate::command::{Place, spool_in};

/// Only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lines of 8 KiB.
fn long_lines(count: u32) -> Vec<u8> {
    (0..count).flat_map(|n| format!("{n:08}{}\n", "y".repeat(8183)).into_bytes()).collect()
}

/// A job whose commands note each execution in `runs`, in a folder that has room.
struct Job {
    place: Place,
    script: String,
    arguments: Vec<String>,
}

impl Job {
    fn new(input: &[u8], arguments: &[&str], script: &str) -> Self {
        let place = Place::new();
        place.write("in", input);
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let script = format!("echo $PITON_CHUNK_ID >> runs; {script}");
        Self { place, script, arguments }
    }

    fn command(&self) -> Command {
        let mut command = self.place.command(&["lines", "in"]);
        command.env("PATH", "/usr/bin:/bin").args(&self.arguments);
        command.args(["--", "sh", "-c", &self.script]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(self.place.path("err")).unwrap());
        command
    }

    fn code(&self) -> Option<i32> {
        self.command().status().unwrap().code()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.place.path("err")).unwrap()
    }

    /// How often each chunk was run.
    fn runs(&self) -> BTreeMap<String, usize> {
        let mut runs = BTreeMap::new();
        let text = std::fs::read_to_string(self.place.path("runs")).unwrap_or_default();
        text.lines().for_each(|line| *runs.entry(line.to_owned()).or_default() += 1);
        runs
    }

    fn repeated(&self) -> usize {
        self.runs().values().map(|count| count - 1).sum()
    }

    #[track_caller]
    fn is_full(&self) {
        assert_eq!(self.code(), Some(3), "{}", self.said());
        assert!(self.said().contains("No space left on device"), "{}", self.said());
    }
}

#[test]
fn a_full_disk_for_the_output_costs_what_runs() {
    let Some(disk) = SmallDisk::mount("size=1m") else { return };
    let (input, out) = (long_lines(300), disk.path().join("out"));
    let state = format!("file:{}", disk.path().join("state").display());
    // The state has its room from the start.
    let arguments =
        ["--chunk", "8KiB", "-o", out.to_str().unwrap(), "--jobs", "2", "--state", &state];
    let job = Job::new(&input, &arguments, "cat");
    job.is_full();
    job.is_full();
    let begun = job.runs().len();
    assert!(begun > 50 && begun < 200, "{begun}");
    disk.remount("size=64m");
    assert_eq!(job.code(), Some(0), "{}", job.said());
    assert!(std::fs::read(&out).unwrap() == input);
    // Two runs met the full disk, each with two workers.
    assert!(job.repeated() <= 2 * 3, "{}", job.repeated());
}

#[test]
fn a_full_disk_for_the_state_costs_what_runs() {
    // Room for all commits, if none of them can be dropped before the end.
    let Some(disk) = SmallDisk::mount("size=2m") else { return };
    let input: Vec<u8> = (0..400).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let state = format!("file:{}", disk.path().join("state").display());
    let job =
        Job::new(&input, &["--chunk", "4", "-o", "out", "--jobs", "2", "--state", &state], "cat");
    // The disk is filled during the run: between two commits.
    let mut child = job.command().spawn().unwrap();
    wait_for(|| job.runs().len() > 20);
    let filler = vec![0; 4096];
    let mut full = File::create(disk.path().join("filler")).unwrap();
    while std::io::Write::write_all(&mut full, &filler).is_ok() {}
    assert_eq!(child.wait().unwrap().code(), Some(3), "{}", job.said());
    assert!(job.said().contains("No space left on device"), "{}", job.said());
    job.is_full();
    drop(full);
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    assert_eq!(job.code(), Some(0), "{}", job.said());
    assert!(std::fs::read(job.place.path("out")).unwrap() == input);
    assert!(job.repeated() <= 2 * 3, "{}", job.repeated());
}

/// The first chunk is slow, so that the results behind it fill the disk with the spool. Then no further one is started, and
/// the run ends when the slow one has.
#[test]
fn a_full_disk_for_the_spool_costs_nothing_that_is_in_it() {
    let Some(disk) = SmallDisk::mount("size=1m") else { return };
    let (input, out) = (long_lines(200), disk.path().join("out"));
    let script = "if [ $PITON_OFFSET = 0 ]; then while [ ! -e go ]; do sleep 0.05; done; fi; cat";
    let arguments = ["--chunk", "8KiB", "-o", out.to_str().unwrap(), "--jobs", "3"];
    let job = Job::new(&input, &arguments, script);
    let mut child = job.command().spawn().unwrap();
    let rest = |times: &mut u32, before: usize| match job.runs().len() {
        begun if begun == before && begun > 50 => *times += 1,
        _ => *times = 0,
    };
    let (mut times, until) = (0, Instant::now() + PATIENCE);
    while times < 20 {
        assert!(Instant::now() < until, "it does not come to rest");
        let before = job.runs().len();
        sleep(Duration::from_millis(50));
        rest(&mut times, before);
    }
    let begun = job.runs().len();
    let spool = std::fs::read(spool_in(&disk.path().join("out.piton-spool")).unwrap()).unwrap();
    let spooled = spool.windows(8).filter(|it| it == b"PITONSP1").count();
    assert!(spooled > 50, "{spooled}");
    job.place.write("go", b"");
    // The output is on the same disk.
    assert_eq!(child.wait().unwrap().code(), Some(3), "{}", job.said());
    assert!(job.said().contains("No space left on device"), "{}", job.said());
    disk.remount("size=64m");
    assert_eq!(job.code(), Some(0), "{}", job.said());
    assert!(std::fs::read(&out).unwrap() == input);
    let repeated = job.repeated();
    assert!(repeated <= begun - spooled, "{repeated}: what was in the spool does not run again");
    assert!(!disk.path().join("out.piton-spool").exists());
}

fn wait_for(condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "it does not happen");
        sleep(Duration::from_millis(2));
    }
}

/// 400 lines, of which each fortieth is bad; results behind slow chunks pass through the spool.
fn lines() -> Vec<u8> {
    let line =
        |n: usize| format!("{n} {}{}\n", "y".repeat(n % 50), if n % 40 == 7 { "bad" } else { "" });
    (0..400).flat_map(|n| line(n).into_bytes()).collect()
}

const SCRIPT: &str = "[ $((PITON_LINE % 9)) != 4 ] || sleep 0.1; exec sed 's/^/x:/; /bad/q1'";

fn start(folder: &Path, source: &Path, workers: u64) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_piton"));
    command.arg("lines").arg(source).args(["--chunk", "60", "-o", "out", "--dead-letter", "dead"]);
    command.args(["--jobs", &workers.to_string(), "--", "sh", "-c", SCRIPT]).current_dir(folder);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Everything is there once: in the output, or among the dead letters.
fn check(folder: &Path, source: &Path) -> Result<(), String> {
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| error.to_string());
    let (out, dead) = (read("out")?, read("dead")?);
    let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
    for line in dead.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let letter = Letter::parse(line).map_err(|error| error.to_string())?;
        found.push((letter.offset, letter.bytes().map_err(|error| error.to_string())?));
    }
    let letters = found.len();
    found.sort();
    found.dedup();
    let source = std::fs::read(source).map_err(|error| error.to_string())?;
    let (mut wanted, mut at) = (Vec::new(), 0);
    for (offset, bytes) in &found {
        let offset = *offset as usize;
        wanted.extend_from_slice(source.get(at..offset).unwrap_or_default());
        at = offset + bytes.len();
    }
    wanted.extend_from_slice(source.get(at..).unwrap_or_default());
    let lines = wanted.split_inclusive(|byte| *byte == b'\n');
    let wanted: Vec<u8> = lines.flat_map(|line| [b"x:", line].concat()).collect();
    match (found.len() == letters && letters == 10, out == wanted) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("{letters} dead letters, {} different", found.len())),
        (_, false) => Err(format!("the output has {} of {} bytes", out.len(), wanted.len())),
    }
}

/// Continues what a crash has left, and looks at the result.
fn continues(folder: &Path, source: &Path) -> Result<(), String> {
    let code = start(folder, source, 3).wait().unwrap().code();
    match code {
        Some(13) => check(folder, source),
        other => Err(format!("it ended with {other:?}")),
    }
}

fn cuts(kind: FsKind) {
    let place = Place::new();
    place.write("in", &lines());
    let source = place.path("in");
    let (mut cuts, rounds) = (0, (wanted_states() as u64 / 200).max(1));
    for round in 0..rounds {
        let mut volume = match Volume::create(kind, 400 << 20) {
            Ok(volume) => volume,
            Err(reason) => return piton_testkit::skip(reason),
        };
        for turn in 0..8 {
            let number = (kind as u64) << 32 | round << 16 | turn;
            let mut child = start(&volume.path(), &source, 1 + draw(number, 4));
            sleep(Duration::from_millis(50 + draw(number + (1 << 12), 900)));
            let ended = child.try_wait().unwrap();
            volume.cut_power().unwrap();
            // It may be over.
            let _ = child.kill();
            child.wait().unwrap();
            // Its commands still have the folder.
            sleep(Duration::from_millis(150));
            volume.remount().unwrap();
            if let Some(status) = ended {
                assert_eq!(status.code(), Some(13), "{} {number}, seed {}", kind.name(), seed());
                break;
            }
            cuts += 1;
        }
        let problem = continues(&volume.path(), &source).err();
        assert_eq!(problem, None, "{}, round {round}, seed {}", kind.name(), seed());
    }
    assert!(cuts > 1, "{cuts} cuts");
    eprintln!("{}: {cuts} cuts", kind.name());
}

#[test]
fn power_cuts_on_ext4() {
    cuts(FsKind::Ext4);
}

#[test]
fn power_cuts_on_xfs() {
    cuts(FsKind::Xfs);
}

/// Crash states of a recorded disk: also those in which late writes came first.
fn crash_states(kind: FsKind) {
    let log = match BlockLog::create(kind, 300 << 20) {
        Ok(log) => log,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let place = Place::new();
    place.write("in", &lines());
    let source = place.path("in");
    log.record(|| 0).unwrap();
    assert_eq!(start(&log.path(), &source, 3).wait().unwrap().code(), Some(13));
    sleep(Duration::from_millis(200));
    let mut recording = log.finish().unwrap();
    let states = recording.states(seed(), wanted_states() / 12);
    let wrong = recording.check(&states, |folder, _| continues(folder, &source)).unwrap();
    assert!(wrong.is_empty(), "{}, seed {}: {wrong:#?}", kind.name(), seed());
    eprintln!("{}: {} states", kind.name(), states.len());
}

#[test]
fn crash_states_on_xfs() {
    crash_states(FsKind::Xfs);
}

#[test]
fn crash_states_on_btrfs() {
    crash_states(FsKind::Btrfs);
}
