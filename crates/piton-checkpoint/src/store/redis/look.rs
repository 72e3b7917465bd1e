//! What the server may lose: what it says of itself, and what follows from that.

use std::collections::HashMap;

use redis::cmd;

use super::link::{Link, WAIT};
use crate::store::{StoreError, Survival, Survives};

/// How a sync becomes durable on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncBy {
    /// By nothing more: it is as durable as the server makes each answer.
    Answer,
    /// By waiting for the log to be synced.
    WaitAof,
}

/// What the server says. `None`: it does not, as many hosted ones.
#[derive(Debug, Default)]
struct Settings {
    appendonly: Option<bool>,
    appendfsync: Option<String>,
    /// Syncs pause while the log or a snapshot is rewritten.
    pauses: bool,
    snapshots: Option<bool>,
    evicts: Option<String>,
    waits_for_log: bool,
    failing: bool,
}

/// Asks the server.
pub(super) fn look(link: &mut Link) -> Result<(Survives, SyncBy), StoreError> {
    let mut config = |name: &str| -> Result<Option<String>, StoreError> {
        let answer: Option<HashMap<String, String>> =
            link.try_call(cmd("CONFIG").arg("GET").arg(name))?;
        Ok(answer.and_then(|mut answer| answer.remove(name)))
    };
    let mut settings = Settings {
        appendonly: config("appendonly")?.map(|value| value == "yes"),
        appendfsync: config("appendfsync")?,
        pauses: config("no-appendfsync-on-rewrite")?.is_some_and(|value| value == "yes"),
        snapshots: config("save")?.map(|value| !value.is_empty()),
        ..Settings::default()
    };
    let limited = config("maxmemory")?.is_none_or(|value| value != "0");
    let policy = config("maxmemory-policy")?;
    // The key has no time to live, so the other policies leave it alone.
    settings.evicts = policy.filter(|policy| limited && policy.starts_with("allkeys"));
    let info: Option<String> = link.try_call(cmd("INFO").arg("persistence"))?;
    let info = info.unwrap_or_default();
    let said = |line: &str| info.lines().any(|it| it.trim_end() == line);
    if settings.appendonly.is_none() && said("aof_enabled:1") {
        settings.appendonly = Some(true);
    }
    if settings.appendonly.is_none() && said("aof_enabled:0") {
        settings.appendonly = Some(false);
    }
    settings.failing = said("aof_last_write_status:err") || said("rdb_last_bgsave_status:err");
    settings.waits_for_log = wait(link)?.unwrap_or(false);
    Ok(judge(&settings))
}

/// Waits until all that this connection has written is durable; `None`: the server cannot (it is older than 7.2, or has
/// no log), `false`: not within the time.
pub(super) fn wait(link: &mut Link) -> Result<Option<bool>, StoreError> {
    let limit = u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX);
    let synced: Option<Vec<i64>> = link.try_call(cmd("WAITAOF").arg(1).arg(0).arg(limit))?;
    Ok(synced.map(|synced| synced.first().is_some_and(|servers| *servers >= 1)))
}

fn judge(settings: &Settings) -> (Survives, SyncBy) {
    let by = if settings.waits_for_log { SyncBy::WaitAof } else { SyncBy::Answer };
    let has_log = settings.appendonly == Some(true) || settings.waits_for_log;
    let fsync = settings.appendfsync.as_deref();
    let commit = match (has_log, settings.appendonly, settings.snapshots) {
        (true, ..) if fsync == Some("always") && !settings.pauses => Survival::PowerCut,
        (true, ..) => Survival::AllButSeconds,
        (false, Some(false), Some(true)) => Survival::UntilSnapshot,
        (false, Some(false), Some(false)) => Survival::WhileServerLives,
        _ => Survival::Unknown,
    };
    let sync = if settings.waits_for_log { Survival::PowerCut } else { commit };
    let mut survives = Survives::of(commit, sync);
    let mut risk = |text: String| survives.risks.push(text);
    if has_log && fsync == Some("no") {
        risk("the server leaves it to its system when its log is synced (appendfsync no)".into());
    }
    if has_log && settings.pauses {
        risk("its log is not synced while it is rewritten (no-appendfsync-on-rewrite yes)".into());
    }
    if let Some(policy) = &settings.evicts {
        risk(format!("it may be evicted when memory is short (maxmemory-policy {policy})"));
    }
    if settings.failing {
        risk("the last attempt of the server to write to its disk failed".into());
    }
    (survives, by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_log(fsync: &str) -> Settings {
        Settings {
            appendonly: Some(true),
            appendfsync: Some(fsync.to_owned()),
            snapshots: Some(true),
            ..Settings::default()
        }
    }

    #[test]
    fn each_setting_says_what_may_be_lost() {
        use Survival::*;
        let judged = |settings: Settings| {
            let (survives, by) = judge(&settings);
            (survives.commit, survives.sync, by)
        };
        let off =
            |snapshots| Settings { appendonly: Some(false), snapshots, ..Settings::default() };
        let waits = |settings| Settings { waits_for_log: true, ..settings };
        for (settings, wanted) in [
            (with_log("always"), (PowerCut, PowerCut, SyncBy::Answer)),
            (with_log("everysec"), (AllButSeconds, AllButSeconds, SyncBy::Answer)),
            (waits(with_log("everysec")), (AllButSeconds, PowerCut, SyncBy::WaitAof)),
            (
                Settings { pauses: true, ..with_log("always") },
                (AllButSeconds, AllButSeconds, SyncBy::Answer),
            ),
            (with_log("no"), (AllButSeconds, AllButSeconds, SyncBy::Answer)),
            (off(Some(true)), (UntilSnapshot, UntilSnapshot, SyncBy::Answer)),
            (off(Some(false)), (WhileServerLives, WhileServerLives, SyncBy::Answer)),
            (off(None), (Unknown, Unknown, SyncBy::Answer)),
            (Settings::default(), (Unknown, Unknown, SyncBy::Answer)),
            (waits(Settings::default()), (AllButSeconds, PowerCut, SyncBy::WaitAof)),
        ] {
            let what = format!("{settings:?}");
            assert_eq!(judged(settings), wanted, "{what}");
        }
    }
}
