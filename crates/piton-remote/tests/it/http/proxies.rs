//! Through real proxies, and past them.

use std::sync::Arc;

use piton_checkpoint::Class;
use piton_remote::RemoteError;
use piton_remote::http::{Config, ProxyRules};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::daemon::{nginx, socks, squid};
use super::scripted::{Scripted, ok};
use super::{fetch, lane, read_all, request};

const FILE: &[u8] = b"what stands behind the proxy";

fn by(address: String, authority: Option<&str>) -> impl FnOnce(&mut Config) {
    let authority = authority.map(|pem| pem.as_bytes().to_vec());
    move |config| {
        config.proxy = ProxyRules::new("", "", &address, "").unwrap();
        config.tls.ca_pem.extend(authority);
    }
}

#[tokio::test]
async fn through_squid() {
    let (Some(web), Some(proxy)) = (nginx("", &[("f", FILE)]), squid(false)) else { return };
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let mut lane = lane(by(address, Some(&web.authority.pem)));
    for url in [web.http("/f"), web.https("/f")] {
        for _ in 0..2 {
            let mut response = lane.get(&request(&url)).await.unwrap();
            assert_eq!(read_all(&mut response.body).await.unwrap(), FILE, "{url}");
            assert_eq!(response.peer.port(), proxy.port);
            response.body.finish(&mut lane);
        }
    }
    let log = std::fs::read_to_string(proxy.dir.path().join("access.log")).unwrap_or_default();
    assert!(log.matches("GET http://").count() <= 2, "{log}");
}

#[tokio::test]
async fn squid_wants_a_login() {
    let (Some(web), Some(proxy)) = (nginx("", &[("f", FILE)]), squid(true)) else { return };
    for url in [web.http("/f"), web.https("/f")] {
        let with = |login: &str| format!("http://{login}127.0.0.1:{}", proxy.port);
        let mut known = lane(by(with("me:secret@"), Some(&web.authority.pem)));
        assert_eq!(fetch(&mut known, &url).await.unwrap(), FILE, "{url}");
        for login in ["", "me:wrong@"] {
            let mut unknown = lane(by(with(login), Some(&web.authority.pem)));
            let error = fetch(&mut unknown, &url).await.unwrap_err();
            assert!(matches!(error, RemoteError::Proxy { status: Some(407), .. }), "{error:?}");
            assert_eq!(error.retry(), Class::Fatal);
            assert!(!error.to_string().contains("wrong"));
        }
    }
}

#[tokio::test]
async fn through_socks() {
    let Some(web) = nginx("", &[("f", FILE)]) else { return };
    let (Some(open), Some(closed)) = (socks(false), socks(true)) else { return };
    for (scheme, login, port) in [
        ("socks5", "", open.port),
        ("socks5h", "", open.port),
        ("socks5", "me:secret@", closed.port),
        ("socks5h", "me:secret@", closed.port),
    ] {
        let address = format!("{scheme}://{login}127.0.0.1:{port}");
        let mut lane = lane(by(address, Some(&web.authority.pem)));
        for url in
            [web.http("/f"), web.http("/f").replace("127.0.0.1", "localhost"), web.https("/f")]
        {
            assert_eq!(fetch(&mut lane, &url).await.unwrap(), FILE, "{scheme} {url}");
        }
    }
    let mut unknown = lane(by(format!("socks5://127.0.0.1:{}", closed.port), None));
    let error = fetch(&mut unknown, &web.http("/f")).await.unwrap_err();
    assert!(matches!(error, RemoteError::Proxy { status: None, .. }), "{error:?}");
}

/// A proxy that is itself spoken to over TLS, and the server's TLS inside that.
#[tokio::test]
async fn through_a_proxy_behind_tls() {
    let Some(web) = nginx("", &[("f", FILE)]) else { return };
    let ours = Authority::new("ours");
    let acceptor = TlsAcceptor::from(Arc::new(ours.server(&ours.leaf("localhost", 4000), None)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let mut client = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
        let mut server = TcpStream::connect(target).await.unwrap();
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
    });
    let mut lane = lane(|config| {
        by(address, Some(&web.authority.pem))(config);
        config.tls.ca_pem.push(ours.pem.clone().into_bytes());
    });
    assert_eq!(fetch(&mut lane, &web.https("/f")).await.unwrap(), FILE);
}

/// A proxy in a script, since no packaged one speaks SOCKS 4.
#[tokio::test]
async fn through_socks_4() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("socks4://{}", listener.local_addr().unwrap());
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 9];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(&[0, 90, 0, 0, 0, 0, 0, 0]).unwrap();
        stream.read_exact(&mut [0; 20]).unwrap();
        stream.write_all(&ok("four")).unwrap();
        asked
    });
    let body = fetch(&mut lane(by(address, None)), "http://localhost:81/").await.unwrap();
    assert_eq!(body, b"four");
    assert_eq!(proxy.join().unwrap(), [4, 1, 0, 81, 127, 0, 0, 1, 0]);
}

#[tokio::test]
async fn hosts_that_are_reached_without_the_proxy() {
    let (server, proxy) = (Scripted::saying(ok("direct")), Scripted::saying(ok("proxied")));
    let rules = |no: &str| ProxyRules::new(&proxy.url(""), "", "", no).unwrap();
    for (no, wanted) in
        [("", "proxied"), ("127.0.0.1", "direct"), ("*", "direct"), ("b.example", "proxied")]
    {
        let mut lane = lane(|config| config.proxy = rules(no));
        assert_eq!(
            fetch(&mut lane, &server.url("/f?q")).await.unwrap(),
            wanted.as_bytes(),
            "{no:?}"
        );
    }
    assert_eq!(proxy.seen()[0].target(), server.url("/f?q"), "a proxy gets the whole address");
}

/// Bytes that a proxy slips in behind its answer would be taken for the server's.
#[tokio::test]
async fn a_tunnel_in_which_the_proxy_speaks() {
    let proxy = Scripted::saying("HTTP/1.1 200 Connection established\r\n\r\nand more");
    let error = fetch(&mut lane(by(proxy.url(""), None)), "https://a.invalid/").await.unwrap_err();
    assert!(matches!(error, RemoteError::Proxy { status: None, .. }), "{error:?}");
}

#[tokio::test]
async fn what_a_proxy_says_no_with() {
    for (status, class) in [(403, Class::Fatal), (407, Class::Fatal), (503, Class::Transient)] {
        let proxy =
            Scripted::saying(format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno"));
        let mut lane = lane(by(proxy.url(""), None));
        let error = fetch(&mut lane, "https://a.invalid/").await.unwrap_err();
        assert_eq!(error.retry(), class, "{error}");
        let RemoteError::Proxy { status: said, .. } = error else { panic!("{error:?}") };
        assert_eq!(said, Some(status));
        assert!(proxy.seen()[0].head.starts_with("CONNECT a.invalid:443 HTTP/1.1\r\n"));
    }
}
