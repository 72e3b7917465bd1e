//! What fails is told, counted and kept, and does not stop the rest.

use piton_testkit::server::{Fault, Resource, RetryAfter};

use super::{Desk, ailing, site};

#[test]
fn all_done_is_0_and_a_finished_list_asks_nobody() {
    let desk = Desk::new(3);
    desk.list(&["/0", "", "# a comment", "/1", "/2"]);
    let ran = desk.get(&["-d", "out"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("3 items: 3 done; 12.0 KiB in "), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "nothing is left to do: {}", ran.stderr);
    assert!(["out/0", "out/1", "out/2"].iter().all(|name| desk.is_right(name)));
    let asked = desk.all_requests();
    let ran = desk.get(&["-d", "out"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.starts_with("3 items: 3 done (3 before); 0 B in "), "{}", ran.stderr);
    assert_eq!(desk.all_requests(), asked);
}

#[test]
fn each_failure_is_told_once_with_its_line() {
    let desk = Desk::with(ailing(3));
    desk.list(&[
        "/0",
        "rubbish",
        "http://ann:secret@127.0.0.1:1/x",
        "/gone",
        "/2",
        "ftp://h/x",
        "/1",
    ]);
    let ran = desk.get(&[]);
    assert_eq!(ran.code, 13);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    let said = desk.said(&ran.stderr);
    for start in [
        "piton: line 2: not an absolute URL",
        "piton: line 3: http://HOST:1/x: HOST:1 refused the connection",
        "piton: line 4: http://HOST/gone: HOST answered 404 Not Found\n",
        "piton: line 5: http://HOST/2: HOST answered 500",
        "piton: line 6: ftp: URLs are not supported in a list",
    ] {
        assert_eq!(said.matches(start).count(), 1, "{start}: {said}");
    }
    let end = said.split_once("5 items: ").unwrap().1;
    assert!(
        end.starts_with("2 done, 1 failed permanently, 2 will be retried, 2 invalid lines; "),
        "{end}"
    );
    let advice: Vec<_> = end.lines().skip(1).collect();
    assert_eq!(
        advice,
        [
            "  failures of this run: 404 1, 500 1, connect 1",
            "  to resume: piton get -i list.txt",
            "  to list failed items: piton failures list.txt",
            "  to retry failed items: piton retry list.txt",
        ]
    );
    // What failed for good is left alone the next time, and counted.
    let ran = desk.get(&["-q"]);
    assert_eq!((ran.code, desk.requests("/gone")), (13, 1));
    assert!(!ran.stderr.contains("/gone"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 failed permanently"), "{}", ran.stderr);
}

#[test]
fn an_edited_list_goes_on() {
    let desk = Desk::new(6);
    desk.list(&["/0", "/1", "/2", "/3"]).get(&[]);
    desk.list(&["# sorted, cut and grown", "/5", "/3", "/1", "/4", "/0"]);
    let ran = desk.get(&["-j", "2"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("5 done (3 before)"), "{}", ran.stderr);
    for file in 0..6 {
        assert_eq!(desk.requests(&format!("/{file}")), 1);
    }
}

#[test]
fn only_what_failed_like_that_is_tried_again() {
    let desk = Desk::with(ailing(3));
    desk.list(&["/0", "/gone", "/2", "/1"]);
    assert_eq!(desk.get(&["-d", "out"]).code, 13);
    let before = (desk.requests("/gone"), desk.requests("/2"));
    let ran = desk.piton(&["retry", "list.txt", "--class", "404", "--retries", "0"]);
    assert_eq!(ran.code, 13, "it failed again");
    assert_eq!((desk.requests("/gone"), desk.requests("/2")), (before.0 + 1, before.1));
    assert_eq!(desk.requests("/0"), 1, "what is done is left alone");
    desk.server.replace("/gone", Resource::pattern(super::SEED, super::LEN));
    let ran = desk.piton(&["retry", "list.txt", "--class", "timeout,4xx"]);
    assert_eq!(ran.code, 0, "all that was asked for: {}", ran.stderr);
    let folder = desk.place.path("out");
    let note = format!("piton: files go to {}, as in the last run", folder.display());
    assert!(ran.stderr.starts_with(&note), "{}", ran.stderr);
    assert!(desk.is_right("out/gone"));
    assert!(!desk.place.path("gone").exists());
}

#[test]
fn failures_can_be_fed_back() {
    let desk = Desk::with(ailing(3));
    desk.list(&["/0", "/gone", "/2", "/1"]);
    desk.get(&[]);
    let ran = desk.piton(&["failures", "list.txt"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout, desk.text(&["/gone", "/2"]));
    let ran = desk.piton(&["failures", "list.txt", "--class", "5xx"]);
    assert_eq!(ran.stdout, desk.text(&["/2"]));
    let ran = desk.piton(&["failures", "list.txt", "--json"]);
    insta::assert_snapshot!(without_times(&desk.said(&ran.stdout)), @r#"
    {"url":"http://HOST/gone","line":2,"state":"fatal","class":"404","message":"HOST answered 404 Not Found","attempts":1,"at":TIME}
    {"url":"http://HOST/2","line":3,"state":"transient","class":"500","message":"HOST answered 500 Internal Server Error (after 3 tries)","attempts":1,"at":TIME}
    "#);
    // Those of a day are the list of the next.
    desk.place.write("rest", ran.stdout.as_bytes());
    let ran = desk.piton(&["get", "-i", "rest", "--retries", "0", "--dry-run", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&plan["items"], &plan["bad_lines"]), (&2.into(), &0.into()), "{plan}");
}

fn without_times(text: &str) -> String {
    let line = |line: &str| {
        let (before, _) = line.rsplit_once("\"at\":").unwrap();
        format!("{before}\"at\":TIME}}\n")
    };
    text.lines().map(line).collect()
}

#[test]
fn strict_begins_nothing() {
    let desk = Desk::new(1);
    desk.list(&["/0", "rubbish", "more rubbish"]);
    let ran = desk.get(&["--strict"]);
    assert_eq!((ran.code, desk.all_requests()), (2, 0));
    assert!(ran.stderr.contains("list.txt: line 2: "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("(and 1 more invalid lines); nothing was downloaded"),
        "{}",
        ran.stderr
    );
    assert!(!desk.place.path("0").exists());
}

#[test]
fn too_many_failures_end_the_run() {
    let desk = Desk::new(40);
    let missing: Vec<_> = (0..30).map(|number| format!("/missing-{number}")).collect();
    let present: Vec<_> = (0..40).map(|number| format!("/{number}")).collect();
    let lines: Vec<_> = missing.iter().chain(&present).map(String::as_str).collect();
    desk.list(&lines);
    for (limit, most) in [("4", 6), ("10%", 9)] {
        let asked = desk.all_requests();
        let ran = desk.get(&["-j", "1", "--max-failures", limit]);
        assert_eq!(ran.code, 13);
        let asked = desk.all_requests() - asked;
        assert!(asked <= most, "{limit}: {asked}");
        assert!(ran.stderr.contains("more than --max-failures allows"), "{}", ran.stderr);
    }
}

#[test]
fn what_changed_at_the_source_is_fetched_when_asked_for() {
    let desk = Desk::new(2);
    desk.list(&["/0", "/1"]).get(&[]);
    let newer = Resource::bytes(&b"newer"[..]).etag("\"newer\"");
    desk.server.replace("/1", newer);
    assert_eq!(desk.get(&[]).code, 0);
    assert!(desk.is_right("1"), "nobody asked");
    let ran = desk.get(&["--check"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("2 done (1 before)"), "{}", ran.stderr);
    assert_eq!(std::fs::read(desk.place.path("1")).unwrap(), b"newer");
    assert!(desk.is_right("0"));
}

#[test]
fn a_host_that_wants_a_pause_is_told_of_once() {
    let busy = Fault::status_retry_after(503, RetryAfter::Seconds(2)).on("/0").first(1);
    let desk = Desk::with(site(2).fault(busy));
    desk.list(&["/0", "/1"]);
    let ran = desk.piton(&["get", "-i", "list.txt", "-j", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let told = "asks to wait 2.0 s\n";
    assert_eq!(ran.stderr.matches(told).count(), 1, "{}", ran.stderr);
}
