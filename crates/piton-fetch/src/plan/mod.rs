//! Which connection fetches which bytes.
//!
//! A [`Planner`] hands out *segments*. What nobody works on is handed out in order; when all is
//! handed out, a free connection *steals* the far part of the segment that would end last; when
//! nothing is left that is worth splitting, it *races*: it fetches the rest of the slowest segment
//! as well, and whatever arrives first is written. Nothing here knows sockets, files or time.

mod planner;

pub(crate) use planner::{Grant, Planner, SegmentId};

#[cfg(test)]
mod tests;
