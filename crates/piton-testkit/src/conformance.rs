//! What each protocol must do at the seam, whichever it is: one suite over [`piton_remote`].
//!
//! A protocol joins by a [`Subject`]: a folder whose files it serves. Its row in the tests of piton-remote runs
//! [`check`] over them, and nothing here knows which protocol that is.

#![allow(clippy::disallowed_methods, reason = "files of a test kit need not survive a crash")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use piton_checkpoint::{Change, Identity, Verdict};
use piton_remote::{
    Ask, AskError, Connection, Holds, Protocol, RefusalKind, Remote, Reply, modified,
};
use url::Url;

use crate::server::pattern;

/// A folder, and how its files are reached.
#[derive(Debug)]
pub struct Subject {
    /// How it is asked.
    pub remote: Remote,
    /// The files that it serves. They are long unchanged for it, as most files are.
    pub folder: PathBuf,
    /// What leads to `folder`; ends with a slash.
    pub base: Url,
    /// What has to be spoken.
    pub protocol: Protocol,
}

const LEN: usize = 3_000_001;
const SEED: u64 = 77;

/// Runs all of it.
///
/// # Panics
///
/// If the subject does not conform.
pub async fn check(subject: &Subject) {
    let file = File::new(subject, "file.bin", SEED, LEN);
    the_whole(&file).await;
    ranges(&file).await;
    ranges_outside(&file).await;
    only_if_newer(&file).await;
    bodies(&file).await;
    one_connection_after_another(&file).await;
    an_empty_one(subject).await;
    names(subject).await;
    none(subject).await;
    another_version(&file).await;
    a_change_while_it_is_read(subject).await;
}

/// One file of the subject.
struct File<'a> {
    subject: &'a Subject,
    name: String,
    bytes: Vec<u8>,
}

impl<'a> File<'a> {
    fn new(subject: &'a Subject, name: &str, seed: u64, len: usize) -> Self {
        let file = Self { subject, name: name.to_owned(), bytes: pattern::bytes(seed, len) };
        file.write(1_600_000_000);
        file
    }

