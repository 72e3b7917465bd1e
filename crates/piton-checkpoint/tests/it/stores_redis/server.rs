//! What the server is: what it keeps, whom it lets in, what it has room for.

use std::sync::Arc;

use piton_checkpoint::store::{Spec, StoreError, Survival, open};
use piton_durable::fs::{Fs, OsFs};
use piton_testkit::real::{Between, Redis, Rule};

use super::{has_redis, store};
use crate::commits::{numbers, state, work};

#[test]
fn the_server_says_what_it_keeps() {
    if !has_redis() {
        return;
    }
    let survives = |redis: &Redis, url: String| {
        let store = store(&url);
        store.take().unwrap();
        assert_eq!(redis.ask(&["EXISTS", "piton:job:test"]), "1");
        store.survives()
    };
    use Survival as S;
    for (options, commit, sync, text) in [
        (&["--appendonly", "yes", "--appendfsync", "always"][..], S::PowerCut, S::PowerCut, ""),
        (&["--appendonly", "yes"], S::AllButSeconds, S::AllButSeconds, "last seconds"),
        (&["--save", "60 1"], S::UntilSnapshot, S::UntilSnapshot, "snapshot"),
        (&[], S::WhileServerLives, S::WhileServerLives, "everything is lost"),
        (
            &["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"],
            S::WhileServerLives,
            S::WhileServerLives,
            "evicted",
        ),
        // As hosted servers do.
        (
            &["--appendonly", "yes", "--rename-command", "CONFIG", ""],
            S::AllButSeconds,
            S::AllButSeconds,
            "",
        ),
        (
            &["--rename-command", "CONFIG", "", "--rename-command", "INFO", ""],
            S::Unknown,
            S::Unknown,
            "does not tell",
        ),
    ] {
        let redis = Redis::start(options);
        let found = survives(&redis, redis.url());
        assert_eq!((found.commit, found.sync), (commit, sync), "{options:?}: {found}");
        assert!(found.to_string().contains(text), "{found}");
    }
}

/// The server of the tests is older than 7.2; what a newer one answers is put into its mouth.
#[test]
fn a_sync_waits_for_the_log_where_the_server_can() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&["--appendonly", "yes"]);
    let between = Between::before(redis.addr());
    let url = format!("redis://{}", between.addr());
    between.add(Rule::Answer("WAITAOF", "*2\r\n:1\r\n:0\r\n"));
    let running = store(&url);
    work(&*running);
    assert_eq!(running.survives().sync, Survival::PowerCut);
    assert_eq!(numbers(&store(&url).take().unwrap()), (Some(3), vec![4, 5]));
    // Not within the time: no sync.
    let between = Between::before(redis.addr());
    let url = format!("redis://{}", between.addr());
    between.add(Rule::Answer("WAITAOF", "*2\r\n:1\r\n:0\r\n"));
    let running = store(&url);
    running.take().unwrap();
    let mark = running.commit(&state(6)).unwrap();
    between.replace(Rule::Answer("WAITAOF", "*2\r\n:0\r\n:0\r\n"));
    let error = running.sync(mark).unwrap_err();
    assert!(error.to_string().contains("did not sync its log"), "{error}");
    assert!(matches!(running.commit(&state(7)), Err(StoreError::Fenced { .. })));
}

#[test]
fn a_password_is_sent_and_never_shown() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&["--requirepass", "se cret/7"]);
    let addr = redis.addr();
    let wrong = format!("redis://:wr0ng-secret@{addr}");
    for url in [format!("redis://{addr}"), wrong] {
        let store = store(&url);
        let error = store.take().unwrap_err();
        assert!(matches!(error, StoreError::Rejected { .. }), "{error:?}");
        assert!(!error.is_transient());
        assert!(!format!("{error} {error:?} {}", store.place()).contains("wr0ng"), "{error:?}");
    }
    let url = format!("redis://:se%20cret%2F7@{addr}");
    let store = store(&url);
    work(&*store);
    assert_eq!(store.place(), format!("redis://{addr}/0?job=test"));
    let spec: Spec = format!("{url}?job=test").parse().unwrap();
    assert!(!format!("{spec} {spec:?}").contains("cret"), "{spec:?}");
    let socket = format!("unix:{}?job=test&password=se%20cret%2F7", redis.socket().display());
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let taken = open(&socket, &fs).unwrap().take().unwrap();
    assert_eq!(numbers(&taken), (Some(3), vec![4, 5]));
}

#[test]
fn a_server_without_memory_or_with_another_role_is_named() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&["--maxmemory-policy", "noeviction"]);
    let running = store(&redis.url());
    running.take().unwrap();
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = running.commit(&state(1)).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }) && error.is_transient(), "{error:?}");
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    let running = store(&redis.url());
    running.take().unwrap();
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = running.commit(&state(1)).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn what_is_too_long_or_too_much_is_refused() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(&[]);
    let running = store(&redis.url());
    running.take().unwrap();
    let error = running.commit(&vec![b'1'; (1 << 20) + 1]).unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    running.commit(&vec![b'1'; 1 << 20]).unwrap();
    assert_eq!(store(&redis.url()).take().unwrap().later.len(), 1);
}
