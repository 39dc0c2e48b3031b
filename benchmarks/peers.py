"""
The backend and the proxies under test: their configuration, start and end.

All of them do the same work: one worker, kept connections both ways, X-Forwarded-For, -Proto and
-Host, no access log.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from benchmarks import ingress
from benchmarks.circumstances import first_line
from benchmarks.loads import LARGE_BYTES, PLAIN_HOST, SMALL_BYTES, TLS_HOST
from benchmarks.measure import BenchmarkError, parse_counter

START_SECONDS = 20.0
LISTENING_PORTS = range(12_000, 32_000)
# Debian keeps daemons where the path of a user does not lead.
DAEMON_PLACES = ("/usr/sbin", "/sbin")


@frozen
class Peer:
    """A proxy: how it is started and where it listens."""

    name: str
    command: tuple[str, ...]
    http_port: int
    https_port: int
    environment: tuple[tuple[str, str], ...] = ()


@frozen
class Site:
    """What all peers share: a folder of our own, the backend's port, and the certificate."""

    folder: Path
    backend_port: int
    certificate: Path
    key: Path


def missing_programs(names: Sequence[str]) -> tuple[str, ...]:
    """Return those programs that are not here; their Debian packages have the same names."""
    return tuple(name for name in names if _find(name) is None)


def program(name: str) -> str:
    """Return the path of a program, or its name where there is none."""
    return _find(name) or name


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *DAEMON_PLACES)))


def free_port() -> int:
    """
    Return a port that nobody listens on now.

    It lies below those that the system gives to outgoing connections: with thousands of these, one
    of them would soon take a port between our asking for it and the listening of a proxy.
    """
    for port in random.SystemRandom().sample(LISTENING_PORTS, 100):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                sock.bind(("127.0.0.1", port))
                sock.listen()
                return port
    msg = f"no free port among {LISTENING_PORTS}"
    raise BenchmarkError(msg)


def make_site(folder: Path) -> Site:
    """Write what backend and proxies need, the certificate included."""
    key, certificate = folder / "tls.key", folder / "tls.crt"
    command = [
        program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "7", "-subj", f"/CN={TLS_HOST}",
        "-addext", f"subjectAltName=DNS:{TLS_HOST}", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    (folder / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    content = folder / "content"
    content.mkdir()
    (content / "large").write_bytes(bytes(LARGE_BYTES))
    return Site(folder, free_port(), certificate, key)


_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  {http}
}}
"""

_BACKEND = """
  sendfile on;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /counter {{ stub_status; }}
    location / {{ default_type text/plain; return 200 "{body}"; }}
    location = /large {{ default_type application/octet-stream; root {folder}/content; }}
  }}
"""

_PROXY = """
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{http} backlog=4096;
    listen 127.0.0.1:{https} ssl http2 backlog=4096;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
"""

_HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
  option forwardfor
frontend front
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {folder}/both.pem alpn h2,http/1.1
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend back
backend back
  server backend 127.0.0.1:{backend}
"""


def _nginx(site: Site, name: str, http: str) -> tuple[str, ...]:
    path = site.folder / f"{name}.conf"
    path.write_text(_NGINX.format(folder=site.folder, name=name, http=http))
    return (program("nginx"), "-p", str(site.folder), "-c", str(path))


def backend(site: Site) -> Peer:
    """Return the nginx that answers for the application."""
    body = "x" * SMALL_BYTES
    http = _BACKEND.format(port=site.backend_port, body=body, folder=site.folder)
    return Peer("backend", _nginx(site, "backend", http), site.backend_port, 0)


def nginx(site: Site) -> Peer:
    """Return nginx as a proxy, with its default buffering."""
    ports = free_port(), free_port()
    http = _PROXY.format(
        certificate=site.certificate,
        key=site.key,
        backend=site.backend_port,
        http=ports[0],
        https=ports[1],
    )
    return Peer("nginx", _nginx(site, "proxy", http), *ports)


def haproxy(site: Site) -> Peer:
    """Return haproxy with one thread."""
    ports = free_port(), free_port()
    path = site.folder / "haproxy.cfg"
    path.write_text(
        _HAPROXY.format(
            folder=site.folder, http=ports[0], https=ports[1], backend=site.backend_port
        )
    )
    return Peer("haproxy", (program("haproxy"), "-db", "-f", str(path)), *ports)


def ours(
    site: Site, name: str, python: str, root: Path | None = None, options: Sequence[str] = ()
) -> Peer:
    """
    Return the ingress of this project.

    *python* is the interpreter of an environment that the project is installed in, *root* a folder
    whose modules come before the installed ones, such as another checkout. *options* are added to
    its command line.
    """
    ports = ingress.Ports(free_port(), free_port(), free_port())
    folder = site.folder / "manifests"
    folder.mkdir(exist_ok=True)
    tls = ingress.Tls(TLS_HOST, site.certificate, site.key)
    text = ingress.manifests((PLAIN_HOST, TLS_HOST), (site.backend_port,), tls)
    (folder / "bench.yaml").write_text(text)
    command = ingress.command(python, folder, ports, options)
    environment = () if root is None else (("PYTHONPATH", str(root)),)
    return Peer(name, command, ports.http, ports.https, environment)


def start(peer: Peer, site: Site, core: int) -> subprocess.Popen[bytes]:
    """
    Start a peer on one core and wait until it accepts.

    Raises:
        BenchmarkError: It ended, or does not listen in time; its last words are in the text.
    """
    log = site.folder / f"{peer.name.replace('/', '-')}.out"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("taskset", "-c", str(core), *peer.command),
            cwd=site.folder,
            env=os.environ | dict(peer.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_SECONDS
    while not _accepts(peer.http_port):
        if process.poll() is not None or time.monotonic() > deadline:
            ingress.stop(process)
            words = log.read_text(errors="replace").strip().splitlines()[-3:]
            msg = f"{peer.name} does not start: {' / '.join(words)}"
            raise BenchmarkError(msg)
        time.sleep(0.05)
    return process


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def requests_seen(port: int) -> int:
    """Return how many requests the backend has got so far, this one not counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counter", timeout=10) as answer:
        return parse_counter(answer.read().decode("ascii")) - 1


def versions() -> dict[str, str]:
    """Return which nginx and haproxy these are."""
    return {
        "nginx": first_line(program("nginx"), "-v").rpartition("/")[2],
        "haproxy": first_line(program("haproxy"), "-v").partition("version ")[2].split(" ")[0],
    }
