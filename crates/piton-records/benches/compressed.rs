//! What restart points of compressed sources cost, and how soon a resume has its first record, in one run:
//! `cargo bench -p piton-records --bench compressed [MiB]`. It needs gzip, zstd, bzip2 and xz.
//!
//! The files lie in the page cache. Medians of CPU seconds of the whole process, threads included; the ratio of
//! checkpoints on over off is one within a round.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench prepares its files"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may panic")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use piton_records::{Checkpoints, Job};

const ROUNDS: usize = 9;

fn main() {
    let mib = std::env::args().skip(1).find_map(|it| it.parse::<usize>().ok()).unwrap_or(256);
    let folder =
        tempfile::tempdir_in(std::env::var("PITON_BENCH_DIR").unwrap_or_else(|_| ".".into()))
            .unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = text(mib << 20);
    let forms = [
        ("gz", "gzip -6"),
        ("zst", "zstd -q -3 --single-thread"),
        ("bz2", "bzip2 -9"),
        ("xz", "xz -1 -T2 --block-size=4MiB"),
    ];
    println!("{mib} MiB, medians of {ROUNDS} rounds");
    for (name, command) in forms {
        let log = path(name);
        compress(command, &text, &log);
        let (mut off, mut on, mut ratios, mut commits) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let rounds = if name == "bz2" { ROUNDS / 3 } else { ROUNDS };
        for round in 0..rounds {
            // In turn, and the other way round each second time.
            let mut times = [0.0; 2];
            for turn in 0..2 {
                let which = (turn + round) % 2;
                let how = [Checkpoints::AtEnd, Checkpoints::Auto][which];
                let began = cpu();
                commits += run(&log, &path(&format!("{name}-{round}-{which}")), how);
                times[which] = cpu() - began;
            }
            off.push(times[0]);
            on.push(times[1]);
            ratios.push(times[1] / times[0]);
        }
        let size = std::fs::metadata(&log).unwrap().len() >> 20;
        let (off, on, ratio) = (median(off), median(on), median(ratios));
        println!("{command}: {size} MiB, off {off:.3} CPU-s, on {on:.3}, on over off {ratio:.3}");
        assert!(commits > 0);
        let firsts = (0..3).map(|n| first(&log, &path(&format!("first-{name}-{n}"))));
        let (times, replays): (Vec<f64>, Vec<u64>) = firsts.unzip();
        let (time, most) = (1e3 * median(times), replays.iter().max().unwrap());
        println!("  first record at nine tenths: {time:.1} ms, {most} bytes decoded again");
        std::fs::remove_file(log).unwrap();
    }
}

/// All lines; their number.
fn run(log: &Path, name: &Path, how: Checkpoints) -> u64 {
    let mut job = Job::builder(name).checkpoints(how).open().unwrap();
    let mut lines = 0;
    for record in job.lines(log).unwrap() {
        lines += u64::from(!std::hint::black_box(record.unwrap().bytes()).is_empty());
    }
    job.finish().unwrap();
    lines
}

/// Seconds from the start of a resume to its first record, and what was decoded again for it.
fn first(log: &Path, name: &Path) -> (f64, u64) {
    let lines = {
        let mut job = Job::open(name.with_extension("count")).unwrap();
        let mut lines = 0;
        job.lines(log).unwrap().for_each(|record| {
            record.unwrap();
            lines += 1;
        });
        lines
    };
    let mut job = Job::open(name).unwrap();
    for record in job.lines(log).unwrap() {
        if record.unwrap().line() > lines / 10 * 9 {
            break;
        }
    }
    job.commit_now().unwrap();
    drop(job);
    let began = Instant::now();
    let mut job = Job::open(name).unwrap();
    let mut records = job.lines(log).unwrap();
    let record = records.next().unwrap().unwrap();
    let took = began.elapsed().as_secs_f64();
    assert!(record.line() > lines / 10 * 9);
    (took, records.replays())
}

fn compress(command: &str, text: &[u8], to: &Path) {
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(File::create(to).unwrap())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Lines as web servers write them.
fn text(len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 200);
    let mut n = 1_u64;
    while text.len() < len {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (a, b, c) = (n >> 56, n >> 40 & 0xffff, n >> 20 & 0xfffff);
        let path = ["/index.html", "/api/v1/users", "/static/app.js", "/login"][(a % 4) as usize];
        writeln!(
            text,
            "10.{a}.{}.{} - - [29/Nov/2026:14:{:02}:{:02} +0000] \"GET {path}?q={b} HTTP/1.1\" 200 {c} \"-\" \"Mozilla/5.0\"",
            b % 256,
            c % 256,
            text.len() / 1_000_000 % 60,
            text.len() / 17_000 % 60,
        )
        .unwrap();
    }
    text
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
