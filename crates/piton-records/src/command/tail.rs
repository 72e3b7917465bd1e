//! The last bytes of a stream.

/// Keeps the last `limit` bytes of what it is given.
pub(super) struct Tail {
    bytes: Vec<u8>,
    limit: usize,
}

impl Tail {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let skip = bytes.len().saturating_sub(self.limit);
        self.bytes.extend_from_slice(bytes.get(skip..).unwrap_or_default());
        // Not at each push: moving the bytes costs more than keeping some too many.
        if self.bytes.len() > self.limit.saturating_mul(2) {
            self.cut();
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.cut();
        self.bytes
    }

    fn cut(&mut self) {
        self.bytes.drain(..self.bytes.len().saturating_sub(self.limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_bytes_however_they_come() {
        let all: Vec<u8> = (0..100).collect();
        for limit in [0, 1, 7, 99, 100, 101] {
            for size in [1, 3, 50, 100] {
                let mut tail = Tail::new(limit);
                for chunk in all.chunks(size) {
                    tail.push(chunk);
                    assert!(tail.bytes.len() <= limit * 2, "{limit} {size}");
                }
                assert_eq!(tail.finish(), all[100_usize.saturating_sub(limit)..]);
            }
        }
    }
}
