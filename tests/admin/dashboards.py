"""A program with one of everything that a person may have done wrong."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path

from tests.admin.test_api import OK, ingress, service, write
from tests.assembly.program import Program, running
from tests.strategies.certificates import make_pair
from tests.wire.harness.backend import Backend, answering

HOSTILE = "<script>alert(1)</script>"
PAIR = make_pair("a", ("a.example",))
OLD, NEW = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


def broken_world(port: int) -> list[object]:
    """One Ingress that is well, and one each with a lost path, a bad rewrite, a bad Secret."""
    rewrite = ingress("rewrite", OLD, ("/rewrite", "web"))
    rewrite["metadata"] = {
        "name": "rewrite",
        "creationTimestamp": OLD,
        "annotations": {
            "pipy.ingress.kubernetes.io/rewrite-target-from": "(",
            "pipy.ingress.kubernetes.io/rewrite-target-to": f"/{HOSTILE}",
        },
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "tls"},
        "stringData": {key: value.decode() for key, value in PAIR.data.items()},
    }
    tls = [{"secretName": "tls", "hosts": ["a.example"]}]
    return [
        ingress("good", OLD, ("/web", "web"), tls=tls),
        ingress("late", NEW, ("/web", "web"), ("/gone", "gone")),
        ingress("secretless", OLD, ("/s", "web"), tls=[{"secretName": "none", "hosts": ["s.a"]}]),
        rewrite,
        secret,
        *service("web", port),
    ]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Program]:
    """Run it, with an application."""
    backend = Backend().serve(*[answering(*[OK] * 20)] * 8)
    write(folder, *broken_world(backend.port))
    try:
        with running(folder, "--workers", "1", "--plain-http-on-tls-hosts", "serve") as program:
            yield program
    finally:
        backend.close()


def request(program: Program, path: str, host: str = "a.example") -> int:
    """Ask the data road."""
    connection = http.client.HTTPConnection("127.0.0.1", program.port("http"), timeout=10)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status
