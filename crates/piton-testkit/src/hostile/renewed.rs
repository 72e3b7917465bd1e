//! What many runs of a property share.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Runs for which one world lasts. What its servers saw is kept, and would grow without an end.
const RUNS: u32 = 200;

/// A world, and for how many runs it was used.
pub type Kept<W> = RefCell<Option<(W, u32)>>;

/// Calls `run` with the world that this thread keeps, made at first and now and then again.
pub fn renewed<W>(kept: &'static LocalKey<Kept<W>>, make: fn() -> W, run: impl FnOnce(&W)) {
    kept.with_borrow_mut(|kept| {
        let world = match kept.take() {
            Some((world, runs)) if runs < RUNS => (world, runs + 1),
            _ => (make(), 1),
        };
        run(&kept.insert(world).0);
    });
}
