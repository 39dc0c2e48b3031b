"""Which HTTP/2 connections are made to an endpoint, and who gets their streams."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.task import Clock

from fsm_twisted.proxy.http2_pool import Http2Pool


class Link:
    """A connection to an endpoint that says at once what it allows, when it is told to."""

    name = ""

    def __init__(self) -> None:
        self.is_coming = True
        self.begun: list[Any] = []

    def connect(self, _: float) -> None:
        """Begin to connect."""

    def takes_more(self) -> bool:
        return not self.is_coming

    def begin(self, stream: Any) -> None:
        self.begun.append(stream)


class Waiting:
    """A request's stream, before it has a connection."""

    name = ""

    def __init__(self, clock: Clock) -> None:
        self.plane = SimpleNamespace(loop=clock, options=SimpleNamespace(pool_size=8))


def test_who_comes_between_a_connection_and_those_that_wait_for_it_has_no_other_made() -> None:
    clock, dialled = Clock(), list[Link]()

    def dial(plane: object, name: str) -> Any:
        dialled.append(Link())
        return dialled[-1]

    pool = Http2Pool(dial)
    first, second = cast("Any", Waiting(clock)), cast("Any", Waiting(clock))
    pool.place(first, 1.0)
    dialled[0].is_coming = False
    pool.allowed(100)
    pool.place(second, 1.0)
    clock.advance(0)

    assert len(dialled) == 1
    assert dialled[0].begun == [first, second]
