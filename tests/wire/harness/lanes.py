"""
The world of the tests: many hosts, each with backends of its own, in one folder of manifests.

A test takes a lane (a host and its endpoints) and nobody else ever uses it, so pools, ejections
and positions of one test never reach another, although all share one program.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from tests.strategies.certificates import make_pair
from tests.wire.harness.backend import Backend
from tests.wire.harness.objects import an_object, ingress_class, service

PREFIX = "pipy.ingress.kubernetes.io/"
SINGLE, DOUBLE = 800, 60
HTTP2_SINGLE, HTTP2_DOUBLE = 100, 10


@attrs.frozen
class Lane:
    """A host that is served, and the backends of its endpoints."""

    host: bytes
    backends: tuple[Backend, ...]

    @property
    def backend(self) -> Backend:
        return self.backends[0]

    def get(self, target: bytes = b"/", extra: bytes = b"") -> bytes:
        """Write a GET for this host; *extra* are whole field lines."""
        return self.request(b"GET", target, extra)

    def request(
        self, method: bytes, target: bytes = b"/", extra: bytes = b"", body: bytes = b""
    ) -> bytes:
        """Write a request of any method for this host."""
        return b"%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s" % (method, target, self.host, extra, body)

    def post(self, body: bytes, extra: bytes = b"", target: bytes = b"/") -> bytes:
        """Write a POST with Content-Length."""
        return self.request(
            b"POST", target, b"Content-Length: %d\r\n%s" % (len(body), extra), body
        )


NAMED: dict[str, dict[str, str]] = {
    "rewrite.test": {"rewrite-target-from": "^/app/?", "rewrite-target-to": "/"},
    "small.test": {"proxy-body-size": "10"},
    "secure.test": {},
    "other.test": {},
    "*.wild.test": {},
    "quick.test": {"proxy-read-timeout": "500ms", "proxy-connect-timeout": "500ms"},
    "paths.test": {},
    "refused.test": {},
    "sticky.test": {"session-sticky": "cookie"},
    "quiet-log.test": {"enable-access-log": "false"},
    "passed.test": {"ssl-passthrough": "true"},
    "open.test": {"ssl-redirect": "false"},
    "shut.test": {"ssl-redirect": "true"},
    "forced.test": {"force-ssl-redirect": "true"},
    "h2spec.test": {},
}
TLS_HOSTS = ("secure.test", "other.test", "*.wild.test", "open.test", "shut.test")


@attrs.define
class World:
    """All lanes; `single`, `double` and `named` hand them out."""

    folder: Path
    named: dict[str, Lane]
    everything: tuple[Lane, ...]
    _single: Iterator[Lane]
    _double: Iterator[Lane]
    _http2_single: Iterator[Lane]
    _http2_double: Iterator[Lane]
    used: list[Lane] = attrs.Factory(list)

    def single(self) -> Lane:
        """Return a lane of one endpoint that nobody has used."""
        return self._take(self._single)

    def double(self) -> Lane:
        """Return a lane of two endpoints that nobody has used."""
        return self._take(self._double)

    def http2(self) -> Lane:
        """Return a lane of one endpoint, spoken to by HTTP/2, that nobody has used."""
        return self._take(self._http2_single)

    def http2_double(self) -> Lane:
        """Return a lane of two endpoints, spoken to by HTTP/2, that nobody has used."""
        return self._take(self._http2_double)

    def _take(self, lanes: Iterator[Lane]) -> Lane:
        lane = next(lanes, None)
        assert lane is not None, "more tests than lanes: raise SINGLE or DOUBLE"
        self.used.append(lane)
        return lane

    def clear(self) -> list[BaseException]:
        """End what a test has used; return the faults of its scripts."""
        lanes, self.used = self.used, []
        faults = []
        for lane in lanes:
            for backend in lane.backends:
                faults += backend.stop()
                if lane not in self.named.values():
                    backend.close()
        return faults

    def by_name(self, host: str) -> Lane:
        """Return a lane with annotations or TLS of its own."""
        self.used.append(self.named[host])
        return self.used[-1]


def _rule(host: str, service: str) -> dict[str, Any]:
    path = {
        "path": "/only" if host == "paths.test" else "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": {"number": 80}}},
    }
    return {"host": host, "http": {"paths": [path]}}


def _label(host: str) -> str:
    return "named-" + host.replace("*.", "any-").replace(".", "-")


def _secret(host: str) -> dict[str, Any]:
    pair = make_pair(host, (host,))
    return an_object(
        "v1",
        "Secret",
        f"tls-{_label(host)}",
        type="kubernetes.io/tls",
        data={key: base64.b64encode(value).decode() for key, value in pair.data.items()},
    )


def _named_objects(host: str, lane: Lane) -> list[dict[str, Any]]:
    name = _label(host)
    spec: dict[str, Any] = {"ingressClassName": "pipy", "rules": [_rule(host, name)]}
    objects = service(name, lane.backends, 80)
    if host in TLS_HOSTS:
        secret = _secret(host)
        spec["tls"] = [{"hosts": [host], "secretName": secret["metadata"]["name"]}]
        objects.append(secret)
    ingress = an_object("networking.k8s.io/v1", "Ingress", name, spec=spec)
    ingress["metadata"]["annotations"] = {PREFIX + k: v for k, v in NAMED[host].items()}
    return [*objects, ingress]


def build_world(folder: Path) -> World:
    """Bind all backends and write the manifests."""
    single = [Lane(b"s%d.test" % n, (Backend(),)) for n in range(SINGLE)]
    double = [Lane(b"d%d.test" % n, (Backend(), Backend())) for n in range(DOUBLE)]
    singles = [Lane(b"h%d.test" % n, (Backend(),)) for n in range(HTTP2_SINGLE)]
    doubles = [Lane(b"hh%d.test" % n, (Backend(), Backend())) for n in range(HTTP2_DOUBLE)]
    http2 = [*singles, *doubles]
    named = {host: Lane(host.replace("*", "x").encode(), (Backend(),)) for host in NAMED}
    lanes = [*single, *double, Lane(b"empty.test", ())]
    objects = [ingress_class()]
    objects += _lanes_objects("lanes", lanes, {})
    objects += _lanes_objects("lanes-http2", http2, {"upstream-protocol": "H2C"})
    for host, lane in named.items():
        objects += _named_objects(host, lane)
    document = {"apiVersion": "v1", "kind": "List", "items": objects}
    (folder / "world.json").write_text(json.dumps(document))
    everything = (*lanes, *http2, *named.values())
    kinds = (iter(single), iter(double), iter(singles), iter(doubles))
    return World(folder, named, everything, *kinds)


def _lanes_objects(
    name: str, lanes: list[Lane], annotations: dict[str, str]
) -> list[dict[str, Any]]:
    """Return Services of all *lanes*, and an Ingress that leads to them."""
    named = [(lane, lane.host.decode().replace(".", "-")) for lane in lanes]
    rules = [_rule(lane.host.decode(), each) for lane, each in named]
    spec = {"ingressClassName": "pipy", "rules": rules}
    ingress = an_object("networking.k8s.io/v1", "Ingress", name, spec=spec)
    ingress["metadata"]["annotations"] = {PREFIX + k: v for k, v in annotations.items()}
    objects = [part for lane, each in named for part in service(each, lane.backends, 80)]
    return [*objects, ingress]
