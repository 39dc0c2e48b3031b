"""
The field Forwarded (RFC 7239): by the letter, and from its right end, where trusted hops write.

Pure. Elements are split at commas outside quotes; the first malformed one, from the right, ends
what is read, as it does in X-Forwarded-For: what a client has put in front cannot hide what a
proxy has appended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import attrs

Address = IPv4Address | IPv6Address

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_PAIR: Final = re.compile(rb"(%b)=(%b|%b)" % (_TOKEN, _TOKEN, _QUOTED))
_RUN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|,|[^",]++', re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_PORT: Final = rb"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_BRACKETED: Final = re.compile(rb"\[([0-9A-Fa-f:.]+)\]%b" % _PORT)
_DOTTED: Final = re.compile(rb"([0-9.]{7,15})%b" % _PORT)
_NAMELESS: Final = re.compile(rb"(?:unknown|_[A-Za-z0-9._-]+)%b" % _PORT, re.IGNORECASE)
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
_HOST: Final = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")


@attrs.frozen
class Hop:
    """
    One element of Forwarded: what one proxy says of the request that it got.

    ``address`` is None when ``for`` is missing, "unknown" or obfuscated; ``proto`` (lower-case)
    and ``host`` are empty when not said. ``wire`` is the element as sent.
    """

    address: Address | None
    proto: bytes
    host: bytes
    wire: bytes


def parse_forwarded(values: Iterable[bytes]) -> tuple[Hop, ...]:
    """
    Return the hops of all field *values* in order, the nearest last.

    A malformed element, and all that stand before it, are left out.
    """
    hops: list[Hop] = []
    for value in reversed(tuple(values)):
        for element in reversed(_elements(value)):
            wire = element.strip(b" \t")
            if not wire:
                continue  # an empty element of a list says nothing (RFC 9110 section 5.6.1)
            hop = _hop(wire)
            if hop is None:
                return tuple(reversed(hops))
            hops.append(hop)
    return tuple(reversed(hops))


def _elements(value: bytes) -> list[bytes]:
    if b'"' not in value:
        return value.split(b",")
    elements: list[bytes] = []
    begin = at = 0
    while at < len(value):
        found = _RUN.match(value, at)
        if found is None:
            # A quote that is never closed: all commas count, so that a later hop is still read.
            return value.split(b",")
        if found[0] == b",":
            elements.append(value[begin:at])
            begin = found.end()
        at = found.end()
    return [*elements, value[begin:]]


def _hop(wire: bytes) -> Hop | None:
    """Read one element; None when it is malformed, or what it says of a parameter we use is."""
    said: dict[bytes, bytes] = {}
    at = 0
    while at < len(wire):
        if wire[at : at + 1] != b";":
            found = _PAIR.match(wire, at)
            if found is None:
                return None
            name = found[1].lower()
            if name in said:  # "MUST NOT occur more than once" (section 4)
                return None
            said[name] = _unquoted(found[2])
            at = found.end()
            if wire[at : at + 1] not in {b"", b";"}:
                return None
        at += 1
    address = None
    if b"for" in said and _NAMELESS.fullmatch(said[b"for"]) is None:
        address = node_address(said[b"for"])
        if address is None:
            return None
    proto, host = said.get(b"proto", b"").lower(), said.get(b"host", b"")
    if (proto and not _SCHEME.fullmatch(proto)) or (host and not _HOST.fullmatch(host)):
        return None
    return Hop(address, proto, host, wire)


def _unquoted(value: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", value[1:-1]) if value[:1] == b'"' else value


def node_address(node: bytes) -> Address | None:
    """
    Return the address of a node: IPv4, or IPv6 in brackets, each perhaps with a port.

    None for everything else, names included. An IPv4-mapped IPv6 address is the IPv4 one.
    """
    found = _BRACKETED.fullmatch(node)
    if found is not None:
        address = read_address(found[1].decode("ascii"))
        return address if b":" in found[1] else None
    found = _DOTTED.fullmatch(node)
    return None if found is None else read_address(found[1].decode("ascii"))


def read_address(text: str) -> Address | None:
    """Return the IP address *text*, without zone; an IPv4-mapped IPv6 one as IPv4; or None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def hop_element(address: bytes, proto: bytes, host: bytes) -> bytes:
    """
    Write the element of our own hop.

    Args:
        address: The IP address of whom we got the request from.
        proto: ``http`` or ``https``, as it came to us.
        host: The authority that it named, checked; left out when empty.
    """
    node = b'"[%b]"' % address if b":" in address else address
    element = b"for=%b;proto=%b" % (node, proto)
    # A host with a port is no token, hence the quotes.
    return element + b';host="%b"' % host if host else element
