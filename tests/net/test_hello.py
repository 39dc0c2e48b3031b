"""A ClientHello is looked at, however it comes, and not a byte of it is taken."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.message.client_hello import MAX_HELLO_BYTES
from fsm_twisted.net.handshake import HandshakeResult
from fsm_twisted.net.hello import HelloReading
from fsm_twisted.net.sweep import Sweep
from tests.message.test_client_hello import hello_with, names, record
from tests.net.turning import tcp_pair, turning

WORLD = turning()
HELLO = record(hello_with((0, names((0, b"a.example"))), (21, bytes(300))))


class Reading:
    """A reading at our end of a pair, and what it has told."""

    def __init__(self, pair: Callable[[], tuple[socket.socket, socket.socket]]) -> None:
        self.ours, self.theirs = pair()
        self.ours.setblocking(False)
        self.now = 100.0
        self.sweep = Sweep(WORLD.reactor, lambda: self.now)
        self.done: list[bytes] = []
        self.lost: list[HandshakeResult] = []
        self.reads = 0
        self.reading = Counting(self)

    @property
    def told(self) -> list[object]:
        return [*self.done, *self.lost]


class Counting(HelloReading):
    """Counts how often the reactor calls it."""

    def __init__(self, owner: Reading) -> None:
        self.owner = owner
        super().__init__(
            WORLD.reactor, owner.sweep, owner.ours, 15, owner.done.append, owner.lost.append
        )

    def doRead(self) -> Exception | None:
        self.owner.reads += 1
        return super().doRead()


def unix_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


@contextlib.contextmanager
def reading(
    pair: Callable[[], tuple[socket.socket, socket.socket]] = tcp_pair,
) -> Iterator[Reading]:
    made = Reading(pair)
    yield made
    made.reading.connectionLost(None)
    made.ours.close()
    made.theirs.close()
    assert not WORLD.knows(made.reading)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, len(HELLO) - 1), max_size=6), more=st.binary(max_size=50))
def test_however_it_is_cut_up_the_name_is_read_and_every_byte_stays(
    cuts: list[int], more: bytes
) -> None:
    whole = HELLO + more
    with reading() as one:
        for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(whole)], strict=True):
            one.theirs.send(whole[begin:end])
            WORLD.settle()
        WORLD.until(lambda: one.told)

        assert one.told == [b"a.example"]
        assert one.ours.recv(100_000) == whole
        assert one.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
def test_half_of_it_does_not_keep_the_reactor_busy(
    pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    with reading(pair) as one:
        one.theirs.send(HELLO[:100])
        for _ in range(200):
            WORLD.turn()
        assert 1 <= one.reads <= 3
        one.theirs.send(HELLO[100:])
        WORLD.until(lambda: one.told)
        assert one.told == [b"a.example"]


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
@pytest.mark.parametrize("part", [b"", HELLO[:1], HELLO[:-1]])
def test_an_end_in_the_middle_is_an_end(
    pair: Callable[[], tuple[socket.socket, socket.socket]], part: bytes
) -> None:
    with reading(pair) as one:
        one.theirs.send(part)
        WORLD.settle()
        one.theirs.shutdown(socket.SHUT_WR)
        WORLD.until(lambda: one.told)
        assert one.told == [HandshakeResult.CLIENT_GONE]
        assert one.ours.fileno() < 0


def test_it_has_its_time() -> None:
    with reading() as one:
        one.theirs.send(HELLO[:-1])
        WORLD.settle()
        assert one.reading.deadline == 115.0
        one.reading.expired()
        assert one.told == [HandshakeResult.TIMEOUT]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\x16\x03\x01\x00\x00", b""),
        (record(hello_with((10, b""))), b""),
        (record(b"\x01" + (MAX_HELLO_BYTES + 1).to_bytes(3)), HandshakeResult.HELLO_TOO_LONG),
    ],
)
def test_what_names_nobody_goes_on_and_what_has_no_end_does_not(data: bytes, told: object) -> None:
    with reading() as one:
        one.theirs.send(data)
        WORLD.until(lambda: one.told)
        assert one.told == [told]
