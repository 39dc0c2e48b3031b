"""The server name that we read is the one that OpenSSL reads, however the hello is cut up."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.message.client_hello import (
    MAX_HELLO_BYTES,
    ClientHelloError,
    read_client_hello,
)

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,9}){1,3}", fullmatch=True)


def hello_of(name: str | None, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> bytes:
    """Return what OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = minimum
    context.set_alpn_protocols(["h2", "http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def record(payload: bytes) -> bytes:
    return b"\x16\x03\x01" + len(payload).to_bytes(2) + payload


def hello_with(*extensions: tuple[int, bytes]) -> bytes:
    """Return a small hello of our own."""
    listed = b"".join(kind.to_bytes(2) + len(body).to_bytes(2) + body for kind, body in extensions)
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    body += len(listed).to_bytes(2) + listed
    return b"\x01" + len(body).to_bytes(3) + body


def names(*entries: tuple[int, bytes]) -> bytes:
    listed = b"".join(bytes([kind]) + len(name).to_bytes(2) + name for kind, name in entries)
    return len(listed).to_bytes(2) + listed


@given(NAMES, st.sampled_from([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]))
def test_openssl_is_understood(name: str, minimum: ssl.TLSVersion) -> None:
    found = read_client_hello(hello_of(name, minimum))
    assert found is not None
    assert found.server_name == name.encode("ascii")


def test_no_name_is_an_empty_one() -> None:
    found = read_client_hello(hello_of(None))
    assert found is not None
    assert found.server_name == b""


@given(NAMES, st.lists(st.integers(1, 200), max_size=8), st.binary(max_size=40))
def test_records_may_divide_it_anywhere_and_anything_may_follow(
    name: str, cuts: list[int], after: bytes
) -> None:
    rest = hello_with((10, b"\x00\x02\x00\x17"), (0, names((0, name.encode()))))
    data = b""
    for cut in cuts:
        if rest[:cut]:
            data += record(rest[:cut])
        rest = rest[cut:]
    data += record(rest) if rest else b""
    found = read_client_hello(data + after)
    assert found is not None
    assert found.server_name == name.encode("ascii")


@given(NAMES, st.data())
def test_half_of_it_needs_more_input(name: str, data: st.DataObject) -> None:
    whole = record(hello_with((0, names((0, name.encode())))))
    size = data.draw(st.integers(0, len(whole) - 1))
    assert read_client_hello(whole[:size]) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for sent in (data, b"\x16\x03\x01" + data, record(b"\x01" + data) if data else data):
        try:
            found = read_client_hello(sent)
        except ClientHelloError:
            continue
        assert found is None or len(found.server_name) <= 255


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x16\x02",
        record(b"")[:5],
        b"\x16\x03\x01\xff\xff",
        record(b"\x02\x00\x00\x00"),
        record(b"\x01\xff\xff\xff"),
        record(hello_with((0, names((0, b"a"))), (0, names((0, b"b"))))),
        record(hello_with((0, names((0, b""))))),
        record(hello_with((0, names((0, b"a\0b"))))),
        record(hello_with((0, b"\x00\x09\x00"))),
    ],
)
def test_what_is_no_hello_is_refused(data: bytes) -> None:
    with pytest.raises(ClientHelloError):
        read_client_hello(data)


def test_a_name_of_another_kind_is_passed_over() -> None:
    found = read_client_hello(record(hello_with((0, names((7, b"x"), (0, b"a.example"))))))
    assert found is not None
    assert found.server_name == b"a.example"


def test_a_hello_without_end_is_refused() -> None:
    head = b"\x01" + MAX_HELLO_BYTES.to_bytes(3)
    data = record(head) + record(bytes(16 * 1024)) * 2
    with pytest.raises(ClientHelloError):
        read_client_hello(data[: MAX_HELLO_BYTES + 20])
