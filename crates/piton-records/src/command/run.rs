//! One command from start to end, on one thread: a loop around poll(2).

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Signal;

use super::capture::Capture;
use super::child::{Child, HOPELESS};
use super::error::RunError;
use super::input::{Input, PIPE};
use super::line::Invocation;
use super::stop::{Level, Stop};
use super::tail::Tail;
use super::{Ended, GRACE, LINGER, Ran, Runner};

/// A running command.
struct Run<'a> {
    child: Child,
    input: Input<'a>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    capture: Capture<'a>,
    tail: Tail,
    /// Buffer for stderr.
    chunk: &'a mut Vec<u8>,
    stop: &'a Stop,
    phase: Phase,
    /// When the command itself has ended, as opposed to its children.
    exited: Option<Instant>,
}

/// How far a command has come.
enum Phase {
    /// Until then, if there is a time limit.
    Running { until: Option<Instant> },
    /// It was asked to end, and is killed then.
    Ending { why: Cut, kill: Instant },
    /// Then it is given up.
    Killed { why: Cut, until: Instant },
}

/// Why a command was ended by us.
enum Cut {
    TimedOut,
    Stopped,
    Failed(RunError),
}

/// What poll(2) has found.
struct Ready {
    room: bool,
    stdout: PollFlags,
    stderr: PollFlags,
    exited: bool,
}

impl Ready {
    const NOTHING: Self =
        Self { room: false, stdout: PollFlags::empty(), stderr: PollFlags::empty(), exited: false };
}

pub(super) fn run(
    runner: &mut Runner,
    invocation: &Invocation<'_>,
    input: Option<&[u8]>,
    env: &[(&str, &OsStr)],
    on_stderr: &mut dyn FnMut(&[u8]),
) -> Result<Ran, RunError> {
    let Runner { spill, timeout, stderr, stop, buffer, chunk } = runner;
    if stop.is_stopped() {
        return Ok(Ran::not_started());
    }
    let began = Instant::now();
    let (child, pipes) = Child::spawn(invocation, input.is_some(), env)?;
    let mut run = Run {
        child,
        input: Input::new(pipes.stdin, input.unwrap_or_default())?,
        stdout: pipes.stdout,
        stderr: pipes.stderr,
        capture: Capture::new(spill, buffer),
        tail: Tail::new(*stderr),
        chunk,
        stop,
        phase: Phase::Running { until: timeout.and_then(|time| began.checked_add(time)) },
        exited: None,
    };
    if let Err(error) = run.input.write() {
        run.end(Cut::Failed(error));
    }
    while !run.is_over() {
        let ready = run.wait()?;
        if let Err(error) = run.advance(&ready, on_stderr) {
            run.end(Cut::Failed(error));
        }
        run.check_time();
    }
    run.finish(began)
}

