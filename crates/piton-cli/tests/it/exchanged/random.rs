//! Part, journal and final name removed, exchanged, restored and taken, while a download runs and between its
//! runs, in any order: no exit 0 over wrong bytes, and no file of a stranger removed or replaced (G1, G3, G5).

use std::thread::{self, sleep};
use std::time::Duration;

use piton_testkit::seed::{draw, seed};
use piton_testkit::server::MIB;

use super::deeds::{Deed, Meddler, ONLY_BETWEEN, Pair, WHILE_IT_RUNS};
use crate::urls::{Ask, Case, Differs, Files, Judge, Urls, end_within};

const LEN: u64 = 6 * MIB + 777;
const RATE: u64 = 4 * MIB;
/// Downloads of each kind, and runs of each.
const DOWNLOADS: u64 = 24;
const RUNS: u64 = 5;
/// They mostly wait for the server.
const THREADS: u64 = 4;
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Later than the journal by more than a clock is coarse.
const LATER: Duration = Duration::from_millis(60);

#[test]
fn one_url() {
    meddle(Judge::Nothing, 1);
}

#[test]
fn one_url_and_a_digest() {
    meddle(Judge::Digest, 1);
}

/// The first URL ends in the middle.
#[test]
fn two_urls() {
    meddle(Judge::Nothing, 2);
}

#[test]
fn two_urls_and_a_digest() {
    meddle(Judge::Digest, 2);
}

fn meddle(judge: Judge, urls: usize) {
    let files = Files::new(LEN);
    let foreign = another_download(&files);
    let problems: Vec<String> = thread::scope(|scope| {
        let some = |first: u64| {
            let (files, foreign) = (&files, &foreign);
            scope.spawn(move || {
                let turns = (first..DOWNLOADS).step_by(THREADS as usize);
                let problem = |turn| download(judge, urls, files, foreign, turn).err();
                turns.filter_map(problem).collect::<Vec<_>>()
            })
        };
        let running: Vec<_> = (0..THREADS).map(some).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(problems.is_empty(), "PITON_TEST_SEED={}: {problems:#?}", seed());
}

/// Part and journal of another file under this name, half-way.
fn another_download(files: &Files) -> Pair {
    let differs = Differs::FromTheStart;
    let case = Case { judge: Judge::Nothing, urls: 3, odd: 2, differs, ends_at: None };
    let urls = Urls::new(case, files, RATE);
    for wait in 1.. {
        end_within(urls.start(Ask::only(2, 1)), Duration::from_millis(200 * wait));
        if let Some(pair) = Pair::of(urls.folder()) {
            return pair;
        }
    }
    unreachable!("it has a part at some time")
}

fn download(
    judge: Judge,
    number: usize,
    files: &Files,
    foreign: &Pair,
    turn: u64,
) -> Result<(), String> {
    let kind = (judge as u64) << 56 | (number as u64) << 48;
    let pick = |salt: u64, bound: u64| draw(turn | (salt << 16) | kind, bound);
    let differs = match judge {
        Judge::Nothing => [Differs::FromTheStart, Differs::InTheMiddle, Differs::FromHalfWay],
        _ => [Differs::InTheMiddle, Differs::FromHalfWay, Differs::Hardly],
    };
    let case = Case {
        judge,
        urls: number,
        // Of one, none.
        odd: if number == 1 { 1 } else { pick(1, 2) as usize },
        differs: differs[pick(2, 3) as usize],
        ends_at: (judge == Judge::Nothing && number > 1).then(|| LEN / 4 + pick(3, LEN / 2)),
    };
    let urls = Urls::new(case, files, RATE);
    let folder = urls.folder().to_owned();
    let mut meddler = Meddler::new(&folder, foreign);
    let mut story: Vec<String> = Vec::new();
    for run in 1..=RUNS {
        let pick = |salt: u64, bound: u64| pick(run * 32 + salt, bound);
        let done = one_run(&urls, &mut meddler, &mut story, pick)
            .map_err(|problem| format!("{turn}, {case:?}, {story:#?}: {problem}"))?;
        if done {
            return Ok(());
        }
    }
    urls.heal();
    let (code, said) = urls.run(Ask::all(2));
    match code {
        0 => urls.check_done(Ask::all(2)),
        _ => Err(format!("the last run: {code}, {said}")),
    }
    .map_err(|problem| format!("{turn}, {case:?}, {story:#?}: {problem}"))
}

/// A deed, a run, another deed under it, and perhaps a second process. Whether the file is there.
fn one_run(
    urls: &Urls<'_>,
    meddler: &mut Meddler<'_>,
    story: &mut Vec<String>,
    pick: impl Fn(u64, u64) -> u64,
) -> Result<bool, String> {
    if pick(0, 3) == 0 {
        meddler.backup = Pair::of(urls.folder());
    }
    if pick(1, 2) == 0 {
        sleep(LATER);
        let all: Vec<Deed> = WHILE_IT_RUNS.into_iter().chain(ONLY_BETWEEN).collect();
        let deed = all[pick(2, all.len() as u64) as usize];
        story.push(format!("{deed:?}"));
        meddler.does(deed);
        sleep(LATER);
    }
    let connections = 1 + pick(3, 4);
    let ask = match pick(4, 6) {
        0 => Ask::only(pick(5, urls.case.urls as u64) as usize, connections),
        _ => Ask::all(connections),
    };
    let judged = ask.only.is_none();
    let child = urls.start(ask);
    sleep(Duration::from_millis(60 + pick(6, 900)));
    let (mut second, under) = (None, pick(7, 3) > 0);
    if under {
        let deed = WHILE_IT_RUNS[pick(8, WHILE_IT_RUNS.len() as u64) as usize];
        story.push(format!("{ask:?}, under it {deed:?}"));
        meddler.does(deed);
        second = (pick(9, 3) == 0).then(|| urls.start(ask));
    }
    let limit = match pick(10, 3) {
        0 => Duration::from_millis(pick(11, 600)),
        _ => PATIENCE,
    };
    let first = end_within(child, limit);
    let taken = first.is_some() || limit < PATIENCE;
    story.push(format!("{ask:?} for {limit:?}, second: {}: {first:?}", second.is_some()));
    let second = second.map(|second| end_within(second, PATIENCE));
    story.extend(second.as_ref().map(|second| format!("the second: {second:?}")));
    if !taken || matches!(second, Some(None)) {
        return Err("it stands still".to_owned());
    }
    meddler.check()?;
    let ends: Vec<(i32, String)> = first.into_iter().chain(second.flatten()).collect();
    meddler.goes();
    for (code, said) in &ends {
        match code {
            // What somebody put there in the last moment stays, and is not looked for.
            0 if under => urls.check_final(judged)?,
            code => urls.check_ended(ask, *code, said)?,
        }
    }
    match ends.iter().any(|(code, _)| *code == 0) {
        true => Ok(true),
        false => urls.check_between(false).map(|()| urls.file().exists()),
    }
}
