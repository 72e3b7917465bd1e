//! SO_RCVLOWAT, which neither socket2 nor rustix knows.

use nix::{libc, setsockopt_impl, sockopt_impl};
use tokio::net::TcpStream;

sockopt_impl!(
    /// How many bytes must wait before a reader is woken.
    LowWater,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    libc::c_int
);

/// Whether the system took it.
pub(super) fn set(tcp: &TcpStream, bytes: usize) -> bool {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    nix::sys::socket::setsockopt(tcp, LowWater, &bytes).is_ok()
}
