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
}

impl Stream {
    pub(super) fn plain(tcp: TcpStream) -> Stream {
        Stream::Plain(PlainStream { tcp, low_water: 1 })
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
        if let Stream::Plain(plain) = self
            && plain.low_water > 1
        {
            // Below the mark no readiness event comes, so tokio would not even ask the socket.
            return match recv(plain.tcp.as_fd(), buf, RecvFlags::DONTWAIT) {
                Ok((_, n)) => Some(Ok(n)),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => None,
                Err(error) => Some(Err(error.into())),
            };
        }
        match self.poll_recv(&mut Context::from_waker(Waker::noop()), buf) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// The low-water mark of a plain socket (SO_RCVLOWAT): no wake-up before so many bytes wait, the peer
    /// closes or the window is full. Elsewhere nothing happens. A socket that refuses stays as it was, which
    /// costs wake-ups and nothing else.
    pub(super) fn set_low_water(&mut self, bytes: usize) {
        if let Stream::Plain(plain) = self {
            let bytes = bytes.max(1);
            if bytes != plain.low_water && low_water::set(&plain.tcp, bytes) {
                plain.low_water = bytes;
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
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
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
