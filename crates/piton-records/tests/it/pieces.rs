//! Pieces in parallel: order, failures, and what a crash may cost.

mod crash;
mod failures;
mod items;
mod large;

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use piton_durable::fs::Fs;
use piton_records::parallel::{Done, Failed, Order, Parallel, Size};
use piton_records::{Checkpoints, Error, Framing, Job};
use piton_testkit::disk::SimDisk;

use crate::harness::{OUT, SOURCE, disk, fs, lines, result, wanted};
use crate::tampered::{Rule, Tampered};

pub(crate) fn records(count: usize) -> Size {
    Size::Records(NonZeroUsize::new(count).unwrap())
}

pub(crate) fn bytes(count: u64) -> Size {
    Size::Bytes(NonZeroU64::new(count).unwrap())
}

pub(crate) fn workers(count: usize) -> Parallel {
    Parallel::new(NonZeroUsize::new(count).unwrap()).what("test")
}

/// How often each record was processed, and the gate that holds some back.
#[derive(Default)]
pub(crate) struct Calls {
    counts: Mutex<BTreeMap<Vec<u8>, u32>>,
    changed: Condvar,
}

impl Calls {
    pub(crate) fn add(&self, record: &[u8]) {
        *self.counts.lock().unwrap().entry(record.to_vec()).or_default() += 1;
        self.changed.notify_all();
    }

    pub(crate) fn total(&self) -> u32 {
        self.counts.lock().unwrap().values().sum()
    }

    pub(crate) fn of(&self, record: &[u8]) -> u32 {
        self.counts.lock().unwrap().get(record).copied().unwrap_or(0)
    }

    /// Waits until so many calls were made in all, or for a while.
    pub(crate) fn wait_for(&self, total: u32) {
        self.wait(total, Duration::from_secs(2));
    }

    pub(crate) fn wait(&self, total: u32, time: Duration) {
        let counts = self.counts.lock().unwrap();
        let fewer = |counts: &mut BTreeMap<Vec<u8>, u32>| counts.values().sum::<u32>() < total;
        drop(self.changed.wait_timeout_while(counts, time, fewer).unwrap());
    }
}

/// One run on this disk, with this map.
pub(crate) fn run(
    fs: Arc<dyn Fs>,
    how: &Parallel,
    map: impl Fn(&[u8]) -> Result<Vec<u8>, Failed> + Sync,
) -> Result<Done, Error> {
    let checkpoints = Checkpoints::Records { commit: 1, sync: 3 };
    let mut job = Job::builder("/job").file_system(fs).checkpoints(checkpoints).open()?;
    job.output(OUT)?;
    let done = job.par_map(SOURCE, Framing::LINES, how, |record| map(record))?;
    if !done.stopped {
        job.finish()?;
    }
    Ok(done)
}

fn sorted(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<_> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.sort();
    lines
}

fn spool_is_gone(disk: &SimDisk) -> bool {
    let disk: Arc<dyn Fs> = Arc::new(disk.clone());
    disk.list(Path::new("/job.piton-spool")).is_ok_and(|names| names.is_empty())
}

#[test]
fn results_are_in_the_order_of_the_source() {
    let input = lines(300);
    for (count, size) in
        [(1, records(1)), (3, records(1)), (4, records(7)), (2, bytes(1)), (3, bytes(100))]
    {
        let disk = disk(1, &input);
        let how = workers(count).size(size);
        let done = run(fs(&disk), &how, |record| {
            std::thread::sleep(Duration::from_micros(record.len() as u64 * 7 % 50));
            Ok(result(record))
        })
        .unwrap();
        assert_eq!((done.records, done.failed, done.stopped), (300, 0, false));
        assert!(disk.bytes(OUT).unwrap() == wanted(&input), "{count} workers, {size}");
        // Again: nothing to do.
        let done = run(fs(&disk), &how, |_| panic!("it is finished")).unwrap();
        assert_eq!((done.pieces, done.records), (0, 300));
    }
}

#[test]
fn in_any_order_each_result_is_there_once() {
    let input = lines(300);
    let (disk, calls) = (disk(1, &input), Calls::default());
    let how = workers(4).size(records(5)).order(Order::Any);
    run(fs(&disk), &how, |record| {
        if record == b"0-" {
            calls.wait_for(200);
        }
        calls.add(record);
        Ok(result(record))
    })
    .unwrap();
    let out = disk.bytes(OUT).unwrap();
    assert_eq!(sorted(&out), sorted(&wanted(&input)));
    assert!(out != wanted(&input), "it was the slow one that came first");
}

