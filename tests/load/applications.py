"""What the manifests say of one application, and what a client may therefore be answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import attrs

from tests.strategies.certificates import BEGIN, Pair, make_pair

PREFIX = "pipy.ingress.kubernetes.io/"
OURS = ("pipy", "pipy-too")
FOREIGN = "foreign"
KEY_KINDS = ("P-256", "RSA-2048")
Addresses = Mapping[str, tuple[str, int]]
Document = dict[str, Any]


@attrs.frozen
class Promise:
    """What one state of the manifests says of one request: the path as a pod will see it."""

    status: int
    pods: frozenset[str] = frozenset()
    path: str = ""


NOT_FOUND = Promise(404)


@attrs.frozen
class Application:
    """
    One state of an application.

    Service ``a`` has the pods *first* (and *leaving* ones, which terminate), ``b`` has *second*.
    The host's root leads to *uses*. ``/extra`` is an Ingress of its own of class *extra* (absent
    when ``""``) that leads to ``b``; so is the whole *guest* host. Both paths are as sent; the
    root's is rewritten to ``/vN/…`` when *rewrite* is N, not 0.
    """

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    leaving: tuple[str, ...] = ()
    uses: str = "a"
    rewrite: int = 0
    algorithm: str = "round-robin"
    sticky: str = "false"
    extra: str = ""
    guest: bool = False
    certificate: int = 0

    @property
    def host(self) -> str:
        return f"{self.name}.test"

    @property
    def guest_host(self) -> str:
        return f"guest.{self.name}.test"

    @property
    def pods(self) -> frozenset[str]:
        """All pods that must be listening."""
        return frozenset(self.first + self.second + self.leaving)

    @property
    def pair(self) -> Pair:
        return certificate(self.host, self.certificate)

    def promise(self, host: str, path: str) -> Promise:
        """Say what a request for *path* is to be answered."""
        second = frozenset(self.second)
        if host == self.guest_host:
            return Promise(200, second, path) if self.guest else NOT_FOUND
        if self.extra in OURS and (path == "/extra" or path.startswith("/extra/")):
            return Promise(200, second, path)
        pods = frozenset(self.first) if self.uses == "a" else second
        return Promise(200, pods, f"/v{self.rewrite}{path}" if self.rewrite else path)

    def files(self, addresses: Addresses) -> dict[str, list[Document]]:
        """Write the manifests: the documents of each file that there is."""
        files = {
            "services": self._services(addresses),
            "ingress": [self._main()],
            "secret": [_secret(self.name, self.pair)],
        }
        if self.extra:
            backend = _backend("/extra", f"{self.name}-b")
            files["extra"] = [_ingress(f"{self.name}-extra", self.host, backend, name=self.extra)]
        if self.guest:
            backend = _backend("/", f"{self.name}-b")
            files["guest"] = [_ingress(f"{self.name}-guest", self.guest_host, backend)]
        return files

    def _services(self, addresses: Addresses) -> list[Document]:
        a, b = f"{self.name}-a", f"{self.name}-b"
        leaving = {"ready": False, "serving": True, "terminating": True}
        return [
            _service(a),
            *(_slice(a, pod, addresses, {"ready": True}) for pod in self.first),
            *(_slice(a, pod, addresses, leaving) for pod in self.leaving),
            _service(b),
            *(_slice(b, pod, addresses, {"ready": True}) for pod in self.second),
        ]

    def _main(self) -> Document:
        ingress = _ingress(self.name, self.host, _backend("/", f"{self.name}-{self.uses}"))
        annotations = {"lb-type": self.algorithm, "session-sticky": self.sticky}
        if self.rewrite:
            annotations |= {
                "rewrite-target-from": "^/",
                "rewrite-target-to": f"/v{self.rewrite}/",
            }
        metadata = ingress["metadata"]
        metadata["annotations"] = {PREFIX + name: value for name, value in annotations.items()}
        ingress["spec"]["tls"] = [{"hosts": [self.host], "secretName": f"{self.name}-tls"}]
        return ingress


@cache
def certificate(host: str, number: int) -> Pair:
    """Return the certificate of a host after so many renewals; each second one has an RSA key."""
    kind = KEY_KINDS[number % len(KEY_KINDS)]
    return make_pair(host, (host,), kind, begin=BEGIN + timedelta(days=number))


def marker(file: str, generation: int) -> Document:
    """Return the Ingress whose answer shows which contents of *file* are served."""
    ingress = _ingress(f"marker-{file}", marker_host(file), _backend("/", "marker"))
    ingress["metadata"]["annotations"] = {
        PREFIX + "rewrite-target-from": "^/.*$",
        PREFIX + "rewrite-target-to": f"/generation/{generation}",
    }
    return ingress


def marker_host(file: str) -> str:
    """Return the host of the marker in *file*."""
    return f"{file}.marker.test"


def common(addresses: Addresses) -> list[Document]:
    """Return what no change concerns: the classes, and the service behind the markers."""
    controllers = dict.fromkeys(OURS, "flomesh.io/ingress-pipy") | {FOREIGN: "example.com/x"}
    return [
        *(
            _object("networking.k8s.io/v1", "IngressClass", name, spec={"controller": controller})
            for name, controller in controllers.items()
        ),
        _service("marker"),
        _slice("marker", "marker", addresses, {"ready": True}),
    ]


def to_text(documents: list[Document]) -> str:
    """Write documents as one file; JSON is YAML, and its first half is good YAML too."""
    return "".join(f"---\n{json.dumps(each, indent=1)}\n" for each in documents)


def _object(version: str, kind: str, name: str, **parts: Any) -> Document:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **parts}


def _service(name: str) -> Document:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return _object("v1", "Service", name, spec={"ports": ports})


def _slice(service: str, pod: str, addresses: Addresses, conditions: dict[str, bool]) -> Document:
    address, port = addresses[pod]
    made = _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        f"{service}-{pod}",
        addressType="IPv4",
        ports=[{"name": "http", "port": port, "protocol": "TCP"}],
        endpoints=[{"addresses": [address], "conditions": conditions}],
    )
    made["metadata"]["labels"] = {"kubernetes.io/service-name": service}
    return made


def _backend(path: str, service: str) -> Document:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    return {"path": path, "pathType": "Prefix", "backend": backend}


def _ingress(object_name: str, host: str, path: Document, name: str = "pipy") -> Document:
    spec = {"ingressClassName": name, "rules": [{"host": host, "http": {"paths": [path]}}]}
    return _object("networking.k8s.io/v1", "Ingress", object_name, spec=spec)


def _secret(name: str, pair: Pair) -> Document:
    data = {key: base64.b64encode(value).decode() for key, value in pair.data.items()}
    return _object("v1", "Secret", f"{name}-tls", type="kubernetes.io/tls", data=data)
