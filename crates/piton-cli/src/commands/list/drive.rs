//! A running list: its screen, its signals, its commands, and how it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use piton::checkpoint::ledger::Ledger;
use piton::fetch::{Client, Stop};
use piton::lists::run::{End, Event, Monitor, Observer, Options, Run, RunError, Summary};
use piton::lists::source::Source;
use tokio::time::interval;

use super::bring::{Limit, bring};
use super::on_done::{OnDone, Tally, Words};
use super::place::Place;
use super::whose;
use crate::commands::batch::{tick, ticker};
use crate::exit::Exit;
use crate::network::Network;
use crate::out;
use crate::screen::human;
use crate::screen::list::{Ended, Frame, ListScreen, Shared};
use crate::signals::Signals;
use crate::trouble::Trouble;

/// How often to check for slow commands.
const LOOK: Duration = Duration::from_secs(1);
/// After this long, report that piton waits for commands.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that a run needs.
pub(super) struct Drive<'a> {
    pub(super) place: &'a Place,
    pub(super) network: Network,
    /// Has the credentials for the server of the list's URL, if it has one.
    pub(super) client: Client,
    pub(super) ledger: Ledger,
    pub(super) source: Source,
    pub(super) options: Options,
    pub(super) on_done: Option<Words>,
    pub(super) screen: Box<dyn ListScreen>,
    /// Whether to get the list again from its source.
    pub(super) bring: bool,
    pub(super) limit: Limit,
    /// Messages to show before anything else.
    pub(super) notes: Vec<String>,
    /// Whether only items that failed before are tried, so that the exit code refers to these.
    pub(super) retry: bool,
}

impl Drive<'_> {
    /// Processes the list and reports how that ended.
    pub(super) async fn go(self) -> Result<Exit, Trouble> {
        let signals = Signals::install().map_err(|error| Trouble::cannot_start(&error))?;
        let screen = Shared::new(self.screen);
        for note in &self.notes {
            screen.lock().note(&format!("piton: {note}"));
        }
        let mut controls =
            Controls { screen: screen.clone(), signals, stop: Stop::new(), signalled: None };
        if self.bring {
            controls.bring(self.place, &self.client, self.limit).await?;
        }
        let client = match whose::is_open(&self.network, self.place) {
            true => controls.client(&self.network, self.source.clone()).await?,
            false => self.client,
        };
        let mut options = self.options;
        let on_done = self.on_done.map(|words| OnDone::start(words, screen.clone()));
        let on_done = on_done.transpose().map_err(|error| Trouble::cannot_start(&error))?;
        if let Some(on_done) = &on_done {
            let take = on_done.taker();
            options.recorded = Some(Arc::new(move |done| take(done.into())));
        }
        let observer = Arc::new(Watch { screen: screen.clone(), classes: Mutex::default() });
        let monitor = Monitor::new(Some(Arc::clone(&observer) as Arc<dyn Observer>));
        let run = Run::new(client, self.ledger, self.source, options);
        let result = controls.conduct(&run, &monitor, on_done.as_ref()).await;
        let tally = match on_done {
            Some(on_done) => controls.wait_for(on_done).await,
            None => Tally::default(),
        };
        let summary = match &result {
            Ok(summary) => *summary,
            Err(_) => monitor.progress().so_far,
        };
        let trouble = result.err().map(Trouble::from);
        let exit = match (&trouble, controls.signalled) {
            // The signal arrived when everything was done.
            (None, Some(_)) if summary.is_complete() && tally.is_good() => Exit::Done,
            (_, Some(exit)) => exit,
            (Some(trouble), None) => trouble.exit,
            (None, None) => exit(&summary, self.retry, tally),
        };
        let advice = advice(self.place, &summary, tally, exit);
        let classes = observer.classes();
        let ended = Ended { exit, summary: &summary, classes: &classes, advice: &advice };
        let written = screen.lock().close(&ended).map_err(|error| out::stdout_failed(&error));
        if let Some(trouble) = trouble {
            out::complain(Some(&self.place.named.to_string_lossy()), &trouble);
        }
        match written {
            Err(trouble) if exit == Exit::Done => Err(trouble),
            Err(trouble) => {
                out::complain(None, &trouble);
                Ok(exit)
            }
            Ok(()) => Ok(exit),
        }
    }
}

/// What controls a run from outside, and shows it.
struct Controls {
    screen: Shared,
    signals: Signals,
    stop: Stop,
    /// The exit code that the first signal asks for.
    signalled: Option<Exit>,
}

