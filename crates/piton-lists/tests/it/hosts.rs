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

#[test]
fn a_host_that_is_away_is_given_up_and_its_items_remain() {
    let desk = Desk::of_files(2);
    // A port that was free a moment ago, and at which nobody listens.
    let away = std::net::TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let dead = (0..10).map(|number| format!("http://{away}/{number}"));
    desk.list(["/0".to_owned(), "/1".to_owned()].into_iter().chain(dead));
    let mut options = desk.options();
    options.limits.give_up_after = 3;
    options.retries = 1;
    let (summary, diary) = desk.run_with(options, Diary::default());
    let summary = summary.unwrap();
    assert_eq!((summary.done, summary.fatal), (2, 0), "{diary:?}");
    assert!(summary.transient >= 1 && summary.remaining >= 1, "{summary:?}");
    assert_eq!(summary.transient + summary.remaining, 10);
    assert!(diary.iter().any(|line| line.starts_with("given up 127.0.0.2")), "{diary:?}");
}

#[test]
fn not_more_at_once_from_a_host_than_allowed() {
    let desk = Desk::of_files(40);
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
