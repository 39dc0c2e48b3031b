"""Both ways through OpenSSL say the same: pyOpenSSL's own calls, and the direct ones."""

from __future__ import annotations

import contextlib
import gc
import socket
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from fsm_twisted.net.tls import Certificates
from fsm_twisted.net.tls_stream import DirectStream, TlsStream, make_stream
from tests.net.test_certificates import named

FRONT = Certificates(named("default.invalid")).front_context()
BOTH = pytest.mark.parametrize("kind", [TlsStream, DirectStream])


@contextlib.contextmanager
def joined(kind: type[TlsStream]) -> Iterator[tuple[TlsStream, SSL.Connection]]:
    """A stream of ours and the client's connection, after the handshake."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        server, client = SSL.Connection(FRONT, ours), SSL.Connection(_client(), theirs)
        server.set_accept_state()
        client.set_connect_state()
        for side in (client, server) * 4:
            with contextlib.suppress(SSL.WantReadError):
                side.do_handshake()
        yield kind(server, ours), client


def _client() -> SSL.Context:
    return SSL.Context(SSL.TLS_CLIENT_METHOD)


def everything(stream: TlsStream, size: int) -> bytes:
    parts = []
    with contextlib.suppress(BlockingIOError):
        while True:
            parts.append(stream.recv(size))
    return b"".join(parts)


def fill(stream: TlsStream) -> int:
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 100_000_000:
            sent += stream.send(b"x" * 200_000)
    return sent


def test_the_direct_way_is_taken_with_the_pyopenssl_that_we_know() -> None:
    with joined(DirectStream) as (stream, _):
        assert type(make_stream(stream._connection, stream._socket)) is DirectStream


@BOTH
@settings(max_examples=20)
@given(
    parts=st.lists(st.binary(min_size=1, max_size=20_000), max_size=4),
    size=st.sampled_from([7, 1000, 16384, 65536]),
)
def test_what_the_client_sends_is_read(
    kind: type[TlsStream], parts: list[bytes], size: int
) -> None:
    with joined(kind) as (stream, client):
        for part in parts:
            for at in range(0, len(part), 16384):
                client.send(part[at : at + 16384])

        assert everything(stream, size) == b"".join(parts)


@BOTH
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_what_is_sent_arrives(kind: type[TlsStream], make: type[bytes]) -> None:
    with joined(kind) as (stream, client):
        data = bytes(range(256)) * 100

        assert stream.send(make(data)) == len(data)
        received = b""
        while len(received) < len(data):
            received += client.recv(65536)
        assert received == data


@BOTH
def test_a_full_socket_is_told_and_nothing_is_lost(kind: type[TlsStream]) -> None:
    with joined(kind) as (stream, client):
        sent = fill(stream)
        received = 0
        with contextlib.suppress(SSL.WantReadError):
            while True:
                received += len(client.recv(65536))
        assert 0 < received == sent < 100_000_000


@BOTH
def test_an_empty_socket_an_end_and_a_loss_are_three_things(kind: type[TlsStream]) -> None:
    with joined(kind) as (stream, client):
        with contextlib.suppress(BlockingIOError):
            assert not stream.recv(16384)  # a session ticket asked for nothing
        with pytest.raises(BlockingIOError):
            stream.recv(16384)
        client.shutdown()
        assert stream.recv(16384) == b""
    with joined(kind) as (stream, client):
        everything(stream, 16384)
        client.sock_shutdown(socket.SHUT_RDWR)
        with pytest.raises(ConnectionResetError):
            stream.recv(16384)
        stream.end_output()


def test_openssl_s_memory_goes_without_the_collector() -> None:
    connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
    alive = weakref.ref(connection)
    with socket.socket() as sock:
        stream = DirectStream(connection, sock)
        assert stream.pending() == 0
        gc.disable()
        try:
            del stream, connection
            assert alive() is None
        finally:
            gc.enable()
