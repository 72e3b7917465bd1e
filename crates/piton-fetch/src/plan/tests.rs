//! The plan of segments against a model.

use piton_checkpoint::IntervalSet;
use proptest::prelude::*;

use super::*;

const NO_WINDOW: u64 = u64::MAX;

fn plan(size: u64, floor: u64) -> Planner {
    Planner::new(Some(size), IntervalSet::new(), floor, NO_WINDOW)
}

#[test]
fn a_second_connection_takes_half() {
    let mut plan = plan(1000, 10);
    let (first, range) = plan.next().unwrap();
    assert_eq!(range, 0..1000);
    assert_eq!(plan.grant(first, 100), Grant { skip: 0, write: 100 });
    plan.set_rate(first, 50.0);
    let (_, range) = plan.next().unwrap();
    assert_eq!(range, 550..1000);
    assert_eq!(plan.segment(first).unwrap().end, 550);
}

#[test]
fn a_stalled_segment_loses_nearly_all() {
    let mut plan = plan(1000, 10);
    let (stalled, _) = plan.next().unwrap();
    let (fast, _) = plan.next().unwrap();
    plan.set_rate(stalled, 0.001);
    plan.set_rate(fast, 100.0);
    assert_eq!(plan.grant(fast, 500).write, 500);
    plan.release(fast);
    let (_, range) = plan.next().unwrap();
    assert_eq!(range, 10..500);
}

#[test]
fn the_end_is_raced_and_the_first_answer_is_written() {
    let mut plan = plan(100, 100);
    let (slow, _) = plan.next().unwrap();
    plan.set_rate(slow, 1.0);
    let (racer, range) = plan.race(|_| true).unwrap();
    assert_eq!(range, 0..100);
    assert!(plan.race(|_| true).is_none(), "one racer is enough");
    assert_eq!(plan.grant(racer, 60), Grant { skip: 0, write: 60 });
    assert_eq!(plan.grant(slow, 80), Grant { skip: 60, write: 20 });
    assert_eq!(plan.grant(racer, 40), Grant { skip: 20, write: 20 });
    assert!(plan.is_complete());
}

#[test]
fn what_was_overtaken_is_not_raced_again() {
    let mut plan = plan(200, 100);
    let (slow, _) = plan.next().unwrap();
    let (other, range) = plan.next().unwrap();
    assert_eq!(range, 100..200);
    plan.set_rate(slow, 1.0);
    plan.set_rate(other, 2.0);
    let (racer, range) = plan.race(|_| true).unwrap();
    assert_eq!(range, 0..100);
    assert!(!plan.is_overtaken(slow));
    plan.grant(racer, 100);
    plan.release(racer);
    assert!(plan.is_overtaken(slow) && !plan.is_overtaken(other));
    assert_eq!(plan.race(|_| true).unwrap().1, 100..200);
}

#[test]
fn an_undivided_segment_is_neither_split_nor_raced() {
    let mut plan = plan(1000, 10);
    let (first, _) = plan.next().unwrap();
    plan.grant(first, 1000);
    plan.release(first);
    plan.forget(200..600);
    let (own, range) = plan.claim(200..600);
    assert_eq!(range, 200..600);
    assert!(plan.next().is_none() && plan.race(|_| true).is_none());
    plan.release(own);
    assert_eq!(plan.next().unwrap().1, 200..600);
}

#[test]
fn one_connection_goes_on_past_its_window() {
    let mut plan = Planner::new(Some(100), IntervalSet::new(), 1, 40);
    let (id, range) = plan.adopt(0).unwrap();
    assert_eq!(range, 0..40);
    assert!(!plan.extend(id, 100), "not before its end");
    plan.grant(id, 40);
    assert!(plan.extend(id, 100));
    assert_eq!(plan.segment(id).unwrap().end, 80);
    plan.grant(id, 40);
    assert!(!plan.extend(id, 80), "not past its answer");
    assert!(plan.extend(id, 100));
}

#[test]
fn a_stream_leaves_out_what_is_done() {
    let done = [10..20, 50..60].into_iter().collect();
    let mut plan = Planner::new(Some(100), done, 1, NO_WINDOW);
    let (id, _) = plan.stream();
    assert_eq!(plan.grant(id, 30), Grant { skip: 0, write: 10 });
    assert_eq!(plan.grant(id, 20), Grant { skip: 10, write: 10 });
    assert_eq!(plan.grant(id, 70), Grant { skip: 0, write: 20 });
    assert_eq!(plan.grant(id, 50), Grant { skip: 10, write: 40 });
    assert!(plan.is_complete());
}

#[test]
fn an_unknown_length_is_one_stream() {
    let mut plan = Planner::new(None, IntervalSet::new(), 1, NO_WINDOW);
    let (id, _) = plan.next().unwrap();
    assert!(plan.next().is_none());
    plan.grant(id, 30);
    assert!(!plan.is_complete());
    plan.set_size(30);
    assert!(plan.is_complete());
}

#[derive(Debug, Clone)]
enum Step {
    Join,
    Race,
    Receive { who: usize, bytes: u64, rate: u16 },
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            2 => Just(Step::Join),
            1 => Just(Step::Race),
            8 => (any::<usize>(), 1u64..60, any::<u16>())
                .prop_map(|(who, bytes, rate)| Step::Receive { who, bytes, rate }),
            1 => any::<usize>().prop_map(Step::Leave),
        ],
        0..200,
    )
}

proptest! {
    /// Whatever connections come, go, steal and race: every byte is written exactly once, and two
    /// workers that do not race never have a byte in common.
    #[test]
    fn every_byte_once(
        size in 1u64..2000,
        floor in 1u64..64,
        window in prop_oneof![Just(NO_WINDOW), 16u64..256],
        steps in steps(),
    ) {
        let mut plan = Planner::new(Some(size), IntervalSet::new(), floor, window);
        let mut written = vec![0u32; size as usize];
        let mut working: Vec<(SegmentId, u64)> = Vec::new();
        let receive = |plan: &mut Planner, written: &mut Vec<u32>, id, at: &mut u64, bytes: u64| {
            let mut left = bytes;
            loop {
                let grant = plan.grant(id, left);
                let from = *at + grant.skip;
                for byte in from..from + grant.write {
                    written[byte as usize] += 1;
                }
                *at = from + grant.write;
                left -= grant.skip + grant.write;
                if left == 0 || grant.skip + grant.write == 0 {
                    return;
                }
            }
        };
        for step in steps {
            match step {
                Step::Join => working.extend(plan.next().map(|(id, range)| (id, range.start))),
                Step::Race => working.extend(plan.race(|_| true).map(|(id, range)| (id, range.start))),
                Step::Receive { who, bytes, rate } if !working.is_empty() => {
                    let who = who % working.len();
                    let (id, mut at) = working[who];
                    plan.set_rate(id, f64::from(rate));
                    receive(&mut plan, &mut written, id, &mut at, bytes);
                    working[who].1 = at;
                }
                Step::Leave(who) if !working.is_empty() => {
                    let (id, _) = working.swap_remove(who % working.len());
                    plan.release(id);
                }
                _ => {}
            }
        }
        for (id, mut at) in working {
            receive(&mut plan, &mut written, id, &mut at, size);
            plan.release(id);
        }
        while let Some((id, range)) = plan.next() {
            let mut at = range.start;
            receive(&mut plan, &mut written, id, &mut at, size);
            plan.release(id);
        }
        prop_assert!(plan.is_complete());
        prop_assert!(written.iter().all(|&times| times == 1), "{:?}", written);
    }
}
