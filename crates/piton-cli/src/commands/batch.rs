//! Several downloads in parallel, on one thread, with one screen.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use piton::fetch::{Client, Download, Event, Failure, Monitor, Observer, Outcome, Stop};
use piton::remote::blocking;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::exit::Exit;
use crate::out;
use crate::screen::{Ended, File, Screen};
use crate::signals::Signals;
use crate::trouble::Trouble;

/// Threads for blocking work are kept for longer than any run takes.
const KEEP: Duration = Duration::from_secs(366 * 24 * 3600);

/// Runs a command that talks to servers.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(KEEP)
        .build()
        .map_err(|error| Trouble::cannot_start(&error))?;
    // The pool panics if its first thread cannot be created, and otherwise copes with one. So create one
    // before anything else, and keep it.
    std::thread::Builder::new()
        .spawn(|| {})
        .map_err(|error| Trouble::cannot_start(&error))?
        .join()
        .map_err(|_| Trouble::cannot_start(&std::io::ErrorKind::WouldBlock.into()))?;
    let result = LocalSet::new().block_on(&runtime, async {
        blocking(|| ()).await;
        work.await
    });
    // A name lookup may block in the system's resolver for long; all our own work has ended.
    runtime.shutdown_background();
    result
}

/// Downloads all of these. The exit code is that of the first failure in the order of the list,
/// unless a signal stopped a file.
pub(super) async fn run(
    client: &Client,
    downloads: Vec<Download>,
    screen: Box<dyn Screen>,
) -> Result<Exit, Trouble> {
    let signals = Signals::install().map_err(|error| Trouble::cannot_start(&error))?;
    // Unbounded, since an observer must not block; events are few.
    let (sender, events) = unbounded_channel();
    let stop = Stop::new();
    let mut files = Vec::new();
    let mut tasks = JoinSet::new();
    for (index, download) in downloads.into_iter().enumerate() {
        let observer = Arc::new(Forward { index, sender: sender.clone() });
        let monitor = Monitor::new(Some(observer));
        files.push(File::new(index, &download, monitor.clone()));
        let (client, stop) = (client.clone(), stop.clone());
        tasks.spawn_local(async move { (index, client.download(download, monitor, stop).await) });
    }
    let exits = vec![None; files.len()];
    Batch { files, exits, tasks, events, signals, stop, screen, signalled: None }.run().await
}

struct Batch {
    files: Vec<File>,
    exits: Vec<Option<Exit>>,
    tasks: JoinSet<(usize, Result<Outcome, Failure>)>,
    events: UnboundedReceiver<(usize, Event)>,
    signals: Signals,
    stop: Stop,
    screen: Box<dyn Screen>,
    signalled: Option<Exit>,
}

impl Batch {
    async fn run(mut self) -> Result<Exit, Trouble> {
        let mut ticks = self.screen.interval().map(ticker);
        loop {
            tokio::select! {
                joined = self.tasks.join_next() => match joined {
                    None => break,
                    Some(Ok((index, result))) => self.ended(index, result),
                    // A panic has been printed; it ends like a panic of main.
                    Some(Err(error)) => {
                        if let Ok(panic) = error.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                },
                Some((index, event)) = self.events.recv() => self.event(index, &event),
                () = tick(&mut ticks) => self.screen.draw(&self.files),
                exit = self.signals.first() => {
                    self.signalled = Some(exit);
                    self.stop.stop();
                    self.screen.saving(&self.files);
                }
            }
        }
        let written = self.screen.close().map_err(|error| out::stdout_failed(&error));
        match (overall(&self.exits), written) {
            (Exit::Done, Err(trouble)) => Err(trouble),
            (exit, Err(trouble)) => {
                out::complain(None, &trouble);
                Ok(exit)
            }
            (exit, Ok(())) => Ok(exit),
        }
    }

    fn event(&mut self, index: usize, event: &Event) {
        if let Some(file) = self.files.get_mut(index) {
            file.note(event);
            self.screen.event(file, event);
        }
    }

    fn ended(&mut self, index: usize, result: Result<Outcome, Failure>) {
        while let Ok((index, event)) = self.events.try_recv() {
            self.event(index, &event);
        }
        let ended = match result {
            Ok(outcome) => Ended::Done(outcome),
            Err(Failure::Stopped { have, path }) => {
                let exit = self.signalled.unwrap_or(Exit::Interrupted);
                Ended::Stopped { exit, have, path }
            }
            Err(failure) => Ended::Failed(Trouble::from(&failure)),
        };
        if let (Some(file), Some(exit)) = (self.files.get_mut(index), self.exits.get_mut(index)) {
            file.end();
            *exit = Some(ended.exit());
            self.screen.ended(file, &ended);
        }
    }
}

/// A stopped file decides how the command ended, whatever else failed.
fn overall(exits: &[Option<Exit>]) -> Exit {
    let all = || exits.iter().flatten().copied();
    all()
        .find(|exit| matches!(exit, Exit::Interrupted | Exit::Terminated))
        .or_else(|| all().find(|exit| *exit != Exit::Done))
        .unwrap_or(Exit::Done)
}

pub(super) fn ticker(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

pub(super) async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Forwards events from any thread to the screen.
struct Forward {
    index: usize,
    sender: UnboundedSender<(usize, Event)>,
}

impl Observer for Forward {
    fn event(&self, event: &Event) {
        // The receiver is gone only when the command is about to end.
        let _ = self.sender.send((self.index, event.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_in_order_decides_unless_stopped() {
        let of =
            |exits: &[Exit]| overall(&exits.iter().map(|&exit| Some(exit)).collect::<Vec<_>>());
        assert_eq!(of(&[Exit::Done, Exit::Done]), Exit::Done);
        assert_eq!(of(&[Exit::Done, Exit::Tls, Exit::Network]), Exit::Tls);
        assert_eq!(of(&[Exit::Tls, Exit::Interrupted]), Exit::Interrupted);
        assert_eq!(of(&[]), Exit::Done);
    }
}
