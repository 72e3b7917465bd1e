//! A started command: its process group, and how its end is noticed.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child as StdChild, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use super::error::RunError;
use super::line::Invocation;
use super::run::timespec;

/// A process that the kernel cannot end (it hangs in a disk, or another user owns it) is left behind after this.
pub(super) const HOPELESS: Duration = Duration::from_secs(5);

/// How long a tracer takes to let go of a command that has ended, about.
const TRACED: Duration = Duration::from_millis(1);

/// The command, until it is reaped. Dropped before, it and its children are killed.
pub(super) struct Child {
    child: StdChild,
    pid: Pid,
    exit: Exit,
    stage: Stage,
}

/// A process group may be sent signals until its leader is reaped: from then on another may have its number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Alive,
    Reaped,
    /// The kernel cannot end it.
    Abandoned,
}

/// Our ends of the pipes.
pub(super) struct Pipes {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

impl Child {
    /// Starts the command in a process group of its own, so that a Ctrl-C at the terminal does not reach it, and a
    /// signal of ours reaches its children too.
    ///
    /// Nothing here runs between fork and exec, so the standard library uses `posix_spawn`, which does not copy the
    /// page tables of this process. It also gives the child an empty signal mask and the default for SIGPIPE.
    pub(super) fn spawn(
        invocation: &Invocation<'_>,
        input: bool,
        env: &[(&str, &OsStr)],
    ) -> Result<(Self, Pipes), RunError> {
        let mut command = Command::new(invocation.program);
        command
            .args(&invocation.arguments)
            .envs(env.iter().copied())
            .stdin(if input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().map_err(|error| RunError::start(invocation, error))?;
        let pipes = Pipes {
            stdin: child.stdin.take().map(OwnedFd::from),
            stdout: child.stdout.take().map(OwnedFd::from),
            stderr: child.stderr.take().map(OwnedFd::from),
        };
        let pid = Pid::from_child(&child);
        let exit = Exit::of(pid).map_err(|error| {
            // It is not known when it ends, so it must not run.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = child.wait();
            RunError::Io { what: "watch", source: error }
        })?;
        Ok((Self { child, pid, exit, stage: Stage::Alive }, pipes))
    }

    /// Readable or hung up as soon as the command itself has ended.
    pub(super) fn exit(&self) -> BorrowedFd<'_> {
        self.exit.fd()
    }

    /// Sends it to the command and its children.
    pub(super) fn signal(&self, signal: Signal) {
        if self.stage != Stage::Reaped {
            // ESRCH: they have ended. EPERM: they belong to another user now, and only that one may end them.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// Leaves it to itself: it does not even end when it is killed.
    pub(super) fn abandon(&mut self) {
        self.stage = Stage::Abandoned;
    }

    /// The result of a command that has ended. No signal may be sent afterwards.
    pub(super) fn reap(&mut self) -> Result<ExitStatus, RunError> {
        let until = Instant::now() + HOPELESS;
        let ended = |source| RunError::Io { what: "wait for", source };
        let status = loop {
            match self.child.try_wait().map_err(ended)? {
                Some(status) => break status,
                // Under a tracer (`strace -f`) it is the tracer's first.
                None if Instant::now() < until => std::thread::sleep(TRACED),
                None => return Err(ended(io::Error::other("it has ended and has no exit status"))),
            }
        };
        self.stage = Stage::Reaped;
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.stage != Stage::Alive {
            return;
        }
        self.signal(Signal::KILL);
        let until = Instant::now() + HOPELESS;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::from_borrowed_fd(self.exit.fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left))) {
                Err(Errno::INTR) => {}
                // What cannot be reaped is a zombie until this process ends.
                _ => return drop(self.child.try_wait()),
            }
        }
    }
}

/// Notices that a process has ended, without a signal handler.
enum Exit {
    PidFd(OwnedFd),
    /// Where there are no pidfds (before Linux 5.3, some sandboxes), a thread waits, and closes the other end of this
    /// pipe.
    Thread(OwnedFd),
}

impl Exit {
    fn of(pid: Pid) -> io::Result<Self> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Self::PidFd(fd)),
            Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::INVAL) => Self::thread(pid),
            Err(error) => Err(error.into()),
        }
    }

    fn thread(pid: Pid) -> io::Result<Self> {
        let (ended, held) = pipe_with(PipeFlags::CLOEXEC)?;
        let wait = move || {
            // It stays a zombie: its owner reaps it.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
            drop(held);
        };
        std::thread::Builder::new().name("piton-wait".to_owned()).spawn(wait)?;
        Ok(Self::Thread(ended))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::PidFd(fd) | Self::Thread(fd) => fd.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_notice_the_end_and_not_before() {
        for way in [Exit::of, Exit::thread] {
            let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let exit = way(Pid::from_child(&cat)).unwrap();
            let ended = |time: Duration| {
                let mut fds = [PollFd::from_borrowed_fd(exit.fd(), PollFlags::IN)];
                poll(&mut fds, Some(&timespec(time))).unwrap() == 1
            };
            assert!(!ended(Duration::from_millis(50)));
            drop(cat.stdin.take());
            assert!(ended(Duration::from_secs(60)));
            // It was not reaped on the way.
            assert!(cat.wait().unwrap().success());
        }
    }
}
