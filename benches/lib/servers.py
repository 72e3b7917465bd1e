"""The servers: nginx, and the fault server of the test kit."""

import contextlib
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .report import PATH

NGINX = """
daemon off;
worker_processes auto;
pid {dir}/pid;
error_log {dir}/error.log;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {dir}/a;
    proxy_temp_path {dir}/b;
    fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d;
    scgi_temp_path {dir}/e;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {dir}/leaf.pem;
    ssl_certificate_key {dir}/leaf.key;
    server {{ listen 127.0.0.1:{plain}; root {root}; }}
    server {{ listen 127.0.0.1:{tls} ssl; root {root}; }}
    server {{ listen 127.0.0.1:{h2} ssl http2; root {root}; }}
}}
"""


class Nginx:
    """The addresses of file.bin, and the authority to trust."""

    def __init__(self, ports, ca):
        self.plain, self.tls, self.h2 = (
            f"{scheme}://127.0.0.1:{port}/file.bin"
            for scheme, port in zip(("http", "https", "https"), ports)
        )
        self.ca = str(ca)


@contextlib.contextmanager
def nginx(root):
    """nginx over a folder: plain, TLS, and TLS with HTTP/2 as well; 1.3 is what all agree on."""
    with tempfile.TemporaryDirectory(prefix="piton-bench-nginx-") as name:
        folder = Path(name)
        ca = certificates(folder)
        ports = free_ports(3)
        user = "user root;" if Path("/proc/self").owner() == "root" else ""
        config = NGINX.format(dir=name, root=root, user=user, plain=ports[0], tls=ports[1],
                              h2=ports[2])
        (folder / "nginx.conf").write_text(config)
        process = subprocess.Popen(["nginx", "-c", name + "/nginx.conf", "-p", name],
                                   env={"PATH": PATH}, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            for port in ports:
                wait_for(port)
            yield Nginx(ports, ca)
        finally:
            process.terminate()
            process.wait()


def certificates(folder):
    """An authority and a server certificate of it; returns the path of the authority's."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=piton bench")
    openssl("req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "leaf.pem", "-days", "2", "-extfile", "names")
    return folder / "ca.pem"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(port):
    for _ in range(500):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    raise SystemExit(f"nginx does not listen on port {port}")


class Faulty:
    """The fault server; `url` is the address of its file."""

    def __init__(self, process):
        self._lines = process.stdout
        self.url = self._lines.readline().strip()

    def next_request(self):
        """Waits for the next request: its time in seconds since 1970, and its Range."""
        when, asked = self._lines.readline().split(" ", 1)
        return float(when), asked.strip()


@contextlib.contextmanager
def faulty(bench, *options):
    """The fault server with these options (see crates/piton-testkit/examples/serve.rs)."""
    process = subprocess.Popen([bench.serve, *map(str, options)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        yield Faulty(process)
    finally:
        process.stdin.close()
        process.wait()
