//! Runs a command over the records of a file.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use piton::durable::fs::parent_dir;
use piton::lists::run::MaxFailures as ListLimit;
use piton::records::command::{CommandLine, CommandWork, Input, LetterWork, Limits, Stop};
use piton::records::parallel::{Done, MaxFailures, Monitor, Order, Parallel, Size, Work};
use piton::records::{Error, Framing, Growth, Job};

use super::open::{self, Sink};
use super::trouble::of_job;
use super::{guarantee, open::outputs};
use crate::args::{Bytes, FailureLimit, JobOptions, Span};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::keyboard::{HELP, Key, Keyboard, Terminal};
use crate::screen::job::{self, Ended, Shared};
use crate::signals::{Brakes, Pull};
use crate::trouble::Trouble;

/// How much of the output of a command is kept in memory, in bytes.
const MEMORY: Range<usize> = (2 << 20)..(16 << 20);
/// Attempts after the first one, unless another number is given.
const RETRIES: u32 = 3;
/// Before the first of them.
const PAUSE: Duration = Duration::from_secs(1);

/// How long commands may run on when piton is told to stop, before they are told too.
const GRACE: Duration = Duration::from_secs(5);
/// How long it takes to kill them.
const KILL: Duration = Duration::from_millis(100);
/// How long Ctrl-Z waits until everything is saved.
const SUSPEND: Duration = Duration::from_secs(5);

/// What to run over what.
pub(super) struct Task {
    pub(super) file: PathBuf,
    pub(super) line: CommandLine,
    pub(super) input: Input,
    pub(super) size: Size,
    pub(super) split_failed: bool,
    pub(super) kind: Kind,
    pub(super) options: JobOptions,
}

/// What the records of the file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the command is given.
    Records,
    /// Dead letters, which hold it.
    Letters,
}

impl Task {
    /// What the state of the job is named after.
    fn name(&self, sink: &Sink) -> PathBuf {
        match (self.kind, sink) {
            // What is appended to has the state of the job that made the letters beside it.
            (Kind::Letters, Sink::Append(_) | Sink::Stdout(_)) => self.file.clone(),
            _ => open::name(&self.file, sink),
        }
    }

    fn workers(&self) -> NonZeroUsize {
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.options.work.jobs.unwrap_or_else(cores)
    }

    fn parallel(&self, what: String, monitor: &Arc<Monitor>) -> Parallel {
        let options = &self.options.work;
        let order = if options.unordered { Order::Any } else { Order::Source };
        let mut parallel = Parallel::new(self.workers())
            .size(self.size)
            .order(order)
            .header(self.options.source.header)
            .what(what)
            .accept_other_work(options.accept_command)
            .retries(options.retries.unwrap_or(RETRIES), PAUSE)
            .rate(options.rate.map(|rate| 1.0 / rate.spacing().as_secs_f64()))
            .split_failed(self.split_failed)
            .max_failures(options.max_failures.map(limit))
            .commit_each(!self.options.results.commit_at_end)
            .monitor(Arc::clone(monitor));
        if let Some(Bytes(limit)) = options.spool_limit {
            parallel = parallel.spool_limit(limit);
        }
        parallel
    }

    fn work(&self, sink: &Sink, stop: &Stop, screen: &Shared) -> CommandWork {
        let options = &self.options.work;
        let name = self.name(sink);
        let mut limits = Limits::new(parent_dir(&name));
        // More than what comes in goes to a temporary file: memory stays bounded whatever a command writes.
        limits.memory = match self.size {
            Size::Bytes(chunk) => {
                usize::try_from(chunk.get()).unwrap_or(MEMORY.end).saturating_mul(2)
            }
            Size::Records(_) => 0,
        }
        .clamp(MEMORY.start, MEMORY.end);
        limits.timeout = options.timeout.map(|Span(time)| time);
        let screen = screen.clone();
        CommandWork::new(self.line.clone(), self.input, self.options.source.framing(), limits, stop)
            .transient_codes(options.retry_on.iter().copied())
            .on_stderr(Box::new(move |line, bytes| screen.heard(line, bytes)))
    }
}

pub(super) fn run(task: &Task, environment: &Environment) -> Result<Exit, Trouble> {
    let sink = Sink::of(&task.options)?;
    // Before the job begins: a name that is wrong must not become part of it.
    task.line.check(std::env::var_os("PATH").as_deref()).map_err(super::trouble::of_command)?;
    open::check_source(&task.file)?;
    let stop = Stop::new().map_err(|error| Trouble::cannot_start(&error))?;
    let screen = Shared::new(job::choose(task.options.screen, environment));
    let work = task.work(&sink, &stop, &screen);
    match task.kind {
        Kind::Records => {
            let (what, framing) = (work.what(), task.options.source.framing());
            drive(task, &sink, stop, &screen, what, framing, &work)
        }
        Kind::Letters => {
            let work = work.on_letters();
            drive(task, &sink, stop, &screen, work.what(), LetterWork::FRAMING, &work)
        }
    }
}

