//! Real servers and proxies from Debian packages, each on a free port of this machine.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::authority::Authority;

/// A running program; killed when dropped.
pub(super) struct Daemon {
    child: Child,
    pub(super) port: u16,
    pub(super) dir: TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// Kills it at once, as a crash would.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn scratch() -> TempDir {
    let dir = TempDir::new().unwrap();
    // squid gives its rights up and still wants to write here.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

/// Starts `program`, and says SKIPPED where its package is missing.
fn start(program: &str, arguments: &[String], port: u16, dir: TempDir) -> Option<Daemon> {
    let log = fs::File::create(dir.path().join("stderr")).unwrap();
    let spawned = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(_) => {
            piton_testkit::skip(format_args!("{program} is not installed"));
            return None;
        }
    };
    let mut daemon = Daemon { child, port, dir };
    let begin = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let log = || fs::read_to_string(daemon.dir.path().join("stderr")).unwrap_or_default();
        assert!(daemon.child.try_wait().unwrap().is_none(), "{program} ended: {}", log());
        assert!(begin.elapsed() < Duration::from_secs(20), "{program} does not listen: {}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(daemon)
}

pub(crate) struct Nginx {
    daemon: Daemon,
    pub(crate) authority: Authority,
    plain: u16,
}

/// nginx with `files`, over http, and over https in HTTP/1.1 and HTTP/2. Each answer names its connection in
/// `X-Connection`.
pub(crate) fn nginx(settings: &str, files: &[(&str, &[u8])]) -> Option<Nginx> {
    let dir = scratch();
    let path = dir.path().display();
    let (plain, tls) = (free_port(), free_port());
    let authority = Authority::new("nginx");
    let leaf = authority.leaf("localhost", 4000);
    fs::write(dir.path().join("cert.pem"), leaf.cert).unwrap();
    fs::write(dir.path().join("key.pem"), leaf.key).unwrap();
    fs::create_dir(dir.path().join("root")).unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join("root").join(name), bytes).unwrap();
    }
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let configuration = format!(
        "daemon off; master_process off; pid {path}/pid; error_log stderr; {user}
         events {{ worker_connections 256; }}
         http {{
           access_log off; client_body_temp_path {path}; proxy_temp_path {path};
           fastcgi_temp_path {path}; uwsgi_temp_path {path}; scgi_temp_path {path};
           server {{
             listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2;
             ssl_certificate {path}/cert.pem; ssl_certificate_key {path}/key.pem;
             root {path}/root; add_header X-Connection $connection always;
             {settings}
           }}
         }}"
    );
    let file = dir.path().join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let arguments = ["-c", text(&file), "-p", text(dir.path())].map(str::to_owned);
    let daemon = start("nginx", &arguments, tls, dir)?;
    Some(Nginx { daemon, authority, plain })
}

impl Nginx {
    /// Where the files are that it serves.
    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.daemon.dir.path().join("root")
    }

    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.plain)
    }

    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.daemon.port)
    }

    pub(super) fn kill(&mut self) {
        self.daemon.kill();
    }
}

/// squid; with `login`, only for me:secret.
pub(super) fn squid(login: bool) -> Option<Daemon> {
    let dir = scratch();
    let path = dir.path().display();
    let port = free_port();
    let access = if login {
        let helper = dir.path().join("helper");
        let script = "#!/bin/sh\nwhile read -r user password; do\n\
            if [ \"$user:$password\" = me:secret ]; then echo OK; else echo ERR; fi\ndone\n";
        fs::write(&helper, script).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        format!(
            "auth_param basic program {path}/helper\nauth_param basic children 1 startup=1\n\
             acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n"
        )
    } else {
        "http_access allow all\n".to_owned()
    };
    let configuration = format!(
        "http_port 127.0.0.1:{port}\npid_filename none\naccess_log stdio:{path}/access.log\n\
         logfile_rotate 0\ncache_log {path}/cache.log\ncache deny all\ncoredump_dir {path}\n\
         shutdown_lifetime 0 seconds\nvisible_hostname localhost\npinger_enable off\n{access}"
    );
    let file = dir.path().join("squid.conf");
    fs::write(&file, configuration).unwrap();
    let arguments = ["-N", "-f", text(&file)].map(str::to_owned);
    start("squid", &arguments, port, dir)
}

/// microsocks; with `login`, only for me:secret.
pub(super) fn socks(login: bool) -> Option<Daemon> {
    let port = free_port();
    let mut arguments = ["-i", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec();
    if login {
        arguments.extend(["-u", "me", "-P", "secret"].map(str::to_owned));
    }
    start("microsocks", &arguments, port, scratch())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
