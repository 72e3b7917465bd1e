//! nginx, serving a directory.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Place, Process};
use super::{Missing, find};
use crate::server::Identity;

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    scheme: &'static str,
}

/// How nginx is to serve.
#[derive(Clone, Debug)]
pub struct NginxBuilder {
    root: PathBuf,
    identity: Option<Identity>,
    http2: bool,
    limit_rate: Option<u64>,
    limit_connections: Option<usize>,
    extra: String,
}

/// One line of the access log; nginx writes it when the request has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The serial number of the connection.
    pub connection: u64,
    /// The number of the request on its connection, from 1.
    pub request: u64,
    /// The status.
    pub status: u16,
    /// Body bytes sent.
    pub bytes: u64,
    /// The protocol, such as `HTTP/2.0`.
    pub protocol: String,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The `Range` field.
    pub range: Option<String>,
}

impl Nginx {
    /// Whether nginx is installed.
    pub fn available() -> Result<(), Missing> {
        program().map(drop)
    }

    /// An nginx that serves the files below `root`, plainly.
    pub fn serving(root: &Path) -> NginxBuilder {
        NginxBuilder {
            root: root.to_owned(),
            identity: None,
            http2: false,
            limit_rate: None,
            limit_connections: None,
            extra: String::new(),
        }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.process.addr()
    }

    /// The URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.addr())
    }

    /// The requests that have ended.
    pub fn requests(&self) -> Vec<Access> {
        self.process.read("access.log").lines().filter_map(Access::parse).collect()
    }

    /// How many connections carried the requests that have ended.
    pub fn connections(&self) -> usize {
        self.requests().iter().map(|access| access.connection).collect::<BTreeSet<_>>().len()
    }

    /// Its logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        self.process.logs()
    }
}

impl NginxBuilder {
    /// Serves under TLS as `identity`.
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Speaks HTTP/2: by ALPN under TLS (with HTTP/1.1 for others), by prior knowledge only
    /// without.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// At most so many bytes per second on each connection (with HTTP/2, for each request). nginx
    /// sends the first second's worth at once: for an exact rate, use
    /// [`crate::server::Site::rate_per_connection`].
    pub fn limit_rate(mut self, bytes_per_second: u64) -> Self {
        self.limit_rate = Some(bytes_per_second);
        self
    }

    /// 503 for requests on more than `n` connections at a time.
    pub fn limit_connections(mut self, n: usize) -> Self {
        self.limit_connections = Some(n);
        self
    }

    /// More directives of the `server` block.
    pub fn directives(mut self, text: &str) -> Self {
        self.extra.push_str(text);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When nginx is missing (ask [`Nginx::available`] first) or does not start.
    pub fn start(&self) -> Nginx {
        let program = program().unwrap_or_else(|missing| panic!("{missing}"));
        let place = Place::new();
        if let Some(identity) = &self.identity {
            place.write("cert.pem", &identity.cert_pem);
            place.write("key.pem", &identity.key_pem);
        }
        let config = place.write("nginx.conf", &self.config(&place));
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(place.dir())
            .arg("-e")
            .arg(place.dir().join("error.log"))
            .arg("-c")
            .arg(config);
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        Nginx { process: place.start(&mut command), scheme }
    }

    fn config(&self, place: &Place) -> String {
        let dir = place.dir().display();
        let root = self.root.display();
        // Workers of another user could not read a temporary directory.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let tls = if self.identity.is_some() { " ssl" } else { "" };
        let http2 = if self.http2 { " http2" } else { "" };
        let addr = place.addr();
        let mut server = format!("listen {addr}{tls}{http2};\nroot \"{root}\";\n");
        if self.identity.is_some() {
            server.push_str(&format!(
                "ssl_certificate \"{dir}/cert.pem\";\nssl_certificate_key \"{dir}/key.pem\";\n"
            ));
        }
        if let Some(rate) = self.limit_rate {
            server.push_str(&format!("limit_rate {rate};\n"));
        }
        if let Some(n) = self.limit_connections {
            server.push_str(&format!("limit_conn clients {n};\n"));
        }
        server.push_str(&self.extra);
        format!(
            r#"{user}
daemon off;
worker_processes 2;
pid "{dir}/nginx.pid";
error_log "{dir}/error.log";
events {{ worker_connections 512; }}
http {{
    client_body_temp_path "{dir}/client";
    proxy_temp_path "{dir}/proxy";
    fastcgi_temp_path "{dir}/fastcgi";
    uwsgi_temp_path "{dir}/uwsgi";
    scgi_temp_path "{dir}/scgi";
    log_format piton '$connection $connection_requests $status $body_bytes_sent $server_protocol '
                     '$request_method $request_uri $http_range';
    access_log "{dir}/access.log" piton;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    limit_conn_zone $binary_remote_addr zone=clients:1m;
    server {{
{server}
    }}
}}
"#
        )
    }
}

impl Access {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            connection: words.next()?.parse().ok()?,
            request: words.next()?.parse().ok()?,
            status: words.next()?.parse().ok()?,
            bytes: words.next()?.parse().ok()?,
            protocol: words.next()?.to_owned(),
            method: words.next()?.to_owned(),
            path: words.next()?.to_owned(),
            range: words.next().filter(|range| *range != "-").map(str::to_owned),
        })
    }
}

fn program() -> Result<PathBuf, Missing> {
    find("nginx", "nginx")
}
