//! What each command does.

mod adopt;
mod batch;
mod forget;
mod generate;
mod get;
mod list;
mod plan;
mod resume;
mod show;
mod status;
mod table;
mod unfinished;

use std::sync::Arc;

use piton::durable::fs::OsFs;
use piton::fetch::Client;

use crate::args::NetworkOptions;
use crate::environment::Environment;
use crate::trouble::Trouble;

pub(crate) use adopt::adopt;
pub(crate) use forget::forget;
pub(crate) use generate::{completions, man};
pub(crate) use get::get;
pub(crate) use list::{failures, retry};
pub(crate) use resume::resume;
pub(crate) use show::show;
pub(crate) use status::status;

fn client(options: &NetworkOptions, environment: &Environment) -> Result<Client, Trouble> {
    let transport = crate::network::transport(options, environment)?;
    Ok(Client::new(transport, Arc::new(OsFs)))
}
