//! The loop that follows all threads of a program, counts, and carries out the plan.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use libc::{c_int, pid_t};

use super::halve::{Undo, halve};
use super::start::Launch;
use super::table;
use super::tracee::Tracee;
use crate::syscalls::{Action, Ended, Plan, Scope, SyscallInfo};

/// What a traced program came to.
pub(super) struct Traced {
    pub(super) hit: Option<SyscallInfo>,
    pub(super) ended: Ended,
    pub(super) counted: u64,
}

/// A program under way. Lives on the thread that started it; should that thread die, the kernel
/// kills the program.
pub(super) struct Tracer {
    scope: Scope,
    plan: Option<Plan>,
    leader: Tracee,
    /// All threads that exist and have not been waited for, so that their numbers are still theirs.
    live: HashSet<Tracee>,
    /// What is to be done when a thread's syscall ends.
    at_exit: HashMap<Tracee, AtExit>,
    counted: u64,
    hit: Option<SyscallInfo>,
    killed: bool,
    ended: Option<Ended>,
}

/// What is to be done when a chosen syscall ends.
#[derive(Default)]
struct AtExit {
    kill: bool,
    undo: Vec<Undo>,
}

impl Tracer {
    /// Starts the program, and returns a handle to kill it by.
    pub(super) fn start(
        launch: &Launch,
        scope: Scope,
        plan: Option<Plan>,
    ) -> io::Result<(Self, OwnedFd)> {
        let leader = Tracee(launch.fork()?);
        let tracer = Self {
            scope,
            plan,
            leader,
            live: HashSet::from([leader]),
            at_exit: HashMap::new(),
            counted: 0,
            hit: None,
            killed: false,
            ended: None,
        };
        match super::handle(leader.0) {
            Ok(handle) => Ok((tracer, handle)),
            Err(error) => Err(tracer.abandon(error)),
        }
    }

    /// Follows the program until nothing of it is left.
    pub(super) fn follow(mut self) -> io::Result<Traced> {
        match self.first_stop().and_then(|()| self.all_stops()) {
            Ok(ended) => Ok(Traced { hit: self.hit, ended, counted: self.counted }),
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// The program stands at its first instruction.
    fn first_stop(&mut self) -> io::Result<()> {
        let (_, status) = wait(self.leader.0)?;
        if !libc::WIFSTOPPED(status) {
            self.live.remove(&self.leader);
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the program could not be executed",
            ));
        }
        self.leader.set_options(
            libc::PTRACE_O_EXITKILL
                | libc::PTRACE_O_TRACESYSGOOD
                | libc::PTRACE_O_TRACESECCOMP
                | libc::PTRACE_O_TRACECLONE
                | libc::PTRACE_O_TRACEFORK
                | libc::PTRACE_O_TRACEVFORK
                | libc::PTRACE_O_TRACEEXEC,
        )?;
        self.leader.go_on(0)
    }

    fn all_stops(&mut self) -> io::Result<Ended> {
        loop {
            let (thread, status) = match wait(-1) {
                Ok((pid, status)) => (Tracee(pid), status),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => break,
                Err(error) => return Err(error),
            };
            if !libc::WIFSTOPPED(status) {
                self.gone(thread, status);
                continue;
            }
            match self.stopped(thread, status) {
                // A thread that was killed while it stood still is gone before it is told to go on.
                Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(error),
                _ => {}
            }
        }
        self.ended.ok_or_else(|| io::Error::other("the program was lost"))
    }

    /// Leaves nothing of the program behind when it cannot be followed any further.
    fn abandon(&self, why: io::Error) -> io::Error {
        self.kill_all();
        while let Ok((pid, status)) = wait(-1) {
            if libc::WIFSTOPPED(status) {
                Tracee(pid).kill();
            }
        }
        why
    }

