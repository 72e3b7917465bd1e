//! Keys at the terminal while a job runs. The terminal gives them out one by one meanwhile, and has its settings back when
//! the job ends, for whatever reason, and while it is suspended.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};

use crate::out;

/// How often it is looked whether the job is in the foreground.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// Ctrl-\, as a key.
const QUIT: u8 = 0x1c;

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// `p` or the space bar.
    Pause,
    /// `?` or `h`.
    Help,
}

/// The keys, for people.
pub(crate) const HELP: &str =
    "keys: p or space pauses and continues, q stops as Ctrl-C does, ? shows this line";

/// The terminal that this process is at.
pub(crate) struct Terminal {
    /// Its settings before us.
    saved: Termios,
    mode: Mutex<Mode>,
}

/// Whose settings it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Saved,
    /// Ours.
    Keys,
    /// Those before us, until the process continues.
    Suspended,
    /// Those before us, for good.
    Over,
}

impl Terminal {
    /// `None`: nobody is there to press keys, or the keys are for another program.
    pub(crate) fn find() -> Option<Arc<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stderr().is_terminal() || stdout_is_read() || !is_in_front()
        {
            return None;
        }
        let saved = tcgetattr(&stdin).ok()?;
        Some(Arc::new(Self { saved, mode: Mutex::new(Mode::Saved) }))
    }

    /// Takes the keys; `false`: not now. In the background this would stop the process.
    fn take(&self) -> bool {
        let mut mode = self.mode();
        if !is_in_front() {
            return false;
        }
        if *mode == Mode::Saved {
            let mut keys = self.saved.clone();
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            keys.special_codes[SpecialCodeIndex::VMIN] = 1;
            keys.special_codes[SpecialCodeIndex::VTIME] = 0;
            // It ends the process before anybody could restore the settings: see [`QUIT`].
            keys.special_codes[SpecialCodeIndex::VQUIT] = 0;
            if tcsetattr(io::stdin(), OptionalActions::Now, &keys).is_ok() {
                *mode = Mode::Keys;
            }
        }
        *mode == Mode::Keys
    }

    fn give_back(&self, then: Mode) {
        let mut mode = self.mode();
        if *mode == Mode::Keys && is_in_front() {
            // If it fails, the terminal is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.saved);
        }
        if *mode != Mode::Over {
            *mode = then;
        }
    }

    /// The process is about to be suspended.
    pub(crate) fn suspend(&self) {
        self.give_back(Mode::Suspended);
    }

    /// It continues.
    pub(crate) fn resume(&self) {
        let mut mode = self.mode();
        if *mode == Mode::Suspended {
            *mode = Mode::Saved;
        }
    }

    /// The process is about to end.
    pub(crate) fn leave(&self) {
        self.give_back(Mode::Over);
    }

    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this process is in the foreground of the terminal.
fn is_in_front() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|front| front == getpgrp())
}

/// Whether another program reads standard output: a pager has the keys then.
fn stdout_is_read() -> bool {
    let kind = out::stdout_metadata().map(|stat| stat.file_type());
    kind.map_or(true, |kind| kind.is_fifo() || kind.is_socket())
}

/// The thread that reads keys. When this is dropped, the terminal has its settings back.
pub(crate) struct Keyboard {
    terminal: Arc<Terminal>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Gives keys to `pressed`.
    pub(crate) fn listen(
        terminal: Arc<Terminal>,
        pressed: impl Fn(Key) + Send + 'static,
    ) -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (of_thread, awake) = (Arc::clone(&terminal), Arc::clone(&wake));
        let listen = move || while listen(&of_thread, &awake, &pressed) {};
        let thread = thread::Builder::new().name("keyboard".to_owned()).spawn(listen)?;
        Ok(Self { terminal, wake, thread: Some(thread) })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.terminal.leave();
        // A thread that does not wake up would only end later.
        let woken = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes()).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}

/// Waits for a key, or a while; `false`: no more are wanted.
fn listen(terminal: &Terminal, wake: &OwnedFd, pressed: &impl Fn(Key)) -> bool {
    let stdin = io::stdin();
    let listens = terminal.take();
    let mut ready = vec![PollFd::new(wake, PollFlags::IN)];
    if listens {
        ready.push(PollFd::new(&stdin, PollFlags::IN));
    }
    match poll(&mut ready, Some(&LOOK)) {
        Err(rustix::io::Errno::INTR) | Ok(0) => return true,
        Err(_) => return false,
        Ok(_) => {}
    }
    let is_ready = |at: usize| ready.get(at).is_some_and(|fd| !fd.revents().is_empty());
    if is_ready(0) {
        return false;
    }
    if !is_ready(1) || !is_in_front() {
        return true;
    }
    let mut keys = [0; 16];
    match rustix::io::read(&stdin, &mut keys) {
        Err(rustix::io::Errno::INTR) => true,
        // The terminal is gone.
        Ok(0) | Err(_) => false,
        Ok(read) => {
            keys.iter().take(read).for_each(|key| act(terminal, *key, pressed));
            true
        }
    }
}

fn act(terminal: &Terminal, key: u8, pressed: &impl Fn(Key)) {
    // Neither can fail for the own process.
    let send = |signal| {
        let _ = kill_process(getpid(), signal);
    };
    match key {
        b'p' | b'P' | b' ' => pressed(Key::Pause),
        b'?' | b'h' | b'H' => pressed(Key::Help),
        b'q' | b'Q' => send(Signal::INT),
        QUIT => {
            terminal.leave();
            send(Signal::QUIT);
        }
        _ => {}
    }
}
