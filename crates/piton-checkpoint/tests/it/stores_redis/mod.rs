//! The store in Redis: the suite against a real server, lost answers, lost data, two runs.

mod server;

use std::sync::{Arc, Mutex};

use piton_checkpoint::store::{Spec, Store, StoreError, open};
use piton_durable::fs::{Fs, OsFs};
use piton_testkit::real::{Between, Redis, Rule};
use piton_testkit::stores::{Subject, check};

use crate::commits::{numbers, state, work};

fn store(url: &str) -> Arc<dyn Store> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    open(&format!("{url}?job=test"), &fs).unwrap()
}

/// `false`: there is no Redis here, and that is reported.
fn has_redis() -> bool {
    match Redis::available() {
        Ok(()) => true,
        Err(missing) => {
            piton_testkit::skip(missing);
            false
        }
    }
}

#[test]
fn it_conforms() {
    if !has_redis() {
        return;
    }
    let redis = Redis::that_keeps_everything();
    check(&Subject { open: &|| store(&redis.url()), cut: None, kill: &|| (), locks: false });
    let socket = format!("unix:{}", redis.socket().display());
    check(&Subject { open: &|| store(&socket), cut: None, kill: &|| (), locks: false });
}

/// The server is killed and comes back with its log, in the place of a power cut.
#[test]
fn it_conforms_with_a_server_that_is_killed() {
    if !has_redis() {
        return;
    }
    let redis = Mutex::new(Redis::that_keeps_everything());
    let url = redis.lock().unwrap().url();
    let restart = || redis.lock().unwrap().restart(&[]);
    check(&Subject { open: &|| store(&url), cut: Some(&restart), kill: &restart, locks: false });
}

#[test]
fn a_server_that_is_killed_in_the_middle_loses_nothing_with_its_log_on() {
    if !has_redis() {
        return;
    }
    let mut redis = Redis::that_keeps_everything();
    let running = store(&redis.url());
    running.take().unwrap();
    for n in 1..=20 {
        let mark = running.commit(&state(n)).unwrap();
        redis.restart(&[]);
        if n % 5 == 0 {
            running.sync(mark).unwrap();
        }
    }
    running.commit(&state(21)).unwrap();
    assert_eq!(numbers(&store(&redis.url()).take().unwrap()), (Some(20), vec![21]));
}

#[test]
fn a_server_that_lost_it_ends_the_run() {
    if !has_redis() {
        return;
    }
    // Emptied.
    let mut redis = Redis::start(&[]);
    let running = store(&redis.url());
    work(&*running);
    assert_eq!(redis.ask(&["FLUSHALL"]), "OK");
    let error = running.commit(&state(6)).unwrap_err();
    assert!(matches!(error, StoreError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("the server has nothing of it"), "{error}");
    assert!(matches!(running.commit(&state(6)), Err(StoreError::Fenced { .. })));
    assert_eq!(store(&redis.url()).take().unwrap().epoch, 1);
    // Started again without a log: also where only a sync notices.
    let running = store(&redis.url());
    running.take().unwrap();
    let mark = running.commit(&state(1)).unwrap();
    redis.restart(&[]);
    assert!(matches!(running.sync(mark), Err(StoreError::Lost { .. })));
    // Removed, and taken by another run: this one's first epoch is the same number, and another run.
    let running = store(&redis.url());
    running.take().unwrap();
    redis.ask(&["FLUSHALL"]);
    store(&redis.url()).take().unwrap();
    assert!(matches!(running.commit(&state(1)), Err(StoreError::Fenced { .. })));
}

#[test]
fn a_server_that_went_back_to_an_older_copy_ends_the_run() {
    if !has_redis() {
        return;
    }
    let mut redis = Redis::start(&["--dbfilename", "older.rdb"]);
    let running = store(&redis.url());
    work(&*running);
    assert_eq!(redis.ask(&["SAVE"]), "OK");
    let mark = running.commit(&state(6)).unwrap();
    redis.restart(&[]);
    let error = running.commit(&state(7)).unwrap_err();
    assert!(matches!(error, StoreError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("its last commit is number 5"), "{error}");
    drop((running, mark));
    // The next run sees what is left.
    let next = store(&redis.url());
    assert_eq!(numbers(&next.take().unwrap()), (Some(3), vec![4, 5]));
    // And in a sync.
    redis.ask(&["SAVE"]);
    let mark = next.commit(&state(6)).unwrap();
    redis.restart(&[]);
    assert!(matches!(next.sync(mark), Err(StoreError::Lost { .. })));
}

#[test]
fn an_answer_that_was_lost_is_no_second_commit() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&[]);
    let between = Between::before(redis.addr());
    let running = store(&format!("redis://{}", between.addr()));
    // A take, commits and a sync, each of which was executed, and its answer lost.
    between.add(Rule::LoseAnswer("'changed'"));
    assert_eq!(running.take().unwrap().epoch, 1);
    for n in 1..=3 {
        between.add(Rule::LoseAnswer("'HSET', KEYS[1], 'last'"));
        running.commit(&state(n)).unwrap();
    }
    let mark = running.commit(&state(4)).unwrap();
    between.add(Rule::LoseAnswer("HDEL"));
    running.sync(mark).unwrap();
    between.add(Rule::LoseRequest("'last', ARGV[4]"));
    running.commit(&state(5)).unwrap();
    assert_eq!(between.left(), [], "each was met");
    let next = store(&redis.url());
    let taken = next.take().unwrap();
    assert_eq!((taken.epoch, numbers(&taken)), (2, (Some(4), vec![5])));
}

