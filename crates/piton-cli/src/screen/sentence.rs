//! Events and outcomes as sentences, for the screens that people read.

use std::time::Duration;

use piton::fetch::{Event, Outcome};

use super::{Ended, File, human};
use crate::out;

/// The sentence for an event; the screens show starts and verification in their own way.
pub(crate) fn event(event: &Event) -> Option<String> {
    let sentence = match event {
        Event::Retrying { why, pause, tries } => {
            format!("{why}; try {} in {}", tries.saturating_add(1), human::duration(*pause))
        }
        Event::FewerConnections { limit } => {
            format!("the server allows fewer connections; continuing with {limit}")
        }
        Event::Replaced => "replaced a connection that received almost nothing".to_owned(),
        Event::StartedOver { change } => {
            format!("the file on the server changed ({change}); starting over")
        }
        Event::MirrorDropped { url, why } => format!("dropped the mirror {url}: {why}"),
        Event::Damaged { bytes } => {
            format!(
                "{} on disk do not match what was written; fetching them again",
                human::size(*bytes)
            )
        }
        Event::SetAside { path } => {
            format!("the existing partial file cannot be trusted; moved it to {}", path.display())
        }
        Event::Lacks { what, path } => format!("{}: {what}", out::path(path)),
        Event::Encoded { coding } => {
            format!("the server sends the file encoded ({coding}); saving it as sent")
        }
        Event::OddType { path, media_type } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("the server sends {name} as {media_type}; check that it is the right file")
        }
        Event::FetchingAgain { bytes } => {
            format!("a digest does not match; fetching {} again", human::size(*bytes))
        }
        _ => return None,
    };
    Some(out::clean(&sentence))
}

/// A finished file in one line, without its name.
pub(super) fn done(outcome: &Outcome) -> String {
    let what = if outcome.not_newer {
        "the source is not newer; nothing fetched".to_owned()
    } else if outcome.already_complete {
        format!("{}, already complete", human::size(outcome.size))
    } else {
        transferred(outcome.size, outcome.took, outcome.fetched, outcome.resumed)
    };
    let checked = outcome.verified.iter().map(|digest| digest.algorithm().to_string());
    let mut checked: Vec<_> = checked.collect();
    checked.dedup();
    match checked.as_slice() {
        [] => what,
        _ => format!("{what}  {} ok", checked.join(", ")),
    }
}

fn transferred(size: u64, took: Duration, fetched: u64, resumed: u64) -> String {
    let mut more = Vec::new();
    if fetched > 0 {
        more.push(human::rate(fetched as f64 / took.as_secs_f64().max(0.001)));
    }
    if resumed > 0 {
        more.push(format!("{} resumed", human::size(resumed)));
    }
    let what = format!("{} in {}", human::size(size), human::duration(took));
    if more.is_empty() { what } else { format!("{what} ({})", more.join(", ")) }
}

/// The lines that report how a file ended.
pub(super) fn ended(file: &File, ended: &Ended) -> Vec<String> {
    match ended {
        Ended::Done(outcome) => vec![format!("{}  {}", file.name(), done(outcome))],
        Ended::Failed(trouble) => out::complaint(Some(&file.name()), trouble),
        Ended::Stopped { have, path, .. } => {
            let size = file.monitor.progress().size;
            let of = size.map(|size| format!(" of {}", human::size(size))).unwrap_or_default();
            let how = match path.as_ref().or(file.path().as_ref()) {
                Some(path) if *have > 0 && file.journal_is_enough() => {
                    format!("piton resume {}", quoted(&out::path(path)))
                }
                _ => "run the same command again".to_owned(),
            };
            let line =
                format!("{}: {}{of} saved; to resume: {how}", file.name(), human::size(*have));
            vec![out::clean(&line)]
        }
    }
}

/// Quoted for a shell.
pub(crate) fn quoted(text: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_local_file_is_resumed_by_the_same_command() {
        let stopped = |url: &str| {
            let place = piton::fetch::Place::File("a".into());
            let download = piton::fetch::Download::new(url.parse().unwrap(), place);
            let file = File::new(0, &download, piton::fetch::Monitor::default());
            let path = Some("a".into());
            ended(&file, &Ended::Stopped { have: 5, path, exit: crate::exit::Exit::Interrupted })[0]
                .clone()
        };
        assert!(stopped("http://a.test/a").ends_with("to resume: piton resume a"));
        assert!(stopped("file:///a").ends_with("to resume: run the same command again"));
    }

    #[test]
    fn transfers() {
        let line = |fetched, resumed| {
            transferred(fetched + resumed, Duration::from_millis(3400), fetched, resumed)
        };
        assert_eq!(line(1_288_490_189, 0), "1.2 GiB in 3.4 s (361 MiB/s)");
        assert_eq!(line(3400, 7000), "10.2 KiB in 3.4 s (1000 B/s, 6.8 KiB resumed)");
        assert_eq!(line(0, 7), "7 B in 3.4 s (7 B resumed)");
        assert_eq!(line(0, 0), "0 B in 3.4 s");
    }

    #[test]
    fn events() {
        let retry = Event::Retrying {
            why: "http://a:b@h broke\u{1b}".into(),
            pause: Duration::from_millis(1500),
            tries: 1,
        };
        let said = event(&retry).unwrap();
        assert_eq!(said, "http://h broke\u{fffd}; try 2 in 1.5 s");
        let dropped = Event::MirrorDropped { url: "http://h/f".into(), why: "it is bad".into() };
        assert_eq!(event(&dropped).unwrap(), "dropped the mirror http://h/f: it is bad");
        assert_eq!(event(&Event::Verifying), None);
    }

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(quoted("a/b-1.iso"), "a/b-1.iso");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(quoted(""), "''");
    }
}
