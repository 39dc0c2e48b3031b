"""``status.loadBalancer`` of an Ingress or a Service, and who has written it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


@attrs.frozen(order=True)
class Address:
    """``LoadBalancerIngress``: an IP address or a host name, whichever is not empty."""

    ip: str = ""
    hostname: str = ""

    def __str__(self) -> str:
        """Return the form that people read."""
        return self.ip or self.hostname

    def encode(self) -> Mapping[str, str]:
        """Return the form of the API."""
        return {"ip": self.ip} if self.ip else {"hostname": self.hostname}


@attrs.frozen
class LoadBalancerStatus:
    """
    What the status says.

    ``uid`` is that of the object; ``owners`` are the field managers of the addresses
    (``metadata.managedFields``), which need not be there.
    """

    uid: str = ""
    addresses: tuple[Address, ...] = ()
    owners: tuple[str, ...] = ()


def decode_status(item: Mapping[str, object]) -> LoadBalancerStatus:
    """Read the status of an object; what is not as it should be counts as not said."""
    metadata = _child(item, "metadata")
    balancer = _child(_child(item, "status"), "loadBalancer")
    addresses = tuple(_addresses(balancer.get("ingress")))
    return LoadBalancerStatus(_text(metadata, "uid"), addresses, tuple(_owners(metadata)))


def _addresses(written: object) -> Iterator[Address]:
    for each in written if isinstance(written, list) else ():
        if isinstance(each, Mapping):
            address = Address(_text(each, "ip"), _text(each, "hostname"))
            if address != Address():
                yield address


def _owners(metadata: Mapping[str, object]) -> Iterator[str]:
    entries = metadata.get("managedFields")
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, Mapping):
            owned = _child(_child(each, "fieldsV1"), "f:status")
            if "f:loadBalancer" in owned:
                yield _text(each, "manager")


def _child(place: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = place.get(key)
    return value if isinstance(value, Mapping) else _NOTHING


def _text(place: Mapping[str, object], key: str) -> str:
    value = place.get(key)
    return value if isinstance(value, str) else ""
