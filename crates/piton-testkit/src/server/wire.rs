//! A connection, plain or under TLS, and the ways to end it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a closed connection is still read, so that unread input does not turn the FIN into a
/// reset.
const LINGER: Duration = Duration::from_millis(300);

/// A socket that the server keeps a second hold of, to wake whoever waits on it.
#[derive(Clone, Debug)]
pub(super) struct Sock(Arc<TcpStream>);

impl Sock {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    /// Ends both directions; whoever reads or writes returns.
    pub(super) fn shut(&self) {
        // An error means that the client was faster.
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Makes the close of the last hold a reset (RST).
    pub(super) fn reset_on_close(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(&*self.0, Some(Duration::ZERO));
    }
}

impl Read for Sock {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buf)
    }
}

impl Write for Sock {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
pub(super) enum Wire {
    Plain(Sock),
    Tls(Box<StreamOwned<ServerConnection, Sock>>),
}

impl Wire {
    pub(super) fn new(sock: Sock, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        Ok(match tls {
            None => Self::Plain(sock),
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Self::Tls(Box::new(StreamOwned::new(connection, sock)))
            }
        })
    }

    /// Waits until the client hangs up or the server stops.
    pub(super) fn wait_for_end(&mut self) {
        let mut scrap = [0; 4096];
        while matches!(self.sock().read(&mut scrap), Ok(1..)) {}
    }

    /// Ends the connection in good order; under TLS with a `close_notify`.
    pub(super) fn finish(mut self) {
        if let Self::Tls(tls) = &mut self {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        self.cut();
    }

    /// Ends the connection with a FIN and, under TLS, without a `close_notify`.
    pub(super) fn cut(mut self) {
        let sock = self.sock();
        let _ = sock.0.shutdown(Shutdown::Write);
        let _ = sock.0.set_read_timeout(Some(LINGER));
        self.wait_for_end();
    }

    fn sock(&mut self) -> &mut Sock {
        match self {
            Self::Plain(sock) => sock,
            Self::Tls(tls) => &mut tls.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(sock) => sock.read(buf),
            Self::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(sock) => sock.write(buf),
            Self::Tls(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(sock) => sock.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