/// The first of 40 records fails when the rest is done, and the run is killed. How often records were processed in all when
/// another run is done with them.
fn calls_around_a_slow_piece(
    order: Order,
    break_it: &dyn Fn(SimDisk) -> Arc<dyn Fs>,
) -> (u32, bool) {
    let input = lines(40);
    let (disk, calls) = (disk(1, &input), Calls::default());
    let first = run(break_it(disk.clone()), &workers(2).order(order), |record| {
        if record == b"0-" {
            calls.wait_for(39);
            return Err(Failed::permanent("killed"));
        }
        calls.add(record);
        Ok(result(record))
    });
    assert!(matches!(first, Err(Error::PieceFailed { line: 1, .. })), "{first:?}");
    assert_eq!(calls.total(), 39);
    disk.crash(piton_testkit::disk::Crash::Kill);
    disk.restart();
    let done = run(break_it(disk.clone()), &workers(3).order(order), |record| {
        calls.add(record);
        Ok(result(record))
    });
    assert_eq!(done.unwrap().records, 40, "{order:?}");
    assert_eq!(calls.of(b"0-"), 1);
    assert_eq!(sorted(&disk.bytes(OUT).unwrap()), sorted(&wanted(&input)));
    (calls.total(), spool_is_gone(&disk))
}

#[test]
fn what_is_finished_behind_a_slow_piece_never_runs_again() {
    for order in [Order::Source, Order::Any] {
        assert_eq!(
            calls_around_a_slow_piece(order, &|disk| Arc::new(disk)),
            (40, true),
            "{order:?}"
        );
    }
}

/// What was in the spool has its place in the output, but no commit says so yet: it must not be given up.
#[test]
fn the_spool_keeps_results_until_a_commit_says_that_they_are_in_the_output() {
    let input = lines(8);
    let (disk, calls) = (disk(1, &input), Calls::default());
    let job = || {
        let checkpoints = Checkpoints::Time(Duration::from_secs(3600));
        let job = Job::builder("/job").file_system(fs(&disk)).checkpoints(checkpoints);
        let mut job = job.open().unwrap();
        job.output(OUT).unwrap();
        job
    };
    let killed = job().par_map(SOURCE, Framing::LINES, &workers(2), |record| {
        match record[0] {
            b'0' => calls.wait_for(5),
            // When those before it are in their place and nothing happens any more.
            b'6' => {
                calls.wait_for(6);
                std::thread::sleep(Duration::from_millis(300));
                disk.crash(piton_testkit::disk::Crash::Kill);
            }
            b'7' => return Err(Failed::permanent("never")),
            _ => {}
        }
        calls.add(record);
        Ok::<_, Failed>(result(record))
    });
    assert!(killed.is_err());
    disk.restart();
    let mut second = job();
    second
        .par_map(SOURCE, Framing::LINES, &workers(2), |record| {
            calls.add(record);
            Ok(result(record))
        })
        .unwrap();
    second.finish().unwrap();
    assert!(disk.bytes(OUT).unwrap() == wanted(&input));
    for record in input.split(|byte| *byte == b'\n').filter(|it| (b'1'..b'6').contains(&it[0])) {
        assert_eq!(calls.of(record), 1, "{}", String::from_utf8_lossy(record));
    }
}

#[test]
fn a_spool_that_forgets_is_caught() {
    let forgets = |disk| Tampered::new(disk, Rule::NoSpool) as Arc<dyn Fs>;
    assert_eq!(calls_around_a_slow_piece(Order::Source, &forgets).0, 79);
}

#[test]
fn the_spool_has_a_limit() {
    let input = lines(200);
    let (disk, calls) = (disk(1, &input), Calls::default());
    // Each entry counts as 16 KiB at least.
    let how = workers(2).spool_limit(10 * (16 << 10));
    run(fs(&disk), &how, |record| {
        if record == b"0-" {
            // More than may wait.
            calls.wait_for(30);
            assert!(calls.total() < 30, "{}", calls.total());
        }
        calls.add(record);
        Ok(result(record))
    })
    .unwrap();
    assert!(disk.bytes(OUT).unwrap() == wanted(&input));
}

