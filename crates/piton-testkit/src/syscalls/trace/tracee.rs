//! One stopped thread of the traced program: its registers, its memory, and the files it means.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr;

use libc::{c_int, c_long, c_uint, c_void, pid_t};

use super::table::Operand;

const PAGE: usize = 4096;

/// Registers at a syscall stop.
#[derive(Clone, Copy)]
pub(super) struct Registers(libc::user_regs_struct);

impl Registers {
    /// The syscall's number.
    pub(super) fn number(&self) -> c_long {
        self.0.orig_rax as c_long
    }

    /// An argument; 0 beyond the last.
    pub(super) fn arg(&self, index: usize) -> u64 {
        let regs = &self.0;
        [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9].get(index).copied().unwrap_or(0)
    }

    /// Changes an argument.
    pub(super) fn set_arg(&mut self, index: usize, value: u64) {
        let regs = &mut self.0;
        let args = [
            &mut regs.rdi,
            &mut regs.rsi,
            &mut regs.rdx,
            &mut regs.r10,
            &mut regs.r8,
            &mut regs.r9,
        ];
        if let Some(arg) = args.into_iter().nth(index) {
            *arg = value;
        }
    }

    /// Turns a syscall that has not begun into one that does nothing and answers `errno`.
    pub(super) fn fail(&mut self, errno: i32) {
        // seccomp(2): at number -1 the syscall is skipped, and what the tracer left in rax is its
        // result.
        self.0.orig_rax = u64::MAX;
        self.0.rax = i64::from(-errno) as u64;
    }
}

/// A thread that is stopped under ptrace, by the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tracee(pub(super) pid_t);

impl Tracee {
    pub(super) fn set_options(self, options: c_int) -> io::Result<()> {
        ptrace(libc::PTRACE_SETOPTIONS, self.0, number(options))
    }

    /// Lets it go on, and take `signal` (0: none).
    pub(super) fn go_on(self, signal: c_int) -> io::Result<()> {
        ptrace(libc::PTRACE_CONT, self.0, number(signal))
    }

    /// Lets it go on to the end of its syscall.
    pub(super) fn go_on_to_exit(self) -> io::Result<()> {
        ptrace(libc::PTRACE_SYSCALL, self.0, number(0))
    }

    /// Kills the process it belongs to. Nobody may have waited for the thread yet, or its number
    /// could be another's.
    pub(super) fn kill(self) {
        // SAFETY: has no effect on this process. ESRCH means that it is a zombie, which is as good.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }

    pub(super) fn registers(self) -> io::Result<Registers> {
        // SAFETY: all bytes zero is a valid value of this plain C struct.
        let mut regs: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        ptrace(libc::PTRACE_GETREGS, self.0, ptr::from_mut(&mut regs).cast())?;
        Ok(Registers(regs))
    }

    pub(super) fn set_registers(self, registers: &Registers) -> io::Result<()> {
        ptrace(libc::PTRACE_SETREGS, self.0, ptr::from_ref(&registers.0).cast_mut().cast())
    }

    /// Reads a word of its memory.
    pub(super) fn word(self, address: u64) -> io::Result<u64> {
        let mut word = [0; 8];
        let read = self.read(address, &mut word)?;
        if read == word.len() {
            Ok(u64::from_ne_bytes(word))
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Changes a word of its memory, read-only pages included.
    pub(super) fn set_word(self, address: u64, word: u64) -> io::Result<()> {
        // SAFETY: the kernel writes into the tracee's address space, not into ours.
        let result = unsafe { libc::ptrace(libc::PTRACE_POKEDATA, self.0, address, word) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The file that an operand of its syscall means; `None` if it means no file by a path, such as
    /// a socket.
    pub(super) fn file(self, operand: Operand, regs: &Registers) -> Option<PathBuf> {
        match operand {
            Operand::Fd(fd) => self.descriptor(regs.arg(fd)),
            Operand::Path(path) => {
                Some(resolved(self.working_dir()?.join(self.path(regs.arg(path))?)))
            }
            Operand::At(fd, path) => {
                let fd = regs.arg(fd);
                // No path, or an empty one with AT_EMPTY_PATH, means the descriptor itself.
                let path = match regs.arg(path) {
                    0 => PathBuf::new(),
                    address => self.path(address)?,
                };
                if path.as_os_str().is_empty() {
                    self.descriptor(fd)
                } else if path.is_absolute() {
                    Some(resolved(path))
                } else if fd as c_int == libc::AT_FDCWD {
                    Some(resolved(self.working_dir()?.join(path)))
                } else {
                    Some(resolved(self.descriptor(fd)?.join(path)))
                }
            }
        }
    }

    fn descriptor(self, fd: u64) -> Option<PathBuf> {
        let file = std::fs::read_link(format!("/proc/{}/fd/{}", self.0, fd as c_int)).ok()?;
        // Sockets and pipes read as `socket:[1234]`.
        file.is_absolute().then_some(file)
    }

    fn working_dir(self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/cwd", self.0)).ok()
    }

    /// The path that stands at this address.
    fn path(self, address: u64) -> Option<PathBuf> {
        let mut path = Vec::new();
        while path.len() < libc::PATH_MAX as usize {
            let from = address.checked_add(path.len() as u64)?;
            // To the end of the page and no further: the next one may not be there.
            let mut page = [0; PAGE];
            let rest = page.get_mut(from as usize % PAGE..)?;
            let read = self.read(from, rest).ok().filter(|&read| read > 0)?;
            let bytes = rest.get(..read)?;
            match bytes.iter().position(|&byte| byte == 0) {
                Some(end) => {
                    path.extend_from_slice(bytes.get(..end)?);
                    return Some(OsString::from_vec(path).into());
                }
                None => path.extend_from_slice(bytes),
            }
        }
        None
    }

    fn read(self, address: u64, into: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        let remote = libc::iovec {
            iov_base: ptr::without_provenance_mut(address as usize),
            iov_len: into.len(),
        };
        // SAFETY: it writes at most `into.len()` bytes to `into`; the remote address is only read,
        // and checked by the kernel.
        let read = unsafe { libc::process_vm_readv(self.0, &local, 1, &remote, 1, 0) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }
}

/// Lets the parent of the calling process trace it. One syscall; allocates nothing.
pub(super) fn trace_me() -> io::Result<()> {
    ptrace(libc::PTRACE_TRACEME, 0, number(0))
}

/// The same file with links in the way to it resolved, but not a link that it is itself: that is
/// what rename and unlink work on.
fn resolved(path: PathBuf) -> PathBuf {
    let real = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().map(|parent| parent.join(name)),
        _ => Path::canonicalize(&path),
    };
    real.unwrap_or(path)
}

/// Any request but those that return data by their result.
fn ptrace(request: c_uint, pid: pid_t, data: *mut c_void) -> io::Result<()> {
    // SAFETY: `data` is a number, or points to a struct of the request's type that the caller
    // holds.
    let result = unsafe { libc::ptrace(request, pid, ptr::null_mut::<c_void>(), data) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn number(value: c_int) -> *mut c_void {
    ptr::without_provenance_mut(value as usize)
}
