//! A seccomp filter that stops the program at the traced syscalls only.

use std::io;

use libc::{sock_filter, sock_fprog};

/// `AUDIT_ARCH_X86_64`: calls by the 32-bit tables have other numbers and are let through.
const ARCH: u32 = 0xC000_003E;
/// Offsets in `struct seccomp_data`.
const NUMBER_OFFSET: u32 = 0;
const ARCH_OFFSET: u32 = 4;

/// A classic BPF program, ready to be installed between fork and exec.
pub(super) struct Filter(Vec<sock_filter>);

impl Filter {
    /// Traces the syscalls with these numbers (at most 250), allows all others.
    pub(super) fn new(numbers: impl Iterator<Item = libc::c_long>) -> Self {
        let numbers: Vec<u32> = numbers.filter_map(|number| u32::try_from(number).ok()).collect();
        assert!(numbers.len() <= 250, "a jump is one byte");
        let count = numbers.len() as u8;
        let mut code =
            vec![load(ARCH_OFFSET), jump_if_equal(ARCH, 0, count + 1), load(NUMBER_OFFSET)];
        code.extend((0..count).zip(numbers).map(|(i, number)| jump_if_equal(number, count - i, 0)));
        code.push(answer(libc::SECCOMP_RET_ALLOW));
        code.push(answer(libc::SECCOMP_RET_TRACE));
        Self(code)
    }

    /// Installs it in the calling process. Makes two syscalls and allocates nothing.
    pub(super) fn install(&self) -> io::Result<()> {
        let program = sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: the kernel reads `program` and the code it points to, both alive here, and keeps
        // a copy.
        let result = unsafe {
            match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
                0 => libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program),
                failed => failed,
            }
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

fn load(offset: u32) -> sock_filter {
    sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

fn jump_if_equal(value: u32, then: u8, otherwise: u8) -> sock_filter {
    let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    sock_filter { code, jt: then, jf: otherwise, k: value }
}

fn answer(action: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}
