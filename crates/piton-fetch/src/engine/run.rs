//! Attempt after attempt, until the file is there or there is a reason why not.

use piton_checkpoint::{Backoff, Budget};
use tokio::time::sleep;

use super::attempt::{Attempt, End};
use crate::client::{Client, Stop};
use crate::download::{Download, IfChanged, Outcome};
use crate::error::{Failure, Fault};
use crate::monitor::{Event, Monitor, Phase};
use crate::transport::check_headers;

/// How often one run begins anew because the source changed under it.
const RESTARTS: u32 = 3;

/// Downloads, beginning anew where the source changed and that is allowed.
pub(crate) async fn run(
    client: &Client,
    what: Download,
    monitor: Monitor,
    stop: Stop,
) -> Result<Outcome, Failure> {
    check_headers(&what.headers).map_err(|error| Failure::Usage(error.to_string()))?;
    let if_changed = what.if_changed;
    let (max_size, patience) = (what.max_size, what.patience);
    // A stream that broke cannot be continued: beginning it again is no progress, so nothing
    // refills this budget.
    let mut budget = Budget::new(what.retries);
    let mut attempt = Attempt::new(client, what, monitor.clone(), stop.clone());
    let mut restarts = 0;
    let mut wrong = None;
    let result = loop {
        match attempt.run().await {
            Ok(outcome) => break Ok(outcome),
            // The address whose turn it was fails, and another one may have the file.
            Err(End::Failed(failure))
                if attempt.is_alone()
                    && matches!(failure.fault(), Fault::Network | Fault::Server) =>
            {
                if !attempt.start_over_alone() {
                    break Err(wrong.unwrap_or(failure));
                }
            }
            Err(End::Failed(failure)) => break Err(failure),
            Err(End::NoRanges) => attempt.ask_for_the_whole(),
            // The next look finds what stands there, and the next name.
            Err(End::NameTaken) => {}
            Err(End::StreamBroke(trouble)) => {
                attempt.ask_for_the_whole();
                let tried = budget.spent() + 1;
                let Some(tries) = budget.spend() else {
                    break Err(trouble.into_failure(tried, max_size));
                };
                let random = getrandom::u64().unwrap_or(u64::MAX);
                let pause = Backoff::default().pause(tries, random);
                let pause = trouble.patience().unwrap_or(pause);
                if pause > patience {
                    break Err(trouble.into_failure(tried, max_size));
                }
                monitor.tell(Event::Retrying { why: trouble.describe(), pause, tries });
                tokio::select! {
                    () = sleep(pause) => {}
                    () = stop.stopped() => {
                        break Err(Failure::Stopped { have: 0, path: attempt.path() });
                    }
                }
            }
            Err(End::Changed(change)) => {
                if if_changed == IfChanged::Stop || restarts == RESTARTS {
                    break Err(Failure::Changed { change, restarts });
                }
                restarts += 1;
                attempt.start_over();
                monitor.tell(Event::StartedOver { change });
            }
            Err(End::WrongDigest(failure)) => {
                // The first verdict says most: that of all addresses together, or of the first alone.
                let failure = wrong.take().unwrap_or(failure);
                if !attempt.start_over_alone() {
                    break Err(failure);
                }
                wrong = Some(failure);
                let bytes = monitor.shared().progress.size.unwrap_or(0);
                monitor.tell(Event::FetchingAgain { bytes });
            }
        }
    };
    monitor.shared().progress.phase = Phase::Ended;
    result
}
