"""Which nodes lead to us, and by which addresses: what a cloud's load balancer would know."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from fsm_twisted.control.addresses import in_order
from fsm_twisted.objects.decode_status import Address
from fsm_twisted.objects.model import EndpointSlice

# Labels of FSM's ServiceLB, which are those of k3s's under another name.
ENABLE_LABEL: Final = "servicelb.flomesh.io/enablelb"
POOL_LABEL: Final = "servicelb.flomesh.io/lbpool"

Item = Mapping[str, object]


def ready_nodes(slices: Iterable[EndpointSlice], service: str) -> tuple[str, ...]:
    """Return the names of the nodes on which a pod of *service* is Ready."""
    return tuple(
        sorted(
            {
                endpoint.node_name
                for each in slices
                if each.service == service
                for endpoint in each.endpoints
                if endpoint.ready and not endpoint.terminating and endpoint.node_name
            }
        )
    )


def why_not(service: Item) -> str:
    """Say why nodes are no addresses of this Service; ``""`` when they may be."""
    match service.get("spec"):
        case {"loadBalancerClass": str(name)} if name:
            return f"its spec.loadBalancerClass, {name}, is somebody else's task"
        case {"type": "LoadBalancer"}:
            return ""
    return "its type is not LoadBalancer, so it has no status for addresses"


def node_addresses(service: Item, nodes: Sequence[Item]) -> tuple[Address, ...]:
    """
    Return the external addresses of the chosen *nodes*, or where there are none the internal ones.

    Chosen are those of the Service's pool, if it names one, and of them those that are enabled,
    if any is; addresses are of the Service's families.
    """
    pool = _labels(service).get(POOL_LABEL)
    if pool is not None:
        nodes = [each for each in nodes if _labels(each).get(POOL_LABEL) == pool]
    enabled = [each for each in nodes if _labels(each).get(ENABLE_LABEL) == "true"]
    families = _families(service)
    found = [
        (kind, address)
        for node in enabled or nodes
        for kind, address in _addresses(node)
        if _family(address) in families
    ]
    external = [address for kind, address in found if kind == "ExternalIP"]
    internal = [address for kind, address in found if kind == "InternalIP"]
    return in_order(Address(ip=each) for each in external or internal)


def _addresses(node: Item) -> Iterator[tuple[str, str]]:
    match node.get("status"):
        case {"addresses": list(addresses)}:
            for each in addresses:
                match each:
                    case {"type": str(kind), "address": str(address)}:
                        yield kind, address


def _families(service: Item) -> Sequence[object]:
    match service.get("spec"):
        case {"ipFamilies": list(families)} if families:
            return families
    return ("IPv4", "IPv6")


def _family(address: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def _labels(item: Item) -> Mapping[str, object]:
    match item.get("metadata"):
        case {"labels": dict(labels)}:
            return labels
    return {}
