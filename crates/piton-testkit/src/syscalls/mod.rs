//! Kill a program, or make it fail, at its N-th file syscall.
//!
//! [`run`] starts a program under ptrace with one counter over all of its threads and child
//! processes. Only syscalls that touch a file below one directory count, so that the dynamic
//! loader, sockets and stderr do not move the numbers. At the N-th of them the [`Plan`] is carried
//! out: the whole program is killed before, half-way through or after it, or the syscall fails, or
//! writes short. [`sweep()`] does that for N = 1, 2, 3 … until the program ends untouched.
//!
//! A seccomp filter stops the program at the listed syscalls only; all others run at full speed.
//! Each run has a tracer thread of its own which waits for nobody else's children, so any number of
//! runs may go on side by side in one process.
//!
//! Threads race, so the N-th syscall need not be the same one in two runs: a sweep visits every
//! *number*, which in a program with few racing threads is every syscall. Writes through a memory
//! map and writes by io_uring are not seen.
//!
//! ```no_run
//! use std::time::Duration;
//! use piton_testkit::syscalls::{Action, Program, sweep};
//!
//! let dir = std::path::Path::new("/tmp/case");
//! for case in sweep(Action::KillAfter, Duration::from_secs(10), |_| {
//!     // Empty `dir` here.
//!     (Program::new("cp").args(["/etc/passwd", "copy"]).current_dir(dir), dir.into())
//! }) {
//!     let case = case?;
//!     println!("{}: {:?}, {:?}", case.at, case.outcome.hit, case.outcome.ended);
//!     // Look at `dir`, run the program again without a plan, look again.
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod program;
mod sweep;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trace;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::power::Unavailable;
pub use program::Program;
pub use rustix::io::Errno;
pub use sweep::{Case, Sweep, sweep};

/// What to do to which file syscall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Which one, counted from 1 over all threads.
    pub at: u64,
    /// What happens to it.
    pub action: Action,
}

/// What happens to the chosen syscall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL to the whole program; the syscall does nothing.
    KillBefore,
    /// The syscall runs, then SIGKILL before the program sees its result.
    KillAfter,
    /// A write writes half of its bytes, then SIGKILL. Every other syscall: as `KillAfter`.
    KillHalfway,
    /// The syscall does nothing and answers this error.
    Fail(Errno),
    /// A write of two bytes or more writes half of them and says so; everything else goes on
    /// untouched.
    Short,
}

/// Which syscalls count: those that touch a path or an open file at or below one directory.
#[derive(Debug, Clone)]
pub struct Scope {
    dir: PathBuf,
    reads: bool,
}

impl Scope {
    /// Everything at or below `dir`, reads left out.
    pub fn below(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), reads: false }
    }

    /// Counts `read`, `pread64`, `readv` and `preadv` as well.
    pub fn with_reads(mut self) -> Self {
        self.reads = true;
        self
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Scope {
    fn from(dir: &P) -> Self {
        Self::below(dir.as_ref())
    }
}

/// The syscall that a plan hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyscallInfo {
    /// Its name, such as `pwrite64`.
    pub name: &'static str,
    /// The first of its paths, or the path of its file, that is in scope.
    pub path: PathBuf,
    /// The kernel's number of the thread that made it.
    pub thread: u32,
}

/// How a traced program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By the plan.
    Killed,
    /// By a signal that the plan did not send.
    Signalled(i32),
    /// It was still running at the time limit, and was killed then.
    TimedOut,
}

/// What one run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The syscall the plan was carried out on; `None` if the program made fewer of them.
    pub hit: Option<SyscallInfo>,
    /// How it ended.
    pub ended: Ended,
    /// How many syscalls in scope were seen.
    pub counted: u64,
    /// All it wrote to stdout.
    pub stdout: Vec<u8>,
    /// All it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// Says whether [`run`] works here; where it does not, the test that wants it calls
/// [`crate::skip`] with the reason.
pub fn available() -> Result<(), Unavailable> {
    match run(&Program::new("true"), "/nonexistent", None, Duration::from_secs(10)) {
        Ok(outcome) if outcome.ended == Ended::Exit(0) => Ok(()),
        Ok(outcome) => {
            Err(Unavailable::new(format!("true ended with {:?} under ptrace", outcome.ended)))
        }
        Err(error) => Err(Unavailable::new(format!("ptrace with seccomp: {error}"))),
    }
}

/// Runs `program` to its end, counts its file syscalls in scope, and carries out the plan.
///
/// Without a plan it only counts. At `timeout` everything the program started is killed; when this
/// returns, no process of it is left. An error means that the program could not be run or traced,
/// never that it failed.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn run(
    program: &Program,
    scope: impl Into<Scope>,
    plan: Option<Plan>,
    timeout: Duration,
) -> io::Result<Outcome> {
    trace::run(program, scope.into(), plan, timeout)
}

/// Runs nothing: there is no table of syscalls for this machine yet.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn run(
    _program: &Program,
    scope: impl Into<Scope>,
    _plan: Option<Plan>,
    _timeout: Duration,
) -> io::Result<Outcome> {
    let dir = scope.into().dir;
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("only on Linux on x86_64 can file syscalls be followed, in {}", dir.display()),
    ))
}
