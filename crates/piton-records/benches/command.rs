//! What it costs to run a command: `cargo bench -p piton-records --bench command [MiB] [each|pieces]`. With `wc FILE`,
//! `cat FILE` or `true` one loop runs once, for a profiler.
//!
//! `each`: 10,000 times `true NUMBER`, against `xargs -n1`. `pieces`: a log in the page cache through `wc -l` and
//! through `cat` into a file, in pieces of 10 MiB, against `dd | wc -l`. CPU seconds of everything, children included;
//! medians of rounds in turn.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench prepares its files"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench may panic")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use piton_records::command::{Body, CommandLine, Ended, Limits, Runner, Stop};

const ROUNDS: usize = 5;
const RUNS: usize = 10_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mib = words.iter().find_map(|it| it.parse::<usize>().ok()).unwrap_or(2000);
    let only = words.iter().find(|it| matches!(it.as_str(), "each" | "pieces"));
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let folder =
        tempfile::tempdir_in(std::env::var("PITON_BENCH_DIR").unwrap_or_else(|_| ".".into()))
            .unwrap();
    let file = || Path::new(words.last().unwrap());
    let out = folder.path().join("out");
    match words.first().map(String::as_str) {
        Some("true") => return each(folder.path()),
        Some("wc") => return pieces("wc -l", file(), None, folder.path()),
        Some("cat") => return pieces("cat", file(), Some(&out), folder.path()),
        _ => {}
    }
    if wanted("each") {
        compare(&[("xargs -n1 true", &xargs), ("run(true {})", &|| each(folder.path()))]);
    }
    if wanted("pieces") {
        let log = folder.path().join("log");
        let line = b"2026-11-29T13:24:15Z GET /a/page?with=parameters 200 5120 0.034 agent\n";
        std::fs::write(&log, line.repeat((mib << 20) / line.len())).unwrap();
        let text = log.to_str().unwrap().to_owned();
        let dd = format!("dd if={text} bs=1M 2>/dev/null | wc -l >/dev/null");
        let cat = format!("cat {text} | cat > {}", out.display());
        println!("{mib} MiB in pieces of 10 MiB");
        compare(&[
            ("dd | wc -l", &|| shell(&dd)),
            ("run(wc -l)", &|| pieces("wc -l", &log, None, folder.path())),
            ("cat | cat > OUT", &|| shell(&cat)),
            ("run(cat), written to OUT", &|| pieces("cat", &log, Some(&out), folder.path())),
        ]);
    }
}

/// Prints the CPU seconds of each, median and least, and the ratio to the first of each pair. In a virtual machine memory
/// that it has not used for a while costs several times as much: the least is free of that.
fn compare(loops: &[(&str, &dyn Fn())]) {
    let mut times = vec![Vec::new(); loops.len()];
    for _ in 0..ROUNDS {
        for ((_, run), times) in loops.iter().zip(&mut times) {
            let (before, wall) = (cpu(), Instant::now());
            run();
            times.push((cpu() - before, wall.elapsed().as_secs_f64()));
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    for (index, (name, _)) in loops.iter().enumerate() {
        let base = index / 2 * 2;
        let ratio = times[index].iter().zip(&times[base]).map(|(it, base)| it.0 / base.0);
        let cpu = median(times[index].iter().map(|it| it.0).collect());
        let wall = median(times[index].iter().map(|it| it.1).collect());
        let least = times[index].iter().map(|it| it.0).fold(f64::INFINITY, f64::min);
        let ratio = median(ratio.collect());
        println!("{name:30} {cpu:6.2} CPU-s, least {least:6.2} {wall:6.2} s {ratio:5.2} x");
    }
}

fn runner(folder: &Path) -> Runner {
    Runner::new(Limits::new(folder), &Stop::new().unwrap())
}

fn line(text: &str) -> CommandLine {
    CommandLine::new(text.split(' ').map(Into::into).collect()).unwrap()
}

fn each(folder: &Path) {
    let (mut runner, line) = (runner(folder), line("true {}"));
    let env = ["PITON_CHUNK_ID", "PITON_OFFSET", "PITON_LENGTH", "PITON_LINE", "PITON_ATTEMPT"];
    let env = env.map(|name| (name, "12345".as_ref()));
    for number in 1..=RUNS {
        let record = number.to_string();
        let invocation = line.with_record(record.as_bytes()).unwrap();
        let ran = runner.run(&invocation, None, &env, &mut |_| ()).unwrap();
        assert_eq!(ran.ended, Ended::Code(0));
    }
}

fn xargs() {
    shell(&format!("seq {RUNS} | xargs -n1 true"));
}

fn shell(text: &str) {
    let status = Command::new("sh").arg("-c").arg(text).stdin(Stdio::null()).status().unwrap();
    assert!(status.success());
}

fn pieces(command: &str, log: &Path, out: Option<&Path>, folder: &Path) {
    let (mut runner, line) = (runner(folder), line(command));
    let mut log = File::open(log).unwrap();
    let mut out = out.map(|out| File::create(out).unwrap());
    let mut piece = vec![0; 10 << 20];
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match log.read(&mut piece[filled..]).unwrap() {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            return;
        }
        let ran = runner.run(&line.as_given(), Some(&piece[..filled]), &[], &mut |_| ()).unwrap();
        assert_eq!(ran.ended, Ended::Code(0));
        match (&mut out, &ran.output) {
            (Some(out), Body::Memory(bytes)) => {
                assert_eq!(bytes.len(), filled);
                out.write_all(bytes).unwrap();
            }
            (None, Body::Memory(_)) => {}
            (_, Body::File { .. }) => panic!("spilled"),
        }
        runner.recycle(ran.output);
    }
}

/// CPU seconds of this process and of the children that were waited for, to a hundredth.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u64 = fields.skip(11).take(4).map(|it| it.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}
