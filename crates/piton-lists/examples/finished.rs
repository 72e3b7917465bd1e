//! How long a list takes in which everything is done, and how much memory:
//!
//! ```text
//! cargo run --release -p piton-lists --example finished -- 1000000
//! ```
#![allow(clippy::disallowed_methods, reason = "the list it reads is its own")]

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use piton_checkpoint::ledger::{Durability, How, Ledger, Outcome, State};
use piton_durable::fs::OsFs;
use piton_fetch::{Client, Stop};
use piton_lists::run::{Monitor, Options, Run};
use piton_lists::source::{Keyed, Source};
use piton_remote::Remote;
use piton_remote::http::Config;

fn main() -> Result<(), Box<dyn Error>> {
    let items: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |items| items.parse())?;
    let folder = tempfile::tempdir()?;
    let mut text = String::new();
    for number in 0..items {
        writeln!(text, "https://host-{}.example/data/{number:09}/file.bin", number % 97)?;
    }
    std::fs::write(folder.path().join("list"), &text)?;
    drop(text);
    let source = Source::new(folder.path().join("list"));
    let how = How { durability: Durability::Process, create: true, now: 1 };
    let path = folder.path().join("list.piton.db");

    let begun = Instant::now();
    fill(&Ledger::open(&path, &how)?, &source)?;
    println!("ledger of {items} filled in {:.2} s", begun.elapsed().as_secs_f64());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(Remote::new(Config::default())?, Arc::new(OsFs));
    let options = Options::new(folder.path().join("out"));
    let begun = Instant::now();
    let run = Run::new(client, Ledger::open(&path, &how)?, source, options);
    let summary = runtime.block_on(run.go(Monitor::default(), Stop::new()))?;
    println!("{} done before, in {:.2} s", summary.done_before, begun.elapsed().as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("peak memory, filling included: {}", peak.trim_start_matches("VmHWM:").trim());
    Ok(())
}

/// Records that everything is done.
fn fill(ledger: &Ledger, source: &Source) -> Result<(), Box<dyn Error>> {
    let (told, answers) = channel();
    let mut queued = 0_u64;
    for keyed in source.keyed()? {
        let Keyed::Item(item, key) = keyed? else { continue };
        let outcome = Outcome {
            key: key.into(),
            state: State::Done,
            attempts: 1,
            at: 1_700_000_000_000,
            size: Some(4096),
            bytes: 4096,
            took: 10,
            digest: None,
            class: None,
            detail: None,
            path: None,
            host: item.urls[0].url.host_str().map(str::to_owned),
        };
        let told = told.clone();
        ledger.record(outcome, Box::new(move |result| drop(told.send(result))));
        queued += 1;
        if queued > 10_000 {
            answers.recv()??;
        }
    }
    drop(told);
    answers.into_iter().try_for_each(|answer| answer)?;
    Ok(())
}
