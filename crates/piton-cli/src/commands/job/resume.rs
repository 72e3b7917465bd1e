//! `piton resume` and jobs: it shows how to continue one, and runs no command that a file names.

use super::kept::command_line;
use super::place::Found;
use super::status::Standing;
use crate::exit::Exit;
use crate::out;
use crate::trouble::Trouble;

/// Shows how to continue a job. One that was named, and cannot be continued in this way, is a failure.
pub(in crate::commands) fn show(found: Found, quiet: bool) -> Result<(), Trouble> {
    let Found { name, named, job, .. } = found;
    let job = job?;
    let name = out::path(&name);
    let say = |text: &str| {
        if !quiet {
            out::say(format!("{name}: {text}"));
        }
        Ok(())
    };
    match Standing::of(&job) {
        Standing::Running(pid) => return say(&format!("skipped, process {pid} is running it")),
        Standing::Finished | Standing::AtTheEnd if named => return say("there is nothing to do"),
        Standing::Finished | Standing::AtTheEnd => return Ok(()),
        Standing::Unfinished => {}
    }
    let line = job.known.as_ref().and_then(command_line);
    match (line, named) {
        (Some(line), false) => say(&format!("an unfinished job; to continue it, run {line}")),
        (None, false) => say("an unfinished job; to continue it, run its program again"),
        (Some(line), true) => Err(refused().hint(format!("run {line}"))),
        (None, true) => Err(refused().hint("run the same command again")),
    }
}

fn refused() -> Trouble {
    let why = "this is a job: resuming it runs a command, which piton does not take from a file";
    Trouble::new(Exit::Usage, why)
}
