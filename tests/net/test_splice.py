"""Bytes that go from socket to socket through a pipe: all of them, in order, and no more."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsm_twisted.net.descriptor import Descriptor
from fsm_twisted.net.splice import BULK_BYTES, Pipes, Splice
from tests.net.turning import Recorder, attached, narrow_pair, read_some, tcp_pair, turning

WORLD = turning()
MUCH = bytes(range(251)) * 8000  # 2 MB, more than sockets and pipe hold


class Copying(Recorder):
    """A source that writes to its target what does not go past it."""

    target: Descriptor

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.target.write(data)

    def input_ended(self) -> None:
        super().input_ended()
        self.target.finish()


@attrs.define
class Road:
    """From *sender* by source and target to *receiver*."""

    sender: socket.socket
    source: Copying
    target: Recorder
    receiver: socket.socket
    pipes: Pipes
    moved: list[int] = attrs.Factory(list)
    is_done: bool = False
    got: bytearray = attrs.Factory(bytearray)

    def splice(self, size: int | None = None) -> Splice:
        def done() -> None:
            self.is_done = True

        return Splice(
            self.pipes,
            self.source,
            self.target,
            self.moved.append,
            size=size,
            done=done if size is not None else None,
        )

    @property
    def copied(self) -> int:
        """How many bytes have come into the process."""
        return sum(map(len, self.source.received))

    def receive(self, size: int = 1 << 20) -> bool:
        """Read what is there; true at the end of input."""
        data = read_some(self.receiver, size)
        self.got += data or b""
        return data == b""

    def carry(self, data: bytes) -> None:
        """Send *data* and receive until as much more has come out."""
        wanted, left = len(self.got) + len(data), memoryview(data)

        def has_come() -> bool:
            nonlocal left
            if left:
                with contextlib.suppress(BlockingIOError):
                    left = left[self.sender.send(left) :]
            self.receive()
            return len(self.got) >= wanted

        WORLD.until(has_come)


def small_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection of which ours can send little ahead."""
    ours, theirs = tcp_pair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    return ours, theirs


@contextlib.contextmanager
def road(pipes: Pipes, first: Any = tcp_pair, second: Any = small_pair) -> Iterator[Road]:
    """Put both connections on the reactor, the source as the target's producer."""
    with (
        attached(WORLD, first(), Copying) as (source, sender),
        attached(WORLD, second()) as (target, receiver),
    ):
        assert isinstance(source, Copying)
        source.target = target
        target.register_producer(source)
        yield Road(sender, source, target, receiver, pipes)
    assert pipes.number <= 1, "an idle one may stay, all others are closed"
    pipes.close_idle()
    assert pipes.number == 0


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@settings(max_examples=30)
@given(
    sends=st.lists(st.integers(1, 400_000), min_size=1, max_size=8),
    reads=st.lists(st.integers(1, 300_000), min_size=1, max_size=8),
    most=st.integers(0, 2),
    cut=st.floats(0.1, 1),
)
@example(sends=[400_000] * 8, reads=[1000], most=1, cut=0.5)
def test_what_goes_past_is_what_was_sent_whatever_the_sizes(
    sends: list[int], reads: list[int], most: int, cut: float
) -> None:
    """With any number of pipes, none included; what follows the size comes to the reader."""
    data = b"".join(bytes([at % 251]) * (size - 1) + b"." for at, size in enumerate(sends))
    size = max(1, int(len(data) * cut))
    with road(Pipes(most)) as way:
        way.splice(size)
        left, turn = memoryview(data), 0
        while len(way.got) < len(data):
            for part in sends:
                with contextlib.suppress(BlockingIOError):
                    left = left[way.sender.send(left[:part]) :]
            WORLD.turn(0.01)
            way.receive(reads[turn % len(reads)] if turn < 50 else 1 << 20)
            turn += 1
            assert turn < 5000
        assert bytes(way.got) == data
        assert sum(way.moved) + way.copied == len(data)
        if most:
            assert way.is_done
            assert sum(way.moved) == size


def test_nothing_of_a_large_body_enters_the_process() -> None:
    with road(Pipes()) as way:
        way.splice(len(MUCH))
        way.carry(MUCH)

        assert way.got == MUCH
        assert way.copied == 0
        assert way.is_done
        way.carry(b"the next message")
        assert way.copied == len(b"the next message")


def test_what_was_written_before_goes_first() -> None:
    with road(Pipes()) as way:
        way.target.write(MUCH)
        assert way.target.has_output
        way.splice(len(MUCH))
        way.sender.send(MUCH[:100_000])
        WORLD.settle()

        def has_come() -> bool:
            way.receive()
            return len(way.got) == len(MUCH) + 100_000

        WORLD.until(has_come)
        assert way.got == MUCH + MUCH[:100_000]


