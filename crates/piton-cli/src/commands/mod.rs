//! What each command does.

mod adopt;
mod batch;
mod forget;
mod generate;
mod get;
mod job;
mod list;
mod plan;
mod resume;
mod show;
mod status;
mod table;
mod unfinished;

pub(crate) use adopt::adopt;
pub(crate) use forget::forget;
pub(crate) use generate::{completions, man};
pub(crate) use get::get;
pub(crate) use job::{each, lines};
pub(crate) use list::{failures, retry};
pub(crate) use resume::resume;
pub(crate) use show::show;
pub(crate) use status::status;
