//! Raw deflate that stops between blocks and can start at any bit: the one place of this crate with `unsafe`.
//!
//! The safe interface of zlib-rs tells neither at which bit a block ends, nor can it start at one. Its C interface
//! (libz-rs-sys, which is Rust too) can. What makes each call sound: the stream lives in a box, so that it has one
//! address from its initialisation to its end; the pointers in it are set from slices right before a call, with the
//! lengths of these slices, and are not used after it; and this type is not shared between threads at the same time.

#![allow(unsafe_code, reason = "zlib's interface for restarts is a C interface")]

use libz_rs_sys as z;

use super::super::point::WINDOW;

/// A decoder of one raw deflate stream.
pub(super) struct Inflate {
    stream: Box<z::z_stream>,
}

// SAFETY: the stream owns all that its state points to: zlib-rs allocates it and hands it to nobody. The pointers to
// input and output are null except during a call. A reference gives no access to it.
unsafe impl Send for Inflate {}

/// Where a call has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Input or room is used up.
    Between,
    /// Behind a block that is not the last one: this many bits of the last byte belong to the next block.
    AtBlock { bits: u8 },
    /// Behind the last block.
    AtEnd,
}

/// What a call did.
pub(super) struct Step {
    pub(super) taken: usize,
    pub(super) made: usize,
    pub(super) stopped: Stopped,
}

/// Why there is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InflateError {
    Data,
    Memory,
}

impl Inflate {
    /// At the start of a deflate stream.
    pub(super) fn new() -> Result<Self, InflateError> {
        let stream = z::z_stream::default();
        let mut new = Self { stream: Box::new(stream) };
        let size = i32::try_from(size_of::<z::z_stream>()).unwrap_or(0);
        // SAFETY: the stream is a valid one with no allocators, for which the library has its own; it stays in its box.
        let code = unsafe { z::inflateInit2_(&raw mut *new.stream, -15, z::zlibVersion(), size) };
        if code == z::Z_OK { Ok(new) } else { Err(InflateError::Memory) }
    }

    /// At the start of a block: behind this window, and with the last `bits` bits of this byte. `bits` is below 8.
    pub(super) fn at_block(window: &[u8], bits: u8, byte: u8) -> Result<Self, InflateError> {
        let mut new = Self::new()?;
        if bits > 0 {
            let value = i32::from(byte) >> (8 - i32::from(bits.min(8)));
            // SAFETY: the stream was initialised.
            let code = unsafe { z::inflatePrime(&raw mut *new.stream, i32::from(bits), value) };
            if code != z::Z_OK {
                return Err(InflateError::Data);
            }
        }
        let window = window.get(window.len().saturating_sub(WINDOW)..).unwrap_or_default();
        let len = u32::try_from(window.len()).unwrap_or(0);
        // SAFETY: the stream was initialised, and the library copies `len` bytes from the window during the call.
        let code = unsafe { z::inflateSetDictionary(&raw mut *new.stream, window.as_ptr(), len) };
        if code == z::Z_OK { Ok(new) } else { Err(InflateError::Data) }
    }

