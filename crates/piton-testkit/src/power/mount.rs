//! mount(2) and umount2(2).

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a killed writer may take to let go of its files.
const PATIENCE: Duration = Duration::from_secs(5);

/// Mounts the file system of this kind on a block device.
pub(super) fn mount(device: &Path, at: &Path, kind: &str, options: &str) -> io::Result<()> {
    let (device, at) = (string(device)?, string(at)?);
    let (kind, options) = (CString::new(kind)?, CString::new(options)?);
    // SAFETY: four strings that are alive and end with a zero; the kernel keeps none of them.
    let result = unsafe {
        libc::mount(
            device.as_ptr(),
            at.as_ptr(),
            kind.as_ptr(),
            libc::MS_NOATIME | libc::MS_NODEV | libc::MS_NOSUID,
            options.as_ptr().cast(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Unmounts, and waits a while for those that still have files open there.
pub(super) fn unmount(at: &Path) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match umount2(at, 0) {
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(2));
            }
            result => return result,
        }
    }
}

/// Takes a mount out of sight, open files or not. For clearing away: nothing is said if there is
/// none.
pub(super) fn detach(at: &Path) {
    while umount2(at, libc::MNT_DETACH).is_ok() {}
}

fn umount2(at: &Path, flags: libc::c_int) -> io::Result<()> {
    let at = string(at)?;
    // SAFETY: a string that is alive and ends with a zero.
    let result = unsafe { libc::umount2(at.as_ptr(), flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// An ioctl whose argument is a pointer or a number.
pub(super) fn ioctl<T>(
    file: &impl std::os::fd::AsRawFd,
    request: u32,
    arg: &T,
) -> io::Result<libc::c_int> {
    // SAFETY: every request this module's siblings make reads no more than a `T` from there, and
    // keeps nothing.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request.into(), ptr::from_ref(arg)) };
    if result >= 0 { Ok(result) } else { Err(io::Error::last_os_error()) }
}
