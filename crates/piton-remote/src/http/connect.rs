//! Making connections: name lookup, TCP by happy eyeballs (RFC 8305), proxy, TLS.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Host;

use super::Shared;
use super::config::AddressFamily;
use super::proxy::{Kind, Proxy, Route};
use super::stream::Stream;
use super::tls::{Agreed, Inside};
use crate::blocking::blocking;
use crate::error::RemoteError;
use crate::origin::Origin;

/// How long an address may keep the next one waiting (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// A connection over which `origin` can be asked.
pub(super) struct Dialed {
    pub(super) stream: Stream,
    /// What is spoken on it.
    pub(super) agreed: Agreed,
    pub(super) peer: SocketAddr,
    /// The proxy to which requests are addressed, if there is one.
    pub(super) forward: Option<Proxy>,
}

/// Connects to `origin` within the configured time.
pub(super) async fn dial(
    shared: &Shared,
    origin: &Origin,
    inside: Inside,
) -> Result<Dialed, RemoteError> {
    let after = shared.config.connect_timeout;
    match timeout(after, dial_now(shared, origin, inside)).await {
        Ok(result) => result,
        Err(_) => Err(RemoteError::ConnectTimeout { host: origin.to_string(), after }),
    }
}

async fn dial_now(shared: &Shared, origin: &Origin, inside: Inside) -> Result<Dialed, RemoteError> {
    let shown = origin.to_string();
    let family = shared.config.address_family;
    let (stream, forward) = match shared.config.proxy.route(origin)? {
        Route::Direct => {
            let found = look_up(&origin.host, origin.port, family, &shown).await?;
            let found = shared.config.reach.filter(origin, found)?;
            (tcp(found, &shown).await?, None)
        }
        Route::By(proxy) => {
            let stream = through(shared, &proxy, origin).await?;
            (stream, matches!(proxy.kind, Kind::Forward { .. }).then_some(proxy))
        }
    };
    let peer =
        stream.peer().map_err(|source| RemoteError::Reset { host: shown.clone(), source })?;
    if !origin.tls {
        return Ok(Dialed { stream, agreed: Agreed::Nothing, peer, forward });
    }
    let (stream, agreed) = shared.tls.connect(stream, origin, inside, &shown).await?;
    Ok(Dialed { stream, agreed, peer, forward })
}

async fn through(shared: &Shared, proxy: &Proxy, origin: &Origin) -> Result<Stream, RemoteError> {
    let config = &shared.config;
    let target = if proxy.wants_address() {
        Origin { host: look_up_for_proxy(shared, origin).await?, ..origin.clone() }
    } else {
        config.reach.check_named(origin)?;
        origin.clone()
    };
    let found = look_up(&proxy.host, proxy.port, config.address_family, &proxy.shown).await?;
    let mut stream = tcp(found, &proxy.shown).await?;
    if proxy.tls {
        let at = Origin { tls: true, host: proxy.host.clone(), port: proxy.port };
        (stream, _) = shared.tls.connect(stream, &at, Inside::Http1, &proxy.shown).await?;
    }
    proxy.open(stream, &target, origin, config.max_head_bytes).await
}

/// Proxies are better at IPv4, and SOCKS 4 knows nothing else.
async fn look_up_for_proxy(shared: &Shared, origin: &Origin) -> Result<Host, RemoteError> {
    let family = shared.config.address_family;
    let found = look_up(&origin.host, origin.port, family, &origin.to_string()).await?;
    let found = shared.config.reach.filter(origin, found)?;
    let best = found.iter().find(|addr| addr.is_ipv4()).or(found.first());
    Ok(match best {
        Some(SocketAddr::V4(v4)) => Host::Ipv4(*v4.ip()),
        Some(SocketAddr::V6(v6)) => Host::Ipv6(*v6.ip()),
        None => origin.host.clone(),
    })
}

/// A connection whose other side does not even acknowledge what it was sent for so long is gone (RFC 5482). How
/// long a server takes to answer has nothing to do with it.
const UNANSWERED: Duration = Duration::from_secs(20);

