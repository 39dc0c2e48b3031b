"""Frames, however they are cut; a channel that is read late, or not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.epollreactor import EPollReactor

from fsm_twisted.workers.channel import (
    QUEUE_LIMIT_BYTES,
    Channel,
    FrameError,
    FrameReader,
    Kind,
    frame,
)

LIMIT = 1 << 20
messages = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=40)), max_size=8)


@given(messages, st.lists(st.integers(0, 400), max_size=10))
def test_messages_arrive_whole_and_in_order_however_the_stream_is_cut(
    sent: list[tuple[Kind, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(frame(kind, payload) for kind, payload in sent)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = FrameReader(LIMIT)

    arrived = [
        message for begin, end in pairwise(places) for message in reader.feed(stream[begin:end])
    ]

    assert arrived == sent


@given(st.integers(0, 100), st.integers(0, 1000))
def test_a_payload_is_refused_exactly_when_it_is_over_the_limit(limit: int, size: int) -> None:
    reader = FrameReader(limit)
    head = pack(">IB", size, Kind.LOG)

    if size > limit:
        with pytest.raises(FrameError, match=f"{size} bytes"):
            reader.feed(head)
    else:
        assert len(reader.feed(head + bytes(size))) == 1


@given(st.integers(0, 255).filter(lambda number: number not in set(Kind)))
def test_an_unknown_kind_is_refused(number: int) -> None:
    with pytest.raises(FrameError, match=f"kind {number}"):
        FrameReader(LIMIT).feed(pack(">IB", 0, number))


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_refused(data: bytes) -> None:
    with suppress(FrameError):
        for kind, payload in FrameReader(50).feed(data):
            assert frame(kind, payload) in data


class End:
    """A channel and what it was told."""

    def __init__(self, reactor: EPollReactor, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.messages: list[tuple[Kind, bytes]] = []
        self.ends = 0
        self.channel = Channel(reactor, sock, self._received, self._ended, 64 << 20)

    def _received(self, kind: Kind, payload: bytes) -> None:
        self.messages.append((kind, payload))

    def _ended(self) -> None:
        self.ends += 1


@pytest.fixture
def reactor() -> Iterator[EPollReactor]:
    reactor = EPollReactor()
    yield reactor
    for each in reactor.removeAll():
        each.connectionLost(None)
    reactor._poller.close()
    reactor.waker.connectionLost(None)


def turn_until(reactor: EPollReactor, condition: object) -> None:
    assert callable(condition)
    for _ in range(2000):
        if condition():
            return
        reactor.iterate(0.01)
    pytest.fail("it never happened")


def test_a_message_larger_than_any_socket_buffer_arrives(reactor: EPollReactor) -> None:
    here, there = (End(reactor, each) for each in socket.socketpair())
    payload = bytes(range(256)) * (16 << 12)

    here.channel.send(Kind.SNAPSHOT, payload)
    here.channel.send(Kind.DRAIN)
    turn_until(reactor, lambda: len(there.messages) == 2)

    assert there.messages == [(Kind.SNAPSHOT, payload), (Kind.DRAIN, b"")]


def test_what_may_be_lost_is_refused_while_nobody_reads_and_taken_again_after(
    reactor: EPollReactor,
) -> None:
    here, there = (End(reactor, each) for each in socket.socketpair())
    there.channel.pauseProducing()
    payload = bytes(64 << 10)
    taken = 0

    while here.channel.offer(Kind.LOG, payload):
        taken += 1
        assert taken * len(payload) < 2 * QUEUE_LIMIT_BYTES
    here.channel.send(Kind.READY, b"1")
    there.channel.resumeProducing()
    turn_until(reactor, lambda: len(there.messages) > taken)

    assert there.messages == [(Kind.LOG, payload)] * taken + [(Kind.READY, b"1")]
    assert here.channel.offer(Kind.LOG, payload)


def test_both_sides_learn_of_the_end_exactly_once(reactor: EPollReactor) -> None:
    here, there = (End(reactor, each) for each in socket.socketpair())

    here.channel.close()
    turn_until(reactor, lambda: there.ends)
    here.channel.close()
    there.channel.close()

    assert (here.ends, there.ends) == (1, 1)


def test_nonsense_ends_the_channel(reactor: EPollReactor) -> None:
    sock, other = socket.socketpair()
    end = End(reactor, sock)

    other.sendall(frame(Kind.LOG, b"good") + b"GET / HTTP/1.1\r\n\r\n")
    turn_until(reactor, lambda: end.ends)
    other.close()

    assert end.messages == []
