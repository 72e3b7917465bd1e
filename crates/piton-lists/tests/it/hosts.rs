//! Hosts are spared, and one does not hold another.

use super::*;

#[test]
fn the_order_of_the_list_is_kept() {
    let desk = Desk::of_files(30);
    desk.list(paths((0..30).rev()));
    desk.run(desk.one_at_a_time());
    assert_eq!(desk.order(), paths((0..30).rev()));
}

#[test]
fn a_host_that_asks_for_patience_does_not_hold_the_other() {
    let patience = RetryAfter::Seconds(2);
    let site = site_of(20).fault(Fault::status_retry_after(503, patience).on("/0").first(1));
    let desk = Desk::new(site);
    let other = (2..20).map(|number| desk.server.url_at("localhost", &format!("/{number}")));
    desk.list(["/0".to_owned(), "/1".to_owned()].into_iter().chain(other));
    let (summary, diary) = desk.run_with(desk.one_at_a_time(), Diary::default());
    assert!(summary.unwrap().is_complete());
    // All of the other host's while this one was left alone, and then its first one again.
    let mut expected = vec!["/0".to_owned()];
    expected.extend(paths(2..20));
    let order = desk.order();
    assert_eq!(order[..19], expected, "{diary:?}");
    let mut last = order[19..].to_vec();
    last.sort();
    assert_eq!(last, ["/0", "/1"]);
    let requests = desk.server.stats().requests;
    assert!(requests[19].at - requests[0].at >= Duration::from_millis(1900));
}

/// An address at which nobody listens.
fn away() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn impatient(desk: &Desk) -> Options {
    let mut options = desk.options();
    options.limits.patience_at_first = Duration::from_millis(100);
    options
}

#[test]
fn the_items_of_a_host_that_is_away_fail_with_it_and_are_tried_again_later() {
    let desk = Desk::of_files(2);
    // Another port is another server: what is wrong with this one does not concern the live one.
    let away = away();
    let dead = (0..100).map(|number| format!("http://{away}/{number}"));
    let list: Vec<_> = dead.chain(["/0".to_owned(), "/1".to_owned()]).collect();
    desk.list(&list);
    let (summary, diary) = desk.run_with(impatient(&desk), Diary::default());
    let summary = summary.unwrap();
    let counts = (summary.done, summary.transient, summary.failed_now, summary.remaining);
    assert_eq!(counts, (2, 100, 100, 0), "{diary:?}");
    let given_up = diary.iter().filter(|line| line.starts_with(&format!("given up {away}")));
    assert_eq!(given_up.count(), 1, "{diary:?}");
    let with_class = |wanted: &str| {
        let known = desk.known().into_values();
        known.filter(|known| known.class.as_ref().is_some_and(|it| it.as_str() == wanted)).count()
    };
    // Eight at once, and then one at a time.
    let (tried, untried) = (with_class("connect"), with_class("host"));
    assert!(tried >= 9 && untried >= 50 && tried + untried == 100, "{tried} {untried}");

    let mut options = impatient(&desk);
    options.select = retry(&["host"]);
    let summary = desk.run(options);
    assert_eq!((summary.failed_now, summary.transient), (untried as u64, 100), "{summary:?}");
}

#[test]
fn an_item_whose_first_host_was_given_up_comes_from_its_mirror() {
    let desk = Desk::of_files(1);
    let away = away();
    let dead = (0..20).map(|number| format!("http://{away}/{number}"));
    let mirrored = format!("http://{away}/0\t{}", desk.server.url("/0"));
    desk.list(dead.chain([mirrored]));
    let summary = desk.run(impatient(&desk));
    assert_eq!((summary.done, summary.transient), (1, 20), "{summary:?}");
}

#[test]
fn a_server_that_answers_503_to_everything_is_given_up() {
    let desk = Desk::new(site_of(30).fault(Fault::status(503)));
    desk.list(paths(0..30));
    let mut options = impatient(&desk);
    options.adjust = Some(Arc::new(|what| what.retries = 0));
    let summary = desk.run(options);
    assert_eq!((summary.transient, summary.failed_now, summary.items()), (30, 30, 30));
    // Eight at once, and about ten more in 100 ms of pauses that grow to 20 ms.
    assert!((9..60).contains(&desk.requests()), "{}", desk.requests());
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let desk = Desk::of_files(0);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = |number| format!("http://{}/{number}", mute.local_addr().unwrap());
    desk.list((0..1000).map(url));
    let mut options = impatient(&desk);
    options.adjust = Some(Arc::new(|what| what.stall_timeout = Duration::from_millis(1)));
    assert_eq!(desk.run(options).transient, 1000);
    // Eight at once and then one, each once only: what took long is not asked for again at once.
    mute.set_nonblocking(true).unwrap();
    assert_eq!(std::iter::from_fn(|| mute.accept().ok()).count(), 9);
}

