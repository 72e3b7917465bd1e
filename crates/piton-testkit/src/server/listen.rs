//! The listening thread.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Socket, Type};

use super::connection;
use super::shared::{Command, Shared};
use super::wire::Sock;

/// How long a connection above the limit waits for a place: the end of another one may be on its
/// way.
const GRACE: Duration = Duration::from_millis(20);

/// A socket bound to `addr`. Several may be bound to one port, so that a server that is away keeps
/// its port: nobody else, and no outgoing connection, gets it meanwhile.
pub(super) fn bind(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(addr)?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts connections until told to stop; returns when every connection has ended.
pub(super) fn run(shared: &Arc<Shared>, first: TcpListener, commands: &Receiver<Command>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut listener = first;
    loop {
        match commands.try_recv() {
            Ok(Command::Away(time, done)) => {
                drop(listener);
                shared.drop_connections();
                let _ = done.send(());
                if !stay_away(commands, time) {
                    break;
                }
                match listen(shared.addr) {
                    Ok(again) => listener = again,
                    Err(_) => break,
                }
            }
            Ok(Command::Stop) => break,
            Err(_) => {
                threads.retain(|thread| !thread.is_finished());
                wait(shared, &listener);
                while let Ok((stream, _)) = listener.accept() {
                    threads.extend(admit(shared, stream));
                }
            }
        }
    }
    shared.halt.halt();
    shared.drop_connections();
    for thread in threads {
        // A thread that panicked has said so on stderr.
        let _ = thread.join();
    }
}

/// Whether the server returns; it does not when it is stopped.
fn stay_away(commands: &Receiver<Command>, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        match commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Command::Away(_, done)) => drop(done.send(())),
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Returns when there is a connection or a command.
fn wait(shared: &Shared, listener: &TcpListener) {
    let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(&shared.wake, PollFlags::IN)];
    let _ = poll(&mut fds, None);
    if !fds[1].revents().is_empty() {
        let _ = rustix::io::read(&shared.wake, &mut [0; 8]);
    }
}

fn admit(shared: &Arc<Shared>, stream: TcpStream) -> Option<JoinHandle<()>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_nodelay(true).ok()?;
    let number = shared.log.accepted();
    let limit = shared.site.lock().unwrap().limit;
    let excess = limit.and_then(|(n, excess)| (!has_place(shared, n)).then_some(excess));
    Some(connection::spawn(Arc::clone(shared), Sock::new(stream), number, excess))
}

fn has_place(shared: &Shared, places: usize) -> bool {
    let until = Instant::now() + GRACE;
    loop {
        if shared.log.open() < places {
            return true;
        }
        if Instant::now() >= until || shared.halt.sleep(Duration::from_millis(1)).is_err() {
            return false;
        }
    }
}
