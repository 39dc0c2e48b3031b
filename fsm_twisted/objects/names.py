"""
The names that Kubernetes allows (k8s.io/apimachinery/pkg/util/validation).

Each function returns what is wrong, as the end of a sentence that begins with the field, or
`None` for a good name.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})*")
_PORT_NAME: Final = re.compile(r"(?=[-0-9]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
_SECRET_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
_IPV4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

_LABEL_LIMIT: Final = 63
_SUBDOMAIN_LIMIT: Final = 253
_PORT_NAME_LIMIT: Final = 15
_SHOWN_LIMIT: Final = 60


def printable(text: str, limit: int = 300) -> str:
    """Return *text* fit for one line of a message: escaped where needed, and not long."""
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    return cut if cut.isprintable() else ascii(cut)[1:-1]


def shown(text: str) -> str:
    """Return *text* in quotes, for a message."""
    return f"'{printable(text, _SHOWN_LIMIT)}'"


def label_fault(text: str) -> str | None:
    """Check a DNS-1123 label: namespaces and Services."""
    if len(text) <= _LABEL_LIMIT and _LABEL.fullmatch(text):
        return None
    return (
        f"{shown(text)} is no DNS label: use at most {_LABEL_LIMIT} of a-z, 0-9 and '-', "
        "with a letter or digit at both ends"
    )


def subdomain_fault(text: str) -> str | None:
    """Check a DNS-1123 subdomain: the names of most objects."""
    if len(text) <= _SUBDOMAIN_LIMIT and _SUBDOMAIN.fullmatch(text):
        return None
    return (
        f"{shown(text)} is no DNS name: use at most {_SUBDOMAIN_LIMIT} of a-z, 0-9, '-' and '.', "
        "with a letter or digit at both ends of every part"
    )


def host_fault(text: str) -> str | None:
    """Check a lower-case host of an Ingress: a DNS name, or ``*.`` and a DNS name."""
    if _IPV4.fullmatch(text) or ":" in text:
        return f"{shown(text)} must be a DNS name, without port, and not an IP address"
    if fault := subdomain_fault(text.removeprefix("*.")):
        return f"{fault}; '*' may only stand for the whole first part" if "*" in text else fault
    return None


def port_name_fault(text: str) -> str | None:
    """Check the name of a port as an Ingress may write it (IANA service name, RFC 6335)."""
    if len(text) <= _PORT_NAME_LIMIT and _PORT_NAME.fullmatch(text):
        return None
    return (
        f"{shown(text)} is no port name: use at most {_PORT_NAME_LIMIT} of a-z, 0-9 and single "
        "'-', with at least one letter; a port number is written without quotes"
    )


def secret_key_fault(text: str) -> str | None:
    """Check a key of a Secret's ``data``."""
    if len(text) <= _SUBDOMAIN_LIMIT and _SECRET_KEY.fullmatch(text) and text not in {".", ".."}:
        return None
    return "is no key of a Secret: use letters, digits, '-', '_' and '.'"


def address_fault(text: str, address_type: str) -> str | None:
    """Check an endpoint's address against ``addressType``; a name (FQDN) is a subdomain."""
    if address_type == "FQDN":
        return subdomain_fault(text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return f"{shown(text)} is no {address_type} address"
    if f"IPv{address.version}" != address_type or "%" in text:
        return f"{shown(text)} is no {address_type} address"
    return None
