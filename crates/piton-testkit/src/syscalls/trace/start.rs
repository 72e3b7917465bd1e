//! From a [`Program`] to a process that is traced from its first instruction.
//!
//! Not by `std::process::Command`: it waits for the exec, and a traced child whose exec fails waits
//! for its tracer.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use libc::{c_char, pid_t};

use super::filter::Filter;
use super::tracee;
use crate::syscalls::Program;

/// All that the child needs between fork and exec, where it may not allocate.
pub(super) struct Launch {
    argv: Strings,
    env: Strings,
    dir: CString,
    streams: [File; 3],
    filter: Filter,
}

impl Launch {
    /// Nothing on stdin; stdout and stderr as given.
    pub(super) fn new(
        program: &Program,
        filter: Filter,
        stdout: &File,
        stderr: &File,
    ) -> io::Result<Self> {
        let argv = std::iter::once(&program.path).chain(&program.args);
        let inherited = std::env::vars_os().filter(|(name, _)| {
            !program.clear_env && program.env.iter().all(|(changed, _)| changed != name)
        });
        let env = inherited.chain(program.env.iter().cloned()).map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        });
        Ok(Self {
            argv: Strings::new(argv.cloned())?,
            env: Strings::new(env)?,
            dir: string(program.dir.as_deref().unwrap_or(Path::new(".")).as_os_str())?,
            streams: [File::open("/dev/null")?, stdout.try_clone()?, stderr.try_clone()?],
            filter,
        })
    }

    /// Forks. The child leads a process group of its own, is traced by the calling thread and stops
    /// at its first instruction, or ends at once if the program cannot be executed.
    pub(super) fn fork(&self) -> io::Result<pid_t> {
        // SAFETY: the child calls async-signal-safe functions only, and never returns.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => self.exec(),
            child => Ok(child),
        }
    }

    fn exec(&self) -> ! {
        // SAFETY: all pointers are to strings and sets that `self` or this frame holds; nothing
        // here allocates.
        unsafe {
            let mut no_signals: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut no_signals);
            libc::sigprocmask(libc::SIG_SETMASK, &no_signals, ptr::null_mut());
            // Rust's runtime ignores it in this process.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            libc::setpgid(0, 0);
            let ready = (0..)
                .zip(&self.streams)
                .all(|(fd, stream): (RawFd, _)| libc::dup2(stream.as_raw_fd(), fd) == fd)
                && libc::chdir(self.dir.as_ptr()) == 0
                && tracee::trace_me().is_ok()
                && self.filter.install().is_ok();
            if ready {
                libc::execvpe(self.argv.first(), self.argv.array.as_ptr(), self.env.array.as_ptr());
            }
            libc::_exit(127)
        }
    }
}

/// Strings as exec wants them: an array of pointers with a null at the end.
struct Strings {
    _owned: Vec<CString>,
    array: Vec<*const c_char>,
}

impl Strings {
    fn new(strings: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let owned = strings.map(|text| string(&text)).collect::<io::Result<Vec<_>>>()?;
        let array = owned.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { _owned: owned, array })
    }

    fn first(&self) -> *const c_char {
        self.array.first().copied().unwrap_or(ptr::null())
    }
}

fn string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}
