"""
The PROXY protocol, versions 1 and 2: who the client of a load balancer is, ahead of its bytes.

Source: haproxy's doc/proxy-protocol.txt (2020/03/05), sections 2.1 and 2.2. Nothing is repaired:
whatever is no header by the letter is refused, since what follows would be read as a request.
"""

from __future__ import annotations

import re
import struct
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import attrs

Address = IPv4Address | IPv6Address

LONGEST_BYTES: Final = 4096
"""The longest header that is read; the letter of version 2 would allow 64 KiB of TLVs."""

_V1_BEGIN: Final = b"PROXY "
_V1_LONGEST: Final = 107
# Numbers without leading zeros, single spaces, upper-case keywords.
_V1_TCP: Final = re.compile(
    rb"PROXY TCP([46]) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) "
    rb"(0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n"
)
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [\x20-\x7e]*)?\r\n")

_V2_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED: Final = 16
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_INET: Final = 1
_INET6: Final = 2
# Bytes of the address block by family: unspecified, INET, INET6, UNIX.
_BLOCK_BYTES: Final = (0, 12, 36, 216)
_LAST_TRANSPORT: Final = 2  # unspecified, stream, datagram
_STREAM: Final = 1
_TLV_FIXED: Final = 3
_LAST_PORT: Final = 65535


class ProxyHeaderError(ValueError):
    """Bytes that are no PROXY header; the text says why and never quotes them."""


@attrs.frozen
class ProxyHeader:
    """
    What a proxy says of the connection that it passes on.

    ``is_local``: the proxy speaks for itself (a health check), there is no client. Otherwise
    ``source`` and ``destination`` are those of the client's connection to the proxy; both are
    None, and the ports 0, when the proxy does not know them or they are no TCP addresses.
    ``size`` is the length of the header in bytes.
    """

    size: int
    source: Address | None = None
    source_port: int = 0
    destination: Address | None = None
    destination_port: int = 0
    is_local: bool = False


def parse_proxy_header(data: bytes) -> ProxyHeader | None:
    """
    Read the header at the beginning of *data*; what is behind it is not looked at.

    Returns:
        None while *data* is only the beginning of a header; all of it then belongs to the header.

    Raises:
        ProxyHeaderError: No continuation of *data* begins with a header that is accepted.
    """
    if data[:1] == _V1_BEGIN[:1]:
        return _parse_v1(data)
    if not _V2_SIGNATURE.startswith(data[: len(_V2_SIGNATURE)]):
        raise ProxyHeaderError("neither version of the PROXY protocol begins like this")
    if len(data) < _V2_FIXED:
        _check_fixed(data)
        return None
    return _parse_v2(data)


# Version 1


def _parse_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\n", 0, _V1_LONGEST) + 1
    if not end:
        if len(data) >= _V1_LONGEST:
            raise ProxyHeaderError("a version 1 header is a line of at most 107 bytes")
        if not _V1_BEGIN.startswith(data[: len(_V1_BEGIN)]):
            raise ProxyHeaderError("a version 1 header begins with PROXY and a space")
        return None
    line = data[:end]
    if _V1_UNKNOWN.fullmatch(line) is not None:
        return ProxyHeader(end)
    found = _V1_TCP.fullmatch(line)
    if found is None:
        raise ProxyHeaderError("a version 1 header names TCP4, TCP6 or UNKNOWN and four values")
    family = IPv4Address if found[1] == b"4" else IPv6Address
    try:
        source, destination = (family(found[n].decode("ascii")) for n in (2, 3))
    except AddressValueError:
        raise ProxyHeaderError("an address does not fit its family") from None
    ports = int(found[4]), int(found[5])
    if max(ports) > _LAST_PORT:
        raise ProxyHeaderError("a port is a number from 0 to 65535")
    return ProxyHeader(end, source, ports[0], destination, ports[1])


# Version 2


def _check_fixed(data: bytes) -> None:
    """Refuse version, command, family and length as soon as they are here."""
    fixed = data[len(_V2_SIGNATURE) : _V2_FIXED]
    if fixed and fixed[0] not in {_LOCAL, _PROXY}:
        raise ProxyHeaderError("the version is not 2, or the command neither LOCAL nor PROXY")
    if len(fixed) > 1:
        family, transport = divmod(fixed[1], 16)
        if family >= len(_BLOCK_BYTES) or transport > _LAST_TRANSPORT:
            raise ProxyHeaderError("an address family or transport that does not exist")
    if len(fixed) == _V2_FIXED - len(_V2_SIGNATURE):
        (length,) = struct.unpack_from("!H", data, _V2_FIXED - 2)
        if length + _V2_FIXED > LONGEST_BYTES:
            raise ProxyHeaderError(f"a header is longer than {LONGEST_BYTES} bytes")
        # What follows LOCAL is not ours to read.
        if fixed[0] == _PROXY and length < _BLOCK_BYTES[fixed[1] // 16]:
            raise ProxyHeaderError("a header is too short for its addresses")


def _parse_v2(data: bytes) -> ProxyHeader | None:
    _check_fixed(data)
    (length,) = struct.unpack_from("!H", data, _V2_FIXED - 2)
    size = _V2_FIXED + length
    if len(data) < size:
        return None
    if data[12] == _LOCAL:
        return ProxyHeader(size, is_local=True)
    family, transport = divmod(data[13], 16)
    if family:
        # Of family "unspecified" the whole block is to be ignored (section 2.2).
        _check_tlvs(data, _V2_FIXED + _BLOCK_BYTES[family], size)
    if transport == _STREAM and family in {_INET, _INET6}:
        return _addressed(data, family, size)
    return ProxyHeader(size)


def _check_tlvs(data: bytes, at: int, end: int) -> None:
    """Step over the type-length-value triples, which must fill the header exactly."""
    while at < end:
        if end - at < _TLV_FIXED:
            raise ProxyHeaderError("bytes behind the addresses that are no whole TLV")
        (length,) = struct.unpack_from("!H", data, at + 1)
        at += _TLV_FIXED + length
    if at != end:
        raise ProxyHeaderError("a TLV is longer than the header")


def _addressed(data: bytes, family: int, size: int) -> ProxyHeader:
    width = 4 if family == _INET else 16
    ports = _V2_FIXED + 2 * width
    here = data[_V2_FIXED : _V2_FIXED + width]
    there = data[_V2_FIXED + width : ports]
    source_port, destination_port = struct.unpack_from("!HH", data, ports)
    if family == _INET:
        return ProxyHeader(
            size, IPv4Address(here), source_port, IPv4Address(there), destination_port
        )
    return ProxyHeader(size, IPv6Address(here), source_port, IPv6Address(there), destination_port)