async fn tcp(addresses: Vec<SocketAddr>, shown: &str) -> Result<Stream, RemoteError> {
    let stream = race(&interleave(addresses)).await.map_err(|(addr, source)| {
        let host = shown.to_owned();
        if source.kind() == io::ErrorKind::ConnectionRefused {
            RemoteError::Refused { host, addr }
        } else {
            RemoteError::Connect { host, addr, source }
        }
    })?;
    // All of it only makes a good connection better: one that refuses it still works.
    let _ = stream.set_nodelay(true);
    // A request over a connection that a router has forgotten is answered by nobody.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(UNANSWERED));
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    let _ = SockRef::from(&stream).set_tcp_keepalive(&probes);
    Ok(Stream::plain(stream))
}

/// The addresses of `host` that may be used; at least one.
async fn look_up(
    host: &Host,
    port: u16,
    family: AddressFamily,
    shown: &str,
) -> Result<Vec<SocketAddr>, RemoteError> {
    let failed = |source| RemoteError::Resolve { host: shown.to_owned(), source };
    let mut found: Vec<SocketAddr> = match host {
        Host::Ipv4(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Ipv6(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Domain(name) => {
            let name = name.clone();
            let found = blocking(move || (name.as_str(), port).to_socket_addrs()).await;
            found.map_err(failed)?.collect()
        }
    };
    let (wanted, none): (fn(&SocketAddr) -> bool, _) = match family {
        AddressFamily::Any => (|_| true, "it has no address"),
        AddressFamily::V4 => (SocketAddr::is_ipv4, "it has no IPv4 address"),
        AddressFamily::V6 => (SocketAddr::is_ipv6, "it has no IPv6 address"),
    };
    found.retain(wanted);
    if found.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::AddrNotAvailable, none)));
    }
    Ok(found)
}

/// The families in turn, beginning with the one the system puts first (RFC 8305 section 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|addr| addr.is_ipv6() == first_is_v6);
    let mut mixed = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        match (first.next(), second.next()) {
            (None, None) => return mixed,
            (a, b) => mixed.extend(a.into_iter().chain(b)),
        }
    }
}

/// The first address to answer wins; the next one starts when the one before fails or takes too long.
async fn race(addresses: &[SocketAddr]) -> Result<TcpStream, (SocketAddr, io::Error)> {
    if let [only] = addresses {
        return TcpStream::connect(only).await.map_err(|error| (*only, error));
    }
    let mut waiting = addresses.iter().copied();
    let mut last = (SocketAddr::from(([0, 0, 0, 0], 0)), io::ErrorKind::AddrNotAvailable.into());
    let mut tries = JoinSet::new();
    loop {
        if let Some(addr) = waiting.next() {
            tries.spawn(async move { (addr, TcpStream::connect(addr).await) });
        } else if tries.is_empty() {
            return Err(last);
        }
        let finished = if waiting.len() > 0 {
            timeout(STAGGER, tries.join_next()).await.unwrap_or_default()
        } else {
            tries.join_next().await
        };
        match finished {
            Some(Ok((_, Ok(stream)))) => return Ok(stream),
            Some(Ok((addr, Err(error)))) => last = (addr, error),
            Some(Err(join)) => last.1 = io::Error::other(join),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let mixed = interleave(parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]));
        let wanted = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]);
        assert_eq!(mixed, wanted);
    }

    #[tokio::test]
    async fn a_dead_address_does_not_keep_the_live_one_waiting() {
        let live = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = live.local_addr().unwrap();
        // Nothing listens on the first, so that the second starts at once, and not after the stagger.
        let dead = SocketAddr::from(([127, 0, 0, 1], 1));
        let begin = std::time::Instant::now();
        let stream = race(&[dead, live]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert!(begin.elapsed() < STAGGER);
        let (addr, _) = race(&[dead, dead]).await.unwrap_err();
        assert_eq!(addr, dead);
    }
}
