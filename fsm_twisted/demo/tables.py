"""
What ``kubectl get`` prints: a table for each kind, columns as in kubectl.

Pure; *now* is a parameter, for the column AGE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs

from fsm_twisted.demo.document import Document, number, section, sections, text, texts

_NONE: Final = "<none>"
_UNKNOWN: Final = "<unknown>"
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_SHOWN_ENDPOINTS: Final = 3

Columns = tuple[tuple[str, Callable[[Document], str]], ...]


def _spec(*path: str) -> Callable[[Document], str]:
    return lambda document: text(document.body, "spec", *path) or _NONE


def _service_type(document: Document) -> str:
    return text(document.body, "spec", "type") or "ClusterIP"


def _load_balancer(document: Document) -> str:
    entries = sections(document.body, "status", "loadBalancer", "ingress")
    return ",".join(text(entry, "ip") or text(entry, "hostname") for entry in entries)


def _service_ports(document: Document) -> str:
    shown = []
    for port in sections(document.body, "spec", "ports"):
        node = f":{number(port, 'nodePort')}" if number(port, "nodePort") else ""
        shown.append(f"{text(port, 'port')}{node}/{text(port, 'protocol') or 'TCP'}")
    return ",".join(shown) or _NONE


def _ingress_hosts(document: Document) -> str:
    rules = sections(document.body, "spec", "rules")
    return ",".join(text(rule, "host") or "*" for rule in rules) or "*"


def _ingress_ports(document: Document) -> str:
    return "80, 443" if sections(document.body, "spec", "tls") else "80"


def _secret_size(document: Document) -> str:
    keys = section(document.body, "data").keys() | section(document.body, "stringData").keys()
    return str(len(keys))


def _slice_ports(document: Document) -> str:
    return ",".join(text(p, "port") for p in sections(document.body, "ports")) or "<unset>"


def _slice_addresses(document: Document) -> str:
    endpoints = sections(document.body, "endpoints")
    addresses = [address for endpoint in endpoints for address in texts(endpoint, "addresses")]
    return _first_few(addresses) or "<unset>"


def _endpoints_addresses(document: Document) -> str:
    return (
        _first_few(
            [
                f"{text(address, 'ip')}:{text(port, 'port')}"
                for subset in sections(document.body, "subsets")
                for port in sections(subset, "ports")
                for address in sections(subset, "addresses")
            ]
        )
        or _NONE
    )


def _first_few(addresses: Sequence[str]) -> str:
    more = len(addresses) - _SHOWN_ENDPOINTS
    shown = ",".join(addresses[:_SHOWN_ENDPOINTS])
    return f"{shown} + {more} more..." if more > 0 else shown


_COLUMNS: Final[Mapping[str, Columns]] = {
    "Namespace": (("STATUS", lambda _: "Active"),),
    "ServiceAccount": (("SECRETS", lambda _: "0"),),
    "Service": (
        ("TYPE", _service_type),
        ("CLUSTER-IP", _spec("clusterIP")),
        ("EXTERNAL-IP", lambda d: _load_balancer(d) or _NONE),
        ("PORT(S)", _service_ports),
    ),
    "Secret": (("TYPE", lambda d: text(d.body, "type") or "Opaque"), ("DATA", _secret_size)),
    "ConfigMap": (("DATA", _secret_size),),
    "Deployment": (("REPLICAS", lambda d: text(d.body, "spec", "replicas") or "1"),),
    "Endpoints": (("ENDPOINTS", _endpoints_addresses),),
    "EndpointSlice": (
        ("ADDRESSTYPE", lambda d: text(d.body, "addressType")),
        ("PORTS", _slice_ports),
        ("ENDPOINTS", _slice_addresses),
    ),
    "Ingress": (
        ("CLASS", _spec("ingressClassName")),
        ("HOSTS", _ingress_hosts),
        ("ADDRESS", _load_balancer),
        ("PORTS", _ingress_ports),
    ),
    "IngressClass": (("CONTROLLER", _spec("controller")), ("PARAMETERS", _spec("parameters"))),
}


@attrs.frozen
class Style:
    """How a table is wanted."""

    now: datetime
    has_namespace_column: bool = False
    has_header: bool = True


def table(kind: str, documents: Iterable[Document], style: Style) -> str:
    """Return the lines for objects of one kind, columns aligned, three blanks between them."""
    columns: Columns = (
        ("NAME", lambda d: d.name),
        *_COLUMNS.get(kind, ()),
        ("AGE", lambda d: age(text(d.body, "metadata", "creationTimestamp"), style.now)),
    )
    if style.has_namespace_column:
        columns = (("NAMESPACE", lambda d: d.namespace), *columns)
    rows = [[cell(document) for _, cell in columns] for document in documents]
    return aligned([[title for title, _ in columns], *rows] if style.has_header else rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as lines whose columns begin at the same place."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def age(created: str, now: datetime) -> str:
    """Return the time since *created* (RFC 3339) in kubectl's short form."""
    try:
        since = datetime.fromisoformat(created)
    except ValueError:
        return _UNKNOWN
    seconds = max(0, int((now - since.astimezone(UTC)).total_seconds()))
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    return f"{seconds // _DAY}d"


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Tell whether *labels* fulfil a selector of ``key=value``, ``key!=value`` and ``key``."""
    return all(_holds(term.strip(), labels) for term in selector.split(",") if term.strip())


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    key, unequal, value = term.partition("!=")
    if unequal:
        return labels.get(key.strip()) != value.strip()
    key, equal, value = term.replace("==", "=").partition("=")
    if equal:
        return labels.get(key.strip()) == value.strip()
    return key in labels
