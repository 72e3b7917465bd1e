//! Lists that are no file: standard input and addresses.

use std::io::Write;
use std::process::Stdio;

use piton_testkit::server::{Resource, Server, Site};

use super::Desk;
use super::commands::names;
use crate::command::Ran;

fn piped(desk: &Desk, args: &[&str], input: &str) -> Ran {
    let args = [&["--config", "none", "get", "-i", "-", "--retries", "0"], args].concat();
    let mut command = desk.place.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn standard_input_is_kept_so_that_it_can_go_on() {
    let desk = Desk::new(2);
    let ran = piped(&desk, &[], &desk.text(&["/0", "/gone", "/1"]));
    assert_eq!(ran.code, 13);
    assert!(ran.stderr.contains("piton retry stdin.piton.list\n"), "{}", ran.stderr);
    assert_eq!(names(&desk), ["0", "1", "stdin.piton.db", "stdin.piton.list"]);
    desk.server.replace("/gone", Resource::pattern(super::SEED, super::LEN));
    let ran = desk.piton(&["retry", "stdin.piton.list"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((desk.requests("/0"), desk.is_right("gone")), (1, true));
    // More of it, through the same state.
    let ran = piped(&desk, &[], &desk.text(&["/1", "/0"]));
    assert!(ran.stderr.contains("2 done (2 before)"), "{}", ran.stderr);
    let ran = desk.piton(&["retry", "-"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("use the saved copy instead of -: stdin.piton.list"),
        "{}",
        ran.stderr
    );
    let ran = desk.piton(&["forget", "stdin.piton.list"]);
    assert_eq!(
        (ran.code, names(&desk)),
        (0, vec!["0".into(), "1".into(), "gone".into()]),
        "{ran:?}"
    );
}

#[test]
fn a_state_of_another_name() {
    let desk = Desk::new(1);
    let ran = piped(&desk, &["--state", "s/w.piton.db"], "");
    assert_eq!(ran.code, 3, "there is no such folder: {}", ran.stderr);
    std::fs::create_dir(desk.place.path("s")).unwrap();
    let ran = piped(&desk, &["--state", "s/w.piton.db"], &desk.text(&["/0", "/gone"]));
    assert!(ran.stderr.contains("piton failures s/w.piton.list\n"), "{}", ran.stderr);
    let ran = desk.piton(&["failures", "s/w.piton.db"]);
    assert_eq!(ran.stdout, desk.text(&["/gone"]), "{}", ran.stderr);
}

#[test]
fn an_address_is_fetched_and_is_the_base() {
    let desk = Desk::new(2);
    let lists = |list: &str| Site::new().with("/d/list.csv", Resource::bytes(list.as_bytes()));
    let server = Server::start(
        lists("url,out\n../0,a/zero\n../gone,x\n")
            .with("/0", Resource::pattern(super::SEED, super::LEN)),
    );
    let url = server.url("/d/list.csv").replace("http://", "http://ann:secret@");
    let ran = desk.piton(&["get", "-i", &url, "--retries", "0"]);
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    assert!(desk.is_right("a/zero"));
    assert_eq!(names(&desk), ["a", "list.csv.piton.db", "list.csv.piton.list"]);
    let again = format!("piton failures {}\n", server.url("/d/list.csv"));
    assert!(ran.stderr.contains(&again), "{}", ran.stderr);
    for named in [server.url("/d/list.csv"), "list.csv.piton.list".to_owned()] {
        let ran = desk.piton(&["failures", &named]);
        assert!(ran.stdout.contains("/gone"), "{named}: {}", ran.stderr);
    }
    // The list of today.
    server.replace("/d/list.csv", Resource::bytes(&b"url\n../late\n"[..]));
    server.replace("/late", Resource::pattern(super::SEED, super::LEN));
    let ran = desk.piton(&["get", "-i", &url, "--retries", "0"]);
    assert!(ran.stderr.contains("1 item: 1 done"), "{}", ran.stderr);
    let stats = server.stats();
    let mut late = stats.requests_for("/late");
    assert!(late.all(|request| request.headers.contains("authorization")), "the login of the list");
}

#[test]
fn an_address_that_is_not_there() {
    let desk = Desk::new(0);
    let ran = desk.piton(&["get", "-i", &desk.server.url("/list"), "--retries", "0"]);
    assert_eq!(ran.code, 7, "{}", ran.stderr);
    assert!(ran.stderr.contains("the list: "), "{}", ran.stderr);
    assert_eq!(names(&desk), Vec::<String>::new(), "nothing is left behind");
}