    fn gone(&mut self, thread: Tracee, status: c_int) {
        self.live.remove(&thread);
        self.at_exit.remove(&thread);
        if thread == self.leader {
            self.ended = Some(if libc::WIFEXITED(status) {
                Ended::Exit(libc::WEXITSTATUS(status))
            } else if self.killed && libc::WTERMSIG(status) == libc::SIGKILL {
                Ended::Killed
            } else {
                Ended::Signalled(libc::WTERMSIG(status))
            });
            // Nothing that the program started outlives it: it would write while the caller looks.
            self.kill_all();
        }
    }

    fn stopped(&mut self, thread: Tracee, status: c_int) -> io::Result<()> {
        let new = self.live.insert(thread);
        if self.killed || self.ended.is_some() {
            // Forked just before the end, and not among those that were killed then.
            thread.kill();
            return Ok(());
        }
        match (libc::WSTOPSIG(status), status >> 16) {
            (libc::SIGTRAP, libc::PTRACE_EVENT_SECCOMP) => self.syscall(thread),
            (libc::SIGTRAP, event) if event != 0 => thread.go_on(0),
            (signal, _) if signal == libc::SIGTRAP | 0x80 => self.syscall_ended(thread),
            // The stop in which each new thread begins.
            (libc::SIGSTOP, _) if new => thread.go_on(0),
            (signal, _) => thread.go_on(signal),
        }
    }

    fn syscall(&mut self, thread: Tracee) -> io::Result<()> {
        let mut regs = thread.registers()?;
        let Some(syscall) = table::lookup(regs.number()) else { return thread.go_on(0) };
        let mut files = syscall.operands.iter().filter_map(|&operand| thread.file(operand, &regs));
        let Some(path) = files.find(|file| self.in_scope(file)) else { return thread.go_on(0) };

        self.counted += 1;
        let Some(plan) = self.plan.filter(|plan| plan.at == self.counted) else {
            return thread.go_on(0);
        };
        self.hit = Some(SyscallInfo { name: syscall.name, path, thread: thread.0.unsigned_abs() });
        match plan.action {
            Action::KillBefore => {
                self.kill();
                Ok(())
            }
            Action::Fail(errno) => {
                regs.fail(errno.raw_os_error());
                thread.set_registers(&regs)?;
                thread.go_on(0)
            }
            Action::KillAfter => {
                self.follow_to_exit(thread, AtExit { kill: true, undo: Vec::new() })
            }
            Action::KillHalfway => {
                let undo = halve(thread, &mut regs, syscall.bytes, 0)?;
                self.follow_to_exit(thread, AtExit { kill: true, undo })
            }
            Action::Short => {
                let undo = halve(thread, &mut regs, syscall.bytes, 2)?;
                self.follow_to_exit(thread, AtExit { kill: false, undo })
            }
        }
    }

    fn in_scope(&self, file: &Path) -> bool {
        let below = |file: &Path| file.starts_with(&self.scope.dir);
        below(file) || file.canonicalize().is_ok_and(|target| below(&target))
    }

    fn follow_to_exit(&mut self, thread: Tracee, at_exit: AtExit) -> io::Result<()> {
        self.at_exit.insert(thread, at_exit);
        thread.go_on_to_exit()
    }

    fn syscall_ended(&mut self, thread: Tracee) -> io::Result<()> {
        let AtExit { kill, undo } = self.at_exit.remove(&thread).unwrap_or_default();
        if kill {
            self.kill();
            return Ok(());
        }
        undo.into_iter().try_for_each(|change| change.put_back(thread))?;
        thread.go_on(0)
    }

    fn kill(&mut self) {
        self.killed = true;
        self.kill_all();
    }

    fn kill_all(&self) {
        self.live.iter().for_each(|thread| thread.kill());
    }
}

/// Waits for this process, or for any (-1) started or traced by the calling thread; other threads'
/// children are not touched.
fn wait(pid: pid_t) -> io::Result<(pid_t, c_int)> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one number to `status`.
        let found = unsafe { libc::waitpid(pid, &mut status, libc::__WALL | libc::__WNOTHREAD) };
        if found > 0 {
            return Ok((found, status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
