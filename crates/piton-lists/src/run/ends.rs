//! What the end of a try means, and what is recorded about it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use piton_checkpoint::ledger::{ErrorClass, InFlight, Outcome, State};
use piton_fetch::redact;

use super::attempt::{Tried, Trouble};
use super::conductor::{Conductor, now_ms};
use super::job::{Failed, Job, Nameless};
use super::monitor::{End, Event};
use super::verdict::{self, Verdict};
use super::{DoneFile, Early};
use crate::flow::{Heard, Moment, Refusals};

/// Progress of this many bytes resets the count of failed tries.
const PROGRESS: u64 = 1 << 20;
/// The class of items whose host was given up before their turn, and the message for them.
const HOST: (&str, &str) = ("host", "not tried: its host was given up");

/// A finished try, without its item.
struct Try {
    host: Arc<str>,
    took: Duration,
    flight: Option<Arc<InFlight>>,
}

/// How often an item that was refused while others ran is requested again.
const MOST_SUSPICIONS: u32 = 16;

impl Conductor<'_> {
    /// A try has ended.
    pub(super) fn tried(&mut self, tried: Tried) {
        let Tried { mut job, host, begun, number, monitor, flight, result, disk_is_full } = tried;
        let progress = monitor.progress();
        self.monitor.leave(number, progress.fetched);
        self.rates.leave(&host);
        job.fetched = job.fetched.saturating_add(progress.fetched);
        let took = self.epoch.elapsed().saturating_sub(begun);
        let refused = matches!(
            &result,
            Err(Trouble::Download(failure)) if verdict::may_be_crowding(failure)
        );
        let crowded =
            refused && job.suspicions < MOST_SUSPICIONS && self.queue.may_be_crowded(&host);
        if job.suspicions > 0 && !crowded && (refused || result.is_ok()) {
            let meant = if refused { Refusals::OfItems } else { Refusals::OfNumbers };
            self.queue.refuses(&host, meant, self.epoch.elapsed());
        }
        job.suspicions = if crowded { job.suspicions + 1 } else { 0 };
        let heard = match &result {
            Ok(_) => Heard::Served,
            Err(_) if crowded => Heard::Crowded,
            Err(Trouble::Download(failure)) => verdict::heard(failure, progress.fetched),
            Err(Trouble::Folder(_)) => Heard::Nothing,
        };
        if self.slots.give_back(number).is_some() {
            let why = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
            self.heard(&host, begun, heard, &why);
        }
        let this = Try { host, took, flight };
        match result {
            Ok(outcome) => self.done(job, this, &outcome),
            Err(trouble) => {
                if progress.have >= job.have.saturating_add(PROGRESS) {
                    job.in_vain = 0;
                }
                job.have = job.have.max(progress.have);
                match disk_is_full {
                    true => {
                        self.stopped(&job);
                        self.fail(trouble.into());
                    }
                    false => self.failed(job, this, &trouble),
                }
            }
        }
    }

    /// Tells the queue what is now known about a host; `why` it failed, if it did.
    fn heard(&mut self, host: &Arc<str>, begun: Moment, heard: Heard, why: &str) {
        let random = match heard {
            Heard::Away | Heard::Busy(_) => getrandom::u64().unwrap_or(u64::MAX),
            Heard::Served | Heard::Nothing | Heard::Crowded => 0,
        };
        let left = self.queue.ended(host, begun, heard, self.epoch.elapsed(), random);
        if heard.is_failure() {
            let pause = heard.asked();
            self.monitor.tell(&Event::HeldBack { host, pause });
        }
        if !left.is_empty() {
            self.monitor.tell(&Event::GivenUp { host, why, items: left.len() });
        }
        for job in left {
            match job.failed {
                Some(_) => self.without_host(job),
                None => self.place(job),
            }
        }
    }

    fn done(&mut self, mut job: Job, this: Try, outcome: &piton_fetch::Outcome) {
        job.tries = job.tries.saturating_add(1);
        let end = End::Done(outcome);
        self.monitor.tell(&Event::Ended { item: &job.item, path: Some(&outcome.path), end });
        if job.check && outcome.already_complete {
            return self.monitor.count(|summary| summary.done_before += 1);
        }
        self.monitor.count(|summary| {
            summary.done += 1;
            summary.found += u64::from(outcome.already_complete);
        });
        let written = Outcome {
            size: Some(outcome.size),
            digest: outcome.verified.first().map(|digest| format!("{digest:?}")),
            class: None,
            detail: None,
            ..outcome_of(&job, State::Done, &this)
        };
        let then = self.options.recorded.clone().map(|recorded| {
            let first = job.item.urls.first();
            let file = DoneFile {
                path: outcome.path.clone(),
                url: first.map(|first| redact::url(&first.url)).unwrap_or_default(),
                size: outcome.size,
                verified: outcome.verified.clone(),
            };
            Box::new(move || recorded(file)) as Box<dyn FnOnce() + Send>
        });
        self.accounts.record(written, this.flight, then);
    }

    fn failed(&mut self, mut job: Job, this: Try, trouble: &Trouble) {
        let (verdict, class) = (trouble.verdict(), trouble.class());
        if verdict == Verdict::Stopped {
            return self.stopped(&job);
        }
        if job.suspicions > 0 {
            // The host's doing, as far as is known, and not charged to the item.
            job.failed = Some(Failed { class, why: trouble.to_string() });
            return match self.ending {
                true => self.give_up(&job, State::Transient, this),
                false => self.again(job, &this.host),
            };
        }
        job.failed = Some(Failed { class, why: trouble.to_string() });
        job.tries = job.tries.saturating_add(1);
        job.in_vain = job.in_vain.saturating_add(1);
        let again = verdict != Verdict::Fatal && job.in_vain <= self.options.retries;
        if again && !self.ending {
            return self.again(job, &this.host);
        }
        self.give_up(&job, verdict.state(), this);
    }

    /// Schedules a retry of a failed item.
    fn again(&mut self, job: Job, host: &Arc<str>) {
        if let Some(failed) = &job.failed {
            let event = Event::Again { item: &job.item, why: &failed.why, tries: job.tries };
            self.monitor.tell(&event);
        }
        let now = self.epoch.elapsed();
        let random = getrandom::u64().unwrap_or(u64::MAX);
        let at = now.saturating_add(self.options.backoff.pause(job.in_vain, random));
        let weight = job.weight();
        if let Err(job) = self.queue.push_again(host, job, weight, at, now) {
            self.without_host(job);
        }
    }

    /// An item failed, and is not retried in this run.
    fn give_up(&mut self, job: &Job, state: State, this: Try) {
        let path = self.path_of(job);
        let (class, why) = words(job);
        if job.check {
            let end = End::Unchecked { why };
            self.monitor.tell(&Event::Ended { item: &job.item, path: Some(&path), end });
            return self.monitor.count(|summary| {
                summary.done_before += 1;
                summary.unchecked += 1;
            });
        }
        let (fatal, with_host) = (state == State::Fatal, job.tries == 0);
        let end = End::Failed { fatal, class, why, with_host };
        self.monitor.tell(&Event::Ended { item: &job.item, path: Some(&path), end });
        let outcome = outcome_of(job, state, &this);
        self.accounts.record(outcome, this.flight, None);
        self.count_failure(state);
    }

    /// An item that cannot have a name.
    pub(super) fn nameless(&mut self, nameless: Nameless) {
        let Nameless { item, key, attempts, error } = nameless;
        let (class, why): (Option<ErrorClass>, _) = ("name".parse().ok(), error.to_string());
        let class_of = class.as_ref();
        let end = End::Failed { fatal: true, class: class_of, why: &why, with_host: false };
        self.monitor.tell(&Event::Ended { item: &item, path: None, end });
        let outcome = Outcome {
            key,
            state: State::Fatal,
            attempts: attempts.saturating_add(1),
            at: now_ms(),
            size: None,
            bytes: 0,
            took: 0,
            digest: None,
            class,
            detail: Some(why),
            path: None,
            host: None,
        };
        self.accounts.record(outcome, None, None);
        self.count_failure(State::Fatal);
    }

    fn count_failure(&mut self, state: State) {
        let (failed, items) = {
            let mut shared = self.monitor.shared();
            let summary = &mut shared.summary;
            match state {
                State::Fatal => summary.fatal += 1,
                _ => summary.transient += 1,
            }
            summary.failed_now += 1;
            (summary.failed_now, shared.items.unwrap_or(0))
        };
        if self.options.max_failures.is_some_and(|most| most.is_exceeded(failed, items)) {
            self.end(Some(Early::Failures));
        }
    }

    fn stopped(&mut self, job: &Job) {
        let path = self.path_of(job);
        let end = End::Stopped;
        self.monitor.tell(&Event::Ended { item: &job.item, path: Some(&path), end });
        self.monitor.count(|summary| match job.check {
            true => summary.done_before += 1,
            false => summary.interrupted += 1,
        });
    }

    /// A waiting item fails with its host: nothing more is requested from that host in this run.
    pub(super) fn without_host(&mut self, mut job: Job) {
        let (class, why) = HOST;
        job.failed.get_or_insert_with(|| Failed { class: class.parse().ok(), why: why.to_owned() });
        self.leave_out(job);
    }

    /// A waiting item is not tried any more in this run.
    pub(super) fn leave_out(&mut self, job: Job) {
        if job.check {
            return self.monitor.count(|summary| {
                summary.done_before += 1;
                summary.unchecked += 1;
            });
        }
        if job.failed.is_some() {
            let host = Arc::from(job.host(0).unwrap_or_default());
            let this = Try { host, took: Duration::ZERO, flight: None };
            return self.give_up(&job, State::Transient, this);
        }
        self.monitor.count(|summary| summary.remaining += 1);
    }

    fn path_of(&self, job: &Job) -> PathBuf {
        self.folder.join(&job.target)
    }
}

/// Its last failure.
fn words(job: &Job) -> (Option<&ErrorClass>, &str) {
    match &job.failed {
        Some(failed) => (failed.class.as_ref(), &failed.why),
        None => (None, ""),
    }
}

/// The ledger entry of an item that ended.
fn outcome_of(job: &Job, state: State, this: &Try) -> Outcome {
    let (class, why) = words(job);
    Outcome {
        key: job.key,
        state,
        attempts: job.attempts.saturating_add(job.tries),
        at: now_ms(),
        size: None,
        bytes: job.fetched,
        took: u64::try_from(this.took.as_millis()).unwrap_or(u64::MAX),
        digest: None,
        class: class.cloned(),
        detail: Some(why.to_owned()),
        path: job.renamed.then(|| job.target.as_str().to_owned()),
        host: Some(this.host.as_ref().to_owned()),
    }
}
