//! Runs that are stopped and go on.

use super::*;

#[test]
fn two_thousand_files_come_once_each_over_a_stop_in_the_middle() {
    let desk = Desk::of_files(2000);
    desk.list(paths(0..2000));
    let mut options = desk.options();
    options.limits.per_host = NonZeroUsize::new(16).unwrap();
    let first = desk.run_until(options.clone(), 900);
    assert!(first.done >= 900 && first.done < 2000, "{first:?}");
    assert_eq!((first.items(), first.unread), (2000, Some(0)), "{first:?}");
    options.limits.jobs = NonZeroUsize::new(5).unwrap();
    let second = desk.run(options);
    assert!(second.is_complete() && second.done_before == first.done, "{second:?}");
    let requests = desk.server.stats().requests;
    let mut whole: BTreeMap<&str, usize> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.sent >= 4 * KIB) {
        *whole.entry(&request.path).or_default() += 1;
    }
    let twice: Vec<_> = whole.iter().filter(|(_, times)| **times > 1).collect();
    // Those that were under way at the stop may have been sent and not read.
    assert!(whole.len() == 2000 && twice.len() as u64 <= first.interrupted, "{twice:?}");
    (0..2000).for_each(|number| desk.assert_file(&number.to_string(), number));
}

/// Stops the run when so much of a download is here.
struct StopsAt(u64, Stop);

impl Observer for StopsAt {
    fn event(&self, event: &Event<'_>) {
        if let Event::Started { monitor, .. } = event {
            let (monitor, stop, enough) =
                (piton_fetch::Monitor::clone(monitor), self.1.clone(), self.0);
            std::thread::spawn(move || {
                while monitor.progress().have < enough {
                    std::thread::sleep(Duration::from_millis(1));
                }
                stop.stop();
            });
        }
    }
}

#[test]
fn what_had_come_in_of_a_large_file_is_used() {
    let size = 3 << 20;
    let site = Site::new()
        .with("/large", Resource::pattern(5, size).etag("\"l\""))
        .fault(Fault::withholds_last(64 * KIB).on("/large").first(1));
    let desk = Desk::new(site);
    desk.list(["/large"]);
    let stop = Stop::new();
    let observer = Arc::new(StopsAt(2 << 20, stop.clone()));
    let summary = desk.run_watched(desk.options(), observer, stop).unwrap();
    assert_eq!((summary.done, summary.interrupted), (0, 1), "{summary:?}");
    assert_eq!(desk.state(1), None, "an orderly stop is no interruption");
    let summary = desk.run(desk.options());
    assert!(summary.is_complete() && summary.bytes < 2 << 20, "{summary:?}");
    let bytes = std::fs::read(desk.path("out/large")).unwrap();
    assert_eq!(bytes.len() as u64, size);
    assert_eq!(pattern::first_difference(5, 0, &bytes), None);
}

#[test]
fn a_stop_before_the_first_download() {
    let desk = Desk::of_files(3);
    desk.list(paths(0..3));
    let stop = Stop::new();
    stop.stop();
    let observer = Arc::new(Diary::default());
    let summary = desk.run_watched(desk.options(), observer, stop).unwrap();
    assert_eq!((summary.done, summary.ended), (0, Some(Early::Stopped)));
    assert_eq!(desk.asked().len(), 0);
    assert!(desk.run(desk.options()).is_complete());
}

/// Compressed, 8 GiB of the same.
fn endless(same: &str) -> Vec<u8> {
    let frame = same.repeat((64 << 20) / same.len());
    zstd::encode_all(frame.as_bytes(), 1).unwrap().repeat(128)
}

#[test]
fn a_list_of_comments_or_rubbish_hears_the_stop() {
    for (head, same) in
        [("", "# nothing\n"), ("", "?\n"), ("url,size\n", "a,b\n"), ("url,size\n", "\"\n")]
    {
        let desk = Desk::of_files(0);
        let list = [zstd::encode_all(head.as_bytes(), 1).unwrap(), endless(same)].concat();
        std::fs::write(desk.path("list"), list).unwrap();
        for strict in [false, true] {
            let stop = Stop::new();
            let later = stop.clone();
            let stopping = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(200));
                later.stop();
            });
            let mut options = desk.options();
            options.strict = strict;
            let summary = desk.run_watched(options, Arc::new(Diary::default()), stop).unwrap();
            stopping.join().unwrap();
            assert_eq!(summary.ended, Some(Early::Stopped), "{head}{same}");
            assert_eq!(summary.unread, None, "{head}{same}: it was read to its end");
        }
    }
}

#[test]
fn what_is_wrong_is_told_a_few_times_and_then_counted() {
    let desk = Desk::of_files(1);
    desk.list((0..100).map(|_| "?".to_owned()).chain(paths(0..1)));
    let (summary, lines) = desk.run_with(desk.options(), Diary::default());
    let summary = summary.unwrap();
    assert_eq!((summary.bad_lines, summary.done), (100, 1));
    assert_eq!(lines.iter().filter(|line| line.starts_with("bad ")).count(), 20);
    assert_eq!(lines.iter().filter(|line| *line == "suppressed BadLines").count(), 1);
}
