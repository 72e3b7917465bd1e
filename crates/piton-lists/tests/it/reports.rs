//! Status and failures.

use piton_lists::report::{Wanted, status, write_failures};

use super::*;

fn failures(desk: &Desk, wanted: &Wanted) -> String {
    let mut text = Vec::new();
    let source = Source::new(desk.path("list"));
    let count = write_failures(&source, &desk.path("list.piton.db"), wanted, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count() as u64, count);
    text
}

#[test]
fn a_list_tells_how_it_stands_and_its_failures_are_a_list() {
    let desk = Desk::new(site_of(3).fault(Fault::status(500).on("/2")));
    desk.list(["/0", "/1", "/gone", "/2", "/none", "  out=x"]);
    desk.run(desk.options());
    // One less, one more, and a wrong one.
    desk.list(["/new", "/none", "  out=x", "?", "/2", "/gone", "/1"]);
    let source = Source::new(desk.path("list"));
    let status = status(&source, &desk.path("list.piton.db"), 60_000).unwrap();
    assert_eq!((status.items, status.bad_lines, status.pending), (5, 1, 1), "{status:?}");
    assert_eq!((status.done, status.transient, status.fatal), (1, 1, 2), "{status:?}");
    assert_eq!((status.elsewhere, status.remaining(), status.bytes), (1, 2, 4 * KIB));
    let classes: Vec<_> = status.classes.iter().map(|(class, n)| (class.as_str(), *n)).collect();
    assert_eq!(classes, [("404", 2), ("500", 1)]);
    assert_eq!(status.worst_hosts[0].failed, 3);

    let server = desk.server.url("");
    let all = failures(&desk, &Wanted::default());
    assert!(all.lines().all(|line| line.starts_with('{')), "{all}");
    let transient = Wanted { states: vec![State::Transient], ..Wanted::default() };
    assert_eq!(failures(&desk, &transient), format!("{server}/2\n"));
    let class = "5xx".parse::<piton_checkpoint::ledger::ErrorClass>().unwrap();
    let of_class = Wanted { classes: vec![class.into()], ..Wanted::default() };
    assert_eq!(failures(&desk, &of_class), format!("{server}/2\n"));

    // Fed back it is the same items: the ledger knows them.
    std::fs::write(desk.path("list"), all).unwrap();
    assert_eq!(desk.known().len(), 3);
}

#[test]
fn who_asked_is_told_of_each_file_once_it_is_recorded() {
    let desk = Desk::of_files(3);
    desk.list(["/0", "/gone", "/1", "/2"]);
    let ledger = desk.path("list.piton.db");
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut options = desk.options();
    options.remember = "words of the caller".to_owned();
    let tell = Arc::clone(&told);
    options.recorded = Some(Arc::new(move |file| {
        // Another connection sees only what was committed.
        let done = Reader::open(&ledger).unwrap().totals().unwrap().of(State::Done).items;
        let mut told = tell.lock().unwrap();
        told.push(file);
        assert!(done >= told.len() as u64, "{done} are recorded");
    }));
    desk.run(options.clone());
    // Those that were done before are not told of.
    desk.run(options);
    let mut told = told.lock().unwrap().clone();
    told.sort_by(|a, b| a.path.cmp(&b.path));
    let urls: Vec<_> = told.iter().map(|file| file.url.clone()).collect();
    assert_eq!(urls, ["/0", "/1", "/2"].map(|path| desk.server.url(path)));
    assert!(told.iter().all(|file| file.size == 4 * KIB && file.path.exists()));
    let runs = Reader::open(&desk.path("list.piton.db")).unwrap().runs(1).unwrap();
    assert_eq!(runs[0].run.options, "words of the caller");
}