/// Both answers to a commit are lost. Whatever the server has then, another run's commit is not taken for it.
#[test]
fn a_commit_without_any_answer_ends_the_run() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&[]);
    let between = Between::before(redis.addr());
    let running = store(&format!("redis://{}", between.addr()));
    running.take().unwrap();
    running.commit(&state(1)).unwrap();
    between.add(Rule::LoseEachAnswer("'last', ARGV[4]"));
    let error = running.commit(&state(2)).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }) && error.is_transient(), "{error}");
    assert!(matches!(running.commit(&state(3)), Err(StoreError::Fenced { .. })));
    assert_eq!(numbers(&store(&redis.url()).take().unwrap()).1, [1, 2]);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&[]);
    let between = Between::before(redis.addr());
    between.add(Rule::Stall("EVAL"));
    let began = std::time::Instant::now();
    let error = store(&format!("redis://{}", between.addr())).take().unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(began.elapsed().as_secs() < 60);
    let addr = redis.addr();
    drop(redis);
    let error = store(&format!("redis://{addr}")).take().unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }) && error.is_transient(), "{error}");
}

/// Many runs at once: each epoch belongs to one, and only the last one commits.
#[test]
fn runs_at_once_have_different_epochs_and_the_last_one_wins() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&[]);
    let url = redis.url();
    let runs: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || {
                let store = store(&url);
                let mut tries = 0;
                let epoch = loop {
                    // Each loses against each other one at most once.
                    match store.take() {
                        Ok(taken) => break taken.epoch,
                        Err(error) => assert!(error.is_transient() && tries < 9, "{error}"),
                    }
                    tries += 1;
                };
                let mut committed = Vec::new();
                for n in 0..200 {
                    let n = epoch * 1000 + n;
                    match store.commit(&state(n)) {
                        Ok(_) => committed.push(n),
                        Err(StoreError::Fenced { .. }) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                (epoch, committed)
            })
        })
        .collect();
    let mut runs: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
    runs.sort();
    assert_eq!(
        runs.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(),
        (1..=8).collect::<Vec<_>>()
    );
    // What a run that was fenced off had committed is there, once, in the order of the epochs.
    let all: Vec<u64> = runs.into_iter().flat_map(|(_, committed)| committed).collect();
    assert_eq!(numbers(&store(&url).take().unwrap()).1, all);
}

#[test]
fn what_is_there_has_to_be_ours() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&[]);
    let key = "piton:job:test";
    let take = || store(&redis.url()).take().unwrap_err();
    redis.ask(&["SET", key, "text"]);
    assert!(matches!(take(), StoreError::Foreign { .. }));
    redis.ask(&["DEL", key]);
    redis.ask(&["HSET", key, "field", "1"]);
    assert!(matches!(take(), StoreError::Foreign { .. }));
    assert_eq!(redis.ask(&["HLEN", key]), "1");
    redis.ask(&["HSET", key, "v", "7"]);
    assert!(matches!(take(), StoreError::Newer { found: 7, .. }));
    // Each field of a good one, gone or nonsense.
    for field in ["epoch", "run", "first", "last", "c3", "c4", "c5"] {
        for value in [None, Some("-1"), Some("x"), Some("18446744073709551615")] {
            redis.ask(&["DEL", key]);
            work(&*store(&redis.url()));
            match value {
                None => redis.ask(&["HDEL", key, field]),
                Some(value) => redis.ask(&["HSET", key, field, value]),
            };
            let before = redis.ask(&["HGET", key, "epoch"]);
            match store(&redis.url()).take() {
                // A commit is the job's own, and it knows what it is.
                Ok(_) => assert!(
                    value.is_some()
                        && (field.starts_with('c') || ["epoch", "run"].contains(&field)),
                    "{field} {value:?}"
                ),
                Err(error) => {
                    assert!(matches!(error, StoreError::Damaged { file: None, .. }), "{error}");
                    assert_eq!(redis.ask(&["HGET", key, "epoch"]), before);
                }
            }
        }
    }
}

#[test]
fn a_job_is_set_aside_under_another_key() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&[]);
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let spec: Spec = format!("{}?job=test", redis.url()).parse().unwrap();
    assert_eq!(spec.set_aside(&fs).unwrap(), None);
    for aside in ["piton:job:test.aside-1", "piton:job:test.aside-2"] {
        let running = store(&redis.url());
        work(&*running);
        assert_eq!(spec.set_aside(&fs).unwrap().as_deref(), Some(aside));
        assert!(matches!(running.commit(&state(6)), Err(StoreError::Lost { .. })));
        assert_eq!(redis.ask(&["HGET", aside, "last"]), "5");
    }
}
