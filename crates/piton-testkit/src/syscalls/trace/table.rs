//! The file syscalls of x86_64, and where in their arguments the file and the bytes stand.

use Bytes::{Length, Vectors};
use Operand::{At, Fd, Path};

/// Which argument names a file; arguments are counted from 0.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operand {
    /// A descriptor.
    Fd(usize),
    /// A path, relative to the working directory.
    Path(usize),
    /// A path, relative to the directory that the descriptor in the first argument named.
    At(usize, usize),
}

/// How a syscall says how many bytes it writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bytes {
    /// By their number in this argument.
    Length(usize),
    /// By an array of `iovec` in the first argument, its length in the second.
    Vectors(usize, usize),
}

/// One syscall.
#[derive(Debug)]
pub(super) struct Syscall {
    pub(super) number: libc::c_long,
    pub(super) name: &'static str,
    pub(super) operands: &'static [Operand],
    /// Present if it writes bytes, and so can be cut short.
    pub(super) bytes: Option<Bytes>,
}

/// The syscall with this number, if it is one that is traced.
pub(super) fn lookup(number: libc::c_long) -> Option<&'static Syscall> {
    WRITERS.iter().chain(READERS).find(|syscall| syscall.number == number)
}

/// The numbers to stop at.
pub(super) fn traced(reads: bool) -> impl Iterator<Item = libc::c_long> {
    let readers = if reads { READERS } else { &[] };
    WRITERS.iter().chain(readers).map(|syscall| syscall.number)
}

macro_rules! syscalls {
    ($($name:ident = $constant:ident ($($operand:expr),+) $($bytes:expr)?;)+) => {
        &[$(Syscall {
            number: libc::$constant,
            name: stringify!($name),
            operands: &[$($operand),+],
            bytes: syscalls!(@bytes $($bytes)?),
        }),+]
    };
    (@bytes) => { None };
    (@bytes $bytes:expr) => { Some($bytes) };
}

const WRITERS: &[Syscall] = syscalls! {
    open = SYS_open (Path(0));
    openat = SYS_openat (At(0, 1));
    openat2 = SYS_openat2 (At(0, 1));
    creat = SYS_creat (Path(0));
    write = SYS_write (Fd(0)) Length(2);
    pwrite64 = SYS_pwrite64 (Fd(0)) Length(2);
    writev = SYS_writev (Fd(0)) Vectors(1, 2);
    pwritev = SYS_pwritev (Fd(0)) Vectors(1, 2);
    pwritev2 = SYS_pwritev2 (Fd(0)) Vectors(1, 2);
    sendfile = SYS_sendfile (Fd(0)) Length(3);
    splice = SYS_splice (Fd(2)) Length(4);
    copy_file_range = SYS_copy_file_range (Fd(2)) Length(4);
    // Of a file in scope: what shares bytes of another one.
    ioctl = SYS_ioctl (Fd(0));
    truncate = SYS_truncate (Path(0));
    ftruncate = SYS_ftruncate (Fd(0));
    fallocate = SYS_fallocate (Fd(0));
    fsync = SYS_fsync (Fd(0));
    fdatasync = SYS_fdatasync (Fd(0));
    sync_file_range = SYS_sync_file_range (Fd(0));
    syncfs = SYS_syncfs (Fd(0));
    rename = SYS_rename (Path(0), Path(1));
    renameat = SYS_renameat (At(0, 1), At(2, 3));
    renameat2 = SYS_renameat2 (At(0, 1), At(2, 3));
    unlink = SYS_unlink (Path(0));
    unlinkat = SYS_unlinkat (At(0, 1));
    rmdir = SYS_rmdir (Path(0));
    link = SYS_link (Path(0), Path(1));
    linkat = SYS_linkat (At(0, 1), At(2, 3));
    symlink = SYS_symlink (Path(1));
    symlinkat = SYS_symlinkat (At(1, 2));
    mkdir = SYS_mkdir (Path(0));
    mkdirat = SYS_mkdirat (At(0, 1));
    mknod = SYS_mknod (Path(0));
    mknodat = SYS_mknodat (At(0, 1));
    chmod = SYS_chmod (Path(0));
    fchmod = SYS_fchmod (Fd(0));
    fchmodat = SYS_fchmodat (At(0, 1));
    chown = SYS_chown (Path(0));
    lchown = SYS_lchown (Path(0));
    fchown = SYS_fchown (Fd(0));
    fchownat = SYS_fchownat (At(0, 1));
    utime = SYS_utime (Path(0));
    utimes = SYS_utimes (Path(0));
    futimesat = SYS_futimesat (At(0, 1));
    utimensat = SYS_utimensat (At(0, 1));
    setxattr = SYS_setxattr (Path(0));
    lsetxattr = SYS_lsetxattr (Path(0));
    fsetxattr = SYS_fsetxattr (Fd(0));
    removexattr = SYS_removexattr (Path(0));
    lremovexattr = SYS_lremovexattr (Path(0));
    fremovexattr = SYS_fremovexattr (Fd(0));
};

const READERS: &[Syscall] = syscalls! {
    read = SYS_read (Fd(0));
    pread64 = SYS_pread64 (Fd(0));
    readv = SYS_readv (Fd(0));
    preadv = SYS_preadv (Fd(0));
};
