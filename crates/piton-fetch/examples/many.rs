//! Downloads a list of addresses into a folder, so many at a time, and says what that cost.
//!
//!     cargo run --release -p piton-fetch --example many -- LIST FOLDER [AT ONCE] [power|process|none]
//!
//! Each line of LIST is an address. All runs on one thread, as in the command. A file that waits for the
//! disk makes room for the next.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use piton_durable::fs::OsFs;
use piton_durable::part::Durability;
use piton_fetch::{Client, Download, Event, Monitor, Observer, Place, Stop};
use piton_remote::Remote;
use piton_remote::http::Config;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, LocalSet};

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("{failed} files failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<usize, Error> {
    let mut args = std::env::args().skip(1);
    let (Some(list), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: many LIST FOLDER [AT ONCE] [power|process|none]".into());
    };
    let at_once: usize = args.next().map_or(Ok(16), |number| number.parse())?;
    let durability = match args.next().as_deref() {
        None | Some("power") => Durability::Power,
        Some("process") => Durability::Process,
        Some("none") => Durability::None,
        Some(other) => return Err(format!("no such durability: {other}").into()),
    };
    let addresses = std::fs::read_to_string(list)?;
    let client = Client::new(Remote::new(Config::default())?, Arc::new(OsFs));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (began, cpu) = (Instant::now(), cpu());
    let mut tally = Tally::default();
    runtime.block_on(LocalSet::new().run_until(async {
        let mut running = JoinSet::new();
        let slots = Arc::new(Semaphore::new(at_once));
        for address in addresses.lines() {
            let slot = Slot(Mutex::new(Some(Arc::clone(&slots).acquire_owned().await?)));
            while let Some(ended) = running.try_join_next() {
                tally.add(Some(ended));
            }
            let folder = Place::Folder(PathBuf::from(&folder));
            let mut what = Download::new(address.parse()?, folder);
            what.durability = durability;
            let client = client.clone();
            running.spawn_local(async move {
                let monitor = Monitor::new(Some(Arc::new(slot)));
                client.download(what, monitor, Stop::new()).await
            });
        }
        while !running.is_empty() {
            tally.add(running.join_next().await);
        }
        Ok::<_, Error>(())
    }))?;
    let (wall, cpu) = (began.elapsed(), self::cpu().saturating_sub(cpu));
    let done = tally.done.max(1);
    println!(
        "{} files, {} bytes in {:.3} s: {:.0} files a second, {:.1} µs of CPU each",
        tally.done,
        tally.bytes,
        wall.as_secs_f64(),
        tally.done as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / done as f64,
    );
    Ok(tally.failed)
}

/// One of the downloads that may run at once, until it ends or waits for nothing but the disk.
struct Slot(Mutex<Option<OwnedSemaphorePermit>>);

impl Observer for Slot {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Landing) {
            drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

#[derive(Default)]
struct Tally {
    done: usize,
    failed: usize,
    bytes: u64,
}

type Ended = Result<Result<piton_fetch::Outcome, piton_fetch::Failure>, tokio::task::JoinError>;

impl Tally {
    fn add(&mut self, ended: Option<Ended>) {
        match ended {
            Some(Ok(Ok(outcome))) => {
                self.done += 1;
                self.bytes += outcome.size;
            }
            Some(Ok(Err(failure))) => {
                self.failed += 1;
                eprintln!("{failure}");
            }
            Some(Err(error)) => {
                self.failed += 1;
                eprintln!("{error}");
            }
            None => {}
        }
    }
}

/// What all threads of this process have used.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
