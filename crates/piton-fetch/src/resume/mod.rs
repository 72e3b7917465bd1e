//! Whether an answer may be joined with what is here (docs/resume-rules.md).

mod answer;
mod overlap;
mod page;

pub(crate) use answer::{Answer, Bad, Refusal, read_answer};
pub(crate) use overlap::{OVERLAP, after, before, differs_at, places_to_compare, sample};
pub use page::Appearance;
pub(crate) use page::{Begun, is_among, media_type, odd_type};