impl Run<'_> {
    fn is_over(&self) -> bool {
        let closed = self.stdout.is_none() && self.stderr.is_none();
        let now = Instant::now;
        match (&self.phase, self.exited) {
            (_, Some(_)) if closed => true,
            (Phase::Running { .. }, Some(exited)) => now() >= exited + LINGER,
            // Its children are killed too. What still has its output open is out of reach.
            (Phase::Killed { .. }, Some(_)) => true,
            (Phase::Killed { until, .. }, None) => now() >= *until,
            _ => false,
        }
    }

    /// Waits until something can be done, or it is time for something.
    fn wait(&self) -> Result<Ready, RunError> {
        let left = self.due().map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.map(timespec);
        let level = match self.phase {
            Phase::Running { .. } => Level::Going,
            Phase::Ending { .. } => Level::Soft,
            Phase::Killed { .. } => Level::Hard,
        };
        // While it is being ended it gets no more input, but it must not see an end of it either: it would take what
        // it has for the whole.
        let input = self.input.fd().filter(|_| level == Level::Going);
        let exit = self.exited.is_none().then(|| self.child.exit());
        let watched = [
            (input, PollFlags::OUT),
            (self.stdout.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (self.stderr.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (exit, PollFlags::IN),
            (self.stop.beyond(level), PollFlags::IN),
        ];
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(watched.len());
        fds.extend(watched.iter().filter_map(|(fd, flags)| {
            fd.map(|fd: BorrowedFd<'_>| PollFd::from_borrowed_fd(fd, *flags))
        }));
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::NOTHING),
            Err(error) => return Err(RunError::io("wait for")(error)),
        }
        let mut found = fds.iter().map(PollFd::revents);
        let [input, stdout, stderr, exit, _] =
            watched.map(|(fd, _)| fd.and_then(|_| found.next()).unwrap_or(PollFlags::empty()));
        Ok(Ready { room: !input.is_empty(), stdout, stderr, exited: !exit.is_empty() })
    }

    /// When something has to be done even if nothing happens.
    fn due(&self) -> Option<Instant> {
        match (&self.phase, self.exited) {
            (Phase::Running { .. }, Some(exited)) => Some(exited + LINGER),
            (Phase::Running { until }, None) => *until,
            (Phase::Ending { kill, .. }, _) => Some(*kill),
            (Phase::Killed { until, .. }, _) => Some(*until),
        }
    }

    fn advance(&mut self, ready: &Ready, on_stderr: &mut dyn FnMut(&[u8])) -> Result<(), RunError> {
        if ready.room {
            self.input.write()?;
        }
        if let Some(stdout) = self.stdout.as_ref().filter(|_| !ready.stdout.is_empty()) {
            let data = has_data(ready.stdout) && self.capture.read(stdout.as_fd())? > 0;
            if !data {
                self.stdout = None;
            }
        }
        if let Some(stderr) = self.stderr.as_ref().filter(|_| !ready.stderr.is_empty()) {
            self.chunk.clear();
            if has_data(ready.stderr) {
                self.chunk.reserve(PIPE);
                retry_on_intr(|| rustix::io::read(stderr, spare_capacity(self.chunk)))
                    .map_err(RunError::io("read the errors of"))?;
            }
            match self.chunk.is_empty() {
                true => self.stderr = None,
                false => {
                    self.tail.push(self.chunk);
                    on_stderr(self.chunk);
                }
            }
        }
        if ready.exited {
            self.exited = Some(Instant::now());
        }
        Ok(())
    }

    /// Ends the command where it was stopped or its time is over.
    fn check_time(&mut self) {
        if self.is_over() {
            return;
        }
        match (&self.phase, self.stop.level()) {
            (Phase::Killed { .. }, _) => {}
            (_, Level::Hard) => {
                self.end(Cut::Stopped);
                self.kill();
            }
            (Phase::Running { .. }, Level::Soft) => self.end(Cut::Stopped),
            (Phase::Running { until: Some(until) }, Level::Going)
                if self.exited.is_none() && Instant::now() >= *until =>
            {
                self.end(Cut::TimedOut);
            }
            (Phase::Ending { kill, .. }, _) if Instant::now() >= *kill => self.kill(),
            _ => {}
        }
    }

    /// Asks the command and its children to end. What they write from here on does not count.
    fn end(&mut self, why: Cut) {
        if !matches!(self.phase, Phase::Running { .. }) {
            return;
        }
        self.capture.discard();
        self.child.signal(Signal::TERM);
        // One that is suspended gets it only when it continues.
        self.child.signal(Signal::CONT);
        self.phase = Phase::Ending { why, kill: Instant::now() + GRACE };
    }

    fn kill(&mut self) {
        self.child.signal(Signal::KILL);
        let phase = std::mem::replace(&mut self.phase, Phase::Running { until: None });
        self.phase = match phase {
            Phase::Ending { why, .. } => Phase::Killed { why, until: Instant::now() + HOPELESS },
            other => other,
        };
    }

    fn finish(mut self, began: Instant) -> Result<Ran, RunError> {
        let ended = match self.phase {
            Phase::Running { .. } => {
                let held = self.stdout.is_some();
                if held {
                    self.child.signal(Signal::KILL);
                }
                ended(self.child.reap()?, held)
            }
            Phase::Ending { why, .. } | Phase::Killed { why, .. } => {
                // Its children may have closed their output and run still.
                self.child.signal(Signal::KILL);
                match self.exited {
                    Some(_) => drop(self.child.reap()?),
                    None => self.child.abandon(),
                }
                match why {
                    Cut::TimedOut => Ended::TimedOut,
                    Cut::Stopped => Ended::Stopped,
                    Cut::Failed(error) => return Err(error),
                }
            }
        };
        let output = self.capture.finish()?;
        Ok(Ran { ended, output, stderr: self.tail.finish(), took: began.elapsed() })
    }
}

/// Whether there is something to read; if not, the other end is closed.
fn has_data(found: PollFlags) -> bool {
    found.contains(PollFlags::IN)
}

fn ended(status: ExitStatus, held: bool) -> Ended {
    match (status.code(), status.signal()) {
        (Some(0), _) if held => Ended::HeldOpen,
        (Some(code), _) => Ended::Code(code),
        // There is no third way to end.
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// For poll(2).
pub(super) fn timespec(time: Duration) -> Timespec {
    // Longer than any wait.
    const FOREVER: Timespec = Timespec { tv_sec: 1 << 31, tv_nsec: 0 };
    Timespec::try_from(time).unwrap_or(FOREVER)
}
