"""Descriptors on real sockets: order, water marks, and how a connection ends."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.net.descriptor import HIGH_WATER_BYTES
from fsm_twisted.net.stream import PlainStream
from tests.net.turning import (
    Producer,
    Recorder,
    Stubborn,
    attached,
    narrow_pair,
    read_all,
    read_some,
    tcp_pair,
    turning,
)

WORLD = turning()
MUCH = bytes(range(256)) * 4096  # 1 MiB, more than any socket here holds


def test_a_write_is_with_the_peer_before_the_reactor_turns() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        descriptor.write(b"at once")

        assert peer.recv(100) == b"at once"
        assert not descriptor.has_output
        assert descriptor not in WORLD.reactor.getWriters()


def test_what_the_kernel_refuses_is_queued_and_sent_later() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        descriptor.write(MUCH)
        assert descriptor.has_output

        descriptor.finish()

        assert read_all(WORLD, peer) == MUCH


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 40_000), max_size=12),
    reads=st.lists(st.integers(1, 30_000), min_size=1, max_size=6),
)
def test_the_peer_gets_the_same_bytes_in_order_whatever_the_sizes(
    sizes: list[int], reads: list[int]
) -> None:
    written, got = bytearray(), bytearray()
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        for at, size in enumerate(sizes):
            part = bytes([at % 251]) * (size - 1) + b"."
            written += part
            descriptor.write(part)
            got += read_some(peer, reads[at % len(reads)]) or b""
            if at % 2:
                WORLD.turn()
        descriptor.finish()
        got += read_all(WORLD, peer)

    assert got == written


def test_the_end_of_a_queue_is_told_once() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        descriptor.write(MUCH)
        WORLD.until(lambda: read_some(peer) is None and not descriptor.has_output)

        assert descriptor.told == ["drained"]


# Water marks


def test_a_producer_is_paused_above_the_high_water_mark_and_goes_on_when_all_is_sent() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        producer = Producer()
        descriptor.register_producer(producer)
        descriptor.write(MUCH[:HIGH_WATER_BYTES])
        assert producer.asked == []

        descriptor.write(MUCH)
        descriptor.write(MUCH)
        assert producer.asked == ["pause"]

        WORLD.until(lambda: read_some(peer) is None and not descriptor.has_output)
        assert producer.asked == ["pause", "resume"]


def test_a_producer_that_comes_to_a_full_queue_is_paused_at_once() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, _):
        descriptor.write(MUCH)
        producer = Producer()

        descriptor.register_producer(producer)

        assert producer.asked == ["pause"]


@pytest.mark.parametrize("end", ["unregister_producer", "close", "abort"])
def test_a_paused_producer_never_stays_behind(end: str) -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, _):
        producer = Producer()
        descriptor.register_producer(producer)
        descriptor.write(MUCH)

        getattr(descriptor, end)()

        assert producer.asked == ["pause", "resume"]


def test_a_producer_that_was_not_paused_is_not_resumed() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, _):
        producer = Producer()
        descriptor.register_producer(producer)
        descriptor.write(b"little")

        descriptor.unregister_producer()

        assert producer.asked == []


# Input


def test_a_paused_descriptor_gets_nothing_and_then_everything() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        descriptor.pauseProducing()
        peer.sendall(b"wait")
        WORLD.settle()
        assert descriptor.received == []

        descriptor.resumeProducing()
        WORLD.settle()
        assert descriptor.received == [b"wait"]


def test_the_end_of_input_is_told_once_and_leaves_the_output_open() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        peer.shutdown(socket.SHUT_WR)
        WORLD.settle()
        descriptor.write(b"an answer")

        assert descriptor.told == ["input ended"]
        assert peer.recv(100) == b"an answer"


class _Pauser(Recorder):
    """Pauses another descriptor when it gets something, as a full peer does."""

    other: Recorder

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.other.pauseProducing()


def test_pausing_holds_within_the_same_poll() -> None:
    with (
        attached(WORLD, narrow_pair(), _Pauser) as (one, one_peer),
        attached(WORLD, narrow_pair(), _Pauser) as (two, two_peer),
    ):
        assert isinstance(one, _Pauser)
        assert isinstance(two, _Pauser)
        one.other, two.other = two, one
        for each, peer in ((one, one_peer), (two, two_peer)):
            # Waiting to write, it stays registered while it is paused.
            each.write(MUCH)
            peer.sendall(b"x")
        WORLD.settle()

        assert one.received + two.received == [b"x"]


# The end


def test_finish_sends_what_waits_then_fin() -> None:
    with attached(WORLD, narrow_pair(), Stubborn) as (descriptor, peer):
        descriptor.write(MUCH)
        descriptor.finish()
        descriptor.finish()
        assert descriptor.told == []

        assert read_all(WORLD, peer) == MUCH
        assert descriptor.told == ["output ended"]
        peer.sendall(b"still heard")
        WORLD.settle()
        assert descriptor.received == [b"still heard"]


def segments_received(sock: socket.socket) -> int:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 144)
    return int.from_bytes(info[140:144], sys.byteorder)  # tcpi_segs_in of struct tcp_info


def test_last_words_and_the_end_are_one_packet() -> None:
    with attached(WORLD, tcp_pair(), Stubborn) as (descriptor, peer):
        before = segments_received(peer)
        descriptor.write_soon(b"the end")
        descriptor.finish()

        assert read_all(WORLD, peer) == b"the end"
        assert segments_received(peer) - before == 1


def test_finish_closes_unless_a_subclass_says_otherwise() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        descriptor.finish()

        assert descriptor.told == ["closed"]
        assert peer.recv(1) == b""


def test_abort_is_a_reset_and_not_an_end() -> None:
    with attached(WORLD, tcp_pair()) as (descriptor, peer):
        descriptor.write(b"half")
        descriptor.abort()

        assert peer.recv(100) == b"half"
        with pytest.raises(ConnectionResetError):
            peer.recv(100)


def test_a_deadline_that_passes_aborts() -> None:
    with attached(WORLD, tcp_pair()) as (descriptor, _):
        descriptor.expired()

        assert descriptor.told == ["closed"]
        assert descriptor.deadline == float("inf")


def test_a_write_that_fails_never_calls_back_into_its_caller() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, peer):
        descriptor.pauseProducing()
        peer.close()

        descriptor.write(b"to nobody")
        descriptor.write(b"nor this")
        assert descriptor.told == []

        WORLD.settle()
        assert descriptor.told == ["closed"]


def test_when_output_fails_the_last_words_of_the_peer_are_still_read() -> None:
    with attached(WORLD, narrow_pair(), Stubborn) as (descriptor, peer):
        peer.sendall(b"last words")
        peer.close()

        descriptor.write(MUCH)
        WORLD.settle()

        assert descriptor.received == [b"last words"]
        assert descriptor.told == ["output failed", "input ended"]


def test_a_queue_whose_peer_goes_away_is_given_up() -> None:
    with attached(WORLD, narrow_pair(), Stubborn) as (descriptor, peer):
        descriptor.pauseProducing()
        descriptor.write(MUCH)
        peer.close()
        WORLD.settle()

        assert not descriptor.has_output
        assert descriptor not in WORLD.reactor.getWriters()


def test_writing_after_the_end_is_silent() -> None:
    with attached(WORLD, narrow_pair()) as (descriptor, _):
        descriptor.close()
        descriptor.write(b"too late")
        WORLD.settle()

        assert descriptor.told == ["closed"]
        assert not descriptor.has_output


STEPS = {
    "close": lambda d, _: d.close(),
    "abort": lambda d, _: d.abort(),
    "finish": lambda d, _: d.finish(),
    "expired": lambda d, _: d.expired(),
    "lost": lambda d, _: d.connectionLost(None),
    "write": lambda d, _: d.write(b"x" * 9000),
    "pause": lambda d, _: d.pauseProducing(),
    "resume": lambda d, _: d.resumeProducing(),
    "turn": lambda _, __: WORLD.turn(),
    "peer sends": lambda _, p: p.send(b"hello"),
    "peer reads": lambda _, p: p.recv(65536),
    "peer ends": lambda _, p: p.shutdown(socket.SHUT_WR),
    "peer closes": lambda _, p: p.close(),
}


@settings(max_examples=150)
@given(
    steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=10),
    kind=st.sampled_from([Recorder, Stubborn]),
    make_pair=st.sampled_from([tcp_pair, narrow_pair]),
)
def test_closed_is_told_exactly_once_in_every_order(
    steps: list[str],
    kind: type[Recorder],
    make_pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    pair = make_pair()
    producer = Producer()
    with attached(WORLD, pair, kind) as (descriptor, peer):
        descriptor.register_producer(producer)
        for step in steps:
            # The peer's own calls fail once it is gone or has nothing to read.
            with contextlib.suppress(OSError):
                STEPS[step](descriptor, peer)
            assert descriptor.told.count("closed") == descriptor.is_closed

    assert descriptor.told.count("closed") == 1
    assert not WORLD.knows(descriptor)
    assert pair[0].fileno() == -1
    assert producer.asked.count("pause") == producer.asked.count("resume")


def test_a_plain_stream_ends_quietly_when_the_peer_is_gone() -> None:
    ours, theirs = tcp_pair()
    theirs.close()
    stream = PlainStream(ours)
    stream.end_output()
    ours.close()

    stream.end_output()

    assert stream.pending is None
