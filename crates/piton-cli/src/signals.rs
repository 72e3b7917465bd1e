//! SIGINT, SIGTERM and SIGHUP: the first saves, the second leaves at once.

use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::Exit;

/// Tells of the first signal. A second one ends the process.
///
/// A thread of its own waits for them, so that a second Ctrl-C works even while the downloads sit
/// in a system call of a disk that hangs. Leaving at once is safe: it is a kill, and what was claimed
/// in the journal stays (G2).
pub(crate) struct Signals {
    first: mpsc::Receiver<Exit>,
}

impl Signals {
    /// From here on the signals no longer kill.
    pub(crate) fn install() -> io::Result<Self> {
        let (sender, first) = mpsc::channel(1);
        let (tell, told) = std::sync::mpsc::channel();
        // The runtime is made on that thread: where there is none, none has to be dropped here, which this
        // runtime would not allow.
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let (runtime, mut caught) = match Caught::begin() {
                Ok(begun) => begun,
                Err(error) => return drop(tell.send(Err(error))),
            };
            drop(tell.send(Ok(())));
            runtime.block_on(async {
                // Where nobody waits for the first one, the second still ends the process.
                let _ = sender.send(caught.next().await).await;
                let second = caught.next().await;
                std::process::exit(second.code().into());
            });
        })?;
        told.recv().unwrap_or_else(|gone| Err(io::Error::other(gone)))?;
        Ok(Self { first })
    }

    /// Waits for the first signal and says which exit code it asks for. Afterwards waits for ever.
    pub(crate) async fn first(&mut self) -> Exit {
        match self.first.recv().await {
            Some(exit) => exit,
            None => std::future::pending().await,
        }
    }
}

struct Caught {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Caught {
    fn begin() -> io::Result<(Runtime, Self)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let caught = Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        };
        drop(entered);
        Ok((runtime, caught))
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.hangup.recv() => Exit::Terminated,
        }
    }
}
