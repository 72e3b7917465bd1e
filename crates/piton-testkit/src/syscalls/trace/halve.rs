//! Cutting a write short: half of its bytes, by changing its arguments before it runs and putting
//! them back after.

use std::io;

use super::table::Bytes;
use super::tracee::{Registers, Tracee};

/// What was changed. It is put back, since a program may rely on its arguments after the syscall.
pub(super) enum Undo {
    /// This argument had this value.
    Argument(usize, u64),
    /// This word of memory had this value.
    Memory(u64, u64),
}

impl Undo {
    /// Undoes the change, in a thread that stands at the end of the syscall.
    pub(super) fn put_back(self, thread: Tracee) -> io::Result<()> {
        match self {
            Self::Argument(index, value) => {
                let mut regs = thread.registers()?;
                regs.set_arg(index, value);
                thread.set_registers(&regs)
            }
            Self::Memory(address, word) => thread.set_word(address, word),
        }
    }
}

/// Cuts a write to half of its bytes, unless there are fewer than `least` of them or it writes
/// none.
pub(super) fn halve(
    thread: Tracee,
    regs: &mut Registers,
    bytes: Option<Bytes>,
    least: u64,
) -> io::Result<Vec<Undo>> {
    match bytes {
        None => Ok(Vec::new()),
        Some(Bytes::Length(index)) => {
            let length = regs.arg(index);
            if length < least {
                return Ok(Vec::new());
            }
            regs.set_arg(index, length / 2);
            thread.set_registers(regs)?;
            Ok(vec![Undo::Argument(index, length)])
        }
        Some(Bytes::Vectors(array, count)) => {
            // An iovec is a word of address and a word of length.
            let lengths: Vec<(u64, u64)> = (0..regs.arg(count))
                .map(|index| regs.arg(array) + index * 16 + 8)
                .map(|address| Ok((address, thread.word(address)?)))
                .collect::<io::Result<_>>()?;
            let total: u64 = lengths.iter().map(|(_, length)| length).sum();
            if total < least {
                return Ok(Vec::new());
            }
            let mut left = total / 2;
            for (used, (address, length)) in (1..).zip(lengths) {
                if left <= length {
                    // The last vector that is written, and that in part.
                    thread.set_word(address, left)?;
                    let undo =
                        vec![Undo::Argument(count, regs.arg(count)), Undo::Memory(address, length)];
                    regs.set_arg(count, used);
                    thread.set_registers(regs)?;
                    return Ok(undo);
                }
                left -= length;
            }
            Ok(Vec::new())
        }
    }
}
