//! The queue against a model that looks at everything each time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use piton_checkpoint::Backoff;
use proptest::prelude::*;

use super::{Heard, Limits, Moment, Queue, Started};

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// An item of the tests: its host, and its number in the list.
type Item = (usize, u32);

fn limits(jobs: usize, per_host: usize) -> Limits {
    Limits {
        jobs: NonZeroUsize::new(jobs).unwrap(),
        per_host: NonZeroUsize::new(per_host).unwrap(),
        backoff: Backoff { first: ms(100), longest: ms(1000) },
        ..Limits::default()
    }
}

fn ms(ms: u64) -> Moment {
    Duration::from_millis(ms)
}

fn push(queue: &mut Queue<Item>, host: usize, number: u32) {
    queue.push(HOSTS[host], (host, number), 1, false, ms(0)).unwrap();
}

fn started(queue: &mut Queue<Item>, now: Moment) -> Vec<Item> {
    std::iter::from_fn(|| queue.next(now, 0)).map(|started| started.item).collect()
}

#[test]
fn hosts_take_turns_and_each_keeps_its_order() {
    let mut queue = Queue::new(limits(6, 3));
    (0..10).for_each(|number| push(&mut queue, 0, number));
    (10..12).for_each(|number| push(&mut queue, 1, number));
    let all = started(&mut queue, ms(0));
    assert_eq!(all, [(0, 0), (1, 10), (0, 1), (1, 11), (0, 2)]);
    assert_eq!((queue.running(), queue.waiting(), queue.next_wakeup()), (5, 7, None));
}

#[test]
fn what_a_dead_run_had_begun_goes_first() {
    let mut queue = Queue::new(limits(2, 2));
    push(&mut queue, 0, 0);
    queue.push("a", (0, 1), 1, true, ms(0)).unwrap();
    assert_eq!(started(&mut queue, ms(0)), [(0, 1), (0, 0)]);
}

#[test]
fn a_host_that_asks_for_patience_does_not_hold_the_others() {
    let mut queue = Queue::new(limits(2, 1));
    (0..4).for_each(|number| push(&mut queue, number as usize % 2, number));
    let first = queue.next(ms(0), 0).unwrap();
    let other = queue.next(ms(0), 0).unwrap();
    queue.ended(&first.host, first.begun, Heard::Busy(Some(ms(5000))), ms(10), 0);
    queue.ended(&other.host, other.begun, Heard::Served, ms(10), 0);
    assert_eq!(started(&mut queue, ms(10)), [(1, 3)]);
    assert_eq!(queue.next_wakeup(), Some(ms(5010)));
    assert_eq!(started(&mut queue, ms(5010)), [(0, 2)]);
}

#[test]
fn an_outage_counts_once_and_a_host_that_stays_away_is_given_up() {
    let mut queue = Queue::new(Limits { patience_at_first: ms(200), ..limits(4, 4) });
    (0..8).for_each(|number| push(&mut queue, 0, number));
    let running: Vec<Started<Item>> = std::iter::from_fn(|| queue.next(ms(0), u64::MAX)).collect();
    assert_eq!(running.len(), 4);
    for it in &running {
        assert_eq!(queue.ended(&it.host, it.begun, Heard::Away, ms(1), u64::MAX), []);
    }
    assert_eq!(queue.next_wakeup(), Some(ms(101)), "the first pause, not the fourth");
    let alone = queue.next(ms(101), 0).unwrap();
    assert_eq!(queue.next(ms(101), 0), None, "one asks whether it is back");
    let left = queue.ended(&alone.host, alone.begun, Heard::Away, ms(102), u64::MAX);
    assert_eq!(left, [(0, 5), (0, 6), (0, 7)]);
    assert_eq!(queue.push("a", (0, 8), 1, false, ms(102)), Err((0, 8)));
    assert_eq!((queue.waiting(), queue.running()), (0, 0));
}

/// Fails all that is asked of host "a", as soon as it may be asked; the time when it is given up and how
/// often it was asked since `now`. Whatever is due at other hosts is served.
fn given_up(queue: &mut Queue<Item>, mut now: Moment, asked: Option<Moment>) -> (Moment, u32) {
    let mut tries = 0;
    loop {
        while let Some(it) = queue.next(now, 0) {
            let failed = it.item.0 == 0;
            let heard = if failed { Heard::Busy(asked) } else { Heard::Served };
            tries += u32::from(failed);
            queue.ended(&it.host, it.begun, heard, now, u64::MAX);
            if failed && queue.push_again(&it.host, it.item, 1, now, now).is_err() {
                return (now, tries);
            }
        }
        now = queue.next_wakeup().unwrap();
    }
}

