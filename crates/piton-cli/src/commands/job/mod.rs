//! `piton lines` and `piton each`.

mod adopt;
mod forget;
mod guarantee;
mod kept;
mod letters;
mod open;
mod place;
mod resume;
mod run;
mod show;
mod status;
mod tail;
mod trouble;

use std::num::NonZeroU64;

use piton::records::command::{CommandLine, Input};
use piton::records::parallel::Size;

use crate::args::{Bytes, EachArgs, JobOptions, LinesArgs};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::trouble::Trouble;
use run::{Kind, Task};

pub(super) use forget::forget;
pub(super) use letters::{are_letters, failures, retry};
pub(super) use place::{find, is_job, look, spec};
pub(super) use resume::show as show_how_to_resume;
pub(super) use show::show;
pub(super) use status::print as print_status;

/// The size of a chunk, unless another one is given.
const CHUNK: NonZeroU64 = NonZeroU64::new(1 << 20).unwrap();

pub(crate) fn lines(args: LinesArgs, environment: &Environment) -> Result<Exit, Trouble> {
    let LinesArgs { what, chunk, split_failed, options } = args;
    adopt::refuse_joblog(&options)?;
    if what.command.is_empty() {
        if chunk.is_some() || split_failed {
            return Err(Trouble::usage("--chunk and --split-failed need a CMD"));
        }
        return tail::tail(&what.file, &options);
    }
    let chunk = match chunk {
        None => CHUNK,
        Some(Bytes(size)) => NonZeroU64::new(size).ok_or_else(|| Trouble::usage("--chunk 0"))?,
    };
    let (size, input) = (Size::Bytes(chunk), Input::Stdin);
    let line = CommandLine::new(what.command).map_err(trouble::of_command)?;
    let task =
        Task { file: what.file, line, input, size, split_failed, kind: Kind::Records, options };
    run::run(&task, environment)
}

pub(crate) fn each(args: EachArgs, environment: &Environment) -> Result<Exit, Trouble> {
    let EachArgs { what, options } = args;
    if what.command.is_empty() {
        return Err(Trouble::usage("piton each needs a CMD")
            .hint("piton each FILE -- CMD {} runs CMD for each record of FILE"));
    }
    let JobOptions { source, .. } = &options;
    if source.header {
        return Err(Trouble::usage("--header works with piton lines only"));
    }
    let (size, input) = (Size::Records(std::num::NonZeroUsize::MIN), Input::Argument);
    let line = CommandLine::new(what.command).map_err(trouble::of_command)?;
    let task = Task {
        file: what.file,
        line,
        input,
        size,
        split_failed: false,
        kind: Kind::Records,
        options,
    };
    run::run(&task, environment)
}
