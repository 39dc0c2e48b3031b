"""A PROXY header is taken off the socket whole, late or never, and not a byte more."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.message.proxy_protocol import ProxyHeader, ProxyHeaderError
from fsm_twisted.net.proxy_header import ProxyHeaderReading
from fsm_twisted.net.sweep import Sweep
from tests.net.turning import narrow_pair, read_some, turning
from tests.strategies.proxy_headers import headers

WORLD = turning()
HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"


class Reading:
    """A reading at our end of a pair, and what it has told."""

    def __init__(self) -> None:
        self.ours, self.theirs = narrow_pair(65536)
        self.now = 100.0
        self.sweep = Sweep(WORLD.reactor, lambda: self.now)
        self.done: list[ProxyHeader] = []
        self.failed: list[ProxyHeaderError | None] = []
        self.reading = ProxyHeaderReading(
            WORLD.reactor, self.sweep, self.ours, 15, self.done.append, self.failed.append
        )

    def expect_end(self) -> None:
        """The socket is closed without a byte, and nobody holds on to the reading."""
        assert self.ours.fileno() < 0
        with contextlib.suppress(ConnectionError):
            assert read_some(self.theirs) == b""
        assert not WORLD.knows(self.reading)
        assert self.done == []


@contextlib.contextmanager
def reading() -> Iterator[Reading]:
    made = Reading()
    yield made
    made.reading.connectionLost(None)
    made.ours.close()
    made.theirs.close()
    WORLD.settle()


@settings(max_examples=40)
@given(
    written=headers(),
    rest=st.binary(max_size=100),
    cuts=st.lists(st.integers(1, 400), max_size=6),
)
def test_however_it_is_chopped_the_header_is_read_and_the_rest_stays_in_the_socket(
    written: tuple[bytes, ProxyHeader], rest: bytes, cuts: list[int]
) -> None:
    wire, said = written
    whole = wire + rest
    places = [0, *sorted({min(cut, len(whole)) for cut in cuts}), len(whole)]
    with reading() as one:
        for begin, end in pairwise(places):
            one.theirs.send(whole[begin:end])
            WORLD.settle()

        assert one.done == [said]
        assert one.failed == []
        assert (read_some(one.ours) or b"") == rest
        assert not WORLD.knows(one.reading)


def test_a_header_that_waits_for_its_end_does_not_keep_the_socket_readable() -> None:
    with reading() as one:
        one.theirs.send(HEADER[:20])
        WORLD.settle()

        assert read_some(one.ours) is None
        assert WORLD.knows(one.reading)


def test_what_is_no_header_closes_the_connection_without_an_answer() -> None:
    with reading() as one:
        one.theirs.send(b"GET / HTTP/1.1\r\n\r\n")
        WORLD.settle()

        assert [type(why) for why in one.failed] == [ProxyHeaderError]
        one.expect_end()


def test_an_end_before_the_header_closes_the_connection() -> None:
    with reading() as one:
        one.theirs.send(HEADER[:-1])
        WORLD.settle()
        one.theirs.shutdown(socket.SHUT_WR)
        WORLD.settle()

        assert one.failed == [None]
        one.expect_end()


def test_a_header_that_does_not_come_in_time_closes_the_connection_once() -> None:
    with reading() as one:
        one.theirs.send(HEADER[:5])
        WORLD.settle()

        assert one.reading.deadline == one.now + 15
        one.reading.expired()
        one.reading.expired()

        assert one.failed == [None]
        one.expect_end()


def test_bytes_that_trickle_in_do_not_move_the_deadline() -> None:
    with reading() as one:
        for at in range(5):
            one.now += 1
            one.theirs.send(HEADER[at : at + 1])
            WORLD.settle()

        assert one.reading.deadline == 115.0
