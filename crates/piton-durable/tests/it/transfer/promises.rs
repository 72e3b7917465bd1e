//! What the calls that returned have promised.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use super::FILES;
use super::file::File;

/// What a call promised by returning.
#[derive(Debug, Clone)]
pub(super) enum Promise {
    /// The download is known.
    Begun(File),
    /// These bytes survive a kill.
    Claimed(File, Range<u64>),
    /// These bytes survive a power cut.
    Synced(File, Range<u64>),
    /// The file has its final name.
    Finished(File),
}

/// All promises, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    promises: Mutex<Vec<Promise>>,
    count: AtomicU64,
    spoken: bool,
    gate: Mutex<Option<u64>>,
    opened: Condvar,
}

impl Ledger {
    /// A ledger that also says each promise on stdout, for [`Promised::heard`].
    pub(crate) fn spoken() -> Self {
        Self { spoken: true, ..Self::default() }
    }

    /// A ledger that holds up whoever makes the promise of this number, or a later one, until
    /// [`Ledger::open_gate`].
    pub(crate) fn gated(number: u64) -> Self {
        Self { gate: Mutex::new(Some(number)), ..Self::default() }
    }

    pub(crate) fn open_gate(&self) {
        *self.gate.lock().unwrap() = None;
        self.opened.notify_all();
    }

    pub(super) fn promise(&self, promises: impl IntoIterator<Item = Promise>) {
        let mut all = self.promises.lock().unwrap();
        let old = all.len();
        all.extend(promises);
        self.count.store(all.len() as u64, Ordering::SeqCst);
        if self.spoken {
            all.iter().skip(old).for_each(speak);
        }
        drop(all);
        let shut = |gate: &mut Option<u64>| gate.is_some_and(|number| self.count() >= number);
        drop(self.opened.wait_while(self.gate.lock().unwrap(), shut).unwrap());
    }

    /// How many promises were made until now; waits for nothing.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether the last of the first `count` promises is that a file has its final name.
    pub(crate) fn ends_with_a_finish(&self, count: u64) -> bool {
        let promises = self.promises.lock().unwrap();
        let last = promises.iter().take(count as usize).next_back();
        matches!(last, Some(Promise::Finished(_)))
    }

    /// What the first `count` of them hold after a power cut.
    pub(crate) fn first(&self, count: u64) -> Promised {
        let promises = self.promises.lock().unwrap();
        Promised::of_all(promises.iter().take(count as usize).cloned(), false)
    }
}

const SPOKEN: &str = "promise: ";

fn speak(promise: &Promise) {
    let (what, file, range) = match promise {
        Promise::Begun(file) => ("begun", file, 0..0),
        Promise::Claimed(file, range) => ("claimed", file, range.clone()),
        Promise::Synced(file, range) => ("synced", file, range.clone()),
        Promise::Finished(file) => ("finished", file, 0..0),
    };
    println!("\n{SPOKEN}{what} {} {} {}", file.number(), range.start, range.end);
}

/// The promise that `line` says, if it was said to its end.
fn hear(line: &str) -> Option<Promise> {
    let mut words = line.strip_prefix(SPOKEN)?.split(' ');
    let what = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let (file, range) = (File::numbered(number()?), number()?..number()?);
    Some(match what {
        "begun" => Promise::Begun(file),
        "claimed" => Promise::Claimed(file, range),
        "synced" => Promise::Synced(file, range),
        "finished" => Promise::Finished(file),
        _ => return None,
    })
}

/// What was promised at a certain moment.
#[derive(Debug)]
pub(crate) struct Promised {
    files: Vec<OfFile>,
}

impl Promised {
    /// What was said on `stdout` before a kill.
    pub(crate) fn heard(stdout: &[u8]) -> Self {
        let stdout = String::from_utf8_lossy(stdout);
        // What follows the last line end was cut off.
        let whole = stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Self::of_all(whole.lines().filter_map(hear), true)
    }

    fn of_all(promises: impl Iterator<Item = Promise>, killed: bool) -> Self {
        let mut files = vec![OfFile::default(); FILES as usize];
        for promise in promises {
            match promise {
                Promise::Begun(file) => files[file.number()].begun = true,
                Promise::Claimed(file, range) if killed => files[file.number()].kept.push(range),
                Promise::Claimed(..) => {}
                Promise::Synced(file, range) => files[file.number()].kept.push(range),
                Promise::Finished(file) => files[file.number()].finished = true,
            }
        }
        Self { files }
    }

    pub(super) fn of(&self, file: File) -> &OfFile {
        &self.files[file.number()]
    }
}

/// What was promised of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct OfFile {
    pub(super) begun: bool,
    /// These bytes are to be there after the crash.
    pub(super) kept: Vec<Range<u64>>,
    pub(super) finished: bool,
}
