//! BLAKE3 whose state can be saved.
//!
//! The `blake3` crate cannot save a hasher, but a BLAKE3 hash is a binary tree: complete subtrees are
//! known by their 32-byte chaining values. The input is cut into subtrees of 1 MiB; `stack` holds the
//! values of the complete ones, `current` hashes the one under way.
//!
//! A value may be merged with its left neighbours only when more input is certain, since the last merge
//! of all, the root's, is computed differently. So the newest value stays unmerged on the stack (*lazy*
//! form: the merged values of all but the newest, then the newest), and for the same reason a full
//! subtree stays in `current` until more input comes.

use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};

/// The length of a subtree. A power of two times [`blake3::CHUNK_LEN`].
const SUBTREE: u64 = 1 << 20;

#[derive(Clone)]
pub(super) struct Tree {
    /// Complete subtrees whose values are in `stack`.
    complete: u64,
    /// In lazy form.
    stack: Vec<ChainingValue>,
    current: blake3::Hasher,
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree { complete: 0, stack: Vec::new(), current: blake3::Hasher::new() }
    }

    pub(super) fn update(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            if self.current.count() == SUBTREE {
                self.stack = full(&self.stack, self.complete);
                self.stack.push(self.current.finalize_non_root());
                self.complete = self.complete.saturating_add(1);
                self.current = hasher_at(self.complete);
            }
            let room = SUBTREE.saturating_sub(self.current.count());
            let now = usize::try_from(room).unwrap_or(usize::MAX).min(input.len());
            let (head, rest) = input.split_at(now);
            self.current.update(head);
            input = rest;
        }
    }

    pub(super) fn finalize(&self) -> [u8; blake3::OUT_LEN] {
        let (right, lefts) = if self.current.count() > 0 || self.stack.is_empty() {
            if self.stack.is_empty() {
                return *self.current.finalize().as_bytes();
            }
            (self.current.finalize_non_root(), full(&self.stack, self.complete))
        } else {
            // Only after a restore: everything so far is in the stack.
            let mut lefts = self.stack.clone();
            (lefts.pop().unwrap_or_default(), lefts)
        };
        match lefts.split_first() {
            Some((root_left, inner)) => {
                let right = inner.iter().rev().fold(right, |right, left| merge(left, &right));
                *hazmat::merge_subtrees_root(root_left, &right, Mode::Hash).as_bytes()
            }
            None => right,
        }
    }

    /// The last position that can be saved, and the values there: everything up to it is in complete
    /// subtrees. A single complete subtree is not saved: were it the whole input, its value as the root
    /// could not be had from its value as a subtree.
    pub(super) fn save(&self) -> (u64, Vec<u8>) {
        let (complete, stack) = if self.current.count() == SUBTREE && self.complete > 0 {
            let mut stack = full(&self.stack, self.complete);
            stack.push(self.current.finalize_non_root());
            (self.complete.saturating_add(1), stack)
        } else {
            (self.complete, self.stack.clone())
        };
        if complete < 2 {
            return (0, Vec::new());
        }
        (complete.saturating_mul(SUBTREE), stack.concat())
    }

    /// `None` if the values cannot be those of an input of `position` bytes.
    pub(super) fn restore(position: u64, values: &[u8]) -> Option<Tree> {
        let complete = position / SUBTREE;
        if !position.is_multiple_of(SUBTREE) || complete == 1 {
            return None;
        }
        let (stack, rest) = values.as_chunks::<{ blake3::OUT_LEN }>();
        if !rest.is_empty() || stack.len() != stack_len(complete) {
            return None;
        }
        Some(Tree { complete, stack: stack.to_vec(), current: hasher_at(complete) })
    }
}

fn hasher_at(complete: u64) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(complete.saturating_mul(SUBTREE));
    hasher
}

/// The stack in lazy form made full: what stands for `complete` subtrees once more input is certain.
fn full(lazy: &[ChainingValue], complete: u64) -> Vec<ChainingValue> {
    let mut stack = lazy.to_vec();
    if let Some(mut value) = stack.pop() {
        for _ in 0..complete.trailing_zeros() {
            if let Some(left) = stack.pop() {
                value = merge(&left, &value);
            }
        }
        stack.push(value);
    }
    stack
}

/// The number of values in the lazy stack of `complete` subtrees.
fn stack_len(complete: u64) -> usize {
    match complete.checked_sub(1) {
        Some(before) => {
            usize::try_from(before.count_ones()).unwrap_or(usize::MAX).saturating_add(1)
        }
        None => 0,
    }
}

fn merge(left: &ChainingValue, right: &ChainingValue) -> ChainingValue {
    hazmat::merge_subtrees_non_root(left, right, Mode::Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input whose subtrees all differ, cheap to make.
    fn input(len: u64) -> Vec<u8> {
        (0..len.div_ceil(8))
            .flat_map(|i| (i * 0x9e37_79b9).to_le_bytes())
            .take(len as usize)
            .collect()
    }

    #[test]
    fn every_number_of_subtrees_gives_the_hash_and_can_be_saved() {
        let whole = input(17 * SUBTREE + 1);
        for len in (0..=17).flat_map(|n| {
            [(n * SUBTREE).saturating_sub(1), n * SUBTREE, n * SUBTREE + 1].into_iter()
        }) {
            let bytes = &whole[..len as usize];
            let mut tree = Tree::new();
            tree.update(bytes);
            let expected = *blake3::hash(bytes).as_bytes();
            assert_eq!(tree.finalize(), expected, "{len}");

            let (position, values) = tree.save();
            let saveable = if len >= 2 * SUBTREE { len / SUBTREE * SUBTREE } else { 0 };
            assert_eq!(position, saveable, "{len}");
            let mut again = Tree::restore(position, &values).unwrap();
            again.update(&bytes[position as usize..]);
            assert_eq!(again.finalize(), expected, "restored at {position} of {len}");
            assert_eq!(again.save(), (position, values), "saved twice at {position} of {len}");
        }
    }

    #[test]
    fn states_that_cannot_be_are_refused() {
        assert!(Tree::restore(SUBTREE, &[0; 32]).is_none(), "a single subtree");
        assert!(Tree::restore(2 * SUBTREE + 1, &[0; 64]).is_none(), "not at a boundary");
        assert!(Tree::restore(2 * SUBTREE, &[0; 32]).is_none(), "too few values");
        assert!(Tree::restore(2 * SUBTREE, &[0; 96]).is_none(), "too many values");
        assert!(Tree::restore(2 * SUBTREE, &[0; 63]).is_none(), "half a value");
        assert!(Tree::restore(0, &[0; 32]).is_none(), "a value of nothing");
    }
}
