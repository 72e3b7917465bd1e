//! Whether an answer may be joined with what is here (docs/resume-rules.md).

mod answer;
mod overlap;

pub(crate) use answer::{Answer, Bad, Refusal, STRANGER, is_stranger, read_answer};
pub(crate) use overlap::{OVERLAP, after, before, differs_at, places_to_compare, sample};
