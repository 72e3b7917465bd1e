//! Killed at any moments, several times in a row, downloads from several URLs of which one differs; each run
//! has other numbers of connections, all of the URLs or one, and the digests or nothing (G1, G4).

use std::thread;
use std::time::Duration;

use piton_testkit::seed::{draw, seed};
use piton_testkit::server::MIB;

use crate::urls::{Ask, Case, Differs, Files, Judge, Urls, end_within};

const LEN: u64 = 8 * MIB + 777;
const RATE: u64 = 4 * MIB;
/// Downloads of each kind, and most kills of each.
const DOWNLOADS: u64 = 12;
const KILLS: u64 = 6;
/// They mostly wait for the server.
const THREADS: u64 = 4;

#[test]
fn with_a_digest_of_the_whole() {
    kill_many(Judge::Digest);
}

#[test]
fn with_digests_of_pieces() {
    kill_many(Judge::Pieces);
}

#[test]
fn with_both() {
    kill_many(Judge::Both);
}

/// The first URL ends in the middle.
#[test]
fn with_nothing_that_judges() {
    kill_many(Judge::Nothing);
}

fn kill_many(judge: Judge) {
    let files = Files::new(LEN);
    let problems: Vec<String> = thread::scope(|scope| {
        let some = |first: u64| {
            let files = &files;
            scope.spawn(move || {
                let turns = (first..DOWNLOADS).step_by(THREADS as usize);
                turns.filter_map(|turn| download(judge, files, turn).err()).collect::<Vec<_>>()
            })
        };
        let running: Vec<_> = (0..THREADS).map(some).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(problems.is_empty(), "PITON_TEST_SEED={}: {problems:#?}", seed());
}

fn download(judge: Judge, files: &Files, turn: u64) -> Result<(), String> {
    let pick = |salt: u64, bound: u64| draw(turn | (salt << 16) | ((judge as u64) << 48), bound);
    let urls = 2 + pick(1, 2) as usize;
    let differs = match judge {
        Judge::Nothing => [Differs::FromTheStart, Differs::InTheMiddle, Differs::FromHalfWay],
        _ => [Differs::InTheMiddle, Differs::FromHalfWay, Differs::Hardly],
    };
    let case = Case {
        judge,
        urls,
        odd: pick(2, urls as u64) as usize,
        differs: differs[pick(3, 3) as usize],
        ends_at: (judge == Judge::Nothing).then(|| LEN / 4 + pick(4, LEN / 2)),
    };
    let urls = Urls::new(case, files, RATE);
    let mut story = Vec::new();
    let mut judged = true;
    for kill in 0..KILLS {
        let pick = |salt: u64, bound: u64| pick((kill + 1) * 32 + salt, bound);
        let connections = 1 + pick(1, 5);
        let ask = match pick(2, 5) {
            0 => Ask::only(pick(3, urls.case.urls as u64) as usize, connections),
            _ => Ask::all(connections),
        };
        judged &= ask.only.is_none();
        let limit = Duration::from_millis(80 + pick(4, 500));
        let ended = end_within(urls.start(ask), limit);
        story.push(format!("{ask:?} for {limit:?}: {ended:?}"));
        let checked = match &ended {
            Some((code, said)) => urls.check_ended(ask, *code, said),
            None => urls.check_between(judged),
        };
        checked.map_err(|problem| format!("{turn}, {case:?}, {story:#?}: {problem}"))?;
        if matches!(ended, Some((0, _))) {
            return Ok(());
        }
    }
    urls.heal();
    let (code, said) = urls.run(Ask::all(3));
    match code {
        0 => urls.check_ended(Ask::all(3), 0, &said),
        _ => Err(format!("the last run: {code}, {said}")),
    }
    .map_err(|problem| format!("{turn}, {case:?}, {story:#?}: {problem}"))
}
