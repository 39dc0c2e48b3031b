"""Objects of Kubernetes, as manifests have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Object = dict[str, Any]


class Listening(Protocol):
    """Something with a port on the loopback."""

    @property
    def port(self) -> int: ...


def an_object(version: str, kind: str, name: str, **parts: Any) -> Object:
    """Make an object of any kind."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **parts}


def ingress_class() -> Object:
    """Make the class of all Ingresses."""
    spec = {"controller": "flomesh.io/ingress-pipy"}
    return an_object("networking.k8s.io/v1", "IngressClass", "pipy", spec=spec)


def service(name: str, backends: Sequence[Listening], port: int) -> list[Object]:
    """Make a Service with one port, and a slice for each of *backends*."""
    spec = {"ports": [{"name": "main", "port": port}]}
    slices = [
        an_object(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            f"{name}-{number}",
            addressType="IPv4",
            ports=[{"name": "main", "port": backend.port, "protocol": "TCP"}],
            endpoints=[{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        )
        for number, backend in enumerate(backends)
    ]
    for each in slices:
        each["metadata"]["labels"] = {"kubernetes.io/service-name": name}
    return [an_object("v1", "Service", name, spec=spec), *slices]
