//! What a job of lines costs over a bare loop, in one run: `cargo bench -p piton-records --bench lines [MiB]`.
//!
//! The log lies in the page cache. Each line is counted by its length, so that the loops do something with it; medians of
//! CPU seconds of the whole process, threads included.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench prepares its files"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may panic")]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use piton_records::{Checkpoints, Job};

const ROUNDS: usize = 15;

fn main() {
    let mib = std::env::args().skip(1).find_map(|it| it.parse::<usize>().ok()).unwrap_or(1024);
    let folder =
        tempfile::tempdir_in(std::env::var("PITON_BENCH_DIR").unwrap_or_else(|_| ".".into()))
            .unwrap();
    let log = folder.path().join("log");
    std::fs::write(&log, text(mib << 20)).unwrap();
    let bare = |_: usize| bare(&log);
    let job = |how| {
        let log = &log;
        let folder = folder.path();
        move |round: usize| run(log, &folder.join(format!("{how:?}-{round}")), how, false)
    };
    let written = |how| {
        let log = &log;
        let folder = folder.path();
        move |round: usize| run(log, &folder.join(format!("out-{how:?}-{round}")), how, true)
    };
    type Loop<'a> = &'a dyn Fn(usize) -> u64;
    let (off, on) = (job(Checkpoints::AtEnd), job(Checkpoints::Auto));
    let (out_off, out_on) = (written(Checkpoints::AtEnd), written(Checkpoints::Auto));
    let loops: [(&str, Loop<'_>); 5] = [
        ("bare memchr loop", &bare),
        ("job.lines, checkpoints off", &off),
        ("job.lines, checkpoints on", &on),
        ("the same with an output, checkpoints off", &out_off),
        ("the same with an output, checkpoints on", &out_on),
    ];
    let mut times = vec![Vec::new(); loops.len()];
    let mut sums = std::collections::BTreeSet::new();
    // In turn, so that a change of the machine's pace meets all alike.
    for round in 0..ROUNDS {
        for ((_, run), times) in loops.iter().zip(&mut times) {
            let (began, wall) = (cpu(), std::time::Instant::now());
            sums.insert(run(round));
            times.push((cpu() - began, wall.elapsed().as_secs_f64()));
        }
    }
    assert_eq!(sums.len(), 1, "they saw different lines: {sums:?}");
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    println!("{mib} MiB, medians of {ROUNDS} rounds; ratios within a round, by CPU");
    let ratio = |index: usize, base: usize| {
        median(times[index].iter().zip(&times[base]).map(|(it, base)| it.0 / base.0).collect())
    };
    for (index, (name, _)) in loops.iter().enumerate() {
        let cpu = median(times[index].iter().map(|it| it.0).collect());
        let wall = median(times[index].iter().map(|it| it.1).collect());
        println!("{name:45} {cpu:6.3} CPU-s  {wall:6.3} s  {:5.2} x", ratio(index, 0));
    }
    println!("checkpoints on over off: {:.3}, with an output {:.3}", ratio(2, 1), ratio(4, 3));
    let firsts = (0..5).map(|n| first_record(&log, &folder.path().join(format!("first-{n}"))));
    println!("first record of a resume at nine tenths: {:.1} ms", 1e3 * median(firsts.collect()));
}

/// Seconds from the start of a resume to the first record, near the end of the log.
fn first_record(log: &Path, name: &Path) -> f64 {
    let stop = std::fs::metadata(log).unwrap().len() / 10 * 9;
    {
        let mut job = Job::open(name).unwrap();
        let mut out = job.output(name.with_extension("out")).unwrap();
        for record in job.lines(log).unwrap() {
            let record = record.unwrap();
            out.line(&record, b"x").unwrap();
            if record.offset() > stop {
                break;
            }
        }
    }
    let began = std::time::Instant::now();
    let mut job = Job::open(name).unwrap();
    let _out = job.output(name.with_extension("out")).unwrap();
    let first = job.lines(log).unwrap().next().unwrap().unwrap();
    let took = began.elapsed().as_secs_f64();
    assert!(first.offset() > stop);
    took
}

/// Lines of 20 to 180 bytes, as logs have them.
fn text(len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 200);
    let mut n = 1_u64;
    while text.len() < len {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.extend(std::iter::repeat_n(b'a' + (n >> 60) as u8, 20 + (n >> 40) as usize % 160));
        text.push(b'\n');
    }
    text
}

fn bare(log: &Path) -> u64 {
    let mut file = File::open(log).unwrap();
    let (mut buffer, mut filled, mut sum) = (vec![0; 128 << 10], 0, 0);
    loop {
        let read = file.read(&mut buffer[filled..]).unwrap();
        if read == 0 {
            return sum + filled as u64;
        }
        filled += read;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer[..filled]) {
            sum += std::hint::black_box(&buffer[start..end]).len() as u64;
            start = end + 1;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
}

fn run(log: &Path, name: &Path, how: Checkpoints, output: bool) -> u64 {
    let mut job = Job::builder(name).checkpoints(how).open().unwrap();
    let mut out = output.then(|| job.output(name.with_extension("out")).unwrap());
    let mut sum = 0;
    for record in job.lines(log).unwrap() {
        let record = record.unwrap();
        sum += std::hint::black_box(record.bytes()).len() as u64;
        if let Some(out) = &mut out {
            out.line(&record, &record.bytes()[..10]).unwrap();
        }
    }
    job.finish().unwrap();
    drop(out);
    let _ = std::fs::remove_file(name.with_extension("out"));
    sum
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
