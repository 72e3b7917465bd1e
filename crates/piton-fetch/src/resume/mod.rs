//! Whether an answer may be joined with what is here (docs/resume-rules.md).

mod overlap;
mod page;

pub(crate) use overlap::{OVERLAP, after, before, differs_at, places_to_compare, sample};
pub use page::Appearance;
pub(crate) use page::{Begun, is_among, media_type, odd_type};