impl Controls {
    /// See [`bring`]; a signal ends it.
    async fn bring(&mut self, place: &Place, client: &Client, limit: Limit) -> Result<(), Trouble> {
        let bringing = bring(place, client, limit, &self.stop);
        tokio::pin!(bringing);
        let brought = loop {
            tokio::select! {
                brought = &mut bringing => break brought,
                exit = self.signals.first() => {
                    self.signalled = Some(exit);
                    self.stop.stop();
                }
            }
        };
        let signalled = self.signalled;
        brought.map_err(|trouble| Trouble { exit: signalled.unwrap_or(trouble.exit), ..trouble })
    }

    /// See [`whose::client`]; a signal ends it.
    async fn client(&mut self, network: &Network, source: Source) -> Result<Client, Trouble> {
        let asking = whose::client(network, source.until(self.stop.clone(), Duration::ZERO));
        tokio::pin!(asking);
        loop {
            tokio::select! {
                asked = &mut asking => {
                    let (client, reported) = match (asked, self.signalled) {
                        (Err(trouble), Some(exit)) => return Err(Trouble { exit, ..trouble }),
                        (asked, _) => asked?,
                    };
                    if let Some(reported) = reported {
                        self.screen.lock().note(&format!("piton: {reported}"));
                    }
                    return Ok(client);
                }
                exit = self.signals.first() => {
                    self.signalled = Some(exit);
                    self.stop.stop();
                }
            }
        }
    }

    /// Processes the list; a signal stops it, with everything saved.
    async fn conduct(
        &mut self,
        run: &Run,
        monitor: &Monitor,
        on_done: Option<&OnDone>,
    ) -> Result<Summary, RunError> {
        let going = run.go(monitor.clone(), self.stop.clone());
        tokio::pin!(going);
        let mut ticks = self.screen.lock().interval().map(ticker);
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                result = &mut going => return result,
                () = tick(&mut ticks) => {
                    let frame = Frame::of(monitor);
                    self.screen.lock().draw(&frame);
                }
                _ = look.tick() => if let Some(on_done) = on_done { on_done.tell_slow() },
                exit = self.signals.first() => {
                    self.signalled = Some(exit);
                    self.stop.stop();
                    if let Some(on_done) = on_done {
                        on_done.abandon();
                    }
                    self.screen.lock().saving();
                }
            }
        }
    }

    /// Waits for the commands that still run, however long; after a signal, they continue on their own.
    async fn wait_for(&mut self, on_done: OnDone) -> Tally {
        let mut look = interval(Duration::from_millis(20));
        let mut reported = false;
        let mut waited = Duration::ZERO;
        while on_done.is_busy() && self.signalled.is_none() {
            tokio::select! {
                _ = look.tick() => {
                    on_done.tell_slow();
                    waited = waited.saturating_add(look.period());
                    if !reported && waited >= PATIENCE {
                        reported = true;
                        self.screen.lock().note("piton: waiting for --on-done commands to finish");
                    }
                }
                exit = self.signals.first() => {
                    self.signalled = Some(exit);
                    on_done.abandon();
                }
            }
        }
        on_done.finish()
    }
}

/// Forwards events to the screen, and counts failures by class.
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

/// The exit code of a run that reached its end.
fn exit(summary: &Summary, retry: bool, tally: Tally) -> Exit {
    let complete = match retry {
        true => summary.failed_now == 0 && summary.ended.is_none(),
        false => summary.is_complete(),
    };
    match (complete, tally.is_good()) {
        (false, _) => Exit::Items,
        (true, true) => Exit::Done,
        (true, false) => Exit::OnDone,
    }
}

/// What to do next.
fn advice(place: &Place, summary: &Summary, tally: Tally, exit: Exit) -> Vec<String> {
    let list = place.arguments();
    let mut advice = Vec::new();
    let commands = |count| human::counted(count, "command", "commands");
    if tally.failed > 0 {
        advice.push(format!("{} failed (--on-done)", commands(tally.failed)));
    }
    if tally.left_out > 0 {
        advice.push(format!("{} not run (--on-done)", commands(tally.left_out)));
    }
    if summary.interrupted > 0
        || summary.remaining > 0
        || summary.unread.is_some_and(|unread| unread > 0)
        || summary.transient > 0
        || matches!(exit, Exit::Interrupted | Exit::Terminated)
    {
        advice.push(format!("to resume: piton get -i {list}"));
    }
    if summary.transient.saturating_add(summary.fatal).saturating_add(summary.quarantined) > 0 {
        advice.push(format!("to list failed items: piton failures {list}"));
        advice.push(format!("to retry failed items: piton retry {list}"));
    }
    advice
}
