//! Which addresses may be connected to: a list or a redirect can name the machine itself, the router, or the
//! metadata service of a cloud, which answer this machine and nobody outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::Host;

use crate::error::RemoteError;
use crate::origin::Origin;

/// Which addresses may be connected to.
#[derive(Debug, Clone, Default)]
pub enum Reach {
    /// All.
    #[default]
    Anywhere,
    /// Those of the public internet. It is the address of the connection that counts, not the name, which
    /// can lead elsewhere from one look-up to the next. Where a proxy looks names up, only those that are
    /// addresses themselves can be judged.
    Public {
        /// Servers that may be anywhere: those that the user named.
        except: Vec<Origin>,
    },
}

impl Reach {
    /// Leaves those of the addresses of `origin` that may be connected to; at least one.
    ///
    /// # Errors
    /// [`RemoteError::NotPublic`]: there is none.
    pub(super) fn filter(
        &self,
        origin: &Origin,
        mut found: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, RemoteError> {
        let first = found.first().copied();
        if self.is_limited(origin) {
            found.retain(|addr| is_public(addr.ip()));
        }
        match first {
            Some(first) if found.is_empty() => {
                Err(RemoteError::NotPublic { host: origin.to_string(), addr: first.ip() })
            }
            _ => Ok(found),
        }
    }

    /// The same for a host that somebody else looks up, if it is an address.
    pub(super) fn check_named(&self, origin: &Origin) -> Result<(), RemoteError> {
        let addr = match &origin.host {
            Host::Ipv4(ip) => IpAddr::V4(*ip),
            Host::Ipv6(ip) => IpAddr::V6(*ip),
            Host::Domain(name) if is_local_name(name) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Host::Domain(_) => return Ok(()),
        };
        self.filter(origin, vec![SocketAddr::new(addr, origin.port)]).map(drop)
    }

    fn is_limited(&self, origin: &Origin) -> bool {
        match self {
            Self::Anywhere => false,
            Self::Public { except } => !except.contains(origin),
        }
    }
}

/// RFC 6761 section 6.3.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether the address is one of the public internet, by the registries of special ones (RFC 6890). One
/// within which an IPv4 address is carried is what that is.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        // This network, loopback, private, link-local.
        [0 | 10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [169, 254, ..] => true,
        // Behind the NAT of a provider (RFC 6598).
        [100, 64..=127, ..] => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => true,
        [198, 18..=19, ..] => true,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => true,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // IPv4-mapped, and the prefix of NAT64 (RFC 6052).
        (0, 0) if [c, d, e, f] == [0, 0, 0, 0xffff] => v4(g, h),
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => v4(g, h),
        // 6to4.
        (0x2002, _) => v4(b, c),
        // Teredo and other protocol assignments, documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // Nothing else than these is given out.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_only_here_is_not_public() {
        for ip in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "203.0.113.9",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "100::1",
            "3fff::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn of_several_addresses_the_public_ones_are_left() {
        let origin = |url: &str| url.parse::<Origin>().unwrap();
        let reach = Reach::Public { except: vec![origin("http://home:8080")] };
        let found: Vec<SocketAddr> =
            vec!["127.0.0.1:1".parse().unwrap(), "1.1.1.1:1".parse().unwrap()];
        let left = reach.filter(&origin("http://h"), found.clone()).unwrap();
        assert_eq!(left, found[1..]);
        let error = reach.filter(&origin("http://h"), found[..1].to_vec()).unwrap_err();
        assert!(matches!(error, RemoteError::NotPublic { .. }), "{error:?}");
        assert_eq!(reach.filter(&origin("http://home:8080"), found.clone()).unwrap(), found);
        assert!(reach.filter(&origin("http://home"), found[..1].to_vec()).is_err(), "another port");
        for (host, fits) in
            [("http://127.1", false), ("http://a.LOCALHOST.", false), ("http://h", true)]
        {
            assert_eq!(reach.check_named(&origin(host)).is_ok(), fits, "{host}");
        }
    }
}
