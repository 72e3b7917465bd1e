//! Power cuts under downloads from two URLs of which one differs: what is left under the final name is one
//! file, and so is what any later run makes of the rest, with what judges and without (G1, G4).
//!
//! `PITON_POWER_STATES` scales the number of cuts and crash states; `PITON_TEST_SEED` draws others.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use piton_testkit::power::{BlockLog, FsKind, Volume, wanted_states};
use piton_testkit::seed::{draw, seed};
use piton_testkit::server::MIB;

use crate::urls::{Ask, Case, Differs, Files, Judge, Urls};

const LEN: u64 = 6 * MIB + 777;
const RATE: u64 = 3 * MIB;
const SIZE: u64 = 128 * MIB;
/// One crash state in so many is gone on from.
const GONE_ON_FROM: usize = 3;

const JUDGES: [Judge; 3] = [Judge::Digest, Judge::Pieces, Judge::Nothing];

fn case(judge: Judge, round: u64) -> Case {
    let differs = match judge {
        Judge::Nothing => [Differs::FromTheStart, Differs::InTheMiddle, Differs::FromHalfWay],
        _ => [Differs::InTheMiddle, Differs::FromHalfWay, Differs::Hardly],
    };
    let pick = |salt: u64, bound: u64| draw(round | (salt << 16) | ((judge as u64) << 48), bound);
    Case {
        judge,
        urls: 2,
        odd: pick(1, 2) as usize,
        differs: differs[pick(2, 3) as usize],
        // The fail-over comes in the middle.
        ends_at: (judge == Judge::Nothing).then(|| LEN / 4 + pick(3, LEN / 2)),
    }
}

#[test]
fn shutdown_ext4() {
    cuts(FsKind::Ext4);
}

#[test]
fn shutdown_xfs() {
    cuts(FsKind::Xfs);
}

fn cuts(kind: FsKind) {
    let mut volume = match Volume::create(kind, 2 * SIZE) {
        Ok(volume) => volume,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let files = Files::new(LEN);
    let rounds = wanted_states() as u64 / 30;
    for round in 0..rounds {
        let case = case(JUDGES[round as usize % JUDGES.len()], round);
        let folder = volume.path().join("files");
        fs::create_dir_all(&folder).unwrap();
        let urls = Urls::into(folder.clone(), case, &files, RATE);
        let mut child = urls.start(Ask::all(3));
        sleep(Duration::from_millis(draw(round | 1 << 32, 1500)));
        let done = child.try_wait().unwrap().is_some_and(|status| status.success());
        volume.cut_power().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        volume.remount().unwrap();
        let checked = match done {
            true => urls.check_done(Ask::all(3)),
            false => urls.check_between(true).and_then(|()| goes_on(&urls, round)),
        };
        let told = checked.map_err(|problem| format!("{case:?}: {problem}"));
        assert_eq!(told, Ok(()), "{} {round}, PITON_TEST_SEED={}", kind.name(), seed());
        drop(urls);
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn block_log_ext4() {
    recorded(FsKind::Ext4, wanted_states() / 16);
}

#[test]
fn block_log_xfs() {
    recorded(FsKind::Xfs, wanted_states() / 40);
}

#[test]
fn block_log_btrfs() {
    recorded(FsKind::Btrfs, wanted_states() / 16);
}

fn recorded(kind: FsKind, states: usize) {
    let files = Files::new(LEN);
    for (round, judge) in (0..).zip(JUDGES) {
        let log = match BlockLog::create(kind, SIZE) {
            Ok(log) => log,
            Err(reason) => return piton_testkit::skip(reason),
        };
        let case = case(judge, round);
        // Where the states are mounted too.
        let folder = log.path();
        let urls = Urls::into(folder, case, &files, RATE);
        log.record(|| 0).unwrap();
        let ended = urls.run(Ask::all(3));
        let mut recording = log.finish().unwrap();
        assert!(judge == Judge::Nothing || ended.0 == 0, "{ended:?}");
        let states = recording.states(seed(), states);
        let mut turn = 0;
        let findings = recording.check(&states, |_, _| {
            urls.check_between(true)?;
            urls.forget_ledger();
            turn += 1;
            if turn % GONE_ON_FROM == 0 { goes_on(&urls, turn as u64) } else { Ok(()) }
        });
        let findings = findings.unwrap();
        assert!(findings.is_empty(), "{case:?} PITON_TEST_SEED={}: {findings:#?}", seed());
    }
}

/// Another run after the cut, with what judges or with one URL and nothing; what it says is right. Then, with
/// servers that have it all, the same command to the end.
fn goes_on(urls: &Urls<'_>, round: u64) -> Result<(), String> {
    let ask = match draw(round | 2 << 32, 3) {
        0 => Ask::only(draw(round | 3 << 32, 2) as usize, 2),
        _ => Ask::all(1 + round % 3),
    };
    let (code, said) = urls.run(ask);
    urls.check_ended(ask, code, &said).map_err(|problem| format!("{ask:?}: {problem}"))?;
    if code == 0 {
        return Ok(());
    }
    urls.check_between(ask.only.is_none())?;
    urls.heal();
    let (code, said) = urls.run(Ask::all(2));
    match code {
        0 => urls.check_done(Ask::all(2)),
        _ => Err(format!("at the end: {code}, {said}")),
    }
}
