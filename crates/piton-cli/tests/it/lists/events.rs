//! `--json`.

use serde_json::Value;

use super::{Desk, ailing};

#[test]
fn a_line_for_everything_that_happens() {
    let desk = Desk::with(ailing(3));
    desk.list(&["/0", "rubbish", "/gone", "/2", "  split=4", "/1"]);
    let ran = desk.get(&["--json"]);
    assert_eq!(ran.code, 13);
    let events: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let lines = |kind: &str| {
        let mut lines: Vec<_> =
            of(kind).iter().map(|event| event["line"].as_u64().unwrap()).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(lines("finished"), [1, 6]);
    assert_eq!(lines("failed"), [3, 4]);
    assert_eq!(lines("bad_line"), [2]);
    assert_eq!(lines("notice"), [5]);
    let failed = of("failed");
    let gone = failed.iter().find(|event| event["line"] == 3).unwrap();
    assert_eq!((&gone["fatal"], &gone["class"]), (&true.into(), &"404".into()));
    assert_eq!(gone["url"], desk.server.url("/gone"));
    let summary = events.last().unwrap();
    assert_eq!(summary["type"], "summary");
    for (key, value) in [
        ("exit_code", 13),
        ("items", 4),
        ("done", 2),
        ("fatal", 1),
        ("transient", 1),
        ("bad_lines", 1),
        ("bytes", 8192),
    ] {
        assert_eq!(summary[key], value, "{key}: {summary}");
    }
    assert_eq!(summary["ended_early"], Value::Null);
    // For people, too.
    assert!(ran.stderr.contains("piton: line 3: "), "{}", ran.stderr);
    documented(&events);
}

/// The table in docs/cli.md names every type and field.
fn documented(events: &[Value]) {
    let page = include_str!("../../../../../docs/cli.md");
    let page = page.split_once("### JSON for lists").unwrap().1;
    let page = page.split_once("### Plan").unwrap().0;
    for event in events {
        let kind = event["type"].as_str().unwrap();
        assert!(page.contains(&format!("`{kind}`")), "{kind} is not documented");
        for field in event.as_object().unwrap().keys().filter(|field| *field != "type") {
            let downloads = ["started", "retrying", "verifying"].contains(&kind);
            assert!(downloads || page.contains(&format!("`{field}`")), "{field} of {kind}");
        }
    }
}
