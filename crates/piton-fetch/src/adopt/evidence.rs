//! How sure it is that what was adopted is right.

use super::survey::{PLACE, Survey};

/// How sure it is that what was imported is right. These bytes are not proven: between the places that
/// were compared anything may be. A digest of the whole proves them at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// Bytes that are believed.
    pub believed: u64,
    /// Bytes of those that were compared with the server.
    pub compared: u64,
    /// In so many places, those that touch counted as one.
    pub places: usize,
    /// The longest stretch that is believed and was not looked at, in bytes: more wrong bytes than that
    /// in a row would certainly have been noticed.
    pub longest_unseen: u64,
    /// The probability that one wrong block of [`Evidence::BLOCK`] bytes somewhere would have been missed,
    /// 0 to 1.
    pub missed: f64,
}

impl Evidence {
    /// The size of the block that [`Evidence::missed`] is about, in bytes.
    pub const BLOCK: u64 = PLACE;

    pub(super) fn of(survey: &Survey) -> Self {
        let (mut believed, mut compared, mut places, mut longest_unseen) = (0, 0, 0, 0);
        for run in &survey.believed {
            let mut at = run.start;
            for gap in survey.compared.gaps(run.clone()) {
                longest_unseen = longest_unseen.max(gap.end - gap.start);
                if gap.start > at {
                    (compared, places) = (compared + gap.start - at, places + 1);
                }
                at = gap.end;
            }
            if run.end > at {
                (compared, places) = (compared + run.end - at, places + 1);
            }
            believed += run.end - run.start;
        }
        let missed = if believed == 0 { 1.0 } else { 1.0 - compared as f64 / believed as f64 };
        Self { believed, compared, places, longest_unseen, missed }
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges are compared")]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_outside_does_not_count() {
        let survey = Survey {
            believed: vec![0..100, 200..300],
            compared: [0..10, 90..120, 190..210, 250..260, 270..280].into_iter().collect(),
            first_difference: None,
        };
        let evidence = Evidence::of(&survey);
        assert_eq!((evidence.believed, evidence.compared, evidence.places), (200, 50, 5));
        assert_eq!((evidence.longest_unseen, evidence.missed), (80, 0.75));
    }

    #[test]
    fn all_of_it() {
        let survey = Survey {
            believed: vec![0..100],
            compared: std::iter::once(0..100).collect(),
            first_difference: None,
        };
        let evidence = Evidence::of(&survey);
        assert_eq!((evidence.missed, evidence.longest_unseen, evidence.places), (0.0, 0, 1));
    }
}
