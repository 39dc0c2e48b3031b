"""The whole program on a real API server, its account with no more rights than it needs."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.assembly.program import TWISTD, Program, running, until
from tests.cluster.control_plane import ControlPlane
from tests.cluster.world import service

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
NAMESPACE = "/namespaces/program"


def own_address() -> str | None:
    """Return an address of this machine that is not loopback: slices may hold no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(sock.getsockname()[0])
    return None if address.startswith("127.") else address


class Backend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name there
        pass


@pytest.fixture
def backend() -> Iterator[tuple[str, int]]:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback, and slices may not hold that")
    server = ThreadingHTTPServer((address, 0), Backend)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield address, server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def documented_rules() -> list[object]:
    """The rules of the ClusterRole that docs/cluster.md shows."""
    for block in re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        for document in yaml.safe_load_all(block):
            if document["kind"] == "ClusterRole":
                rules: list[object] = document["rules"]
                return rules
    raise AssertionError("no ClusterRole")


@pytest.fixture
def program(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Program]:
    """The program, two workers of it, as an account with the documented rights alone."""
    control_plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": "program"}})
    control_plane.grant("dora", documented_rules())
    config = control_plane.kubeconfig("dora", {"token": "dora-token"}, {})
    with running(tmp_path, "--kubeconfig", str(config), "--workers", "2") as started:
        yield started


def apply(plane: ControlPlane, root: str, plural: str, item: Any) -> None:
    item["metadata"]["namespace"] = "program"
    plane.call("POST", f"{root}{NAMESPACE}/{plural}", item)


def test_a_cluster_is_served_with_the_documented_rights_and_without_its_api_server(
    control_plane: ControlPlane, program: Program, backend: tuple[str, int]
) -> None:
    assert program.ask("/hello", "http")[0] == 404
    address, port = backend
    apply(control_plane, "/api/v1", "services", service("web"))
    slices = {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": "", "port": port}],
    }
    apply(control_plane, "/apis/discovery.k8s.io/v1beta1", "endpointslices", slices)
    path = {
        "path": "/hello",
        "pathType": "Prefix",
        "backend": {"service": {"name": "web", "port": {"number": 80}}},
    }
    ingress = {
        "metadata": {"name": "web"},
        "spec": {"ingressClassName": "pipy", "rules": [{"http": {"paths": [path]}}]},
    }
    apply(control_plane, "/apis/networking.k8s.io/v1", "ingresses", ingress)
    until(lambda: program.ask("/hello", "http") == (200, b"hello"), lambda: program.log)

    control_plane.kill()
    try:
        for _ in range(20):
            assert program.ask("/hello", "http") == (200, b"hello")
        until(lambda: "what is known stays in force" in program.log, lambda: program.log)
        assert program.is_ready
    finally:
        control_plane.start_api_server()

    ingresses = f"/apis/networking.k8s.io/v1{NAMESPACE}/ingresses"
    control_plane.call("DELETE", f"{ingresses}/web")
    until(lambda: program.ask("/hello", "http")[0] == 404, lambda: program.log)
    assert "dora-token" not in program.log
    assert "factory" not in program.log
    program.signal(signal.SIGTERM)
    assert program.ended() == 0


def test_without_the_api_server_it_is_not_ready_and_says_why(tmp_path: Path) -> None:
    config = tmp_path / "config"
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "x", "context": {"cluster": "c"}}
    entries = {"clusters": [cluster], "contexts": [context], "current-context": "x"}
    config.write_text(yaml.safe_dump(entries))
    log_path = tmp_path / "log"
    listen = ("--http", "tcp:0", "--admin", "tcp:0:interface=127.0.0.1", "--workers", "0")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [TWISTD, "-n", "--pidfile=", "fsm-ingress", "--kubeconfig", str(config), *listen],
            stderr=log,
        )
    started = Program(process, log_path)
    try:
        until(lambda: "refused" in started.log, lambda: started.log)
        status, body = started.ask("/readyz")
        assert status == 503
        assert "factory" not in started.log
        assert b"waiting for the API server" in body
        started.signal(signal.SIGTERM)
        assert started.ended() == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