    /// Decodes some of `input` to `output`, if wanted no further than to the end of the block.
    pub(super) fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        to_block: bool,
    ) -> Result<Step, InflateError> {
        let most = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let (have, room) = (most(input.len()), most(output.len()));
        let stream = &mut *self.stream;
        // The library does not write to its input; C has no way to say so.
        (stream.next_in, stream.avail_in) = (input.as_ptr().cast_mut(), have);
        (stream.next_out, stream.avail_out) = (output.as_mut_ptr(), room);
        let flush = if to_block { z::Z_BLOCK } else { z::Z_NO_FLUSH };
        // SAFETY: the stream was initialised; both pointers are those of slices that outlive the call, of at least the
        // lengths that are beside them, and the output is exclusively ours.
        let code = unsafe { z::inflate(&raw mut *stream, flush) };
        (stream.next_in, stream.next_out) = (std::ptr::null_mut(), std::ptr::null_mut());
        let taken = have.saturating_sub(std::mem::take(&mut stream.avail_in)) as usize;
        let made = room.saturating_sub(std::mem::take(&mut stream.avail_out)) as usize;
        let (at_block, last) = (stream.data_type & 128 != 0, stream.data_type & 64 != 0);
        let stopped = match code {
            z::Z_STREAM_END => Stopped::AtEnd,
            z::Z_OK | z::Z_BUF_ERROR if to_block && at_block && !last => {
                Stopped::AtBlock { bits: (stream.data_type & 7) as u8 }
            }
            z::Z_OK | z::Z_BUF_ERROR => Stopped::Between,
            z::Z_MEM_ERROR => return Err(InflateError::Memory),
            _ => return Err(InflateError::Data),
        };
        Ok(Step { taken, made, stopped })
    }

    /// The last bytes that came out, at most 32 KiB.
    pub(super) fn window(&mut self) -> Vec<u8> {
        let mut window = vec![0; WINDOW];
        let mut len = 0;
        let (stream, place) = (&raw mut *self.stream, window.as_mut_ptr());
        // SAFETY: the stream was initialised, and the window is as long as the longest that the library writes.
        let code = unsafe { z::inflateGetDictionary(stream, place, &raw mut len) };
        window.truncate(if code == z::Z_OK { len as usize } else { 0 });
        window
    }
}

impl Drop for Inflate {
    fn drop(&mut self) {
        // SAFETY: it was initialised, or that failed, which the library tells by its null state.
        let _ = unsafe { z::inflateEnd(&raw mut *self.stream) };
    }
}

#[cfg(test)]
mod tests {
    use zlib_rs::{Deflate, DeflateFlush};

    use super::*;

    /// Two blocks and the last one, raw.
    fn stream(parts: &[&[u8]]) -> Vec<u8> {
        let (mut deflate, mut out) = (Deflate::new(6, false, 15), vec![0; 1 << 16]);
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            let flush = if last { DeflateFlush::Finish } else { DeflateFlush::PartialFlush };
            let from = deflate.total_out() as usize;
            deflate.compress(part, &mut out[from..], flush).unwrap();
        }
        out.truncate(deflate.total_out() as usize);
        out
    }

    #[test]
    fn decoding_starts_again_at_every_block() {
        let parts: [&[u8]; 3] = [b"the first block, ", b"the second block, ", b"the block"];
        let whole = parts.concat();
        let (input, mut out) = (stream(&parts), vec![0; whole.len() + 9]);
        let (mut inflate, mut at, mut made) = (Inflate::new().unwrap(), 0, 0);
        let mut restarts = 0;
        loop {
            let step = inflate.step(&input[at..], &mut out[made..], true).unwrap();
            (at, made) = (at + step.taken, made + step.made);
            match step.stopped {
                Stopped::AtEnd => break,
                Stopped::Between => {}
                Stopped::AtBlock { bits } => {
                    let window = inflate.window();
                    assert!(out[..made].ends_with(&window));
                    let byte = at.checked_sub(1).map_or(0, |at| input[at]);
                    let mut again = Inflate::at_block(&window, bits, byte).unwrap();
                    let mut rest = vec![0; whole.len() + 9];
                    let step = again.step(&input[at..], &mut rest, false).unwrap();
                    assert_eq!(step.stopped, Stopped::AtEnd);
                    assert_eq!(&rest[..step.made], &whole[made..]);
                    restarts += 1;
                }
            }
        }
        assert_eq!(&out[..made], whole);
        assert!(restarts >= 2, "{restarts}");
    }

    #[test]
    fn what_is_no_deflate_stream_is_an_error() {
        let mut out = [0; 9];
        let step = Inflate::new().unwrap().step(&[0xff; 20], &mut out, true);
        assert!(matches!(step, Err(InflateError::Data)));
        assert!(Inflate::at_block(&[7; 40_000], 7, 0xff).is_ok());
    }
}
