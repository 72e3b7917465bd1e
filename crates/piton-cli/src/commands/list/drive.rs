//! A run of a list under way: its screen, its signals, its commands, and how it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use piton::checkpoint::ledger::Ledger;
use piton::fetch::{Client, Stop};
use piton::lists::run::{End, Event, Monitor, Observer, Options, Run, Summary};
use piton::lists::source::Source;
use tokio::time::interval;

use super::bring::bring;
use super::on_done::{OnDone, Tally, Words};
use super::place::Place;
use crate::commands::batch::{tick, ticker};
use crate::exit::Exit;
use crate::out;
use crate::screen::human;
use crate::screen::list::{Ended, Frame, ListScreen, Shared};
use crate::signals::Signals;
use crate::trouble::Trouble;

/// How often slow commands are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// All that a run takes.
pub(super) struct Drive<'a> {
    pub(super) place: &'a Place,
    pub(super) client: Client,
    pub(super) ledger: Ledger,
    pub(super) source: Source,
    pub(super) options: Options,
    pub(super) on_done: Option<Words>,
    pub(super) screen: Box<dyn ListScreen>,
    /// Whether the list is to be brought anew from where it comes from.
    pub(super) bring: bool,
    /// What is to be told before anything else.
    pub(super) notes: Vec<String>,
    /// Whether only items that failed before are tried, so that the exit code speaks of these.
    pub(super) retry: bool,
}

impl Drive<'_> {
    /// Goes through the list and tells how that ended.
    pub(super) async fn go(self) -> Result<Exit, Trouble> {
        let mut signals = Signals::install().map_err(|error| unexpected(&error))?;
        let screen = Shared::new(self.screen);
        for note in &self.notes {
            screen.lock().note(&format!("piton: {note}"));
        }
        let stop = Stop::new();
        let mut signalled = None;
        if self.bring {
            let brought = bring(self.place, &self.client, &stop);
            tokio::pin!(brought);
            let brought = loop {
                tokio::select! {
                    brought = &mut brought => break brought,
                    exit = signals.first() => {
                        signalled = Some(exit);
                        stop.stop();
                    }
                }
            };
            brought.map_err(|trouble| Trouble {
                exit: signalled.unwrap_or(trouble.exit),
                ..trouble
            })?;
        }
        let mut options = self.options;
        let on_done = match self.on_done {
            Some(words) => {
                let on_done = OnDone::start(words, screen.clone());
                Some(on_done.map_err(|error| unexpected(&error))?)
            }
            None => None,
        };
        if let Some(on_done) = &on_done {
            let take = on_done.taker();
            options.recorded = Some(Arc::new(move |done| take(done.into())));
        }
        let observer = Arc::new(Watch { screen: screen.clone(), classes: Mutex::default() });
        let monitor = Monitor::new(Some(Arc::clone(&observer) as Arc<dyn Observer>));
        let run = Run::new(self.client, self.ledger, self.source, options);
        let result = {
            let going = run.go(monitor.clone(), stop.clone());
            tokio::pin!(going);
            let mut ticks = screen.lock().interval().map(ticker);
            let mut look = interval(LOOK);
            loop {
                tokio::select! {
                    result = &mut going => break result,
                    () = tick(&mut ticks) => {
                        let frame = Frame::of(&monitor);
                        screen.lock().draw(&frame);
                    }
                    _ = look.tick() => if let Some(on_done) = &on_done { on_done.tell_slow() },
                    exit = signals.first() => {
                        signalled = Some(exit);
                        stop.stop();
                        if let Some(on_done) = &on_done {
                            on_done.abandon();
                        }
                        screen.lock().saving();
                    }
                }
            }
        };
        let tally = match on_done {
            Some(on_done) => wait_for(on_done, &screen, &mut signals, &mut signalled).await,
            None => Tally::default(),
        };
        let summary = match &result {
            Ok(summary) => *summary,
            Err(_) => monitor.progress().so_far,
        };
        let trouble = result.err().map(Trouble::from);
        let exit = match (&trouble, signalled) {
            (_, Some(exit)) => exit,
            (Some(trouble), None) => trouble.exit,
            (None, None) => exit(&summary, self.retry, tally),
        };
        let advice = advice(self.place, &summary, tally, exit);
        let classes = observer.classes();
        let ended = Ended { exit, summary: &summary, classes: &classes, advice: &advice };
        let written = screen.lock().close(&ended).map_err(|error| out::stdout_failed(&error));
        match (trouble, written) {
            (Some(trouble), _) => {
                out::complain(Some(&self.place.named.to_string_lossy()), &trouble);
                Ok(exit)
            }
            (None, Err(trouble)) if exit == Exit::Done => Err(trouble),
            (None, Err(trouble)) => {
                out::complain(None, &trouble);
                Ok(exit)
            }
            (None, Ok(())) => Ok(exit),
        }
    }
}

