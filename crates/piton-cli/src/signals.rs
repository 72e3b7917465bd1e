//! SIGINT, SIGTERM and SIGHUP: the first saves, the second quits at once. Signals that were ignored when
//! piton started stay ignored, so `nohup piton …` outlives the terminal. SIGXFSZ never ends it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Signal as Sent, getpid, kill_current_process_group, kill_process};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::Exit;

/// From now on, a file that grows beyond `ulimit -f` is a write error (EFBIG), not the end of the process.
/// The signal is caught rather than ignored, so that child processes get the default again.
pub(crate) fn survive_the_file_size_limit() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // No one waits for it: the handler outlives this and the runtime, and that is its only purpose.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// Reports the first signal. A second one ends the process.
///
/// A separate thread waits for them, so that a second Ctrl-C works even while the downloads are blocked in
/// a system call on a hung disk. Quitting at once is safe: it is a kill, and what was claimed in the
/// journal stays (G2).
pub(crate) struct Signals {
    first: mpsc::Receiver<Exit>,
}

impl Signals {
    /// From now on, the signals no longer kill.
    pub(crate) fn install() -> io::Result<Self> {
        let (sender, first) = mpsc::channel(1);
        Caught::on_thread(async move |caught| {
            // Even if no one waits for the first one, the second still ends the process.
            let _ = sender.send(caught.next().await).await;
            caught.next().await
        })?;
        Ok(Self { first })
    }

    /// Waits for the first signal and returns the exit code for it. After that, waits forever.
    pub(crate) async fn first(&mut self) -> Exit {
        match self.first.recv().await {
            Some(exit) => exit,
            None => std::future::pending().await,
        }
    }
}

/// What a signal asks of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    /// The first of SIGINT, SIGTERM and SIGHUP.
    Stop,
    /// The second: the process ends right after this.
    Quit,
    /// SIGTSTP (Ctrl-Z): the process is suspended right after this.
    Suspend,
    /// It continues after that.
    Continue,
}

/// The signals of a command that does not run in a runtime.
pub(crate) struct Brakes {
    pulled: Arc<OnceLock<Exit>>,
    /// Whether the process ends in an instant, from another thread.
    quits: Arc<AtomicBool>,
}

impl Brakes {
    /// From now on signals go to `pull`, on a thread of its own.
    pub(crate) fn install(pull: impl Fn(Pull) + Send + Sync + 'static) -> io::Result<Self> {
        let pulled = Arc::new(OnceLock::new());
        let quits = Arc::new(AtomicBool::new(false));
        let (set, quit) = (Arc::clone(&pulled), Arc::clone(&quits));
        Caught::on_thread(async move |caught| {
            let first = caught.next_or_suspend(&pull).await;
            // Only the first one decides.
            let _ = set.set(first);
            pull(Pull::Stop);
            let second = caught.next_or_suspend(&pull).await;
            quit.store(true, Ordering::Relaxed);
            pull(Pull::Quit);
            second
        })?;
        Ok(Self { pulled, quits })
    }

    /// After a second signal this never returns: the process ends with the exit code of that.
    pub(crate) fn wait_if_quitting(&self) {
        while self.quits.load(Ordering::Relaxed) {
            std::thread::park();
        }
    }

    /// The exit code for the first signal, if one came.
    pub(crate) fn pulled(&self) -> Option<Exit> {
        self.pulled.get().copied()
    }
}

/// The signals that stop piton. `None`: ignored since before piton started.
struct Caught {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
    suspend: Option<Signal>,
}

impl Caught {
    /// Lets `handle` wait for them on a thread of its own. It returns with the second one, which ends the process.
    fn on_thread(handle: impl AsyncFnOnce(&mut Self) -> Exit + Send + 'static) -> io::Result<()> {
        let (tell, told) = std::sync::mpsc::channel();
        // The runtime is created on that thread: if it fails, no runtime has to be dropped here, which a
        // runtime would not allow.
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let (runtime, mut caught) = match Self::begin() {
                Ok(begun) => begun,
                Err(error) => return drop(tell.send(Err(error))),
            };
            drop(tell.send(Ok(())));
            let second = runtime.block_on(handle(&mut caught));
            std::process::exit(second.code().into());
        })?;
        told.recv().unwrap_or_else(|gone| Err(io::Error::other(gone)))
    }

    fn begin() -> io::Result<(Runtime, Self)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let ignored = Ignored::read();
        let catch = |kind: SignalKind| match ignored.has(kind) {
            true => Ok(None),
            false => signal(kind).map(Some),
        };
        let caught = Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
            suspend: None,
        };
        drop(entered);
        Ok((runtime, caught))
    }

    /// The next signal that ends the process. Meanwhile Ctrl-Z suspends it, when `pull` has saved everything.
    async fn next_or_suspend(&mut self, pull: &impl Fn(Pull)) -> Exit {
        if self.suspend.is_none() && !Ignored::read().has(SUSPEND) {
            // Without it Ctrl-Z suspends at once, which is what it does anyway.
            self.suspend = signal(SUSPEND).ok();
        }
        loop {
            let Self { interrupt, terminate, hangup, suspend } = self;
            tokio::select! {
                () = received(interrupt) => return Exit::Interrupted,
                () = received(terminate) => return Exit::Terminated,
                () = received(hangup) => return Exit::Terminated,
                () = received(suspend) => {
                    pull(Pull::Suspend);
                    // Neither can fail for the own process. Another thread stops it, an instant later.
                    let _ = kill_process(getpid(), Sent::STOP);
                    std::thread::sleep(STOPS);
                    // Ctrl-Z also suspends a command that is just being started, before it has a group of its
                    // own; whoever continues this process alone would leave it behind, and us waiting for it.
                    let _ = kill_current_process_group(Sent::CONT);
                    pull(Pull::Continue);
                }
            }
        }
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            () = received(&mut self.interrupt) => Exit::Interrupted,
            () = received(&mut self.terminate) => Exit::Terminated,
            () = received(&mut self.hangup) => Exit::Terminated,
        }
    }
}

/// How long it takes at most until a process that was sent SIGSTOP does not run any more.
const STOPS: Duration = Duration::from_millis(50);
const SUSPEND: SignalKind = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());

async fn received(signal: &mut Option<Signal>) {
    match signal {
        // The stream ends with the runtime.
        Some(signal) => signal.recv().await.unwrap_or(()),
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores: until it catches one, those that it inherited as ignored.
struct Ignored(u64);

impl Ignored {
    /// None, if the system does not tell.
    fn read() -> Self {
        Self(std::fs::read_to_string("/proc/self/status").map_or(0, |status| Self::mask(&status)))
    }

    /// The mask in the text of `/proc/PID/status`: "SigIgn:\t0000000000001001", signal 1 lowest.
    fn mask(status: &str) -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }

    fn has(&self, signal: SignalKind) -> bool {
        let number = u32::try_from(signal.as_raw_value()).unwrap_or(0);
        number
            .checked_sub(1)
            .and_then(|bit| self.0.checked_shr(bit))
            .is_some_and(|bits| bits & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let ignored = Ignored(Ignored::mask("Name:\tx\nSigBlk:\t0f\nSigIgn:\t0000000000001003\n"));
        assert!(ignored.has(SignalKind::hangup()) && ignored.has(SignalKind::interrupt()));
        assert!(!ignored.has(SignalKind::terminate()) && ignored.has(SignalKind::pipe()));
        for nothing in ["", "SigIgn:", "SigIgn:\trubbish"] {
            assert_eq!(Ignored::mask(nothing), 0, "{nothing:?}");
        }
    }
}
