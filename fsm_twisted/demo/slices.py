"""
Which EndpointSlices tell the ingress where the pods of a Service are.

Pure; the shape is that of ``discovery.k8s.io/v1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from fsm_twisted.demo.document import Document, document_from
from fsm_twisted.demo.workloads import Route, Selection, Workload, short_hash

MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
OWNER: Final = "stand-in-node.fsm-twisted"
_SUFFIX_LENGTH: Final = 5

PortNumbers = tuple[tuple[str, int], ...]


@attrs.frozen
class Location:
    """A running pod: its address, and where each of its ports is really found."""

    name: str
    workload: Workload
    address: str
    ports: Mapping[int, int]

    def port_for(self, route: Route) -> int:
        """Return the port that a Service port leads to, 0 when its name means nothing here."""
        target = route.target
        number = self.workload.port_names.get(target, 0) if isinstance(target, str) else target
        return self.ports.get(number, number)


def slices_for(
    selections: Iterable[Selection], locations: Iterable[Location]
) -> tuple[Document, ...]:
    """
    Return the slices of all Services.

    A slice has one set of ports for all of its endpoints, so pods whose ports are found
    elsewhere get a slice of their own. A Service without a running pod gets none.
    """
    known = tuple(locations)
    return tuple(
        _slice(selection, ports, members)
        for selection in selections
        for ports, members in _by_ports(selection, known).items()
    )


def _by_ports(
    selection: Selection, locations: tuple[Location, ...]
) -> Mapping[PortNumbers, list[Location]]:
    groups: dict[PortNumbers, list[Location]] = {}
    for location in locations:
        if selection.covers(location.workload):
            ports = ((route.name, location.port_for(route)) for route in selection.routes)
            groups.setdefault(tuple(p for p in ports if p[1]), []).append(location)
    return groups


def _slice(selection: Selection, ports: PortNumbers, members: list[Location]) -> Document:
    suffix = short_hash(f"{selection.name} {ports}", _SUFFIX_LENGTH)
    return document_from(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{selection.name}-{suffix}",
                "namespace": selection.namespace,
                "labels": {"kubernetes.io/service-name": selection.name, MANAGED_BY: OWNER},
            },
            "addressType": "IPv4",
            "ports": [{"name": name, "port": port, "protocol": "TCP"} for name, port in ports],
            "endpoints": [_endpoint(member) for member in members],
        }
    )


def _endpoint(location: Location) -> dict[str, object]:
    return {
        "addresses": [location.address],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {
            "kind": "Pod",
            "namespace": location.workload.namespace,
            "name": location.name,
        },
    }
