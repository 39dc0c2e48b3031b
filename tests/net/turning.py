"""A reactor that is turned by hand, sockets on it, and a descriptor that tells what it met."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from fsm_twisted.net.descriptor import Descriptor
from fsm_twisted.net.reactor import FsmReactor
from fsm_twisted.net.stream import PlainStream, Stream

SECONDS = 15.0


class Turning:
    """A reactor of its own; nothing happens on it but while somebody waits for something."""

    def __init__(self, kind: type[EPollReactor] = FsmReactor) -> None:
        self.reactor: Any = kind()

    def turn(self, seconds: float = 0.0) -> None:
        """Do what is due, then wait at most *seconds* for sockets and serve them once."""
        self.reactor.runUntilCurrent()
        self.reactor.doIteration(seconds)

    def until(self, is_so: Callable[[], object]) -> None:
        """Turn until a condition holds."""
        deadline = time.monotonic() + SECONDS
        while not is_so():
            assert time.monotonic() < deadline, "waited in vain"
            self.turn(0.01)

    def settle(self) -> None:
        """Turn until everything that local sockets hold has been served."""
        for _ in range(5):
            self.turn()
        for _ in range(5):  # the kernel may deliver a little late
            if not select.select([self.reactor._poller], [], [], 0.0005)[0]:
                break
            self.turn()

    def knows(self, descriptor: object) -> bool:
        """Tell whether *descriptor* is registered for anything."""
        return descriptor in self.reactor.getReaders() + self.reactor.getWriters()


@cache
def turning(kind: type[EPollReactor] = FsmReactor) -> Turning:
    """Return the one reactor of *kind*: each holds descriptors until the process ends."""
    return Turning(kind)


class Recorder(Descriptor):
    """A descriptor that remembers what it was told."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self.received: list[bytes] = []
        self.told: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def input_ended(self) -> None:
        self.told.append("input ended")

    def closed(self) -> None:
        self.told.append("closed")

    def output_drained(self) -> None:
        self.told.append("drained")


class Stubborn(Recorder):
    """One that neither a failed output nor the end of it closes."""

    def output_failed(self) -> None:
        self.told.append("output failed")

    def output_ended(self) -> None:
        self.told.append("output ended")


class Producer:
    """Remembers what a consumer has asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pauseProducing(self) -> None:
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        self.asked.append("resume")


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection over the loopback interface, not blocking."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def narrow_pair(size: int = 4096) -> tuple[socket.socket, socket.socket]:
    """Return a pair of sockets that hold little, not blocking."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        sock.setblocking(False)
    return ours, theirs


@contextlib.contextmanager
def attached(
    world: Turning,
    pair: tuple[socket.socket, socket.socket],
    kind: type[Recorder] = Recorder,
    stream: Stream | None = None,
) -> Iterator[tuple[Recorder, socket.socket]]:
    """Put our end of *pair* on the reactor, reading; both ends are closed afterwards."""
    ours, theirs = pair
    descriptor = kind(world.reactor)
    descriptor.attach(ours, stream or PlainStream(ours))
    descriptor.resumeProducing()
    try:
        yield descriptor, theirs
    finally:
        descriptor.close()
        theirs.close()
        world.settle()


def read_some(sock: socket.socket, size: int = 65536) -> bytes | None:
    """Read what is there; None when nothing is, ``b""`` at the end."""
    try:
        return sock.recv(size)
    except BlockingIOError:
        return None


def read_all(world: Turning, sock: socket.socket) -> bytes:
    """Turn the reactor until the end of input and return all of it."""
    parts: list[bytes] = []

    def is_at_end() -> bool:
        while (data := read_some(sock)) is not None:
            if not data:
                return True
            parts.append(data)
        return False

    world.until(is_at_end)
    return b"".join(parts)


@implementer(ILogObserver)
class Log:
    """What has been logged."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)

    @property
    def text(self) -> str:
        return "\n".join(formatEvent(event) for event in self.events)

    @property
    def failures(self) -> list[BaseException]:
        # Twisted's older way of logging names it otherwise.
        found = (each.get("log_failure") or each.get("failure") for each in self.events)
        return [each.value for each in found if each is not None]


@contextlib.contextmanager
def logged() -> Iterator[Log]:
    """Collect what is logged."""
    log = Log()
    globalLogPublisher.addObserver(log)
    try:
        yield log
    finally:
        globalLogPublisher.removeObserver(log)
