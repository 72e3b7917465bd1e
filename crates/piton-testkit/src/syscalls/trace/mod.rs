//! Starting a traced program, its time limit, and what it printed.

mod filter;
mod halve;
mod start;
mod table;
mod tracee;
mod tracer;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Ended, Outcome, Plan, Program, Scope};
use filter::Filter;
use start::Launch;
use tracer::Tracer;

/// See [`super::run`].
pub(super) fn run(
    program: &Program,
    mut scope: Scope,
    plan: Option<Plan>,
    timeout: Duration,
) -> io::Result<Outcome> {
    // The kernel names open files by their real path.
    if let Ok(real) = scope.dir.canonicalize() {
        scope.dir = real;
    }
    // Files instead of pipes: nobody has to read them for the program to go on.
    let (stdout, stderr) = (&capture("stdout")?, &capture("stderr")?);
    let filter = Filter::new(table::traced(scope.reads));

    let (started, first) = mpsc::channel();
    let (finished, last) = mpsc::channel::<()>();
    let mut timed_out = false;
    let traced = thread::scope(|threads| {
        // ptrace ties a tracee to one thread; this one lives exactly as long as the program.
        let tracer = threads.spawn(move || {
            let _finished = finished;
            let launch = Launch::new(program, filter, stdout, stderr)?;
            let (tracer, leader) = Tracer::start(&launch, scope, plan)?;
            // The receiver waits for nothing else, and is gone only if it panicked.
            let _ = started.send(leader);
            tracer.follow()
        });
        if let Ok(leader) = first.recv()
            && last.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout)
        {
            timed_out = true;
            // Fails only if it has just ended by itself. The tracer kills what the program had
            // started.
            let _ = pidfd_send_signal(leader, Signal::KILL);
        }
        tracer.join()
    })
    .map_err(|_| io::Error::other("the tracer thread panicked"))??;

    Ok(Outcome {
        hit: traced.hit,
        ended: if timed_out { Ended::TimedOut } else { traced.ended },
        counted: traced.counted,
        stdout: printed(stdout)?,
        stderr: printed(stderr)?,
    })
}

/// A handle on the leader by which it can be killed without any danger of hitting another process
/// of the same number.
fn handle(leader: libc::pid_t) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(leader).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn capture(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

fn printed(mut file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    Ok(text)
}