#[test]
fn another_number_of_workers_continues_and_other_work_does_not() {
    let input = lines(60);
    let disk = disk(1, &input);
    let half = |how: &Parallel| {
        run(fs(&disk), how, |record| match record.starts_with(b"30-") {
            true => Err(Failed::permanent("no")),
            false => Ok(result(record)),
        })
    };
    assert!(half(&workers(2).size(records(3))).is_err());
    let whole = |how: &Parallel| run(fs(&disk), how, |record| Ok(result(record)));
    let differs = |how: Parallel| match whole(&how) {
        Err(Error::JobDiffers { what, was, now }) => format!("{what}: {was} / {now}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(differs(workers(2).size(records(4))), "pieces of: 3 records / 4 records");
    assert_eq!(
        differs(workers(2).size(records(3)).order(Order::Any)),
        "results in: source order / any order"
    );
    assert_eq!(differs(workers(2).size(records(3)).what("other")), "the work: test / other");
    assert_eq!(
        differs(workers(2).size(records(3)).header(true)),
        "pieces of: 3 records / 3 records, the first record apart"
    );
    // By one record at a time.
    let mut job = Job::builder("/job").file_system(fs(&disk)).open().unwrap();
    job.output(OUT).unwrap();
    let alone = job.lines(SOURCE).map(drop);
    assert!(matches!(alone, Err(Error::JobDiffers { what: "pieces of", .. })), "{alone:?}");
    drop(job);
    whole(&workers(5).size(records(3)).what("other").accept_other_work(true)).unwrap();
    assert!(disk.bytes(OUT).unwrap() == wanted(&input));
}

#[test]
fn the_header_stands_before_each_piece_and_in_none() {
    let input = b"name\na\nb\nc\nd\ne\n";
    let disk = disk(1, input);
    let how = workers(2).size(records(2)).header(true);
    let mut turns = 0;
    loop {
        turns += 1;
        let mut job = Job::builder("/job").file_system(fs(&disk)).open().unwrap();
        job.output(OUT).unwrap();
        let work = Headed(turns);
        let done = job.process(SOURCE, Framing::LINES, &how, &work);
        match done {
            Ok(done) => {
                assert_eq!(done.records, 6);
                job.finish().unwrap();
                break;
            }
            Err(Error::PieceFailed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(turns, 3);
    let out = String::from_utf8(disk.bytes(OUT).unwrap()).unwrap();
    assert_eq!(out, "name+a+b+ from 2\nname+c+d+ from 4\nname+e+ from 6\n");
}

/// Joins header and lines; each turn can do one more piece.
struct Headed(u64);

impl piton_records::parallel::Work for Headed {
    fn attempt(
        &self,
        piece: &piton_records::parallel::FilePiece,
        _: u32,
    ) -> piton_records::parallel::Attempt {
        use piton_records::parallel::Attempt;
        if piece.line() > self.0 * 2 {
            return Attempt::Failed(Failed::permanent("later"));
        }
        let text = [piece.header().unwrap(), piece.bytes()].concat();
        let text = String::from_utf8(text).unwrap().replace('\n', "+");
        Attempt::Done(format!("{text} from {}\n", piece.line()).into_bytes().into())
    }
}

#[test]
fn an_edit_of_what_was_done_ahead_is_noticed() {
    let input = lines(30);
    let (disk, calls) = (disk(1, &input), Calls::default());
    let how = workers(2).order(Order::Any);
    let first = run(fs(&disk), &how, |record| {
        if record == b"0-" {
            calls.wait_for(29);
            return Err(Failed::permanent("no"));
        }
        calls.add(record);
        Ok(result(record))
    });
    assert!(first.is_err());
    let mut edited = input;
    let last = edited.len() - 1;
    edited[last] = b'y';
    disk.put(SOURCE, &edited);
    let second = run(fs(&disk), &how, |record| Ok(result(record)));
    assert!(matches!(second, Err(Error::SourceChanged { .. })), "{second:?}");
}

#[test]
fn a_panic_of_the_work_is_passed_on_and_costs_nothing() {
    let input = lines(20);
    let (disk, calls) = (disk(1, &input), Calls::default());
    let run_it = |bad: bool| {
        run(fs(&disk), &workers(2), |record| {
            if record.starts_with(b"7-") && bad {
                panic!("a bug of the program");
            }
            calls.add(record);
            Ok(result(record))
        })
    };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_it(true)));
    assert!(caught.is_err());
    run_it(false).unwrap();
    assert!(disk.bytes(OUT).unwrap() == wanted(&input));
    assert_eq!(calls.total(), 20, "each once");
}

#[test]
fn on_a_real_disk_with_threads_stopped_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let input = lines(20_000);
    std::fs::write(path("in"), &input).unwrap();
    let mut turns = 0;
    loop {
        turns += 1;
        let mut job = Job::open(path("job")).unwrap();
        job.output(path("out")).unwrap();
        let how = workers(1 + turns % 4).size(bytes(4096));
        let monitor = Arc::new(piton_records::parallel::Monitor::default());
        let how = how.monitor(Arc::clone(&monitor));
        let stop_at = turns as u64 * 5;
        let done = job
            .par_map(path("in"), Framing::LINES, &how, |record| {
                if monitor.figures().pieces >= stop_at {
                    monitor.stop();
                }
                Ok(result(record))
            })
            .unwrap();
        if !done.stopped {
            job.finish().unwrap();
            break;
        }
    }
    assert!(turns > 3, "{turns}");
    assert!(std::fs::read(path("out")).unwrap() == wanted(&input));
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["in", "job.piton-job", "out"]);
}
