//! The command against servers and proxies as Debian ships them.

use std::path::Path;

use piton_testkit::real::{Invocation, Nginx, Outcome, Socks5, Squid, StopWhen};
use piton_testkit::server::pattern;
use piton_testkit::server::tls::{Authority, Identity};
use piton_testkit::skip;

const MIB: u64 = 1 << 20;
const SEED: u64 = 11;

/// A folder that a server serves, with `file.bin` in it, and an empty one to download into.
struct Desk {
    served: tempfile::TempDir,
    folder: tempfile::TempDir,
    len: u64,
}

impl Desk {
    fn new(len: u64) -> Self {
        let (served, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(served.path().join("file.bin"), pattern::bytes(SEED, len as usize)).unwrap();
        Self { served, folder, len }
    }

    fn piton(&self) -> Invocation<'_> {
        let piton = env!("CARGO_BIN_EXE_piton");
        Invocation::new(piton, self.folder.path()).args(["--config", "none", "get", "-q"])
    }

    fn assert_right(&self, outcome: &Outcome, logs: &str) {
        assert_eq!(outcome.code, Some(0), "{}\n{logs}", outcome.stderr);
        let bytes = std::fs::read(self.folder.path().join("file.bin")).unwrap();
        assert_eq!(bytes.len() as u64, self.len);
        assert_eq!(pattern::first_difference(SEED, 0, &bytes), None);
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let names: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| ends(name, ".part") || ends(name, ".piton")), "{names:?}");
    }
}

fn ends(name: &std::ffi::OsStr, suffix: &str) -> bool {
    name.to_string_lossy().ends_with(suffix)
}

/// Kills the download once `bytes` are on disk; the same command must then go on.
fn kill_and_go_on(desk: &Desk, args: &[&str], url: &str, logs: &dyn Fn() -> String) {
    let part = desk.folder.path().join("file.bin.part");
    let killed = desk.piton().args(args.iter().copied()).arg(url);
    let killed = killed.kill(StopWhen::Holds(part, desk.len / 3)).run();
    assert!(killed.stopped, "{}\n{}", killed.stderr, logs());
    assert!(!desk.folder.path().join("file.bin").exists());
    let outcome = desk.piton().args(args.iter().copied()).arg(url).run();
    desk.assert_right(&outcome, &logs());
}

#[test]
fn nginx_over_http_1() {
    if let Err(missing) = Nginx::available() {
        return skip(missing);
    }
    let desk = Desk::new(24 * MIB);
    let nginx = Nginx::serving(desk.served.path()).limit_rate(4 * MIB).start();
    kill_and_go_on(&desk, &["-x3"], &nginx.url("/file.bin"), &|| nginx.logs());
    let fetched: u64 = nginx.requests().iter().filter(|r| r.status == 206).count() as u64;
    assert!(fetched >= 2, "{}", nginx.logs());
}

#[test]
fn nginx_over_tls_and_http_2() {
    if let Err(missing) = Nginx::available() {
        return skip(missing);
    }
    let authority = Authority::new();
    let desk = Desk::new(24 * MIB);
    let ca = desk.served.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let ca = ca.to_str().unwrap();
    // A single file is asked for over HTTP/1.1 first, also where the server has both.
    for (http2, spoken, version) in
        [(false, "auto", "HTTP/1.1"), (true, "auto", "HTTP/1.1"), (true, "2", "HTTP/2.0")]
    {
        let builder = Nginx::serving(desk.served.path()).tls(&authority.server());
        let builder = if http2 { builder.http2() } else { builder };
        let nginx = builder.limit_rate(4 * MIB).start();
        let url = nginx.url("/file.bin");
        let refused = desk.piton().arg(&url).run();
        assert_eq!(refused.code, Some(5), "an unknown authority: {}", refused.stderr);
        let options = ["-x3", "--ca-file", ca, "--http", spoken];
        kill_and_go_on(&desk, &options, &url, &|| nginx.logs());
        assert!(nginx.requests().iter().all(|r| r.protocol == version), "{}", nginx.logs());
        std::fs::remove_file(desk.folder.path().join("file.bin")).unwrap();
    }
}

#[test]
fn a_certificate_that_signs_itself_and_is_trusted_by_name() {
    if let Err(missing) = Nginx::available() {
        return skip(missing);
    }
    let identity = Identity::self_signed();
    let desk = Desk::new(MIB);
    let nginx = Nginx::serving(desk.served.path()).tls(&identity).start();
    let ca = desk.served.path().join("ca.pem");
    std::fs::write(&ca, &identity.cert_pem).unwrap();
    let outcome =
        desk.piton().args(["--ca-file", ca.to_str().unwrap()]).arg(nginx.url("/file.bin")).run();
    desk.assert_right(&outcome, &nginx.logs());
}

#[test]
fn squid_as_a_forward_proxy_and_as_a_tunnel() {
    for missing in [Nginx::available(), Squid::available()] {
        if let Err(missing) = missing {
            return skip(missing);
        }
    }
    let authority = Authority::new();
    let desk = Desk::new(4 * MIB);
    let ca = desk.served.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let plain = Nginx::serving(desk.served.path()).start();
    let tls = Nginx::serving(desk.served.path()).tls(&authority.server()).start();
    let squid = Squid::start_with_login("user", "secret");
    let (with, without) = (squid.url_with_login(), squid.url());
    for (variable, url) in
        [("http_proxy", plain.url("/file.bin")), ("HTTPS_PROXY", tls.url("/file.bin"))]
    {
        let get = || desk.piton().args(["--ca-file", ca.to_str().unwrap(), "-x2"]).arg(&url);
        let refused = get().env(variable, &without).run();
        assert_eq!(refused.code, Some(6), "{}", refused.stderr);
        let outcome = get().env(variable, &with).run();
        desk.assert_right(&outcome, &squid.logs());
        std::fs::remove_file(desk.folder.path().join("file.bin")).unwrap();
        let past = get().env(variable, "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1").run();
        desk.assert_right(&past, "");
        std::fs::remove_file(desk.folder.path().join("file.bin")).unwrap();
    }
    assert!(squid.requests().iter().any(|(_, method, _)| method == "CONNECT"), "{}", squid.logs());
}

#[test]
fn a_socks_proxy() {
    for missing in [Nginx::available(), Socks5::available()] {
        if let Err(missing) = missing {
            return skip(missing);
        }
    }
    let desk = Desk::new(4 * MIB);
    let nginx = Nginx::serving(desk.served.path()).start();
    let socks = Socks5::start_with_login("user", "secret");
    let url = nginx.url("/file.bin");
    let outcome = desk.piton().args(["--proxy", &socks.url_with_login(), "-x2"]).arg(&url).run();
    desk.assert_right(&outcome, &socks.logs());
    assert!(socks.connections() > 0);
}

#[test]
fn nginx_that_allows_two_connections() {
    if let Err(missing) = Nginx::available() {
        return skip(missing);
    }
    let desk = Desk::new(16 * MIB);
    let nginx = Nginx::serving(desk.served.path()).limit_connections(2).limit_rate(2 * MIB).start();
    let outcome = desk.piton().arg("-x8").arg(nginx.url("/file.bin")).run();
    desk.assert_right(&outcome, &nginx.logs());
    assert!(Path::new(desk.served.path()).exists());
}
