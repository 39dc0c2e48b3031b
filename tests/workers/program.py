"""A program with two workers, a backend behind it and clients before it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs

from tests.wire.harness.client import Client, connect
from tests.wire.harness.program import Program, start
from tests.workers.processes import children, owners, until

GET = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n"

MANIFEST = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, annotations: {{pipy.ingress.kubernetes.io/session-sticky: cookie}}}}
spec:
  ingressClassName: pipy
  rules:
  - host: {name}.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {{service: {{name: {name}, port: {{number: 80}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}, {{addresses: [127.0.0.2]}}, {{addresses: [127.0.0.3]}}]
"""


class Handler(BaseHTTPRequestHandler):
    """Answers with its own address; ``/slow`` waits for the backend's permission in between."""

    protocol_version = "HTTP/1.1"
    server: Backend

    def do_GET(self) -> None:
        body = self.request.getsockname()[0].encode()
        if self.path == "/slow":
            self.server.slow.set()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            self.server.go_on.wait(20)
            self.wfile.write(b"world")
            return
        told = self.headers["X-Request-ID"].encode()
        head = b"HTTP/1.1 200 OK\r\nTold-Id: %b\r\nContent-Length: %d\r\n\r\n"
        self.wfile.write(head % (told, len(body)) + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Backend(ThreadingHTTPServer):
    """Listens on all of 127.0.0.0/8."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), Handler)
        self.slow = threading.Event()
        self.go_on = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that are killed."""


@contextlib.contextmanager
def backend() -> Iterator[Backend]:
    server = Backend()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


@attrs.define
class Fleet:
    """The program's processes and manifests; orphans are workers whose nursery has died."""

    program: Program
    folder: Path
    backend: Backend
    orphans: tuple[int, ...] = ()

    @property
    def nursery(self) -> int:
        """The process id of the nursery, 0 when there is none."""
        return next(iter(children(self.program.process.pid)), 0)

    @property
    def workers(self) -> list[int]:
        """The process ids of the nursery's workers."""
        return children(self.nursery)

    def serve(self, name: str) -> None:
        """Have ``NAME.test`` served."""
        write(self.folder, name, self.backend)

    def connect(self) -> Client:
        return connect(self.program.http)

    def owner(self, client: Client) -> int:
        """Return the worker that serves *client*."""
        peer = client.sock.getsockname()[1]
        port = client.sock.getpeername()[1]
        return until(lambda: owners(port, [peer], (*self.workers, *self.orphans)).get(peer, 0))

    def connect_to(self, worker: int) -> Client:
        """Connect until *worker* takes the connection."""
        while True:
            client = self.connect()
            if self.owner(client) == worker:
                return client
            client.close()


def get(host: str = "a.test", path: str = "/") -> bytes:
    return GET % (path.encode(), host.encode())


def write(folder: Path, name: str, behind: Backend) -> None:
    text = MANIFEST.format(name=name, port=behind.server_address[1])
    (folder / f".{name}").write_text(text)
    os.rename(folder / f".{name}", folder / f"{name}.yaml")


@contextlib.contextmanager
def fleet(folder: Path, *options: str) -> Iterator[Fleet]:
    """Run the program with two workers; who has not ended it before ends it in order."""
    manifests = folder / "manifests"
    manifests.mkdir()
    with backend() as behind:
        write(manifests, "a", behind)
        program = start(manifests, folder / "log", "--workers", "2", *options)
        try:
            yield Fleet(program, manifests, behind)
            if program.process.poll() is None:
                program.stop()
        finally:
            program.process.kill()
            program.process.wait()


def refuses(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0
