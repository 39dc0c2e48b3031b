"""PROXY headers as other programs write them: a writer by the letter, and what it wrote."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from fsm_twisted.message.proxy_protocol import Address, ProxyHeader

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
UNSPEC, INET, INET6, UNIX = 0x00, 0x11, 0x21, 0x31


def v1(source: Address, destination: Address, source_port: int, destination_port: int) -> bytes:
    """Write version 1."""
    line = f"PROXY TCP{source.version} {source} {destination} {source_port} {destination_port}\r\n"
    return line.encode("ascii")


def v2(kind: int, block: bytes, tlvs: bytes = b"", command: int = 0x21) -> bytes:
    """Write version 2 of any family and transport (one byte together)."""
    return SIGNATURE + struct.pack("!BBH", command, kind, len(block) + len(tlvs)) + block + tlvs


def block(source: Address, destination: Address, source_port: int, destination_port: int) -> bytes:
    """Write the addresses of version 2."""
    return source.packed + destination.packed + struct.pack("!HH", source_port, destination_port)


def tlv(kind: int, value: bytes) -> bytes:
    """Write a type-length-value triple."""
    return struct.pack("!BH", kind, len(value)) + value


ports = st.integers(0, 65535)
tlv_lists = st.lists(st.builds(tlv, st.integers(0, 255), st.binary(max_size=40)), max_size=4).map(
    b"".join
)


def addresses(version: int) -> st.SearchStrategy[Address]:
    """Draw an address of IPv4 or IPv6."""
    if version == 4:
        return st.integers(0, 2**32 - 1).map(IPv4Address)
    return st.integers(0, 2**128 - 1).map(IPv6Address)


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, ProxyHeader]:
    """Draw a valid header and what it says."""
    version = draw(st.sampled_from([4, 6]))
    source, destination = (draw(addresses(version)) for _ in range(2))
    told = (source, destination, draw(ports), draw(ports))
    how = draw(st.sampled_from(["v1", "v2", "unknown", "local", "unspec", "unix", "datagram"]))
    tlvs = draw(tlv_lists)
    kind = INET if version == 4 else INET6
    if how == "v1":
        wire = v1(*told)
    elif how == "v2":
        wire = v2(kind, block(*told), tlvs)
    elif how == "unknown":
        rest = draw(st.sampled_from([b"", b" ", b" ffff::1 ffff::2 65535 65535"]))
        return _saying_nothing(b"PROXY UNKNOWN%b\r\n" % rest)
    elif how == "unspec":
        return _saying_nothing(v2(UNSPEC, draw(st.binary(max_size=60))))
    elif how == "unix":
        return _saying_nothing(v2(UNIX, draw(st.binary(min_size=216, max_size=216)), tlvs))
    elif how == "datagram":
        return _saying_nothing(v2(kind + 1, block(*told), tlvs))
    else:
        anything = draw(st.binary(max_size=60))
        wire = v2(draw(st.sampled_from([UNSPEC, INET, INET6, UNIX])), anything, command=0x20)
        return wire, ProxyHeader(len(wire), is_local=True)
    return wire, ProxyHeader(len(wire), source, told[2], destination, told[3])


def _saying_nothing(wire: bytes) -> tuple[bytes, ProxyHeader]:
    return wire, ProxyHeader(len(wire))