    /// With this time of modification, and as if nobody had touched it for a while.
    fn write(&self, time: u64) {
        let path = self.subject.folder.join(&self.name);
        let time = UNIX_EPOCH + Duration::from_secs(time);
        fs::write(&path, &self.bytes).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    fn ask(&self) -> Ask {
        let mut url = self.subject.base.clone();
        url.path_segments_mut().unwrap().pop_if_empty().push(&self.name);
        Ask::new(url)
    }

    async fn get(&self, ask: &Ask) -> Reply {
        self.subject.remote.connection().ask(ask).await.unwrap()
    }

    /// The identity that it has now.
    async fn identity(&self) -> Identity {
        let reply = self.get(&self.ask()).await;
        assert_eq!(reply.head.identity.size, Some(self.bytes.len() as u64));
        reply.head.identity
    }
}

impl File<'_> {
    /// The same, once it proves a version by itself: a file that was just written may need a moment.
    async fn settled(&self) -> Identity {
        for _ in 0..100 {
            let identity = self.identity().await;
            match identity.best_strength() {
                Some(strength) if !strength.wants_overlap() => return identity,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        panic!("no answer has validators to rely on");
    }
}

async fn read(reply: &mut Reply, piece: usize) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), vec![0; piece]);
    loop {
        match reply.body.read(&mut buf).await.unwrap() {
            0 => return all,
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

fn assert_same(came: &[u8], wanted: &[u8]) {
    assert!(came == wanted, "{} bytes came, and {} were wanted", came.len(), wanted.len());
}

async fn the_whole(file: &File<'_>) {
    let mut reply = file.get(&file.ask()).await;
    assert_eq!(reply.holds, Holds::Whole);
    assert_eq!(reply.head.protocol, file.subject.protocol);
    assert!(!reply.head.redirected && reply.head.encoding.is_none());
    assert_eq!(reply.head.url, file.ask().url);
    assert_eq!(reply.body.remaining(), Some(LEN as u64));
    assert_same(&read(&mut reply, 100_000).await, &file.bytes);
    assert_eq!(reply.body.remaining(), Some(0));
    let time = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    assert_eq!(modified(&reply.head.identity), Some(time));
}

async fn ranges(file: &File<'_>) {
    let (len, identity) = (LEN as u64, file.settled().await);
    for (first, last, end) in [
        (0, Some(0), 1),
        (0, None, len),
        (1, Some(len - 1), len),
        (len - 1, None, len),
        (1_000_000, Some(1_999_999), 2_000_000),
        // Beyond the end: what there is.
        (len - 10, Some(len + 10), len),
        (5, Some(1 << 60), len),
    ] {
        for same_as in [None, Some(identity.clone())] {
            let mut ask = file.ask().range(first, last);
            ask.same_as = same_as;
            let mut reply = file.get(&ask).await;
            assert_eq!(reply.holds, Holds::Part { first, end }, "{ask:?}");
            // Of the whole, not of the part.
            assert_eq!(identity.compare(&reply.head.identity), identity.compare(&identity));
            assert_same(&read(&mut reply, 70_001).await, &file.bytes[first as usize..end as usize]);
        }
    }
}

async fn ranges_outside(file: &File<'_>) {
    for first in [LEN as u64, LEN as u64 + 1, 1 << 60] {
        let reply = file.get(&file.ask().range(first, None)).await;
        assert_eq!(reply.holds, Holds::OutOfRange { size: Some(LEN as u64) }, "{first}");
    }
}

async fn only_if_newer(file: &File<'_>) {
    let at = |time| UNIX_EPOCH + Duration::from_secs(time);
    // Of a time between, servers may compare for equality alone (RFC 9110 section 13.1.3 lets them).
    for (since, newer) in [(at(1_500_000_000), true), (at(1_600_000_000), false)] {
        let mut ask = file.ask().range(0, Some(0));
        ask.newer_than = Some(since);
        let reply = file.get(&ask).await;
        let is_part = matches!(reply.holds, Holds::Part { .. });
        assert_eq!((is_part, reply.holds == Holds::NotNewer), (newer, !newer), "{since:?}");
    }
}

/// However it is read, the bytes come in order, each once.
async fn bodies(file: &File<'_>) {
    let mut connection = file.subject.remote.connection();
    let mut reply = connection.ask(&file.ask()).await.unwrap();
    let (mut all, mut buf) = (Vec::new(), vec![0; 65_537]);
    for turn in 0_usize.. {
        let room = &mut buf[..1 + turn * 7919 % 65_537];
        let read = match turn % 3 {
            0 => match reply.body.try_read(room) {
                Some(read) => read.unwrap(),
                None => continue,
            },
            1 => {
                let read = reply.body.read(room).await.unwrap();
                // Handed back, and received again.
                reply.body.unread(room[..read].to_vec().into(), None);
                let again = reply.body.read(room).await.unwrap();
                assert!(again > 0 || read == 0);
                again
            }
            _ => reply.body.read(room).await.unwrap(),
        };
        if read == 0 {
            break;
        }
        all.extend_from_slice(&room[..read]);
        assert_eq!(reply.body.remaining(), Some((LEN - all.len()) as u64));
    }
    assert_same(&all, &file.bytes);
    reply.body.finish(&mut connection);
}

async fn one_connection_after_another(file: &File<'_>) {
    let mut connection = file.subject.remote.connection();
    for turn in 0..6 {
        let mut reply = connection.ask(&file.ask().range(turn, Some(turn + 9))).await.unwrap();
        // Some are given up in the middle, and one is not even looked at.
        match turn % 3 {
            0 => drop(reply),
            1 => {
                reply.body.read(&mut [0; 3]).await.unwrap();
                reply.body.finish(&mut connection);
            }
            _ => {
                let start = turn as usize;
                assert_same(&read(&mut reply, 4).await, &file.bytes[start..start + 10]);
                reply.body.finish(&mut connection);
            }
        }
    }
    // A question that is given up leaves nothing for the next one.
    let ask = file.ask();
    drop(tokio::time::timeout(Duration::ZERO, connection.ask(&ask)).await);
    let mut reply = connection.ask(&file.ask().range(100, Some(199))).await.unwrap();
    assert_same(&read(&mut reply, 1000).await, &file.bytes[100..200]);
}

async fn an_empty_one(subject: &Subject) {
    let file = File::new(subject, "empty", SEED, 0);
    let mut reply = file.get(&file.ask()).await;
    assert_eq!((reply.holds, reply.head.identity.size), (Holds::Whole, Some(0)));
    assert_same(&read(&mut reply, 10).await, &[]);
    let reply = file.get(&file.ask().range(0, Some(9))).await;
    // A server may give all of nothing, or say that there is no such range.
    let nothing = matches!(reply.holds, Holds::Whole | Holds::OutOfRange { size: Some(0) });
    assert!(nothing, "{:?}", reply.holds);
}

async fn names(subject: &Subject) {
    for name in ["with blank", "100%", "a+b&c=d;e", "größe-测试", "#hash?query"] {
        let file = File::new(subject, name, 5, 1000);
        let mut reply = file.get(&file.ask()).await;
        assert_same(&read(&mut reply, 1 << 16).await, &file.bytes);
    }
}

async fn none(subject: &Subject) {
    let file = File { subject, name: "none".to_owned(), bytes: Vec::new() };
    for ask in [file.ask(), file.ask().range(0, None)] {
        let mut connection = subject.remote.connection();
        match connection.ask(&ask).await {
            Err(AskError::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::Gone),
            other => panic!("{other:?}"),
        }
        still_works(&mut connection, &File::new(subject, "there", 6, 10)).await;
    }
}

async fn still_works(connection: &mut Connection, file: &File<'_>) {
    let mut reply = connection.ask(&file.ask()).await.unwrap();
    assert_same(&read(&mut reply, 64).await, &file.bytes);
}

/// A version that is no more is never taken for the one that is there (G4).
async fn another_version(file: &File<'_>) {
    let before = file.identity().await;
    let other = File::new(file.subject, &file.name, SEED + 1, LEN);
    other.write(1_600_000_777);
    let now = other.identity().await;
    let verdict = before.compare(&now);
    assert!(matches!(verdict, Verdict::Changed(Change::Time { .. } | Change::Tag)), "{verdict:?}");
    // On the condition that it is the old one, not a byte of the new one passes for a part.
    let mut ask = other.ask().range(10, Some(19));
    ask.same_as = Some(before);
    let mut reply = other.get(&ask).await;
    assert_eq!(reply.holds, Holds::Whole);
    assert_same(&read(&mut reply, 1 << 20).await, &other.bytes);
}

/// Bytes that come in belong to the version that the head names, however the file changes below.
async fn a_change_while_it_is_read(subject: &Subject) {
    let file = File::new(subject, "changing", SEED, 40_000_000);
    let mut reply = file.get(&file.ask()).await;
    let was = reply.head.identity.clone();
    let mut buf = vec![0; 1 << 16];
    let mut at = reply.body.read(&mut buf).await.unwrap();
    // In place of it, as a new file: what was begun may be finished, or breaks.
    let (path, new) = (subject.folder.join("changing"), subject.folder.join("changing.new"));
    fs::write(&new, pattern::bytes(SEED + 1, 40_000_000)).unwrap();
    fs::rename(&new, &path).unwrap();
    loop {
        match reply.body.read(&mut buf).await {
            Ok(0) => {
                assert_eq!(at, file.bytes.len());
                break;
            }
            Ok(n) => {
                assert_same(&buf[..n], &file.bytes[at..at + n]);
                at += n;
            }
            Err(_) => break,
        }
    }
    let now = file.get(&file.ask()).await.head.identity;
    assert!(matches!(was.compare(&now), Verdict::Changed(_)), "{was:?} {now:?}");
    let age = SystemTime::now().duration_since(modified(&now).unwrap());
    assert!(age.is_ok_and(|age| age < Duration::from_secs(600)));
}
