//! Which bytes of a file may be there at all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use piton_durable::part::{Foreign, PartError};

use crate::parse::aria2_control::ControlFile;

/// So many runs are imported at the most, the longest ones: the ends of each are compared, which has
/// to stay cheaper than fetching it.
const MOST: usize = 64;

/// The runs of bytes that the file holds, in order: what is no hole and, where there is a control file,
/// what that claims.
pub(super) fn runs(
    foreign: &Foreign,
    control: Option<&ControlFile>,
) -> Result<Vec<Range<u64>>, PartError> {
    let mut longest = Longest::default();
    match control {
        Some(control) => {
            for claim in control.claims() {
                add(foreign, claim, &mut longest)?;
            }
        }
        None => add(foreign, 0..foreign.len(), &mut longest)?,
    }
    Ok(longest.in_order())
}

fn add(foreign: &Foreign, within: Range<u64>, longest: &mut Longest) -> Result<(), PartError> {
    let end = within.end.min(foreign.len());
    let mut at = within.start;
    while at < end {
        let Some(run) = foreign.data_run(at)? else { break };
        longest.add(run.start.max(at)..run.end.min(end));
        at = run.end;
    }
    Ok(())
}

/// The longest of all ranges that were added.
#[derive(Default)]
struct Longest {
    /// By length, the shortest on top.
    kept: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Longest {
    fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.kept.push(Reverse((range.end - range.start, range.start)));
        if self.kept.len() > MOST {
            self.kept.pop();
        }
    }

    fn in_order(self) -> Vec<Range<u64>> {
        let kept = self.kept.into_iter();
        let mut ranges: Vec<_> = kept.map(|Reverse((len, start))| start..start + len).collect();
        ranges.sort_by_key(|range| range.start);
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_are_kept_in_order() {
        let mut longest = Longest::default();
        for i in 0..1000 {
            longest.add(i * 2000..i * 2000 + 1 + (i * 7) % 1000);
        }
        longest.add(5..5);
        let kept = longest.in_order();
        assert_eq!(kept.len(), MOST);
        assert!(kept.is_sorted_by_key(|range| range.start));
        assert!(kept.iter().all(|range| range.end - range.start > 1000 - MOST as u64));
    }
}
