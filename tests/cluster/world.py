"""A source on the API server in memory, its clock in our hand."""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from fsm_twisted.objects.model import KubernetesObject
from fsm_twisted.sources.cluster.access import Access
from fsm_twisted.sources.cluster.api import Api
from fsm_twisted.sources.cluster.secrets import referenced_secrets
from fsm_twisted.sources.cluster.source import ClusterOptions, ClusterSource
from fsm_twisted.sources.contents import Contents
from tests.cluster.memory import MemoryNetwork, MemoryServer, Object

INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
OLD_SLICES = "/apis/discovery.k8s.io/v1beta1/endpointslices"
SERVICES = "/api/v1/services"
SECRETS = "/api/v1/secrets"
ALL = sorted((INGRESSES, CLASSES, SLICES, SERVICES, SECRETS))

NAMESPACES = "/api/v1/namespaces"

PREFIX = "pipy.ingress.kubernetes.io/"


def ingress(name: str, *secrets: str, namespace: str = "default") -> Object:
    """An Ingress without kind and apiVersion, as lists have them."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
            "tls": [{"hosts": ["a.example"], "secretName": each} for each in secrets],
        },
    }


def service(name: str, port: Any = 80, namespace: str = "default") -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"port": port}]},
    }


def endpoint_slice(name: str, *addresses: str) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [each]} for each in addresses],
        "ports": [{"name": "", "port": 8080}],
    }


def secret(name: str, text: str = "x", namespace: str = "default") -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": {"key": base64.b64encode(text.encode()).decode()},
    }


def names(values: Contents | tuple[KubernetesObject, ...], kind: str = "") -> list[str]:
    """The objects as ``Kind/name``, or the names alone of one kind."""
    objects = values.objects if isinstance(values, Contents) else values
    found = [(type(each).__name__, each.metadata.name) for each in objects]
    if kind:
        return sorted(name for of, name in found if of == kind)
    return sorted("/".join(each) for each in found)


class FixedKeeper:
    """Credentials that the test changes."""

    def __init__(self) -> None:
        self.access = Access("http://memory:6443", authorization=b"Bearer first")
        self.renewed: list[Access] = []
        self.next = self.access

    def check(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def get(self) -> Deferred[Access]:
        return succeed(self.access)

    def renew(self, stale: Access) -> Deferred[Access]:
        self.renewed.append(stale)
        self.access = self.next
        return succeed(self.access)


class World:
    """Everything together; draws are always *luck*."""

    def __init__(self, *namespaces: str, luck: float = 0.5, selector: str = "") -> None:
        self.clock = Clock()
        self.server = MemoryServer()
        self.network = MemoryNetwork(self.clock, self.server)
        self.keeper = FixedKeeper()
        self.told: list[Contents] = []
        self.api = Api(self.clock, self.keeper, self.network.agent_for)
        self.source = ClusterSource(
            self.api,
            reactor=self.clock,
            on_change=self.told.append,
            wanted_secrets=lambda ingresses: referenced_secrets(ingresses, PREFIX),
            options=ClusterOptions(namespaces=namespaces, selector=selector),
            draw=lambda: luck,
        )

    def start(self) -> World:
        self.source.start()
        self.run(0.5)
        return self

    def run(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass, and everything arrive meanwhile."""
        end = self.clock.seconds() + seconds
        self.network.settle()
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.seconds()))
            self.network.settle()

    @property
    def names(self) -> list[str]:
        return names(self.source.contents)

    def of(self, kind: str) -> list[str]:
        return names(self.source.contents, kind)
