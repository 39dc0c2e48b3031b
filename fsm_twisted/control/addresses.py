"""Which addresses a Service has for its clients outside; as ingress-nginx finds them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from fsm_twisted.objects.decode_status import Address, decode_status


def in_order(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Return each address once, in an order of our own: another order is no other status."""
    return tuple(sorted(set(addresses)))


def address_of(text: str) -> Address:
    """Return what a person has written: an IP address or a host name."""
    try:
        return Address(ip=str(ipaddress.ip_address(text)))
    except ValueError:
        return Address(hostname=text)


def addresses_of(service: Mapping[str, object]) -> tuple[Address, ...]:
    """
    Return the addresses of a ``v1`` Service as the API server tells it.

    A LoadBalancer has those of its status and its external IPs; a NodePort its external IPs, else
    its cluster IPs; a ClusterIP its external and cluster IPs; an ExternalName its name. None while
    it has none yet.
    """
    match service.get("spec"):
        case {"type": "ExternalName", "externalName": str(name)}:
            return (address_of(name.removesuffix(".")),)
        case dict(spec):
            pass
        case _:
            return ()
    external = list(_ips(spec.get("externalIPs")))
    match spec.get("type", "ClusterIP"):
        case "LoadBalancer":
            found = [*decode_status(service).addresses, *external]
        case "NodePort":
            found = external or _cluster_ips(spec)
        case _:
            found = [*external, *_cluster_ips(spec)]
    return in_order(found)


def _cluster_ips(spec: Mapping[str, object]) -> list[Address]:
    return list(_ips(spec.get("clusterIPs") or [spec.get("clusterIP")]))


def _ips(written: object) -> Iterator[Address]:
    for each in written if isinstance(written, list) else ():
        if isinstance(each, str) and each not in {"", "None"}:
            yield Address(ip=each)