/// Waits for the commands that still run, however long: a signal leaves them to themselves.
async fn wait_for(
    on_done: OnDone,
    screen: &Shared,
    signals: &mut Signals,
    signalled: &mut Option<Exit>,
) -> Tally {
    let mut look = interval(Duration::from_millis(20));
    let mut told = false;
    let mut waited = Duration::ZERO;
    while on_done.is_busy() && signalled.is_none() {
        tokio::select! {
            _ = look.tick() => {
                on_done.tell_slow();
                waited = waited.saturating_add(look.period());
                if !told && waited >= Duration::from_secs(2) {
                    told = true;
                    screen.lock().note("piton: waiting for commands of --on-done to end");
                }
            }
            exit = signals.first() => {
                *signalled = Some(exit);
                on_done.abandon();
            }
        }
    }
    on_done.finish()
}

/// Passes events on to the screen, and counts failures by class.
struct Watch {
    screen: Shared,
    classes: Mutex<HashMap<String, u64>>,
}

impl Watch {
    /// The most frequent first.
    fn classes(&self) -> Vec<(String, u64)> {
        let classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut classes: Vec<_> =
            classes.iter().map(|(class, &count)| (class.clone(), count)).collect();
        classes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        classes
    }
}

impl Observer for Watch {
    fn event(&self, event: &Event<'_>) {
        if let Event::Ended { end: End::Failed { class, .. }, .. } = event {
            let class = class.map_or("other", |class| class.as_str());
            let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
            // Classes are a few dozen words.
            *classes.entry(class.to_owned()).or_default() += 1;
        }
        self.screen.event(event);
    }
}

/// The exit code of a run that came to its end.
fn exit(summary: &Summary, retry: bool, tally: Tally) -> Exit {
    let complete = match retry {
        true => summary.failed_now == 0 && summary.ended.is_none(),
        false => summary.is_complete(),
    };
    match (complete, tally.failed.saturating_add(tally.left_out)) {
        (false, _) => Exit::Items,
        (true, 0) => Exit::Done,
        (true, _) => Exit::OnDone,
    }
}

/// What to do next.
fn advice(place: &Place, summary: &Summary, tally: Tally, exit: Exit) -> Vec<String> {
    let list = place.arguments();
    let mut advice = Vec::new();
    let commands = |count| human::counted(count, "command", "commands");
    if tally.failed > 0 {
        advice.push(format!("{} of --on-done failed", commands(tally.failed)));
    }
    if tally.left_out > 0 {
        advice.push(format!("{} of --on-done were not run", commands(tally.left_out)));
    }
    if summary.interrupted > 0
        || summary.remaining > 0
        || summary.unread.is_some_and(|unread| unread > 0)
        || summary.transient > 0
        || matches!(exit, Exit::Interrupted | Exit::Terminated)
    {
        advice.push(format!("to go on: piton get -i {list}"));
    }
    if summary.transient.saturating_add(summary.fatal).saturating_add(summary.quarantined) > 0 {
        advice.push(format!("what failed and why: piton failures {list}"));
        advice.push(format!("to try that again: piton retry {list}"));
    }
    advice
}

fn unexpected(error: &std::io::Error) -> Trouble {
    Trouble::new(Exit::Unexpected, format!("cannot start: {error}"))
}
