//! A connection's bytes: plain TCP, or TLS over it (or over a tunnel).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::low_water;

/// rustls asks for 4 KiB at a time; read from the socket in larger pieces and hand those out.
pub(super) const TLS_READ_AHEAD: usize = 64 << 10;

pub(super) enum Stream {
    Plain(PlainStream),
    Tls(Box<TlsStream<BufReader<Stream>>>),
}

pub(super) struct PlainStream {
    tcp: TcpStream,
    low_water: usize,
    /// The next reads also take what waits below the mark.
    below_mark: bool,
}

/// What one layer of TLS may hold of bytes that were sent, while its reader waits for more: a record cut
/// short, of at most 16 KiB and its wrapping (RFC 8446 section 5.2).
const TLS_HOLDS: usize = 32 << 10;

impl Stream {
    pub(super) fn plain(tcp: TcpStream) -> Stream {
        Stream::Plain(PlainStream { tcp, low_water: 1, below_mark: false })
    }

    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        match self {
            Stream::Plain(plain) => plain.tcp.peer_addr(),
            Stream::Tls(tls) => tls.get_ref().0.get_ref().peer(),
        }
    }

    /// Receives into `buf` what fits. Over TLS as many records as are there, so that the caller is woken once
    /// for many; over TCP one `recv`, which already takes all.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(buf);
        loop {
            let before = into.filled().len();
            match Pin::new(&mut *self).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) => {
                    let filled = into.filled().len();
                    let more = matches!(self, Stream::Tls(_)) && filled > before;
                    if !more || into.remaining() == 0 {
                        return Poll::Ready(Ok(filled));
                    }
                }
                // An end or an error behind bytes that came is found again by the next call.
                _ if before > 0 => return Poll::Ready(Ok(before)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// What is there now. Never waits, and is not held back by the low-water mark.
    pub(super) fn try_recv(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        self.socket().0.below_mark = true;
        let received = self.poll_recv(&mut Context::from_waker(Waker::noop()), buf);
        self.socket().0.below_mark = false;
        match received {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// The low-water mark of the socket (SO_RCVLOWAT): no wake-up before so many bytes wait, the peer closes
    /// or the window is full. `rest` is how many bytes are still to come at least: never more is waited for.
    /// A socket that refuses stays as it was, which costs wake-ups and nothing else.
    pub(super) fn set_low_water(&mut self, bytes: usize, rest: usize) {
        let (plain, layers) = self.socket();
        let bytes = bytes.min(rest.saturating_sub(layers * TLS_HOLDS)).max(1);
        if bytes != plain.low_water && low_water::set(&plain.tcp, bytes) {
            plain.low_water = bytes;
        }
    }

    /// What carries all, and how many layers of TLS lie on it.
    fn socket(&mut self) -> (&mut PlainStream, usize) {
        match self {
            Stream::Plain(plain) => (plain, 0),
            Stream::Tls(tls) => {
                let (plain, layers) = tls.get_mut().0.get_mut().socket();
                (plain, layers + 1)
            }
        }
    }

    /// Whether an idle connection can take another request: it is open, and nobody spoke unasked.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.try_recv(&mut [0]).is_none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(plain) => plain.poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl PlainStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if polled.is_ready() || !self.below_mark || self.low_water == 1 {
            return polled;
        }
        // Below the mark no readiness event comes, so tokio did not even ask the socket.
        match recv(self.tcp.as_fd(), buf.initialize_unfilled(), RecvFlags::DONTWAIT) {
            Ok((_, n)) => {
                buf.advance(n);
                Poll::Ready(Ok(()))
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