#[test]
fn how_long_a_host_is_waited_for() {
    let seconds = |it: (Moment, u32)| (it.0.as_secs_f64(), it.1);
    let away = || {
        let mut queue = Queue::new(Limits::default());
        push(&mut queue, 0, 0);
        queue
    };
    assert_eq!(seconds(given_up(&mut away(), ms(0), None)), (15.5, 6));
    // One that says how long is believed, a few times.
    assert_eq!(seconds(given_up(&mut away(), ms(0), Some(ms(60_000)))), (240.0, 5));
    assert_eq!(seconds(given_up(&mut away(), ms(0), Some(ms(0)))), (15.5, 6));
    assert_eq!(seconds(given_up(&mut away(), ms(0), Some(ms(15_000)))), (60.0, 5));

    // Longer if it had answered,
    let well = || {
        let mut queue = away();
        let it = queue.next(ms(0), 0).unwrap();
        queue.ended(&it.host, it.begun, Heard::Served, ms(1000), 0);
        push(&mut queue, 0, 1);
        queue
    };
    assert_eq!(seconds(given_up(&mut well(), ms(100_000), None)), (205.5, 12));
    // and not while others answer: then it costs nothing.
    let mut queue = well();
    for number in 0..9 {
        queue.push_again("b", (1, number), 1, ms(100_000) * (number + 1), ms(0)).unwrap();
    }
    let (at, _) = given_up(&mut queue, ms(100_000), None);
    assert!((ms(1_000_000)..=ms(1_020_000)).contains(&at), "{at:?}");
}

#[test]
fn an_item_that_always_fails_does_not_hold_up_those_that_would_not() {
    let mut queue = Queue::new(limits(1, 1));
    (0..4).for_each(|number| push(&mut queue, 0, number));
    let bad = queue.next(ms(0), 0).unwrap();
    queue.ended(&bad.host, bad.begun, Heard::Away, ms(1), u64::MAX);
    queue.push_again("a", bad.item, 1, ms(1), ms(1)).unwrap();
    let next = queue.next(ms(101), 0).unwrap();
    assert_eq!(next.item, (0, 1));
    queue.ended(&next.host, next.begun, Heard::Served, ms(102), 0);
    assert_eq!(queue.next(ms(102), 0).unwrap().item, (0, 0));
}

#[test]
fn fewer_at_once_where_it_was_too_much_and_by_and_by_more() {
    let mut queue = Queue::new(limits(4, 4));
    (0..200).for_each(|number| push(&mut queue, 0, number));
    let mut running: Vec<Started<Item>> = std::iter::from_fn(|| queue.next(ms(0), 0)).collect();
    let refused = running.pop().unwrap();
    queue.ended(&refused.host, refused.begun, Heard::Away, ms(1), 0);
    let (mut now, mut most) = (ms(1000), Vec::new());
    for _ in 0..60 {
        let served = running.remove(0);
        queue.ended(&served.host, served.begun, Heard::Served, now, 0);
        running.extend(std::iter::from_fn(|| queue.next(now, 0)));
        most.push(running.len());
        now += ms(1);
    }
    most.dedup();
    assert_eq!(most, [2, 3, 4]);
}

#[test]
fn connections_are_shared_among_what_is_left() {
    let mut queue = Queue::new(limits(16, 8));
    let share = |queue: &Queue<Item>, host| queue.share(HOSTS[host], 16).get();
    (0..20).for_each(|number| push(&mut queue, 0, number));
    assert_eq!(share(&queue, 0), 1);
    queue.drain();
    // Four in all, three of them at one host, which bears eight.
    (0..3).for_each(|number| push(&mut queue, 0, number));
    push(&mut queue, 1, 3);
    assert_eq!((share(&queue, 0), share(&queue, 1)), (2, 4));
    let running: Vec<Started<Item>> = std::iter::from_fn(|| queue.next(ms(0), 0)).collect();
    assert_eq!((share(&queue, 0), share(&queue, 1)), (2, 4), "begun or not");
    let served = |queue: &mut Queue<Item>, number| {
        let it = running.iter().find(|it| it.item.1 == number).unwrap();
        queue.ended(&it.host, it.begun, Heard::Served, ms(1), 0);
    };
    served(&mut queue, 0);
    assert_eq!((share(&queue, 0), share(&queue, 1)), (4, 5));
    served(&mut queue, 3);
    assert_eq!(share(&queue, 0), 4);
    served(&mut queue, 1);
    assert_eq!(share(&queue, 0), 8);
    // A host that minded gets fewer.
    let last = running.iter().find(|it| it.item.1 == 2).unwrap();
    queue.ended(&last.host, last.begun, Heard::Away, ms(2), 0);
    queue.push_again("a", last.item, 1, ms(3), ms(2)).unwrap();
    assert_eq!(share(&queue, 0), 4);
}

