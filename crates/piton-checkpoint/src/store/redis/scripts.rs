//! What the server executes, each as a whole. Each script looks first whether the job is still as this run left it,
//! and does no more if it is executed twice: its answer may have been lost.

use redis::{Cmd, cmd};

use super::link::Link;
use super::place::RedisPlace;
use crate::store::StoreError;
use crate::store::head::Head;

/// The version of the fields below.
const FORMAT: u16 = 1;
/// So many commits are read at once: at most 32 MiB.
const BATCH: u64 = 32;
/// How often a job is read that other runs change at the same time.
const TRIES: u32 = 8;

/// Whether there is anything, and the fields of a job.
const HEAD: &str = "
local h = redis.call('HMGET', KEYS[1], 'v', 'epoch', 'run', 'first', 'last', 'durable')
local found = {tostring(redis.call('EXISTS', KEYS[1]))}
for i = 1, 6 do found[i + 1] = h[i] or '' end
return found";

/// `epoch run first last durable` as they were, `epoch run` of this run. Without a job the first five are empty.
const TAKE: &str = "
local h = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'first', 'last', 'durable')
if h[1] == ARGV[6] and h[2] == ARGV[7] then return {'ok'} end
for i = 1, 5 do
  if (h[i] or '') ~= ARGV[i] then return {'changed'} end
end
if ARGV[1] == '' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return {'changed'} end
  redis.call('HSET', KEYS[1], 'v', '1', 'epoch', ARGV[6], 'run', ARGV[7], 'first', '1', 'last', '0', 'durable', '0')
else
  redis.call('HSET', KEYS[1], 'epoch', ARGV[6], 'run', ARGV[7])
end
return {'ok'}";

/// `epoch run` of this run come first in those that follow.
const MINE: &str = "
local h = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'first', 'last', 'durable')
if not h[1] then return {'gone'} end
if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] then return {'fenced', h[1]} end";

/// `last` as it was, `last` as it is then, the commit.
const COMMIT: &str = "
if h[4] == ARGV[4] and redis.call('HGET', KEYS[1], 'c' .. ARGV[4]) == ARGV[5] then return {'ok'} end
if h[4] ~= ARGV[3] then return {'older', h[4]} end
redis.call('HSET', KEYS[1], 'last', ARGV[4], 'c' .. ARGV[4], ARGV[5])
return {'ok'}";

/// `last` as this run knows it, the commit that is durable.
const SETTLE: &str = "
local first, last, through = tonumber(h[3]), tonumber(h[4]), tonumber(ARGV[4])
if last < tonumber(ARGV[3]) or first > through then return {'older', h[4]} end
if first == through and h[5] == '1' then return {'ok'} end
redis.call('HSET', KEYS[1], 'first', ARGV[4], 'durable', '1')
for n = first, through - 1 do redis.call('HDEL', KEYS[1], 'c' .. string.format('%.0f', n)) end
return {'ok'}";

const REMOVE: &str = "
redis.call('DEL', KEYS[1])
return {'ok'}";

/// The commits of a job, oldest first.
type Commits = Vec<Vec<u8>>;

/// What the server has of the job; `None`: nothing.
pub(super) fn read(
    link: &mut Link,
    place: &RedisPlace,
) -> Result<Option<(Head, Commits)>, StoreError> {
    let mut head = read_head(link, place)?;
    for _ in 0..TRIES {
        let Some(found) = head else { return Ok(None) };
        if let Some(commits) = read_commits(link, place, found)? {
            return Ok(Some((found, commits)));
        }
        // Another run may have let go of a commit since the head was read.
        head = read_head(link, place)?;
        if head == Some(found) {
            return Err(StoreError::damage_within(&place.to_string(), "a commit is missing"));
        }
    }
    let why = "another run keeps changing it".to_owned();
    Err(StoreError::Unreachable { place: place.to_string(), why })
}

