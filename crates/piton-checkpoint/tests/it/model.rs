//! A ledger against a map: every item, and every total, after any history.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use piton_checkpoint::ledger::{Count, Failures, Ledger, Outcome, State};
use proptest::prelude::*;

use crate::book::{NOW, PROCESS, key, path_in, put};

const ITEMS: u64 = 12;
const HOSTS: [&str; 3] = ["a.example", "b.example", "c.example"];
const CLASSES: [&str; 3] = ["404", "timeout", "5xx"];

#[derive(Debug, Clone)]
enum Step {
    /// A group.
    Record(Vec<Outcome>),
    ExpectMany,
    Reopen,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let state = prop::sample::select(State::ALL.to_vec());
    let word = |words: [&'static str; 3]| prop::option::of(prop::sample::select(words.to_vec()));
    let numbers = (0..ITEMS, 1..9_u32, 0..1_u64 << 40, prop::option::of(0..1_u64 << 40));
    let more = (0..3_u64, 0..1_000_u64, prop::option::of("[a-z]{0,8}"));
    (numbers, state, word(CLASSES), word(HOSTS), more).prop_map(
        |((n, attempts, bytes, size), state, class, host, (same, took, text))| Outcome {
            key: key(n),
            state,
            attempts,
            at: NOW + took,
            size,
            bytes: if same == 0 { bytes } else { size.unwrap_or(0) },
            took,
            digest: text.clone().filter(|text| text.len() == 3),
            class: class.map(|class| class.parse().unwrap()),
            detail: text.clone().filter(|text| text.len() < 6),
            path: text,
            host: host.map(str::to_owned),
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(outcome(), 1..8).prop_map(Step::Record),
        1 => Just(Step::ExpectMany),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_ledger_is_a_map_with_exact_totals(steps in prop::collection::vec(step(), 1..12)) {
        let dir = tempfile::tempdir().unwrap();
        let path = path_in(dir.path());
        let mut ledger = Ledger::open(&path, &PROCESS).unwrap();
        let mut model = HashMap::new();
        for step in steps {
            match step {
                Step::Record(outcomes) => {
                    for outcome in &outcomes {
                        model.insert(outcome.key, outcome.clone());
                    }
                    put(&ledger, outcomes);
                }
                Step::ExpectMany => ledger.expect_many().unwrap(),
                Step::Reopen => {
                    ledger.close().unwrap();
                    ledger = Ledger::open(&path, &PROCESS).unwrap();
                }
            }
            agrees(&ledger, &model)?;
        }
    }
}

fn agrees(ledger: &Ledger, model: &HashMap<[u8; 16], Outcome>) -> Result<(), TestCaseError> {
    let mut reader = ledger.reader().unwrap();
    for n in 0..ITEMS {
        let found = reader.lookup(&key(n)).unwrap().map(|known| {
            let size = (known.size, known.bytes, known.took, known.at);
            let text = (known.digest, known.class, known.detail, known.path);
            (known.state, known.attempts, known.interruptions, size, text)
        });
        let expected = model.get(&key(n)).cloned().map(|it| {
            let text = (it.digest, it.class, it.detail, it.path);
            (it.state, it.attempts, 0, (it.size, it.bytes, it.took, it.at), text)
        });
        prop_assert_eq!(found, expected);
    }

    let mut by_class = BTreeMap::<_, (u64, u64, u64)>::new();
    let mut by_host = BTreeMap::<_, (u64, u64, u64, u64)>::new();
    for it in model.values() {
        let sums = by_class.entry((it.state, it.class.clone())).or_default();
        *sums = (sums.0 + 1, sums.1 + it.bytes, sums.2 + it.took);
        let Some(host) = it.host.clone() else { continue };
        let (done, failed, bytes, took) = by_host.entry(host).or_default();
        *if it.state == State::Done { done } else { failed } += 1;
        (*bytes, *took) = (*bytes + it.bytes, *took + it.took);
    }
    let sums = |count: Count| (count.items, count.bytes, count.took);
    let found: BTreeMap<_, _> = reader
        .by_class()
        .unwrap()
        .into_iter()
        .map(|total| ((total.state, total.class), sums(total.count)))
        .collect();
    prop_assert_eq!(&found, &by_class);
    for state in State::ALL {
        let of_state = by_class.iter().filter(|((of, _), _)| *of == state).map(|(_, sums)| sums);
        let expected = of_state.fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        prop_assert_eq!(sums(reader.totals().unwrap().of(state)), expected);
    }
    let found: BTreeMap<_, _> = reader
        .worst_hosts(10)
        .unwrap()
        .into_iter()
        .map(|it| (it.host, (it.done, it.failed, it.bytes, it.took)))
        .collect();
    by_host.retain(|_, (_, failed, _, _)| *failed > 0);
    prop_assert_eq!(found, by_host);

    let mut listed = Vec::new();
    let each = |known: piton_checkpoint::ledger::Known| {
        listed.push(known.key);
        std::ops::ControlFlow::Continue(())
    };
    reader.failures(&Failures::default(), each).unwrap();
    let failed = model.values().filter(|it| it.state != State::Done).map(|it| it.key);
    prop_assert_eq!(listed.len(), failed.clone().count());
    prop_assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), failed.collect());
    Ok(())
}