#[test]
fn the_window_is_bounded_by_number_and_by_weight() {
    let mut queue = Queue::new(limits(1, 1));
    queue.push("a", (0, 0), 31 << 20, false, ms(0)).unwrap();
    assert!(queue.has_room());
    queue.push("a", (0, 1), 1 << 20, false, ms(0)).unwrap();
    assert!(!queue.has_room());
    queue.next(ms(0), 0).unwrap();
    assert!(queue.has_room());
}

#[test]
fn hosts_are_forgotten_when_nothing_is_left_to_know() {
    let mut queue = Queue::new(limits(16, 1));
    for number in 0..20_000_u32 {
        let now = ms(number.into());
        queue.push(&format!("host-{number}"), number, 1, false, now).unwrap();
        let it = queue.next(now, 0).unwrap();
        let heard = if number % 2 == 0 { Heard::Away } else { Heard::Served };
        queue.ended(&it.host, it.begun, heard, now, 0);
    }
    assert_eq!(queue.known_hosts(), 4096);
}

/// What may happen to a queue.
#[derive(Debug, Clone)]
enum Step {
    Push { host: usize, first: bool },
    Next,
    End { which: usize, heard: Heard, again: Option<u64> },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let heard = prop_oneof![
        3 => Just(Heard::Served),
        1 => Just(Heard::Nothing),
        1 => Just(Heard::Away),
        1 => Just(Heard::Busy(None)),
        1 => Just(Heard::Crowded),
        1 => (0..400_u64).prop_map(|pause| Heard::Busy(Some(ms(pause)))),
    ];
    prop_oneof![
        3 => (0..3_usize, prop::bool::weighted(0.1))
            .prop_map(|(host, first)| Step::Push { host, first }),
        4 => Just(Step::Next),
        3 => (any::<usize>(), heard, prop::option::weighted(0.3, 0..300_u64))
            .prop_map(|(which, heard, again)| Step::End { which, heard, again }),
        2 => (0..200_u64).prop_map(Step::Wait),
    ]
}

/// What the model knows of a host.
#[derive(Debug, Default)]
struct Known {
    /// Number, whether it goes first, not before.
    waits: Vec<(u32, bool, Moment)>,
    running: usize,
    not_before: Moment,
    failures: u32,
    failing_since: Moment,
    failed_at: Moment,
    answered: bool,
    given_up: bool,
    /// Starts elsewhere while something might have been started here.
    passed_over: usize,
}

impl Known {
    fn may_start(&self, now: Moment) -> bool {
        let due = self.waits.iter().any(|(_, _, at)| *at <= now);
        let alone = self.failures == 0 || self.running == 0;
        due && alone && now >= self.not_before
    }
}

