"""EndpointSlice (``discovery.k8s.io/v1`` and v1beta1), and ``Endpoints`` told as slices."""

from __future__ import annotations

from typing import Final

import attrs

from fsm_twisted.objects.decode_service import PROTOCOLS
from fsm_twisted.objects.fields import Fields
from fsm_twisted.objects.model import EndpointPort, EndpointSlice, Metadata, SliceEndpoint
from fsm_twisted.objects.names import address_fault, label_fault

_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_ADDRESS_TYPES: Final = ("IPv4", "IPv6", "FQDN")


def decode_slice(top: Fields, metadata: Metadata, version: str) -> tuple[EndpointSlice]:
    """
    Decode an EndpointSlice; an endpoint that cannot be used is left out.

    A slice of no Service (without the label) is kept, and nobody asks for it. Names instead of
    addresses (``FQDN``) are kept with their type, for the compiler to leave out.
    """
    address_type = top.choice("addressType", _ADDRESS_TYPES)
    return (
        EndpointSlice(
            metadata=metadata,
            service=metadata.labels.get(_SERVICE_LABEL, ""),
            address_type=address_type,
            endpoints=top.parts("endpoints", lambda each: _endpoint(each, address_type, version)),
            ports=_ports(top),
        ),
    )


def _endpoint(fields: Fields, address_type: str, version: str) -> SliceEndpoint:
    addresses = fields.texts("addresses")
    if not addresses:
        raise fields.fault("addresses", "is required: write at least one address")
    for index, address in enumerate(addresses):
        if fault := address_fault(address, address_type):
            raise fields.fault(f"addresses[{index}]", fault)
    ready, serving, terminating = _conditions(fields)
    node_name, zone = _place(fields, version)
    target = _target(fields)
    return SliceEndpoint(addresses, ready, serving, terminating, node_name, zone, target)


def _conditions(fields: Fields) -> tuple[bool, bool, bool]:
    """Resolve ``EndpointConditions``: nil is ready, as ready as serving, and not terminating."""
    conditions = fields.child("conditions")
    if conditions is None:
        return True, True, False
    ready, serving = conditions.boolean("ready"), conditions.boolean("serving")
    is_ready = ready is not False
    is_serving = is_ready if serving is None else serving
    return is_ready, is_serving, conditions.boolean("terminating") is True


def _place(fields: Fields, version: str) -> tuple[str, str]:
    """Return node name and zone, which v1beta1 keeps in ``topology``."""
    node_name, zone = fields.text("nodeName"), fields.text("zone")
    if version == "v1" or not fields.has("topology"):
        return node_name, zone
    topology = fields.text_map("topology")
    node_name = node_name or topology.get("kubernetes.io/hostname", "")
    return node_name, topology.get("topology.kubernetes.io/zone", zone)


def _target(fields: Fields) -> str:
    """Return ``targetRef`` as ``Kind/name``, for people."""
    reference = fields.child("targetRef")
    if reference is None:
        return ""
    kind, name = reference.text("kind"), reference.text("name")
    return f"{kind}/{name}" if kind and name else name


def _ports(fields: Fields) -> tuple[EndpointPort, ...]:
    """Decode ports; one without a number means every port, so there is none to connect to."""
    decoded = fields.parts("ports", _port)
    return tuple(port for port in decoded if port is not None)


def _port(fields: Fields) -> EndpointPort | None:
    number = fields.port("port")
    name = fields.checked("name", label_fault)
    protocol = fields.choice("protocol", PROTOCOLS, "TCP")
    return None if number is None else EndpointPort(name, number, protocol)


def decode_endpoints(top: Fields, metadata: Metadata, _version: str) -> tuple[EndpointSlice, ...]:
    """
    Tell an ``Endpoints`` object as slices: one for each subset and address family.

    They are called ``NAME (Endpoints)``, ``NAME (Endpoints 2)``...: no real slice can be. An
    object without subsets is one empty slice, for it says that the Service has no endpoints.
    """
    subsets = top.parts("subsets", _subset)
    found = [(family, each, ports) for groups, ports in subsets for family, each in groups]
    if not found:
        found = [("IPv4", (), ())]
    return tuple(
        EndpointSlice(_slice_metadata(metadata, number), metadata.name, family, endpoints, ports)
        for number, (family, endpoints, ports) in enumerate(found, 1)
    )


def _slice_metadata(metadata: Metadata, number: int) -> Metadata:
    suffix = "" if number == 1 else f" {number}"
    return attrs.evolve(metadata, name=f"{metadata.name} (Endpoints{suffix})")


_Groups = list[tuple[str, tuple[SliceEndpoint, ...]]]


def _subset(fields: Fields) -> tuple[_Groups, tuple[EndpointPort, ...]]:
    endpoints = (
        *fields.parts("addresses", lambda each: _address(each, is_ready=True)),
        *fields.parts("notReadyAddresses", lambda each: _address(each, is_ready=False)),
    )
    groups: dict[str, list[SliceEndpoint]] = {}
    for each in endpoints:
        family = "IPv6" if ":" in each.addresses[0] else "IPv4"
        groups.setdefault(family, []).append(each)
    return [(family, tuple(each)) for family, each in groups.items()], _ports(fields)


def _address(fields: Fields, *, is_ready: bool) -> SliceEndpoint:
    address = fields.required("ip", "write the endpoint's IP address")
    family = "IPv6" if ":" in address else "IPv4"
    if fault := address_fault(address, family):
        raise fields.fault("ip", fault)
    return SliceEndpoint(
        (address,),
        ready=is_ready,
        serving=is_ready,
        node_name=fields.text("nodeName"),
        target=_target(fields),
    )
