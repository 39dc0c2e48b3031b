"""A listener that leaves connections to others, for a moment."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from fsm_twisted.net.listener import YIELD_SECONDS, Listener
from fsm_twisted.net.reactor import FsmReactor


@pytest.fixture
def reactor() -> Iterator[FsmReactor]:
    reactor = FsmReactor()
    yield reactor
    for each in reactor.removeAll():
        each.connectionLost(None)
    reactor._poller.close()


def accepted_after(reactor: FsmReactor, answers: list[bool], clients: int = 1) -> list[float]:
    """Connect, and return when each connection was accepted, in seconds from the first turn."""
    times: list[float] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    begun = time.monotonic()

    def accept(sock: socket.socket, _: object) -> None:
        times.append(time.monotonic() - begun)
        sock.close()

    listener = Listener(reactor, server, accept, yields=lambda: answers.pop(0))
    listener.start()
    conns = [socket.create_connection(server.getsockname()) for _ in range(clients)]
    while len(times) < clients and time.monotonic() < begun + 10:
        reactor.iterate(0.001)
    listener.stop()
    for each in conns:
        each.close()
    return times


def test_a_connection_that_nobody_else_takes_is_accepted_after_the_moment(
    reactor: FsmReactor,
) -> None:
    answers = [True]

    (waited,) = accepted_after(reactor, answers)

    assert waited >= YIELD_SECONDS
    assert answers == []


def test_who_has_waited_accepts_without_asking_and_then_asks_again(reactor: FsmReactor) -> None:
    # Four at a wake-up: one yield for each four.
    answers = [True, True]

    assert len(accepted_after(reactor, answers, clients=8)) == 8
    assert answers == []


def test_who_need_not_yield_accepts_at_once(reactor: FsmReactor) -> None:
    answers = [False, True]

    accepted_after(reactor, answers)

    assert answers == [True]
