"""
CPU of one unary call of gRPC through this ingress, Envoy and nginx, in one interleaved run.

``python benchmarks/grpc_unary.py --help`` tells the options. HTTP/2 in plain on both sides; h2load
makes the calls (a message of 100 octets each way), a server of grpcio answers them.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path and its http.py hide the library's.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import json
import math
import os
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

from benchmarks import ingress, table
from benchmarks.circumstances import circumstances
from benchmarks.json_peers import Json
from benchmarks.measure import BenchmarkError, ClientRun, Sample, take_sample
from benchmarks.peer import Peer, start
from benchmarks.peers import DEBIAN, PYPI, versions
from benchmarks.site import free_port, missing_programs, program
from tests.wire.harness.grpc_world import SERVICE, GrpcServer

ROOT = Path(__file__).resolve().parent.parent
HOST = "grpc.example.com"
LOAD = "grpc-unary"
MESSAGE = 100
CONNECTIONS, STREAMS = 8, 8
MISSING = 3
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} http2 backlog=4096;
    server_name {host};
    location / {{
      grpc_pass grpc://backend;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      grpc_set_header X-Forwarded-Proto $scheme;
      grpc_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"""


def ours(folder: Path, backend: int, name: str = "ours", root: Path | None = None) -> Peer:
    """Return this ingress in one process; *root* is another checkout."""
    ports = ingress.Ports(free_port(), free_port(), free_port())
    served = folder / "manifests"
    if not served.exists():
        served.mkdir()
        text = ingress.manifests((ingress.Rule(HOST),), (backend,))
        annotation = "{annotations: {pipy.ingress.kubernetes.io/upstream-protocol: GRPC}, "
        text = text.replace("{name: bench-0}", annotation + "name: bench-0}")
        (served / "bench.yaml").write_text(text)
    command = ingress.command(sys.executable, served, ports, ("--h2c", "on"))
    environment = () if root is None else (("PYTHONPATH", str(root)),)
    return Peer(name, command, ports.http, admin_port=ports.admin, environment=environment)


def nginx(folder: Path, backend: int) -> Peer:
    """Return nginx with ``grpc_pass``; it keeps connections, one call at a time on each."""
    port, path = free_port(), folder / "nginx.conf"
    path.write_text(_NGINX.format(folder=folder, port=port, host=HOST, backend=backend))
    return Peer("nginx", (program("nginx"), "-p", str(folder), "-c", str(path)), port)


