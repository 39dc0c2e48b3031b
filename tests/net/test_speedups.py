"""The compiled ends of a plain socket do what the socket's own recv and send do."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.compiled import compiled

BUFFER = 65536


@pytest.fixture(scope="module")
def speedups(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compiled("fsm_twisted.net._speedups", tmp_path_factory)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


@given(sizes=st.lists(st.tuples(st.integers(1, 70_000), st.integers(1, 70_000)), max_size=5))
@example(sizes=[(16_384, 65_536), (16_385, 65_536), (65_536, 65_536), (70_000, 70_000)])
def test_what_is_read_is_what_was_sent(speedups: Any, sizes: list[tuple[int, int]]) -> None:
    one, other = socket.socketpair()
    with one, other:
        reader, writer = speedups.PlainEnds(one), speedups.PlainEnds(other)
        kept = []
        for number, (size, read) in enumerate(sizes):
            data = bytes((number + each) % 251 for each in range(size))
            assert writer.send(data) == size
            got = b""
            while len(got) < size:
                piece = reader.recv(read)
                assert 0 < len(piece) <= min(read, BUFFER)
                got += piece
            assert got == data
            kept.append((got, data))
        # What was read before is not touched by what is read later.
        assert all(got == data for got, data in kept)


def test_views_are_sent_without_a_copy_of_ours(
    speedups: Any, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair

    assert speedups.PlainEnds(one).send(memoryview(bytearray(b"abcdef"))[1:4]) == 3
    assert other.recv(10) == b"bcd"


def fill(ends: Any) -> None:
    while True:
        assert 0 < ends.send(bytes(BUFFER)) <= BUFFER


def test_nothing_to_read_and_no_room_are_told_as_blocking(
    speedups: Any, pair: tuple[socket.socket, socket.socket]
) -> None:
    ends = speedups.PlainEnds(pair[0])

    with pytest.raises(BlockingIOError):
        ends.recv(100)
    with pytest.raises(BlockingIOError):
        fill(ends)


def test_the_end_of_input_is_empty_and_a_lost_connection_is_an_error(
    speedups: Any, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    ends = speedups.PlainEnds(one)
    other.close()

    assert ends.recv(100) == b""
    with pytest.raises(BrokenPipeError):
        ends.send(b"x")


def test_a_closed_socket_reaches_no_other_that_gets_its_number(speedups: Any) -> None:
    one, other = socket.socketpair()
    number = one.fileno()
    ends = speedups.PlainEnds(one)
    one.close()
    read, write = os.pipe()
    try:
        assert number in {read, write}
        for call in (lambda: ends.recv(1), lambda: ends.send(b"x")):
            with pytest.raises(OSError, match="Bad file descriptor") as caught:
                call()
            assert caught.value.errno == errno.EBADF
    finally:
        os.close(read)
        os.close(write)
        other.close()


def test_what_is_no_socket_is_a_mistake_of_ours(
    speedups: Any, pair: tuple[socket.socket, socket.socket]
) -> None:
    with pytest.raises(TypeError):
        speedups.PlainEnds(pair[0].fileno())
    with pytest.raises(ValueError, match="negative"):
        speedups.PlainEnds(pair[0]).recv(-1)
