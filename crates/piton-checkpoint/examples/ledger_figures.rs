//! What a ledger costs: `cargo run --release -p piton-checkpoint --example ledger_figures -- DIR [ROWS]`.
//!
//! Fills a ledger in DIR with ROWS outcomes (a million) in groups as they come, then asks for a million
//! items in the order of the list and in random order. Memory is that of the whole process, which holds
//! no list: keys are computed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement, not a library")]

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use piton_checkpoint::ledger::{Durability, How, Ledger, Outcome, Reader, State};

const LOOKUPS: u64 = 1_000_000;
/// Outcomes under way at once.
const WIDTH: usize = 4_096;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| ".".to_owned());
    let rows = args.next().map_or(1_000_000, |rows| rows.parse().unwrap());
    let path = Path::new(&dir).join("figures.piton.db");
    if !path.exists() {
        fill(&path, rows);
    }
    let size = std::fs::metadata(&path).unwrap().len();
    println!("{} bytes a row, {} MiB", size / rows, size >> 20);

    let lookups = LOOKUPS.min(rows);
    ask(&path, "in order", 0..lookups);
    ask(&path, "in random order", (0..lookups).map(|n| mix(n) % rows));
    let reader = Reader::open(&path).unwrap();
    let start = Instant::now();
    let done = reader.totals().unwrap().of(State::Done).items;
    println!("totals ({done} done): {:?}", start.elapsed());
    println!("memory at most: {} KiB", status("VmHWM:"));
}

fn fill(path: &Path, rows: u64) {
    let how = How { durability: Durability::Power, create: true, now: 0 };
    let ledger = Ledger::open(path, &how).unwrap();
    let (wall, cpu) = (Instant::now(), cpu_time());
    record(&ledger, 0..10_000.min(rows));
    println!("the first 10,000 rows: {:?}, {:?} of CPU", wall.elapsed(), cpu_time() - cpu);
    record(&ledger, 10_000..rows.max(10_000));
    println!("{rows} rows: {:?}, {:?} of CPU", wall.elapsed(), cpu_time() - cpu);
    let cpu = cpu_time();
    record(&ledger, rows..rows + 10_000);
    println!("10,000 rows more: {:?} of CPU", cpu_time() - cpu);
    println!("memory at most: {} KiB", status("VmHWM:"));
    ledger.close().unwrap();
}

fn record(ledger: &Ledger, items: std::ops::Range<u64>) {
    let (tell, told) = channel();
    let mut under_way = 0;
    for n in items {
        let tell = tell.clone();
        ledger.record(done(n), Box::new(move |result| tell.send(result).unwrap()));
        under_way += 1;
        if under_way > WIDTH {
            told.recv().unwrap().unwrap();
            under_way -= 1;
        }
    }
    drop(tell);
    told.iter().for_each(|result| result.unwrap());
}

fn ask(path: &Path, order: &str, items: impl Iterator<Item = u64>) {
    let mut reader = Reader::open(path).unwrap();
    let (start, cpu, mut count) = (Instant::now(), cpu_time(), 0_u64);
    for item in items {
        let known = reader.lookup(&key(item)).unwrap();
        assert_eq!(known.map(|known| known.state), Some(State::Done));
        count += 1;
    }
    println!("{count} lookups {order}: {:?}, {:?} of CPU", start.elapsed(), cpu_time() - cpu);
}

fn done(n: u64) -> Outcome {
    Outcome {
        key: key(n),
        state: State::Done,
        attempts: 1,
        at: 1_700_000_000_000 + n,
        size: Some(10_000 + n % 90_000),
        bytes: 10_000 + n % 90_000,
        took: 20 + n % 300,
        digest: None,
        class: None,
        detail: None,
        path: None,
        host: Some(format!("host-{}.example", n % 50)),
    }
}

fn key(n: u64) -> [u8; 16] {
    (u128::from(mix(2 * n)) << 64 | u128::from(mix(2 * n + 1))).to_be_bytes()
}

/// SplitMix64.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = text.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