def envoy(folder: Path, backend: int) -> Peer:
    """Return Envoy with one worker; its main thread is counted, too."""
    port, prefix = free_port(), "type.googleapis.com/envoy.extensions"
    router = {"@type": f"{prefix}.filters.http.router.v3.Router", "suppress_envoy_headers": True}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "0s"}}
    forwarded = {"key": "X-Forwarded-Host", "value": "%REQ(:AUTHORITY)%"}
    hosts = [{"name": "all", "domains": [HOST, f"{HOST}:*"], "routes": [route]}]
    network = f"{prefix}.filters.network.http_connection_manager.v3"
    manager: Json = {
        "@type": f"{network}.HttpConnectionManager",
        "stat_prefix": "grpc",
        "use_remote_address": True,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {
            "virtual_hosts": hosts,
            "request_headers_to_add": [{"header": forwarded}],
        },
    }
    http2 = {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": _address(backend)}}
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {_HTTP_OPTIONS: http2},
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {
        "name": "grpc",
        "address": _address(port),
        "tcp_backlog_size": 4096,
        "filter_chains": [{"filters": filters}],
    }
    path = folder / "envoy.json"
    document = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
    path.write_text(json.dumps(document))
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    return Peer("envoy", (program("envoy"), "-c", str(path), *options), port)


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


PEERS: dict[str, Callable[[Path, int], Peer]] = {"ours": ours, "nginx": nginx, "envoy": envoy}


def serve(port: int, counter: int) -> None:
    """Be the server: calls on one port, how many there were on another; for ever."""
    server = GrpcServer(port=port).start()

    class Counter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = b"%d" % server.calls
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    HTTPServer(("127.0.0.1", counter), Counter).serve_forever()


def calls_seen(counter: int) -> int:
    """Return how many calls the server has got."""
    with urllib.request.urlopen(f"http://127.0.0.1:{counter}/", timeout=10) as answer:
        return int(answer.read())


def load(folder: Path, port: int, seconds: float, core: int) -> ClientRun:
    """Return the calls of one turn."""
    message = folder / "message"
    message.write_bytes(b"\0" + MESSAGE.to_bytes(4) + bytes(MESSAGE))
    command = (
        "taskset", "-c", str(core), program("h2load"), "-c", str(CONNECTIONS), "-m", str(STREAMS),
        "-D", f"{math.ceil(seconds)}", "-d", str(message), "-H", "content-type: application/grpc",
        "-H", "te: trailers", f"--connect-to=127.0.0.1:{port}", f"http://{HOST}/{SERVICE}/Unary",
    )  # fmt: skip
    return ClientRun(command, CONNECTIONS * STREAMS, ends_by_itself=True)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[Sample]]:
    """Start all and take the turns."""
    cores = sorted(os.sched_getaffinity(0))
    backend, counter = free_port(), free_port()
    module = (sys.executable, "-m", "benchmarks.grpc_unary", "--serve", f"{backend},{counter}")
    server = Peer("server", module, backend, environment=(("PYTHONPATH", str(ROOT)),))
    chosen = [PEERS[name](folder, backend) for name in options.peers.split(",")]
    if options.baseline:
        chosen.append(ours(folder, backend, "baseline", options.baseline))
    taken: dict[str, list[Sample]] = {peer.name: [] for peer in chosen}
    with ExitStack() as stack:

        def begin(peer: Peer, core: int) -> int:
            process = start(peer, folder, core)
            stack.callback(ingress.stop, process)
            return process.pid

        begin(server, cores[-1])
        pids = [begin(peer, cores[0]) for peer in chosen]
        seen = partial(calls_seen, counter)
        for number in range(options.rounds):
            for peer, pid in zip(chosen, pids, strict=True):
                run = load(folder, peer.http_port, options.seconds + options.warm, cores[-1])
                sample = take_sample(pid, run, options.seconds, options.warm, seen)
                taken[peer.name].append(sample)
                figure = f"{sample.microseconds_per_request:.1f}"
                print(f"{number + 1}/{options.rounds} {peer.name}: {figure}", flush=True)
    return taken


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/grpc_unary.py", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="how often each proxy gets its turn [%(default)s]")
    add("--seconds", type=float, default=3.0, help="length of one turn [%(default)s]")
    add("--warm", type=float, default=1.0, help="warm-up before each turn [%(default)s s]")
    add("--peers", default=",".join(PEERS), help="which of them [%(default)s]")
    add("--baseline", type=Path, metavar="FOLDER", help="measure this checkout of ours, too")
    add("--markdown", type=Path, metavar="FILE", help="write the table for docs/performance.md")
    add("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for name in options.peers.split(","):
        if name not in PEERS:
            parser.error(f"unknown name {name!r}; there are: {', '.join(PEERS)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    if options.serve:
        serve(*map(int, options.serve.split(",")))
    names = options.peers.split(",")
    missing = missing_programs(["h2load", *(name for name in names if name != "ours")])
    if missing:
        packages = {"h2load": "Debian's nghttp2-client", "nginx": f"Debian's {DEBIAN['nginx']}"}
        where = ", ".join(packages.get(name, f"PyPI's {PYPI.get(name)}") for name in missing)
        print(f"benchmarks/grpc_unary.py: missing: {where}", file=sys.stderr)
        return MISSING
    try:
        with tempfile.TemporaryDirectory(prefix="fsm-grpc-") as folder:
            taken = measure(options, Path(folder))
    except BenchmarkError as error:
        print(f"benchmarks/grpc_unary.py: {error}", file=sys.stderr)
        return 1
    facts = circumstances(sys.executable) | versions(names)
    lines = [row.cells() for row in table.rows({LOAD: taken})]
    table.report(table.HEADINGS, lines, facts, options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
