"""Bytes through TLS on a descriptor, and how both sides end."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from fsm_twisted.net.tls import Certificates
from tests.net.handshakes import WORLD, Client, Server, connected, retried
from tests.net.test_certificates import named
from tests.net.turning import narrow_pair

FRONT = Certificates(named("default.invalid")).front_context()


def read_end(client: Client) -> bytes:
    """Read until close_notify."""
    parts: list[bytes] = []
    while True:
        try:
            parts.append(retried(lambda: client.tls.recv(65536)))
        except SSL.ZeroReturnError:
            return b"".join(parts)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 90_000), max_size=8),
    version=st.sampled_from([SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]),
)
def test_the_client_gets_the_same_bytes_in_order_whatever_the_sizes(
    sizes: list[int], version: int
) -> None:
    parts = [bytes([at]) * size for at, size in enumerate(sizes)]
    with connected(FRONT, version=version) as client:
        for at, part in enumerate(parts):
            client.server.recorder.write(part)
            if at % 2:
                WORLD.turn()
        client.server.recorder.finish()

        assert read_end(client) == b"".join(parts)


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(1, 50_000), max_size=6))
def test_we_get_the_same_bytes_in_order_whatever_the_sizes(sizes: list[int]) -> None:
    with connected(FRONT) as client:
        recorder = client.server.recorder
        sent = b""
        for at, size in enumerate(sizes):
            rest = bytes([at]) * size
            sent += rest
            while rest:
                rest = rest[retried(lambda data=rest: client.tls.send(data)) :]  # type: ignore[misc]
        retried(client.tls.shutdown)
        WORLD.until(lambda: recorder.told)

        assert b"".join(recorder.received) == sent
        assert recorder.told == ["input ended"]


def test_one_record_that_is_larger_than_a_read_comes_whole_without_another_event() -> None:
    with connected(FRONT) as client:
        recorder = client.server.recorder
        recorder.read_bytes = 1000
        client.tls.send(b"x" * 16000)
        WORLD.until(lambda: sum(map(len, recorder.received)) == 16000)

        assert max(map(len, recorder.received)) <= 1000


def test_bytes_inside_the_tls_layer_are_not_forgotten_over_a_pause() -> None:
    with connected(FRONT) as client:
        recorder = client.server.recorder
        recorder.read_bytes = 1000
        plain = recorder.data_received

        def pause_after_each(data: bytes) -> None:
            plain(data)
            recorder.pauseProducing()

        recorder.data_received = pause_after_each  # type: ignore[method-assign]
        client.tls.send(b"x" * 3000)
        for count in (1, 2, 3):
            WORLD.until(lambda: len(recorder.received) == count)  # noqa: B023
            WORLD.settle()
            assert len(recorder.received) == count
            recorder.resumeProducing()


# Ends


def test_the_end_of_ours_is_a_close_notify() -> None:
    with connected(FRONT) as client:
        client.server.recorder.write(b"bye")
        client.server.recorder.finish()

        assert read_end(client) == b"bye"


def test_an_abort_is_none() -> None:
    with connected(FRONT) as client:
        client.server.recorder.abort()

        with pytest.raises(SSL.SysCallError):
            retried(lambda: client.tls.recv(1))


def test_an_end_without_close_notify_is_a_loss_and_not_an_end() -> None:
    with connected(FRONT) as client:
        client.sock.close()
        WORLD.settle()

        assert client.server.recorder.told == ["closed"]


def test_a_connection_that_breaks_off_goes_without_the_collector() -> None:
    client = Client(FRONT).shake_hands()
    alive, told = weakref.ref(client.server.recorder), client.server.recorder.told
    gc.disable()
    try:
        client.sock.close()
        WORLD.until(lambda: told == ["closed"])
        assert client.server.streams[0].fault is not None
        del client.server.handshake  # which knows whom it has told
        del client
        WORLD.turn()  # the reactor remembers whom it has served last
        assert alive() is None
    finally:
        gc.enable()


def test_ending_a_stream_whose_client_is_gone_is_silent() -> None:
    with connected(FRONT) as client:
        client.server.recorder.pauseProducing()
        client.sock.close()

        client.server.streams[0].end_output()
        client.server.streams[0].end_output()


# Handshakes


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\0" * 100])
def test_what_is_no_tls_is_closed(sent: bytes) -> None:
    ours, theirs = narrow_pair()
    server = Server(FRONT, ours)
    theirs.sendall(sent)
    theirs.shutdown(1)
    WORLD.until(lambda: ours.fileno() == -1)

    assert server.streams == []
    assert not WORLD.knows(server.handshake)
    theirs.close()


def test_a_client_that_says_nothing_is_given_up_in_time() -> None:
    ours, theirs = narrow_pair()
    server = Server(FRONT, ours, seconds=0.0)
    assert server.handshake.deadline <= WORLD.reactor.seconds()

    server.handshake.expired()
    server.handshake.expired()

    assert ours.fileno() == -1
    assert not WORLD.knows(server.handshake)
    theirs.close()


def test_a_handshake_is_over_once_even_when_it_is_readable_and_writable() -> None:
    with connected(FRONT) as client:
        handshake = client.server.handshake
        assert handshake.doRead() is None
        assert handshake.doWrite() is None
        handshake.connectionLost(None)

        assert len(client.server.streams) == 1
        assert client.server.sock.fileno() != -1


def test_a_handshake_goes_on_when_the_socket_takes_little_at_a_time() -> None:
    ours, theirs = narrow_pair(1)
    server = Server(FRONT, ours)
    tls = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), theirs)
    tls.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        tls.do_handshake()
    retried(tls.do_handshake)
    WORLD.until(lambda: server.streams)
    server.close()
    theirs.close()