fn read_head(link: &mut Link, place: &RedisPlace) -> Result<Option<Head>, StoreError> {
    let values: Vec<String> = link.call(&eval(place, HEAD.to_owned()))?;
    let damage = |why: &str| StoreError::damage_within(&place.to_string(), why);
    let [exists, version, epoch, run, first, last, durable] = values.as_slice() else {
        return Err(damage("the server did not answer as Redis does"));
    };
    if version.is_empty() {
        let foreign = StoreError::Foreign { place: place.to_string() };
        return if exists == "0" { Ok(None) } else { Err(foreign) };
    }
    match version.parse::<u16>() {
        Ok(FORMAT) => {}
        Ok(found @ FORMAT..) => {
            return Err(StoreError::Newer { place: place.to_string(), found });
        }
        _ => return Err(damage("it has no such format")),
    }
    let number = |text: &str, radix| {
        u64::from_str_radix(text, radix).map_err(|_| damage("a number is missing"))
    };
    let head = Head {
        epoch: number(epoch, 10)?,
        run: number(run, 16)?,
        first: number(first, 10)?,
        last: number(last, 10)?,
        durable: durable == "1",
    };
    match head.flaw() {
        Some(flaw) => Err(damage(flaw)),
        None => Ok(Some(head)),
    }
}

/// `None`: one is missing.
fn read_commits(
    link: &mut Link,
    place: &RedisPlace,
    head: Head,
) -> Result<Option<Commits>, StoreError> {
    let mut commits = Vec::new();
    for from in (head.first..=head.last).step_by(BATCH as usize) {
        let mut command = cmd("HMGET");
        command.arg(place.key());
        let to = head.last.min(from.saturating_add(BATCH - 1));
        (from..=to).for_each(|number| {
            command.arg(format!("c{number}"));
        });
        let batch: Vec<Option<Vec<u8>>> = link.call(&command)?;
        commits.extend(batch.into_iter().map_while(|commit| commit));
    }
    Ok((commits.len() as u64 == head.kept()).then_some(commits))
}

/// Takes the job for a new run; `false`: it has changed meanwhile.
pub(super) fn take(
    link: &mut Link,
    place: &RedisPlace,
    found: Option<Head>,
    head: Head,
) -> Result<bool, StoreError> {
    let mut script = eval(place, TAKE.to_owned());
    match found {
        Some(Head { epoch, run, first, last, durable }) => {
            script.arg(epoch).arg(hex(run)).arg(first).arg(last).arg(u8::from(durable));
        }
        None => {
            script.arg(&["", "", "", "", ""]);
        }
    }
    script.arg(head.epoch).arg(hex(head.run));
    let answer: Vec<String> = link.call(&script)?;
    Ok(answer.first().is_some_and(|word| word == "ok"))
}

/// Adds the last commit of `new`, which follows `old`.
pub(super) fn commit(
    link: &mut Link,
    place: &RedisPlace,
    (old, new): (Head, Head),
    state: &[u8],
) -> Result<(), StoreError> {
    let mut script = mine(place, COMMIT, new);
    script.arg(old.last).arg(new.last).arg(state);
    call(link, place, &script)
}

/// The first commit of `new` is durable, and those before it are not needed any more.
pub(super) fn settle(
    link: &mut Link,
    place: &RedisPlace,
    (old, new): (Head, Head),
) -> Result<(), StoreError> {
    let mut script = mine(place, SETTLE, new);
    script.arg(old.last).arg(new.first);
    call(link, place, &script)
}

/// Removes the job.
pub(super) fn remove(link: &mut Link, place: &RedisPlace, head: Head) -> Result<(), StoreError> {
    match call(link, place, &mine(place, REMOVE, head)) {
        // Twice, perhaps.
        Err(StoreError::Lost { .. }) => Ok(()),
        result => result,
    }
}

fn mine(place: &RedisPlace, script: &str, head: Head) -> Cmd {
    let mut command = eval(place, format!("{MINE}{script}"));
    command.arg(head.epoch).arg(hex(head.run));
    command
}

/// The text each time, not its hash: a server that was restarted does not know the hash.
fn eval(place: &RedisPlace, script: String) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(script).arg(1).arg(place.key());
    command
}

fn hex(number: u64) -> String {
    format!("{number:016x}")
}

fn call(link: &mut Link, place: &RedisPlace, script: &Cmd) -> Result<(), StoreError> {
    let answer: Vec<String> = link.call(script)?;
    let mut words = answer.iter().map(String::as_str);
    let (word, number) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let place = place.to_string();
    let lost = |why: String| Err(StoreError::Lost { place: place.clone(), why });
    match word {
        "ok" => Ok(()),
        "gone" => lost("the server has nothing of it".to_owned()),
        "older" => lost(format!("its last commit is number {number}")),
        _ => Err(StoreError::Fenced { place }),
    }
}
