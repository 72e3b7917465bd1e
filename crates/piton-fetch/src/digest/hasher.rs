//! A hasher over bytes in order, whose state survives a restart.

use crc_fast::CrcAlgorithm;
use digest::Digest as _;
use digest::array::typenum::Unsigned;
use digest::common::hazmat::SerializableState;

use super::blake3_tree::Tree;
use super::saved::{self, RestoreError, SavedState};
use super::{Algorithm, Digest};

/// Hashes bytes in order, of any amount, in constant memory (guarantee G8).
///
/// ```
/// use piton_fetch::digest::{Algorithm, Hasher};
///
/// let mut hasher = Hasher::new(Algorithm::Sha256);
/// hasher.update(b"hello ");
/// let saved = hasher.save();
///
/// // After a crash:
/// let mut hasher = Hasher::restore(Algorithm::Sha256, &saved.bytes)?;
/// hasher.update(&b"hello world"[saved.position as usize..]);
/// assert_eq!(
///     hasher.finalize(),
///     "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9".parse()?,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    position: u64,
    state: State,
}

#[derive(Clone)]
enum State {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Blake3(Box<Tree>),
    Crc(crc_fast::Digest),
}

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new(algorithm: Algorithm) -> Hasher {
        let state = match algorithm {
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
            Algorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => State::Blake3(Box::new(Tree::new())),
            Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme => {
                State::Crc(crc_fast::Digest::new(crc(algorithm)))
            }
        };
        Hasher { algorithm, position: 0, state }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How many bytes were hashed, those before a restore included.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Hashes the bytes that follow at [`Hasher::position`].
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Md5(hash) => hash.update(bytes),
            State::Sha1(hash) => hash.update(bytes),
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
            State::Blake3(tree) => tree.update(bytes),
            State::Crc(crc) => crc.update(bytes),
        }
        self.position =
            self.position.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// The digest of everything hashed.
    pub fn finalize(self) -> Digest {
        let bytes = match self.state {
            State::Md5(hash) => hash.finalize().to_vec(),
            State::Sha1(hash) => hash.finalize().to_vec(),
            State::Sha256(hash) => hash.finalize().to_vec(),
            State::Sha512(hash) => hash.finalize().to_vec(),
            State::Blake3(tree) => tree.finalize().to_vec(),
            State::Crc(crc) => {
                let bytes = crc.finalize().to_be_bytes();
                let skip = bytes.len().saturating_sub(self.algorithm.digest_len());
                bytes.iter().skip(skip).copied().collect()
            }
        };
        Digest::of_hasher(self.algorithm, bytes)
    }

    /// The state, to be kept in the journal.
    ///
    /// [`SavedState::position`] says how much of the input it covers. That is [`Hasher::position`] for
    /// all algorithms but BLAKE3, which can be saved only at whole MiB from the second one on: there the
    /// state is that of the last such position, up to 1 MiB back (or the start).
    pub fn save(&self) -> SavedState {
        let (position, midstate) = match &self.state {
            State::Md5(hash) => (self.position, hash.serialize().to_vec()),
            State::Sha1(hash) => (self.position, hash.serialize().to_vec()),
            State::Sha256(hash) => (self.position, hash.serialize().to_vec()),
            State::Sha512(hash) => (self.position, hash.serialize().to_vec()),
            State::Blake3(tree) => tree.save(),
            State::Crc(crc) => (self.position, crc.get_state().to_le_bytes().to_vec()),
        };
        saved::encode(self.algorithm, position, &midstate)
    }

    /// A hasher that continues from a saved state.
    ///
    /// The state is checked for being one that [`Hasher::save`] writes, not for being that of the input
    /// at hand: the caller's journal vouches for that.
    ///
    /// # Errors
    /// [`RestoreError`] if the state is of another version or algorithm, or contradicts itself. The
    /// input must then be hashed from its start.
    pub fn restore(algorithm: Algorithm, saved: &[u8]) -> Result<Hasher, RestoreError> {
        let (position, midstate) = saved::decode(algorithm, saved)?;
        if position == 0 {
            let fresh = Hasher::new(algorithm);
            let same = fresh.save().bytes == saved;
            return if same { Ok(fresh) } else { Err(RestoreError::Damaged { algorithm }) };
        }
        let state = match algorithm {
            Algorithm::Md5 => block_hash(position, midstate).map(State::Md5),
            Algorithm::Sha1 => block_hash(position, midstate).map(State::Sha1),
            Algorithm::Sha256 => block_hash(position, midstate).map(State::Sha256),
            Algorithm::Sha512 => block_hash(position, midstate).map(State::Sha512),
            Algorithm::Blake3 => Tree::restore(position, midstate).map(Box::new).map(State::Blake3),
            Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme => {
                crc_state(algorithm, midstate).map(State::Crc)
            }
        };
        match state {
            Some(state) => Ok(Hasher { algorithm, position, state }),
            None => Err(RestoreError::Damaged { algorithm }),
        }
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher")
            .field("algorithm", &self.algorithm)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// A hash of the MD5 and SHA families from its serialized state.
///
/// That state ends in the number of whole blocks (little-endian), the fill of the last block (one byte)
/// and the last block, which is never full and so one byte shorter. The counts must agree with `position`: a state that lies about its length would
/// give a wrong digest, and an absurd length makes the hashes overflow.
fn block_hash<H>(position: u64, midstate: &[u8]) -> Option<H>
where
    H: SerializableState + digest::common::BlockSizeUser + digest::OutputSizeUser,
{
    let block = H::BlockSize::U64;
    let tail = usize::try_from(block).ok()?;
    let (head, last_block) = midstate.split_at_checked(midstate.len().checked_sub(tail)?)?;
    let fill = u64::from(*last_block.first()?);
    // SHA-512 counts in 128 bits; the upper half of the count of a possible position is zero.
    let (head, upper) = if block == 128 {
        head.split_at_checked(head.len().checked_sub(8)?)?
    } else {
        (head, [].as_slice())
    };
    let blocks = u64::from_le_bytes(*head.last_chunk::<8>()?);
    if upper.iter().any(|&byte| byte != 0)
        || fill != position.checked_rem(block)?
        || blocks != position.checked_div(block)?
    {
        return None;
    }
    H::deserialize(midstate.try_into().ok()?).ok()
}

fn crc_state(algorithm: Algorithm, midstate: &[u8]) -> Option<crc_fast::Digest> {
    let state = u64::from_le_bytes(midstate.try_into().ok()?);
    let fits = algorithm.digest_len() == 8 || u32::try_from(state).is_ok();
    fits.then(|| crc_fast::Digest::new_with_init_state(crc(algorithm), state))
}

fn crc(algorithm: Algorithm) -> CrcAlgorithm {
    match algorithm {
        Algorithm::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
        Algorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
        _ => CrcAlgorithm::Crc64Nvme,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    /// The digest by each library's one-shot function.
    fn reference(algorithm: Algorithm, input: &[u8]) -> Vec<u8> {
        match algorithm {
            Algorithm::Md5 => md5::Md5::digest(input).to_vec(),
            Algorithm::Sha1 => sha1::Sha1::digest(input).to_vec(),
            Algorithm::Sha256 => sha2::Sha256::digest(input).to_vec(),
            Algorithm::Sha512 => sha2::Sha512::digest(input).to_vec(),
            Algorithm::Blake3 => blake3::hash(input).as_bytes().to_vec(),
            Algorithm::Crc32 => crc_fast::crc32_iso_hdlc(input).to_be_bytes().to_vec(),
            Algorithm::Crc32c => crc_fast::crc32_iscsi(input).to_be_bytes().to_vec(),
            Algorithm::Crc64Nvme => crc_fast::crc64_nvme(input).to_be_bytes().to_vec(),
        }
    }

    fn input(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// Hashes `input` with a save and a restore at each of `cuts` (fractions of the length).
    fn interrupted(algorithm: Algorithm, input: &[u8], cuts: &[f64]) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        for cut in cuts {
            let end = ((input.len() as f64 * cut) as usize).min(input.len());
            let at = hasher.position() as usize;
            if end > at {
                hasher.update(&input[at..end]);
            }
            let saved = hasher.save();
            assert!(saved.position <= hasher.position());
            assert!(saved.bytes.len() <= 2048);
            hasher = Hasher::restore(algorithm, &saved.bytes).unwrap();
            assert_eq!(hasher.position(), saved.position);
        }
        let at = hasher.position() as usize;
        hasher.update(&input[at..]);
        assert_eq!(hasher.position(), input.len() as u64);
        hasher.finalize()
    }

    fn sizes() -> impl Strategy<Value = usize> {
        prop_oneof![
            Just(0),
            Just(1),
            Just(MIB - 1),
            Just(MIB),
            Just(MIB + 1),
            Just(2 * MIB),
            Just(3 * MIB + 1),
            0..300usize,
            0..5 * MIB,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_interruption_gives_the_reference_digest(
            len in sizes(),
            seed: u64,
            cuts in proptest::collection::vec(0.0..=1.0f64, 0..5),
        ) {
            let input = input(len, seed);
            for algorithm in Algorithm::ALL {
                let digest = interrupted(algorithm, &input, &cuts);
                prop_assert_eq!(digest.as_bytes(), reference(algorithm, &input), "{}", algorithm);
                prop_assert_eq!(digest.algorithm(), algorithm);
            }
        }

        #[test]
        fn restore_takes_any_bytes_without_panic(
            version in 0..3u8,
            code in 0..10u8,
            position: u64,
            shift in 0..64u32,
            rest in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = vec![version, code];
            bytes.extend_from_slice(&(position >> shift).to_le_bytes());
            bytes.extend_from_slice(&rest);
            for algorithm in Algorithm::ALL {
                if let Ok(mut hasher) = Hasher::restore(algorithm, &bytes) {
                    hasher.update(&[0; 200]);
                    hasher.finalize();
                }
            }
        }
    }

    #[test]
    fn known_answers() {
        for (algorithm, of_check_string) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"123456789");
            assert_eq!(hasher.finalize().to_string(), of_check_string, "{algorithm}");
        }
    }

    /// Journals outlive upgrades of piton and of the hash libraries: the encoding must not drift. If it
    /// has to, the version byte changes with it.
    #[test]
    fn the_encoding_is_pinned() {
        for (algorithm, md5_of_state) in [
            (Algorithm::Md5, "62671761cf6c64ba79dedeb56f165a34"),
            (Algorithm::Sha1, "8101476447e5e572f6713f3d7a6353b9"),
            (Algorithm::Sha256, "f367e396af0db837d919b4d867669232"),
            (Algorithm::Sha512, "92e49f3e390fc136a19f524313e4c9a1"),
            (Algorithm::Blake3, "1b2310f5d1df4aab1b4a143c8163266e"),
            (Algorithm::Crc32, "b8bd4b0d286079dbe882253b73c6ea76"),
            (Algorithm::Crc32c, "0e8b2c5518ba4fa8eef6cb9a7577fad7"),
            (Algorithm::Crc64Nvme, "a3dfe6066bd35ae7e1a0d9f19ade9d80"),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(&vec![7; 3 * MIB + 3]);
            let mut of_state = Hasher::new(Algorithm::Md5);
            of_state.update(&hasher.save().bytes);
            assert_eq!(of_state.finalize().to_string(), md5_of_state, "{algorithm}");
        }
    }

    #[test]
    fn odd_states_are_refused() {
        for algorithm in Algorithm::ALL {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(&vec![7; 3 * MIB + 100]);
            let good = hasher.save().bytes;
            assert!(Hasher::restore(algorithm, &good).is_ok());
            let refused = |bytes: &[u8], why: &str| {
                assert!(Hasher::restore(algorithm, bytes).is_err(), "{algorithm}: {why}");
            };
            for cut in 0..good.len() {
                refused(&good[..cut], "cut short");
            }
            let mut longer = good.clone();
            longer.push(0);
            refused(&longer, "too long");
            for (at, why) in [(0, "version"), (1, "algorithm"), (9, "absurd position")] {
                let mut bytes = good.clone();
                bytes[at] ^= 0x40;
                refused(&bytes, why);
            }
            if !matches!(algorithm, Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme) {
                let mut bytes = good.clone();
                bytes[2] ^= 1;
                refused(&bytes, "position against the state");
            }
        }
    }

    #[test]
    fn errors_name_what_came() {
        assert_eq!(
            Hasher::restore(Algorithm::Md5, &[9]).unwrap_err(),
            RestoreError::Version { got: 9 }
        );
        let sha1 = Hasher::new(Algorithm::Sha1).save().bytes;
        assert_eq!(
            Hasher::restore(Algorithm::Md5, &sha1).unwrap_err(),
            RestoreError::Algorithm { expected: Algorithm::Md5 }
        );
    }
}