def test_a_receiver_that_does_not_read_holds_one_pipe_and_the_source_waits() -> None:
    with road(Pipes()) as way:
        way.splice(len(MUCH) * 4)

        def is_stuck() -> bool:
            with contextlib.suppress(BlockingIOError):
                way.sender.send(MUCH)
            return way.target.has_output

        WORLD.until(is_stuck)
        assert way.pipes.number == 1
        assert not way.source.is_reading
        way.source.resumeProducing()  # whoever does so: there is no place for more
        WORLD.settle()
        assert not way.source.is_reading


def test_the_end_of_input_is_told_behind_everything_that_was_sent() -> None:
    with road(Pipes()) as way:
        way.splice()
        way.sender.setblocking(True)
        way.sender.settimeout(5)
        way.sender.send(MUCH[:200_000])
        way.sender.shutdown(socket.SHUT_WR)

        WORLD.until(way.receive)
        assert way.got == MUCH[:200_000]
        assert way.source.told == ["input ended"]


def test_an_end_before_the_size_is_an_end_of_input_and_not_done() -> None:
    with road(Pipes()) as way:
        way.splice(len(MUCH))
        way.carry(MUCH[:100_000])
        way.sender.close()

        WORLD.until(lambda: way.source.told)
        assert way.source.told == ["input ended"]
        assert not way.is_done


def test_what_a_lost_source_has_sent_still_arrives() -> None:
    with road(Pipes()) as way:
        way.splice(len(MUCH) * 4)
        sent = 0

        def is_stuck() -> bool:
            nonlocal sent
            with contextlib.suppress(BlockingIOError):
                sent += way.sender.send(MUCH)
            return way.target.has_output

        WORLD.until(is_stuck)
        way.source.abort()
        way.target.finish()
        WORLD.until(way.receive)
        assert 0 < len(way.got) <= sent
        assert (MUCH * 20).startswith(bytes(way.got))
        assert len(way.got) == sum(way.moved)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_lost_target_gives_the_source_back_to_its_reader(end: str) -> None:
    before = open_descriptors()
    with road(Pipes()) as way:
        way.splice(len(MUCH) * 4)

        def is_stuck() -> bool:
            with contextlib.suppress(BlockingIOError):
                way.sender.send(MUCH)
            return way.target.has_output

        WORLD.until(is_stuck)
        getattr(way.target, end)()
        WORLD.until(lambda: way.source.received)
        assert way.pipes.number == 0
    assert open_descriptors() <= before


def test_a_tunnel_with_little_to_carry_is_copied_again() -> None:
    with road(Pipes()) as way:
        way.splice()
        way.carry(b"x" * (BULK_BYTES - 1))
        assert way.copied == 0
        way.carry(b"a frame")
        assert way.source.received == [b"a frame"]


class Refusing:
    """What ``os.splice`` is where a file system or a filter does not know it."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self._splice = os.splice

    def __call__(self, source: int, target: int, count: int, *, flags: int) -> int:
        is_read = os.readlink(f"/proc/self/fd/{source}").startswith("socket:")
        if is_read == self._reads:
            raise OSError(22, "Invalid argument")
        return self._splice(source, target, count, flags=flags)


@pytest.mark.parametrize("reads", [True, False], ids=["from a socket", "into a socket"])
def test_where_the_kernel_refuses_everything_is_copied(
    monkeypatch: pytest.MonkeyPatch, *, reads: bool
) -> None:
    monkeypatch.setattr(os, "splice", Refusing(reads=reads))
    with road(Pipes()) as way:
        way.splice(len(MUCH))
        way.carry(MUCH)

        assert way.got == MUCH
        assert way.copied + sum(way.moved) == len(MUCH)
        assert way.copied > len(MUCH) // 2


def test_unix_sockets_too() -> None:
    with road(Pipes(), narrow_pair, narrow_pair) as way:
        way.splice(len(MUCH))
        way.carry(MUCH)
        assert way.got == MUCH


def test_pipes_are_few_and_come_back() -> None:
    before = open_descriptors()
    pipes = Pipes(2)
    first, second = pipes.take(), pipes.take()
    assert first is not None
    assert second is not None
    assert pipes.take() is None
    pipes.give_back(first)
    assert pipes.take() is first
    first.held = 1
    pipes.give_back(first)
    pipes.give_back(second)
    assert pipes.number == 1
    pipes.close_idle()
    assert open_descriptors() == before
