//! TLS: who is believed, and who is let in.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::client::{Client, End};
use crate::server::tls::Authority;
use crate::server::{Fault, Identity, Resource, Server, Site};

type Tls = Client<StreamOwned<ClientConnection, TcpStream>>;

fn connect(server: &Server, ca_pem: &str, identity: Option<&Identity>) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let cert = CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    Client(StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream))
}

fn site() -> Site {
    Site::new().with("/f", Resource::pattern(7, 100_000))
}

/// The status of a GET, or 0 when no answer came.
fn status(server: &Server, ca_pem: &str, identity: Option<&Identity>) -> u16 {
    connect(server, ca_pem, identity).ask("GET", "/f", "").status()
}

#[test]
fn a_server_of_the_authority() {
    let authority = Authority::new();
    let server = Server::start_tls(site(), &authority.server());
    assert!(server.url("/f").starts_with("https://127.0.0.1:"));
    let mut client = connect(&server, &authority.pem(), None);
    client.ask("GET", "/f", "").assert_pattern(7, 0, 100_000);
    client.ask("GET", "/f", "Range: bytes=5-\r\n").assert_pattern(7, 5, 99_995);
    assert_eq!(status(&server, &Authority::new().pem(), None), 0);
}

#[test]
fn servers_not_to_be_believed() {
    let authority = Authority::new();
    for identity in [authority.expired(), authority.wrong_host(), Identity::self_signed()] {
        assert_eq!(status(&Server::start_tls(site(), &identity), &authority.pem(), None), 0);
    }
}

#[test]
fn clients_need_a_certificate() {
    let authority = Authority::new();
    let server = Server::start_tls(site(), &authority.server().require_client_of(&authority));
    assert_eq!(status(&server, &authority.pem(), None), 0);
    assert_eq!(status(&server, &authority.pem(), Some(&Authority::new().client())), 0);
    assert_eq!(status(&server, &authority.pem(), Some(&authority.client())), 200);
}

#[test]
fn cuts_and_resets_under_tls() {
    let authority = Authority::new();
    let site = site().fault(Fault::cut_after(1000).nth(1)).fault(Fault::reset_after(1000).nth(2));
    let server = Server::start_tls(site, &authority.server());
    let cut = connect(&server, &authority.pem(), None).ask("GET", "/f", "");
    assert_eq!((cut.body.len(), cut.end), (1000, End::Fin));
    let reset = connect(&server, &authority.pem(), None).ask("GET", "/f", "");
    assert_eq!(reset.end, End::Reset);
}