#[test]
fn not_more_at_once_from_a_host_than_allowed() {
    // Too large for the short way, on which slots are free before the end.
    let large = |number| Resource::pattern(number, (1 << 20) + 1);
    let site =
        (0..40).fold(Site::new(), |site, number| site.with(&format!("/{number}"), large(number)));
    let desk = Desk::new(site);
    let host = |number: u64| if number < 20 { "127.0.0.1" } else { "localhost" };
    desk.list((0..40).map(|number| desk.server.url_at(host(number), &format!("/{number}"))));
    let mut options = desk.options();
    options.limits.jobs = NonZeroUsize::new(5).unwrap();
    options.limits.per_host = NonZeroUsize::new(3).unwrap();
    let (summary, diary) = desk.run_with(options, Diary::default());
    assert!(summary.unwrap().is_complete());
    let mut running = [0_usize; 2];
    let mut most = [0, 0, 0];
    for line in diary {
        let (what, number) = line.split_once(' ').unwrap();
        let host = usize::from(number.parse::<u64>().unwrap() > 20);
        match what {
            "started" => running[host] += 1,
            _ => running[host] -= 1,
        }
        let now = [running[0], running[1], running[0] + running[1]];
        most = std::array::from_fn(|at| most[at].max(now[at]));
    }
    assert_eq!(most, [3, 3, 5]);
}

#[test]
fn starts_at_a_host_keep_their_distance() {
    let desk = Desk::of_files(5);
    desk.list(paths(0..5));
    let mut options = desk.options();
    options.limits.wait = Duration::from_millis(60);
    options.limits.random_wait = true;
    options.limits.spacing = Duration::from_millis(50);
    desk.run(options);
    let at: Vec<_> = desk.server.stats().requests.iter().map(|request| request.at).collect();
    // From the first start to the last: no request comes before its start.
    assert!(at[4] - at[0] >= Duration::from_millis(150), "{at:?}");
}

#[test]
fn the_last_files_share_the_connections() {
    let big = |number| Resource::pattern(number, 3 << 20).etag("\"1\"");
    let site =
        (0..3).fold(Site::new(), |site, number| site.with(&format!("/{number}"), big(number)));
    let desk = Desk::new(site.rate_per_connection(768 * KIB));
    desk.list(paths(0..3));
    assert!(desk.run(desk.options()).is_complete());
    let stats = desk.server.stats();
    for path in paths(0..3) {
        assert!(stats.requests_for(&path).count() > 1, "{path} came over one connection");
    }
    assert!((4..=8).contains(&stats.peak), "{} at once", stats.peak);
}

/// Beyond two files at a time the host refuses: that is its limit, and none of the items.
#[test]
fn a_limit_of_the_host_is_not_charged_to_an_item() {
    let site = site_of(16).rate_per_connection(16 * KIB);
    let desk = Desk::new(site.max_connections(2, Excess::Forbidden));
    desk.list(paths(0..16));
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.fatal, summary.transient), (16, 0, 0), "{summary:?}");
    (0..16).for_each(|number| desk.assert_file(&number.to_string(), number));
}

/// What is refused alone as well is refused, and that is learned once: the others are not held up for it.
#[test]
fn what_is_refused_alone_too_is_permanent() {
    let refused = |context: &Context<'_>| {
        context.request.path().trim_start_matches('/').parse::<u64>().is_ok_and(|n| n % 3 == 0)
    };
    let desk = Desk::new(site_of(60).fault(Fault::status(403).when(refused)));
    desk.list(paths(0..60));
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.fatal), (40, 20), "{summary:?}");
    // 60, each refused one of them without a range for the first, and a few that were asked for again.
    assert!(desk.requests() <= 60 + 30, "{}", desk.requests());
}