proptest! {
    #[test]
    fn every_start_is_allowed_and_none_is_missed(
        jobs in 1..5_usize,
        per_host in 1..4_usize,
        wait in prop_oneof![Just(0), 1..100_u64],
        spacing in prop_oneof![Just(0), 1..100_u64],
        random_wait: bool,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (patience_at_first, patience, patience_away) = (ms(200), ms(500), ms(900));
        let limits = Limits {
            wait: ms(wait), spacing: ms(spacing), random_wait, patience_at_first, patience, patience_away,
            ..limits(jobs, per_host)
        };
        let mut queue = Queue::new(limits.clone());
        let mut hosts: BTreeMap<usize, Known> = (0..3).map(|host| (host, Known::default())).collect();
        let mut running: Vec<Started<Item>> = Vec::new();
        let (mut now, mut number, mut served) = (ms(1), 0, ms(0));
        for step in steps {
            let random = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            match step {
                Step::Push { host, first } => {
                    number += 1;
                    let pushed = queue.push(HOSTS[host], (host, number), 1, first, now);
                    let known = hosts.get_mut(&host).unwrap();
                    prop_assert_eq!(pushed.is_err(), known.given_up);
                    if pushed.is_ok() {
                        known.waits.push((number, first, ms(0)));
                    }
                }
                Step::Wait(pause) => now += ms(pause),
                Step::Next => match queue.next(now, random) {
                    None => {
                        let missed = |known: &Known| known.may_start(now) && known.running == 0;
                        let full = running.len() == jobs;
                        prop_assert!(full || !hosts.values().any(missed), "{:?}", hosts);
                        if !full && let Some(at) = queue.next_wakeup() {
                            prop_assert!(at > now);
                        }
                    }
                    Some(it) => {
                        prop_assert!(running.len() < jobs);
                        let (host, number) = it.item;
                        let known = hosts.get_mut(&host).unwrap();
                        prop_assert!(known.may_start(now) && known.running < per_host);
                        let at = known.waits.iter().position(|waits| waits.0 == number).unwrap();
                        let (_, first, not_before) = known.waits.remove(at);
                        prop_assert!(not_before <= now);
                        // Order of the list, among those that were never tried.
                        let earlier = |waits: &(u32, bool, Moment)| {
                            waits.0 < number && waits.1 == first && waits.2 == ms(0)
                        };
                        prop_assert!(not_before > ms(0) || !known.waits.iter().any(earlier));
                        // While the host fails, those that did not fail yet.
                        let fresh = |waits: &(u32, bool, Moment)| waits.2 == ms(0);
                        let failing = known.failures > 0 && not_before > ms(0);
                        prop_assert!(!failing || !known.waits.iter().any(fresh));
                        let preferred = |waits: &(u32, bool, Moment)| waits.1 && waits.2 == ms(0);
                        prop_assert!(first || !known.waits.iter().any(preferred));
                        known.running += 1;
                        known.passed_over = 0;
                        known.not_before = known.not_before.max(now + limits.interval(random));
                        for (_, other) in hosts.iter_mut().filter(|(other, _)| **other != host) {
                            let could = other.may_start(now) && other.running == 0;
                            other.passed_over = if could { other.passed_over + 1 } else { 0 };
                            prop_assert!(other.passed_over <= HOSTS.len());
                        }
                        running.push(it);
                    }
                },
                Step::End { which, heard, again } => {
                    if running.is_empty() {
                        continue;
                    }
                    let it = running.remove(which % running.len());
                    let (host, number) = it.item;
                    let left = queue.ended(&it.host, it.begun, heard, now, random);
                    let known = hosts.get_mut(&host).unwrap();
                    known.running -= 1;
                    match heard {
                        Heard::Nothing | Heard::Crowded => {}
                        Heard::Served => {
                            (known.failures, known.answered, served) = (0, true, now);
                        }
                        Heard::Away | Heard::Busy(_) => {
                            let asked = heard.asked();
                            let counts = known.failures == 0 || it.begun > known.failed_at;
                            let mut pause = asked.unwrap_or_default();
                            if counts {
                                if known.failures == 0 {
                                    known.failing_since = it.begun;
                                }
                                known.failures += 1;
                                known.failed_at = now;
                                pause = pause.max(limits.backoff.pause(known.failures, random));
                            }
                            known.not_before = known.not_before.max(now + pause);
                            let until = match known.answered {
                                true if heard == Heard::Away => {
                                    known.failing_since.max(served) + patience_away
                                }
                                true => known.failing_since.max(served) + patience,
                                false => known.failing_since + patience_at_first,
                            };
                            let least = if asked.is_some() { 5 } else { 2 };
                            let enough = known.failures >= least;
                            known.given_up |= counts && enough && now + pause > until;
                        }
                    }
                    if known.given_up {
                        prop_assert_eq!(left.len(), known.waits.len());
                        known.waits.clear();
                    } else {
                        prop_assert!(left.is_empty());
                    }
                    if let Some(pause) = again {
                        let at = now + ms(pause);
                        let pushed = queue.push_again(&it.host, (host, number), 1, at, now);
                        prop_assert_eq!(pushed.is_err(), known.given_up);
                        if pushed.is_ok() {
                            known.waits.push((number, false, at));
                        }
                    }
                }
            }
            let waiting: usize = hosts.values().map(|known| known.waits.len()).sum();
            prop_assert_eq!((queue.waiting(), queue.running()), (waiting, running.len()));
        }
    }

    #[test]
    fn random_waits_lie_between_half_and_one_and_a_half(random: u64) {
        let limits = Limits { wait: ms(1000), random_wait: true, ..Limits::default() };
        prop_assert!((ms(500)..=ms(1500)).contains(&limits.interval(random)));
    }
}
