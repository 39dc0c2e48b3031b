"""From a backend of an Ingress to a Service port and its endpoints."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Final

import attrs

from fsm_twisted.objects.inventory import Inventory, Key
from fsm_twisted.objects.model import (
    Backend,
    EndpointSlice,
    ResourceBackend,
    Secret,
    Service,
    ServiceBackend,
    ServicePort,
    SliceEndpoint,
)
from fsm_twisted.objects.names import shown
from fsm_twisted.snapshot.identity import Endpoint, ServicePortId

_TCP: Final = "TCP"
_ADDRESS_VERSIONS: Final = {"IPv4": 4, "IPv6": 6}
_HIGHEST_PORT: Final = 65535
# The order of Endpoint itself, without its slower comparison.
_ADDRESS_AND_PORT: Final = attrgetter("address", "port")
_PORTS_SHOWN: Final = 8

Slices = tuple[EndpointSlice, ...]


@attrs.frozen
class ResolvedBackend:
    """A Service port that exists, with the endpoints that may be picked (maybe none)."""

    service_port: ServicePortId
    endpoints: tuple[Endpoint, ...]


@attrs.frozen
class BackendFault:
    """Why a backend cannot be used: a code of the registry, and the text."""

    code: str
    what: str


class EndpointMemory:
    """Remembers which endpoints slices have, for as long as the slices are the same objects."""

    def __init__(self) -> None:
        self._known: dict[Key, dict[str, tuple[Slices, tuple[Endpoint, ...]]]] = {}

    def endpoints_of(self, slices: Slices, port_name: str) -> tuple[Endpoint, ...]:
        """Return what `endpoints_of` does; *slices* are all that a Service has."""
        if not slices:
            return ()
        service = (slices[0].metadata.namespace, slices[0].service)
        ports = self._known.setdefault(service, {})
        known = ports.get(port_name)
        if known is None or known[0] is not slices:
            known = ports[port_name] = (slices, endpoints_of(slices, port_name))
        return known[1]

    def forget(self, service: Key) -> None:
        """Forget a Service that has no slices any more."""
        self._known.pop(service, None)


class BackendResolver:
    """
    Resolves the backends of one inventory, each Service port once.

    Pure in effect: the answer depends on the inventory alone, the table inside only saves work,
    and so does *memory*, which may be that of another inventory.
    """

    def __init__(self, inventory: Inventory, memory: EndpointMemory | None = None) -> None:
        self._inventory = inventory
        self._memory = EndpointMemory() if memory is None else memory
        self._known: dict[tuple[str, Backend], ResolvedBackend | BackendFault] = {}

    def resolve(self, namespace: str, backend: Backend) -> ResolvedBackend | BackendFault:
        """Return what *backend*, written in an Ingress of *namespace*, stands for."""
        key = (namespace, backend)
        if (known := self._known.get(key)) is None:
            known = self._known[key] = resolve_backend(
                self._inventory, namespace, backend, self._memory
            )
        return known

    def secret(self, namespace: str, name: str) -> Secret | None:
        """Return the Secret that an annotation names."""
        return self._inventory.secrets.get((namespace, name))


def resolve_backend(
    inventory: Inventory, namespace: str, backend: Backend, memory: EndpointMemory
) -> ResolvedBackend | BackendFault:
    """Find the Service port that *backend* names in *namespace*, and its endpoints."""
    if isinstance(backend, ResourceBackend):
        what = f"the backend is a resource ({shown(backend.kind)}), not a Service"
        return BackendFault("backend_unsupported", what)
    service = inventory.services.get((namespace, backend.service))
    if service is None:
        what = f"there is no Service {namespace}/{_plain(backend.service)}"
        return BackendFault("service_missing", what)
    if service.type == "ExternalName":
        what = f"Service {namespace}/{_plain(backend.service)} is of type ExternalName"
        return BackendFault("service_external", what)
    port = _find_port(service, backend.port)
    if port is None:
        return BackendFault("port_missing", _missing_port(service, backend))
    slices = inventory.slices_of(namespace, backend.service)
    endpoints = memory.endpoints_of(slices, port.name)
    return ResolvedBackend(ServicePortId(namespace, backend.service, port.port), endpoints)


def endpoints_of(slices: Iterable[EndpointSlice], port_name: str) -> tuple[Endpoint, ...]:
    """
    Return the endpoints that may be picked, sorted, duplicates merged.

    The ready ones of all slices; when there is none, those that terminate but still serve.
    A slice's ports are tied to the Service's by *name* (EndpointPort.name).
    """
    ready: set[Endpoint] = set()
    leaving: set[Endpoint] = set()
    for each in slices:
        version = _ADDRESS_VERSIONS.get(each.address_type)
        ports = [
            port.port
            for port in each.ports
            if port.name == port_name and port.protocol == _TCP and 0 < port.port <= _HIGHEST_PORT
        ]
        if version is None or not ports:
            continue
        for endpoint in each.endpoints:
            if endpoint.ready:
                ready.update(_addresses(endpoint, version, ports))
            elif endpoint.serving and endpoint.terminating:
                leaving.update(_addresses(endpoint, version, ports))
    return tuple(sorted(ready or leaving, key=_ADDRESS_AND_PORT))


def _addresses(endpoint: SliceEndpoint, version: int, ports: list[int]) -> list[Endpoint]:
    literals = [_literal(text, version) for text in endpoint.addresses]
    return [Endpoint(literal, port) for literal in literals if literal for port in ports]


@lru_cache(maxsize=65536)
def _literal(text: str, version: int) -> str:
    """Return the usual spelling of an address of this *version*, ``""`` for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(address) if address.version == version and "%" not in text else ""


def _find_port(service: Service, wanted: str | int) -> ServicePort | None:
    if wanted == "":
        return None
    for port in service.ports:
        named = port.name if isinstance(wanted, str) else port.port
        if named == wanted and port.protocol == _TCP and 0 < port.port <= _HIGHEST_PORT:
            return port
    return None


def _missing_port(service: Service, backend: ServiceBackend) -> str:
    wanted = shown(backend.port) if isinstance(backend.port, str) else str(backend.port)
    metadata = service.metadata
    known = [_describe(port) for port in service.ports]
    listed = ", ".join(known[:_PORTS_SHOWN]) + (", …" if len(known) > _PORTS_SHOWN else "")
    has = f"it has {listed}" if known else "it has no ports"
    return f"Service {metadata.namespace}/{_plain(metadata.name)} has no port {wanted}; {has}"


def _describe(port: ServicePort) -> str:
    notes = [_plain(port.name)] if port.name else []
    notes += [] if port.protocol == _TCP else [_plain(port.protocol)]
    return f"{port.port} ({', '.join(notes)})" if notes else str(port.port)


def _plain(name: str) -> str:
    """Return a name as it is when that is safe to show, else quoted."""
    quoted = shown(name)
    return name if quoted == f"'{name}'" else quoted
