//! How a job was called, kept with its state: to be typed again, never to be run from there. Whoever can plant a state file
//! could plant a command.

use std::ffi::OsString;
use std::path::Path;

use piton::checkpoint::store::Spec;
use piton::records::Known;
use piton::records::command::CommandLine;
use serde_json::{Value, json};

use crate::redact;

/// Every commit repeats it.
const LONGEST: usize = 4 << 10;

/// The arguments and the folder of this process. `None`: they are too long, or not text.
pub(super) fn invocation() -> Option<Value> {
    let arguments = std::env::args_os().skip(1).map(OsString::into_string);
    let arguments = without_password(arguments.collect::<Result<_, _>>().ok()?);
    let folder = std::env::current_dir().ok()?.into_os_string().into_string().ok()?;
    let note = json!({ "args": arguments, "folder": folder });
    (note.to_string().len() <= LONGEST).then_some(note)
}

/// Logins are not written to disk.
fn without_password(mut arguments: Vec<String>) -> Vec<String> {
    let own = arguments.iter().position(|it| it == "--").unwrap_or(arguments.len());
    let mut is_state = false;
    for argument in arguments.iter_mut().take(own) {
        let (prefix, value) = match argument.split_once('=') {
            Some(("--state", value)) => ("--state=", value),
            _ if is_state => ("", argument.as_str()),
            _ => {
                is_state = argument == "--state";
                continue;
            }
        };
        is_state = false;
        if let Ok(spec) = value.parse::<Spec>() {
            *argument = format!("{prefix}{spec}");
        }
    }
    arguments
}

/// The command line that continues the job, as a shell reads it. `None`: another program runs it, or did not say how.
pub(super) fn command_line(known: &Known) -> Option<String> {
    let note = known.note.as_ref()?;
    let words = note.get("args")?.as_array()?.iter().map(|word| word.as_str());
    let words = std::iter::once(Some("piton")).chain(words);
    let words = words.map(|word| word.map(OsString::from)).collect::<Option<Vec<_>>>()?;
    let line = redact::text(&CommandLine::new(words).ok()?.to_string());
    let folder = note.get("folder")?.as_str()?;
    let here = std::env::current_dir().is_ok_and(|here| here == Path::new(folder));
    if here {
        return Some(line);
    }
    let change = CommandLine::new(vec!["cd".into(), "--".into(), folder.into()]).ok()?;
    Some(format!("{change} && {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_left_out() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (given, kept) in [
            (
                "each f --state redis://u:secret@h/1?job=a -- x --state redis://a:b@h/1?job=a",
                "each f --state redis://h/1?job=a -- x --state redis://a:b@h/1?job=a",
            ),
            ("each f --state=redis://:secret@h?job=a", "each f --state=redis://h/0?job=a"),
            ("each f --state json:x", "each f --state json:x"),
            ("each f --state", "each f --state"),
        ] {
            let kept_of_given = without_password(words(given)).join(" ");
            assert_eq!(kept_of_given.replace(":6379", ""), kept);
        }
    }
}