fn drive(
    task: &Task,
    sink: &Sink,
    stop: Stop,
    screen: &Shared,
    what: String,
    framing: Framing,
    work: &impl Work,
) -> Result<Exit, Trouble> {
    let options = &task.options;
    let monitor = Arc::new(Monitor::default());
    let parallel = task.parallel(what, &monitor);
    let mut job = open::builder(&task.file, &task.name(sink), sink, options, Growth::Refuse)?
        .open()
        .map_err(of_job)?;
    outputs(&mut job, sink, options.work.dead_letter.as_deref())?;
    for line in promises(task, sink, &job) {
        screen.lock().note(&line);
    }
    note_set_aside(&job, screen);
    let terminal = Terminal::find();
    let brakes = Brakes::install({
        let (monitor, screen, terminal) = (Arc::clone(&monitor), screen.clone(), terminal.clone());
        let at_terminal = move |act: fn(&Terminal)| terminal.iter().for_each(|it| act(it));
        move |pull| match pull {
            Pull::Stop => {
                monitor.stop();
                let (of_commands, screen) = (stop.clone(), screen.clone());
                // The terminal may be halted (Ctrl-S), and the next signal must get through.
                let later = move || {
                    screen.lock().saving();
                    thread::sleep(GRACE);
                    of_commands.stop();
                };
                if thread::Builder::new().name("grace".to_owned()).spawn(later).is_err() {
                    stop.stop();
                }
            }
            Pull::Quit => {
                stop.kill();
                // The threads that drive the commands do it.
                thread::sleep(KILL);
                at_terminal(Terminal::leave);
            }
            Pull::Suspend => {
                monitor.save(SUSPEND);
                at_terminal(Terminal::suspend);
            }
            Pull::Continue => at_terminal(Terminal::resume),
        }
    })
    .map_err(|error| Trouble::cannot_start(&error))?;
    let keyboard = terminal.map(|terminal| {
        let (monitor, screen) = (Arc::clone(&monitor), screen.clone());
        Keyboard::listen(terminal, move |key| press(key, &monitor, &screen))
    });
    let keyboard = keyboard.transpose().map_err(|error| Trouble::cannot_start(&error))?;
    let began = Instant::now();
    let drawing = screen.draw_while(&monitor).map_err(|error| Trouble::cannot_start(&error))?;
    let processed = job.process(&task.file, framing, &parallel, work);
    brakes.wait_if_quitting();
    let was_finished = job.is_finished();
    let ended = processed.and_then(|done| match done.stopped {
        true => Ok(done),
        false => job.finish().map(|()| done),
    });
    sink.close();
    drop((keyboard, drawing));
    let (done, trouble) = match ended {
        Ok(done) => (Some(done), None),
        // The reader of a pipe may want no more: `| head`.
        Err(Error::PipeClosed) => (None, None),
        Err(error) => (None, Some(of_job(error))),
    };
    let exit = match (&trouble, done, brakes.pulled()) {
        (Some(trouble), ..) => trouble.exit,
        (None, Some(Done { stopped: true, .. }), Some(exit)) => exit,
        (None, Some(Done { failed: 1.., .. }), _) => Exit::Items,
        _ => Exit::Done,
    };
    let dead_letters = options.work.dead_letter.as_deref();
    let (figures, took) = (monitor.figures(), began.elapsed());
    let end = Ended { exit, was_finished, done, figures, dead_letters, took };
    let closed = screen.lock().close(&end);
    closed.map_err(|error| crate::out::stdout_failed(&error))?;
    trouble.map_or(Ok(exit), Err)
}

/// A key was pressed.
fn press(key: Key, monitor: &Monitor, screen: &Shared) {
    let line = match (key, monitor.figures().paused) {
        (Key::Help, _) => HELP,
        (Key::Pause, false) => "paused: what runs is finished, nothing more starts; p continues",
        (Key::Pause, true) => "continued",
    };
    if key == Key::Pause {
        monitor.pause(!monitor.figures().paused);
    }
    screen.lock().note(line);
}

/// The lines that say what holds.
fn promises(task: &Task, sink: &Sink, job: &Job) -> Vec<String> {
    let results = &task.options.results;
    // Those that run, and one that has ended: its worker runs the next one before its result is saved.
    let again = task.workers().get() as u64 + 1;
    let output = guarantee::of_output(sink, results.commit_at_end);
    let effects = guarantee::of_effects(again, task.input, results);
    let mut promises = vec![output, effects];
    // A file beside the output has the default, which the lines above speak of.
    promises.extend(results.state.as_ref().map(|_| format!("position: {}", job.survives())));
    promises
}

pub(super) fn note_set_aside(job: &Job, screen: &Shared) {
    if let Some(path) = job.set_aside() {
        let path = path.display();
        screen.lock().note(&format!("what another program wrote is in {path}"));
    }
}

fn limit(FailureLimit(limit): FailureLimit) -> MaxFailures {
    match limit {
        ListLimit::Count(count) => MaxFailures::Count(count),
        ListLimit::Percent(share) => MaxFailures::Percent(share),
    }
}
