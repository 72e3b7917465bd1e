//! What a person or a program sees while the records of a file are processed.

mod bars;
mod json;
mod plain;
mod quiet;
mod sentence;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use piton::records::parallel::{Done, Figures, Monitor};

use super::kind::Kind;
use crate::args::OutputOptions;
use crate::environment::Environment;
use crate::exit::Exit;

/// Fewer bytes are decoded again in no time.
const WORTH_A_NOTE: u64 = 64 << 20;

/// One way to show a job.
pub(crate) trait JobScreen: Send {
    /// How often [`JobScreen::draw`] is called; `None`: never.
    fn interval(&self) -> Option<Duration>;
    /// The figures may have changed.
    fn draw(&mut self, now: &Frame);
    /// A message of the command itself.
    fn note(&mut self, line: &str);
    /// A line that a command wrote to standard error, for the piece that begins with this record.
    fn heard(&mut self, record: u64, line: &str);
    /// A signal arrived: what runs is ended, what is finished is saved.
    fn saving(&mut self);
    /// The job has ended. The error is the first one of writing the output for a program.
    fn close(&mut self, end: &Ended<'_>) -> io::Result<()>;
}

/// The figures at one moment.
pub(crate) struct Frame {
    pub(crate) at: Instant,
    pub(crate) figures: Figures,
}

/// How a job ended.
pub(crate) struct Ended<'a> {
    pub(crate) exit: Exit,
    /// There was nothing to do.
    pub(crate) was_finished: bool,
    /// `None`: by an error, which is reported apart.
    pub(crate) done: Option<Done>,
    pub(crate) figures: Figures,
    pub(crate) dead_letters: Option<&'a Path>,
    pub(crate) took: Duration,
}

/// Chooses the screen from the options and the terminal.
pub(crate) fn choose(output: OutputOptions, environment: &Environment) -> Box<dyn JobScreen> {
    match Kind::of(output, environment) {
        Kind::Json => Box::new(json::Json::new(io::stdout())),
        Kind::Quiet => Box::new(quiet::Quiet),
        Kind::Bars { colours } => Box::new(bars::Bars::new(colours)),
        Kind::Plain => Box::new(plain::Plain::new(io::stderr())),
    }
}

/// The screen for all threads that have something to show. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Box<dyn JobScreen>>>);

impl Shared {
    pub(crate) fn new(screen: Box<dyn JobScreen>) -> Self {
        Self(Arc::new(Mutex::new(screen)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<dyn JobScreen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a command wrote to standard error: whole lines, unless it writes single bytes.
    pub(crate) fn heard(&self, record: u64, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let mut screen = self.lock();
        for line in text.lines().filter(|line| !line.is_empty()) {
            screen.heard(record, line);
        }
    }

    /// Draws until the result is dropped.
    pub(crate) fn draw_while(&self, monitor: &Arc<Monitor>) -> io::Result<Drawing> {
        let Some(interval) = self.lock().interval() else { return Ok(Drawing::default()) };
        let over = Arc::new(AtomicBool::new(false));
        let (screen, monitor, flag) = (self.clone(), Arc::clone(monitor), Arc::clone(&over));
        let draw = move || {
            let mut replays = 0;
            while !flag.load(Ordering::Relaxed) {
                let frame = Frame { at: Instant::now(), figures: monitor.figures() };
                let again = std::mem::replace(&mut replays, frame.figures.replays);
                if again != frame.figures.replays && frame.figures.replays >= WORTH_A_NOTE {
                    screen.lock().note(&sentence::replays(frame.figures.replays));
                }
                screen.lock().draw(&frame);
                thread::park_timeout(interval);
            }
        };
        let thread = thread::Builder::new().name("screen".to_owned()).spawn(draw)?;
        Ok(Drawing { over, thread: Some(thread) })
    }
}

/// The thread that draws.
#[derive(Default)]
pub(crate) struct Drawing {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}
