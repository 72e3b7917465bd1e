//! A free port that stays free until the server takes it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Socket, Type};

/// A loopback port. The socket is bound and never listens: the system gives the port to nobody
/// else, while a server that sets `SO_REUSEADDR`, as all do, can bind it by number.
#[derive(Debug)]
pub(super) struct Port {
    socket: Socket,
}

impl Port {
    pub(super) fn free() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("to share the port");
        socket.bind(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self { socket }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.socket
            .local_addr()
            .ok()
            .and_then(|addr| addr.as_socket())
            .expect("the address of a bound socket")
    }
}
