"""Listeners: a few accepts at a wake-up, no spinning without descriptors, no end by one fault."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fsm_twisted.net.addresses import ListenAddress, bind
from fsm_twisted.net.listener import ACCEPTS_PER_WAKEUP, Listener
from tests.net.turning import logged, turning

WORLD = turning()
LOOPBACK = ListenAddress("tcp", host="127.0.0.1")


class Door:
    """A listener on a free port, what it has accepted, and its clients."""

    def __init__(
        self,
        accept: Callable[[socket.socket, Any], None] | None = None,
        address: ListenAddress = LOOPBACK,
    ) -> None:
        self.accepted: list[tuple[socket.socket, Any]] = []
        self.exhausted = 0
        sock = bind(address)
        self.where = sock.getsockname()
        self.family = sock.family
        self.listener = Listener(
            WORLD.reactor, sock, accept or self.take, exhausted=self.count_exhausted
        )
        self.clients: list[socket.socket] = []
        self.listener.start()

    def take(self, sock: socket.socket, peer: Any) -> None:
        self.accepted.append((sock, peer))

    def count_exhausted(self) -> None:
        self.exhausted += 1

    def knock(self, times: int = 1) -> None:
        for _ in range(times):
            client = socket.socket(self.family)
            self.clients.append(client)
            client.connect(self.where)

    def close(self) -> None:
        self.listener.stop()
        for sock in [*self.clients, *(each for each, _ in self.accepted)]:
            sock.close()


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.close()


def test_one_wake_up_accepts_a_few_and_leaves_the_rest_to_others(door: Door) -> None:
    door.knock(ACCEPTS_PER_WAKEUP + 2)

    WORLD.until(lambda: door.accepted)
    assert len(door.accepted) == ACCEPTS_PER_WAKEUP

    WORLD.until(lambda: len(door.accepted) == ACCEPTS_PER_WAKEUP + 2)


def test_a_connection_comes_without_delay_of_small_writes_and_never_blocks(door: Door) -> None:
    door.knock()
    WORLD.until(lambda: door.accepted)
    sock, peer = door.accepted[0]

    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not sock.getblocking()
    assert peer == door.clients[0].getsockname()


def test_a_unix_socket_is_served_too(tmp_path: Any) -> None:
    door = Door(address=ListenAddress("unix", host=str(tmp_path / "door")))
    with contextlib.closing(door):
        door.knock()
        WORLD.until(lambda: door.accepted)


def test_after_stop_the_kernel_refuses(door: Door) -> None:
    door.listener.stop()
    door.listener.stop()

    with pytest.raises(ConnectionRefusedError):
        door.knock()
    assert not WORLD.knows(door.listener)


def test_a_connection_that_fails_is_closed_and_the_next_is_served() -> None:
    seen: list[socket.socket] = []

    def fail_once(sock: socket.socket, _: Any) -> None:
        seen.append(sock)
        if len(seen) == 1:
            raise ValueError("a fault of ours")

    door = Door(fail_once)
    with contextlib.closing(door), logged() as log:
        door.knock(2)
        WORLD.until(lambda: len(seen) == 2)

        assert seen[0].fileno() == -1
        assert [type(each) for each in log.failures] == [ValueError]
        assert WORLD.knows(door.listener)
        seen[1].close()


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Forbid every further descriptor in this process for a while."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_descriptors_it_waits_instead_of_spinning_and_then_goes_on(door: Door) -> None:
    door.knock()
    with logged() as log:
        with no_descriptors_left():
            WORLD.until(lambda: door.exhausted)
            for _ in range(20):
                WORLD.turn()
            assert door.exhausted == 1
            assert not WORLD.knows(door.listener)

        WORLD.until(lambda: door.accepted)
    assert "cannot accept: Too many open files" in log.text


def test_stopping_while_it_waits_for_descriptors_is_final(door: Door) -> None:
    door.knock()
    with no_descriptors_left():
        WORLD.until(lambda: door.exhausted)
    before = len(WORLD.reactor.getDelayedCalls())

    door.listener.stop()

    assert len(WORLD.reactor.getDelayedCalls()) == before - 1
    assert not WORLD.knows(door.listener)
