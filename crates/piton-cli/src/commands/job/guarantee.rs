//! What holds for a job, said before it runs.

use std::path::Path;

use piton::records::command::Input;

use super::open::Sink;
use crate::args::ResultOptions;
use crate::out;
use crate::screen::human;

/// The results.
pub(super) fn of_output(sink: &Sink, at_end: bool) -> String {
    match sink {
        Sink::File(path) | Sink::Append(path) | Sink::Stdout(path) => {
            format!("output: exactly once ({})", shown(path))
        }
        Sink::Stream if at_end => {
            "output: at least once (all of it again after an interruption)".to_owned()
        }
        Sink::Stream => {
            "output: what the pipe has accepted counts (after a kill at most the last piece again)"
                .to_owned()
        }
    }
}

/// What the command does beside its output.
pub(super) fn of_effects(again: u64, input: Input, results: &ResultOptions) -> String {
    if results.commit_at_end {
        return "side effects of CMD: at least once (any of them again after an interruption)"
            .to_owned();
    }
    let pieces = match input {
        Input::Stdin => human::counted(again, "chunk", "chunks"),
        Input::Argument => human::counted(again, "record", "records"),
    };
    let cut = match results.checkpoint_every {
        None => "those of the last second",
        Some(_) => "those since the last checkpoint",
    };
    format!(
        "side effects of CMD: at least once (at most {pieces} again after a kill, and {cut} after a \
         power cut)"
    )
}

fn shown(path: &Path) -> String {
    out::path(path)
}
