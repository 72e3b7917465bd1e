//! A log of a program's own: what survives, and what is damage.

use std::sync::Arc;

use piton_durable::framed::{Format, Log, LogError};
use piton_durable::fs::Fs;
use piton_durable::held::HeldError;
use piton_testkit::disk::{Crash, Failure, Fault, SimDisk, When};

const FORMAT: Format =
    Format { magic: *b"\x89TEST..\n", version: 1, max_payload: 100, max_len: 1 << 20 };
const PATH: &str = "/log";

fn fs(disk: &SimDisk) -> Arc<dyn Fs> {
    Arc::new(disk.clone())
}

fn payloads(disk: &SimDisk) -> Result<Vec<Vec<u8>>, LogError> {
    let opened = Log::open(&fs(disk), PATH.as_ref(), FORMAT)?;
    Ok(opened
        .map(|(_, frames)| frames.into_iter().map(|it| it.payload).collect())
        .unwrap_or_default())
}

fn sync(log: &mut Log) {
    let through = log.sequence();
    log.file().sync_data().unwrap();
    log.synced(through);
}

/// One frame from the start, two synced, one that says so, one more.
fn five() -> SimDisk {
    let disk = SimDisk::seeded(1);
    let mut log = Log::create(&fs(&disk), PATH.as_ref(), FORMAT, &[(1, b"one")]).unwrap();
    for payload in [b"two", b"thr"] {
        log.append(1, payload).unwrap();
    }
    sync(&mut log);
    log.append(1, b"fou").unwrap();
    log.append(1, b"fiv").unwrap();
    disk
}

#[test]
fn each_damaged_byte_is_an_error_or_costs_the_end_that_was_not_synced() {
    let whole = five().bytes(PATH).unwrap();
    let all: Vec<Vec<u8>> = [b"one", b"two", b"thr", b"fou", b"fiv"].map(|it| it.to_vec()).into();
    let mut damaged = 0;
    for at in 0..whole.len() {
        let disk = SimDisk::seeded(1);
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        disk.put(PATH, &bytes);
        disk.give(PATH, 0, 0o600);
        match payloads(&disk) {
            Ok(kept) => assert!(kept == all[..3] || kept == all[..4], "byte {at}: {kept:?}"),
            Err(error) => {
                damaged += 1;
                assert!(error.to_string().contains(PATH), "{error}");
                assert_eq!(disk.bytes(PATH).unwrap(), bytes, "byte {at} was not left alone");
            }
        }
    }
    assert!(damaged > whole.len() / 2, "{damaged} of {}", whole.len());
}

#[test]
fn cut_anywhere_it_keeps_what_was_synced_or_says_that_it_is_lost() {
    let whole = five().bytes(PATH).unwrap();
    for len in 0..whole.len() {
        let disk = SimDisk::seeded(1);
        disk.put(PATH, &whole[..len]);
        disk.give(PATH, 0, 0o600);
        // The frame after the sync is the first that tells of it: without that, the others look torn.
        match payloads(&disk) {
            Ok(kept) => assert!(!kept.is_empty() && kept.len() < 5, "{len}"),
            Err(error) => {
                assert!(matches!(error, LogError::Unreadable { .. } | LogError::Damaged { .. }))
            }
        }
    }
}

#[test]
fn whoever_finds_the_file_changed_stops() {
    let disk = SimDisk::seeded(1);
    let mut log = Log::create(&fs(&disk), PATH.as_ref(), FORMAT, &[(1, b"one")]).unwrap();
    assert!(matches!(
        Log::open(&fs(&disk), PATH.as_ref(), FORMAT),
        Err(LogError::File(HeldError::Locked { .. }))
    ));
    let mut longer = disk.bytes(PATH).unwrap();
    longer.push(0);
    disk.put(PATH, &longer);
    assert!(matches!(log.append(1, b"two"), Err(LogError::Fenced { .. })));
    assert!(matches!(log.rewrite(&[(1, b"two")]), Err(LogError::Fenced { .. })));
    assert_eq!(disk.bytes(PATH).unwrap(), longer);

    let disk = five();
    disk.restart();
    let (mut log, _) = Log::open(&fs(&disk), PATH.as_ref(), FORMAT).unwrap().unwrap();
    disk.exchange(PATH, b"of somebody else");
    assert!(matches!(log.append(1, b"six"), Err(LogError::Fenced { .. })));
    assert!(matches!(log.rewrite(&[(1, b"six")]), Err(LogError::Fenced { .. })));
    assert_eq!(disk.bytes(PATH).unwrap(), b"of somebody else");
}

/// Appends, syncs and rewrites until something fails; returns what was appended and what of it was acknowledged.
fn work(disk: &SimDisk) -> (u8, u8) {
    let (mut appended, mut durable) = (0, 0);
    let _ = (|| -> Result<(), LogError> {
        let mut log = match Log::open(&fs(disk), PATH.as_ref(), FORMAT)? {
            Some((log, _)) => log,
            None => Log::create(&fs(disk), PATH.as_ref(), FORMAT, &[(1, &[0])])?,
        };
        for number in 1..=6_u8 {
            appended = number;
            log.append(1, &[number])?;
            if number % 2 == 0 {
                let through = log.sequence();
                let synced = log.file().sync_data();
                synced.map_err(HeldError::io("sync", PATH.as_ref()))?;
                log.synced(through);
                durable = number;
            }
            if number == 4 {
                log.rewrite(&[(1, &[number])])?;
            }
        }
        Ok(())
    })();
    (appended, durable)
}

#[test]
fn a_crash_at_every_operation_keeps_what_was_acknowledged() {
    let disk = SimDisk::seeded(1);
    work(&disk);
    let operations = disk.operations();
    assert!(operations > 40, "{operations}");
    for crash in [Crash::Kill, Crash::Power] {
        for at in 1..=operations {
            for when in [When::Before, When::Half, When::After] {
                for seed in 1..4 {
                    let disk = SimDisk::seeded(seed);
                    disk.inject(Fault { at, failure: Failure::Crash(crash, when) });
                    let (appended, durable) = work(&disk);
                    disk.restart();
                    let kept = payloads(&disk).unwrap();
                    let last = kept.last().map_or(0, |last| last[0]);
                    assert!(
                        (durable..=appended).contains(&last),
                        "{crash:?} {when:?} {at} seed {seed}: {kept:?}, {durable} of {appended}"
                    );
                    // And again, in a row.
                    disk.restart();
                    assert_eq!(payloads(&disk).unwrap(), kept);
                }
            }
        }
    }
}
