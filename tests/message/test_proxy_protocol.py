"""Issue 3, part 6: a PROXY header is read by the letter, and nothing behind it is touched."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from fsm_twisted.message.proxy_protocol import (
    LONGEST_BYTES,
    ProxyHeader,
    ProxyHeaderError,
    parse_proxy_header,
)
from tests.strategies.proxy_headers import (
    INET,
    INET6,
    SIGNATURE,
    UNIX,
    UNSPEC,
    block,
    headers,
    tlv,
    v1,
    v2,
)

A, B = ip_address("192.0.2.7"), ip_address("198.51.100.1")
INET_BLOCK = block(A, B, 4711, 443)


@given(written=headers(), rest=st.binary(max_size=50))
def test_what_is_written_is_read_back_and_what_follows_is_not_looked_at(
    written: tuple[bytes, ProxyHeader], rest: bytes
) -> None:
    wire, said = written

    assert parse_proxy_header(wire + rest) == said


@given(written=headers(), data=st.data())
def test_every_beginning_of_a_header_asks_for_more(
    written: tuple[bytes, ProxyHeader], data: st.DataObject
) -> None:
    wire, _ = written
    cut = data.draw(st.integers(0, len(wire) - 1))

    assert parse_proxy_header(wire[:cut]) is None


@given(
    garbage=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(SIGNATURE.__add__),
        st.binary(max_size=120).map(b"PROXY ".__add__),
        st.tuples(headers(), st.integers(0, 300), st.binary(min_size=1, max_size=3)).map(
            lambda drawn: drawn[0][0][: drawn[1]] + drawn[2] + drawn[0][0][drawn[1] + 1 :]
        ),
    )
)
def test_any_bytes_are_a_header_or_a_beginning_or_refused_for_good(garbage: bytes) -> None:
    try:
        found = parse_proxy_header(garbage)
    except ProxyHeaderError:
        # Once refused, no continuation makes it good.
        with pytest.raises(ProxyHeaderError):
            parse_proxy_header(garbage + b"\r\n")
    else:
        assert found is None or 0 < found.size <= min(len(garbage), LONGEST_BYTES)


@given(written=headers())
def test_twisteds_parsers_read_the_same_addresses(written: tuple[bytes, ProxyHeader]) -> None:
    wire, said = written
    if said.source is None:
        return
    theirs = V1Parser.parse(wire[:-2]) if wire.startswith(b"PROXY") else V2Parser.parse(wire)
    source: Any = theirs.source  # their interface has no host
    destination: Any = theirs.destination

    assert ip_address(_text(source.host)) == said.source
    assert (source.port, destination.port) == (
        said.source_port,
        said.destination_port,
    )
    assert ip_address(_text(destination.host)) == said.destination


def _text(host: str | bytes) -> str:
    return host.decode("ascii") if isinstance(host, bytes) else host


def test_a_header_of_either_version_names_source_and_destination() -> None:
    for wire in (v1(A, B, 4711, 443), v2(INET, INET_BLOCK)):
        assert parse_proxy_header(wire) == ProxyHeader(len(wire), A, 4711, B, 443)


@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXX",
        b"PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.04 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 ::1 ::1%eth0 1 2\r\n",
        b"PROXY TCP6 [::1] ::1 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN \x00\r\n",
        b"PROXY\r\n",
        b"PROXY UNKNOWN " + b"a" * 92 + b"\r\n",
        b"PROXY UNKNOWN " + b"a" * 200,
    ],
)
def test_a_line_that_is_not_the_letter_of_version_1_is_refused(wire: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        parse_proxy_header(wire)


def test_a_line_of_107_bytes_is_the_longest() -> None:
    assert parse_proxy_header(b"PROXY UNKNOWN " + b"a" * 91 + b"\r\n") == ProxyHeader(107)


@pytest.mark.parametrize(
    "wire",
    [
        SIGNATURE[:5] + b"\n",
        SIGNATURE + b"\x11\x11\x00\x0c" + INET_BLOCK,
        SIGNATURE + b"\x22",
        SIGNATURE + b"\x2f",
        SIGNATURE + b"\x21\x41",
        SIGNATURE + b"\x21\x13",
        SIGNATURE + b"\x20\xff",
        v2(INET, INET_BLOCK[:-1]),
        v2(INET6, INET_BLOCK),
        v2(UNIX, b"x" * 215),
        v2(INET, INET_BLOCK, b"\x04"),
        v2(INET, INET_BLOCK, b"\x04\x00"),
        v2(INET, INET_BLOCK, tlv(4, b"noop")[:-1]),
        v2(INET, INET_BLOCK, tlv(4, b"noop") + b"\x00\x00\x01"),
        v2(UNIX, b"x" * 216, b"\x04\xff\xff"),
        SIGNATURE + struct.pack("!BBH", 0x21, INET, LONGEST_BYTES - 15),
        SIGNATURE + struct.pack("!BBH", 0x20, UNSPEC, 65535),
    ],
)
def test_a_header_that_is_not_the_letter_of_version_2_is_refused(wire: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        parse_proxy_header(wire)


def test_the_longest_header_of_version_2_is_read_and_its_triples_are_stepped_over() -> None:
    room = LONGEST_BYTES - 16 - len(INET_BLOCK) - 3
    wire = v2(INET, INET_BLOCK, tlv(4, b"x" * room))

    assert len(wire) == LONGEST_BYTES
    assert parse_proxy_header(wire) == ProxyHeader(LONGEST_BYTES, A, 4711, B, 443)


def test_a_health_check_speaks_for_the_proxy_itself() -> None:
    wire = v2(UNSPEC, b"", command=0x20)

    assert parse_proxy_header(wire) == ProxyHeader(16, is_local=True)
