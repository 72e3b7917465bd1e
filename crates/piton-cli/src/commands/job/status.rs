//! Jobs, as `piton status` shows them.

use jiff::tz::TimeZone;
use piton::records::{Inspected, Known, ResultsAt};
use serde_json::{Value, json};

use super::kept::command_line;
use super::place::Found;
use crate::commands::status::begun;
use crate::commands::table::table;
use crate::screen::human;
use crate::trouble::Trouble;
use crate::{out, redact};

/// Prints the jobs, and reports those that cannot be read. The exit code is that of the first of these.
pub(in crate::commands) fn print(
    found: Vec<Found>,
    as_json: bool,
) -> Result<Option<Trouble>, Trouble> {
    let (mut jobs, mut failed) = (Vec::new(), None);
    for Found { name, job, .. } in found {
        match job {
            Ok(job) => jobs.push((name, job)),
            Err(trouble) => {
                out::complain(Some(&out::path(&name)), &trouble);
                failed.get_or_insert(trouble);
            }
        }
    }
    if as_json {
        for (name, job) in &jobs {
            out::print_json(&object(&name.to_string_lossy(), job))?;
        }
    } else if !jobs.is_empty() {
        let zone = TimeZone::system();
        let head =
            ["JOB", "RECORDS", "READ", "SIZE", "%", "FAILED", "RUN", "STARTED", "STATE", "SOURCE"];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(jobs.iter().map(|(name, job)| row(out::path(name), job, &zone)));
        let right = [false, true, true, true, true, true, true, false, false, false];
        out::print_text(&table(&rows, right))?;
    }
    Ok(failed)
}

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Running(u32),
    Finished,
    /// Everything there is was printed; more may come (`piton lines FILE`).
    AtTheEnd,
    Unfinished,
}

impl Standing {
    pub(super) fn of(job: &Inspected) -> Self {
        match (&job.known, job.running) {
            (_, Some(pid)) => Self::Running(pid),
            (Some(known), None) if known.finished => Self::Finished,
            (Some(known), None) if known.work.is_none() && known.position == known.whole => {
                Self::AtTheEnd
            }
            _ => Self::Unfinished,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Running(pid) => format!("pid {pid}"),
            Self::Finished => "finished".to_owned(),
            Self::AtTheEnd => "at the end".to_owned(),
            Self::Unfinished => "unfinished".to_owned(),
        }
    }
}

fn row(name: String, job: &Inspected, zone: &TimeZone) -> [String; 10] {
    let known = job.known.as_ref();
    let of_known = |show: &dyn Fn(&Known) -> Option<String>| {
        known.and_then(show).unwrap_or_else(|| "?".to_owned())
    };
    let is_file = known.is_some_and(|known| known.source.is_some());
    let amount = |amount: u64| if is_file { human::size(amount) } else { human::count(amount) };
    [
        name,
        of_known(&|known| Some(human::count(known.records))),
        of_known(&|known| known.position.map(amount)),
        of_known(&|known| known.whole.map(amount)),
        of_known(&|known| Some(human::percent(known.position?, known.whole?))),
        of_known(&|known| Some(human::count(known.failed))),
        job.run.to_string(),
        of_known(&|known| Some(begun(known.begun?, zone))),
        Standing::of(job).word(),
        of_known(&|known| match &known.source {
            Some(path) => Some(out::path(path)),
            None => Some(out::clean(&known.kind)),
        }),
    ]
}

fn object(name: &str, job: &Inspected) -> Value {
    let known = job.known.as_ref();
    let (mode, path) = match known.map(|known| &known.results) {
        Some(ResultsAt::File(path)) => ("file", Some(path.to_string_lossy())),
        Some(ResultsAt::Append(path)) => ("append", Some(path.to_string_lossy())),
        Some(ResultsAt::Pipe) => ("pipe", None),
        _ => ("none", None),
    };
    let output = known.map(|known| json!({ "mode": mode, "path": path, "bytes": known.written }));
    json!({
        "type": "job",
        "job": name,
        "state": job.place,
        "run": job.run,
        "running": job.running,
        "finished": known.is_some_and(|known| known.finished),
        "source": known.and_then(|known| known.source.as_ref()).map(|path| path.to_string_lossy()),
        "kind": known.map(|known| known.kind.as_str()),
        "records": known.map(|known| known.records),
        "position": known.and_then(|known| known.position),
        "size": known.and_then(|known| known.whole),
        "failed": known.map(|known| known.failed),
        "begun": known.and_then(|known| known.begun),
        "output": output,
        "dead_letters":
            known.and_then(|known| known.dead_letters.as_ref()).map(|path| path.to_string_lossy()),
        "work": known.and_then(|known| known.work.as_deref()).map(redact::text),
        "command_line": known.and_then(command_line),
    })
}
