//! What a person or a program sees while a list is processed.
//!
//! Ten thousand files may end in one second. So people see figures that are polled, and of single items
//! only those that failed; only `--json` has a line for each.

pub(super) mod bars;
mod json;
pub(super) mod pace;
mod plain;
mod quiet;
pub(crate) mod sentence;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use piton::lists::run::{End, Event, Monitor, Observer, Progress, Summary};

use super::kind::Kind;
use crate::args::OutputOptions;
use crate::environment::Environment;
use crate::exit::Exit;

/// One way to show the run of a list.
pub(crate) trait ListScreen: Send {
    /// How often [`ListScreen::draw`] is called; `None`: never.
    fn interval(&self) -> Option<Duration>;
    /// Whether [`ListScreen::event`] should receive events of items that succeed.
    fn wants_all(&self) -> bool {
        false
    }
    /// The figures may have changed.
    fn draw(&mut self, frame: &Frame);
    /// Something happened.
    fn event(&mut self, event: &Event<'_>);
    /// The command itself reports a failure.
    fn complain(&mut self, line: &str);
    /// The command itself has a message.
    fn note(&mut self, line: &str) {
        self.complain(line);
    }
    /// A signal arrived: everything in progress is being saved.
    fn saving(&mut self);
    /// The run has ended. The error is the first one of writing the output for a program.
    fn close(&mut self, end: &Ended<'_>) -> io::Result<()>;
}

/// The figures at one moment.
pub(crate) struct Frame {
    pub(crate) at: Instant,
    pub(crate) progress: Progress,
    /// The downloads in progress, the longest-running first.
    pub(crate) running: Vec<piton::fetch::Progress>,
}

impl Frame {
    pub(crate) fn of(monitor: &Monitor) -> Self {
        Self { at: Instant::now(), progress: monitor.progress(), running: monitor.running() }
    }
}

/// How a run ended.
pub(crate) struct Ended<'a> {
    pub(crate) exit: Exit,
    pub(crate) summary: &'a Summary,
    /// The failures of this run by class, the most frequent first.
    pub(crate) classes: &'a [(String, u64)],
    /// What to do next, one line each.
    pub(crate) advice: &'a [String],
}

/// Chooses the screen from the options and the terminal.
pub(crate) fn choose(output: OutputOptions, environment: &Environment) -> Box<dyn ListScreen> {
    match Kind::of(output, environment) {
        Kind::Json => Box::new(json::Json::new(io::stdout())),
        Kind::Quiet => Box::new(quiet::Quiet),
        Kind::Bars { colours } => Box::new(bars::Bars::new(colours)),
        Kind::Plain => Box::new(plain::Plain::new(io::stderr())),
    }
}

/// The screen for all threads that have something to show. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared {
    screen: Arc<Mutex<Box<dyn ListScreen>>>,
    wants_all: bool,
}

impl Shared {
    pub(crate) fn new(screen: Box<dyn ListScreen>) -> Self {
        let wants_all = screen.wants_all();
        Self { screen: Arc::new(Mutex::new(screen)), wants_all }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<dyn ListScreen>> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Shared {
    fn event(&self, event: &Event<'_>) {
        if self.wants_all || !is_everyday(event) {
            self.lock().event(event);
        }
    }
}

/// Events of items that succeed.
fn is_everyday(event: &Event<'_>) -> bool {
    use piton::fetch::Event as E;
    match event {
        Event::Started { .. } | Event::Again { .. } => true,
        Event::Ended { end: End::Done(_) | End::Stopped, .. } => true,
        Event::Download { event, .. } => !matches!(
            event,
            E::StartedOver { .. }
                | E::Damaged { .. }
                | E::SetAside { .. }
                | E::Lacks { .. }
                | E::Encoded { .. }
                | E::MirrorDropped { .. }
        ),
        _ => false,
    }
}
