"""Which host and port a request is for: the strict grammar of Host (RFC 9110 section 7.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

import attrs

_MAX_PORT: Final = 65535
_MAX_NAME: Final = 253
_MAX_WIRE: Final = 263  # the longest name, a trailing dot, a colon and five digits fit

_SPLIT: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.\-]+)(?::([0-9]{1,5}))?")
_LABEL: Final = rb"[0-9A-Za-z_](?:[0-9A-Za-z_\-]{0,61}[0-9A-Za-z_])?"
_NAME: Final = re.compile(rb"%b(?:\.%b)*" % (_LABEL, _LABEL))
_OCTET: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rb"%b(?:\.%b){3}" % (_OCTET, _OCTET))
_DEFAULT_PORTS: Final[Mapping[bytes, int]] = {b"http": 80, b"https": 443}
# What ends like this is an IPv4 address to somebody (inet_aton, WHATWG): then it must be one.
_NUMERIC_END: Final = re.compile(rb"(?:[0-9]+|0[xX][0-9A-Fa-f]*)\Z")


class AuthorityError(ValueError):
    """A host that is empty or malformed, or a port outside 0-65535; never quotes the input."""


@attrs.frozen
class Authority:
    """
    The host and port that a request names.

    ``host`` is lower-case, without trailing dot and port, an IPv6 address in brackets and in its
    shortest form; it is empty only for an HTTP/1.0 request without Host. ``port`` is ``None``
    when not sent. ``wire`` is the whole as sent.
    """

    host: bytes
    port: int | None
    wire: bytes


@attrs.frozen
class Origin:
    """Whose resource is asked for: ``scheme`` is ``http`` or ``https``, in lower case."""

    scheme: bytes
    authority: Authority

    def is_of(self, host: Authority) -> bool:
        """
        Tell whether *host*, of the field Host, is the same as the authority.

        A port that is not sent is the scheme's (RFC 9110 section 4.2.3); how the host is spelt
        makes no difference.
        """
        own, default = self.authority, _DEFAULT_PORTS[self.scheme]
        if own.host != host.host:
            return False
        return own.port == host.port or {own.port, host.port} == {None, default}


def _ipv6(name: bytes) -> bytes:
    try:
        return b"[%b]" % str(IPv6Address(name[1:-1].decode("ascii"))).encode("ascii")
    except AddressValueError as fault:
        raise AuthorityError("the brackets hold no IPv6 address") from fault


def _name(name: bytes) -> bytes:
    host = name[:-1].lower() if name[-1:] == b"." else name.lower()
    if len(host) > _MAX_NAME or _NAME.fullmatch(host) is None:
        raise AuthorityError("a host name consists of labels of letters, digits, '-' and '_'")
    last = host[host.rfind(b".") + 1 :]
    if _NUMERIC_END.match(last) is not None and _IPV4.fullmatch(host) is None:
        raise AuthorityError("a host that ends in a number is an IPv4 address of four octets")
    return host


@lru_cache(maxsize=1024)
def parse_authority(raw: bytes) -> Authority:
    """
    Parse the value of Host or the authority of an absolute target, whitespace already removed.

    Stricter than RFC 3986: no userinfo, no percent-encoding, no sub-delims, no IPvFuture, no
    zone, no empty port, and labels as in DNS (63 bytes, underscores allowed). The last ones are
    remembered, the faulty ones not.

    Raises:
        AuthorityError: It is not a host with an optional port.
    """
    if len(raw) > _MAX_WIRE:
        raise AuthorityError("the host is longer than a DNS name can be")
    parts = _SPLIT.fullmatch(raw)
    if parts is None:
        raise AuthorityError("a host is a name, an IPv4 or a bracketed IPv6 address [:port]")
    name, digits = parts.groups()
    port = None if digits is None else int(digits)
    if port is not None and port > _MAX_PORT:
        raise AuthorityError("a port is a number from 0 to 65535")
    host = _ipv6(name) if name[:1] == b"[" else _name(name)
    return Authority(host, port, raw)
