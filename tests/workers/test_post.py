"""One post, with a clock that is moved by hand."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import attrs
import pytest
from twisted.internet.task import Clock

from fsm_twisted.snapshot import wire
from fsm_twisted.snapshot.model import Snapshot
from fsm_twisted.workers.channel import SNAPSHOT_LIMIT_BYTES, FrameReader, Kind, frame
from fsm_twisted.workers.post import OVERDUE_SECONDS, Encoder, Post
from tests.workers.processes import SECONDS


class Loop(Clock):
    """A clock that can be asked to watch sockets, and does not."""

    def addReader(self, _: object) -> None: ...  # noqa: N802
    def removeReader(self, _: object) -> None: ...  # noqa: N802
    def addWriter(self, _: object) -> None: ...  # noqa: N802
    def removeWriter(self, _: object) -> None: ...  # noqa: N802


@attrs.define
class Station:
    """A post, and the worker's end of its channel, whose process sleeps."""

    loop: Loop
    post: Post
    sock: socket.socket
    process: subprocess.Popen[bytes]
    base: Snapshot | None = None

    def says(self, kind: Kind, payload: bytes) -> None:
        """Have the worker say something."""
        self.sock.sendall(frame(kind, payload))
        assert self.post._channel is not None
        self.post._channel.doRead()

    def gets(self) -> list[int]:
        """Return the generations that the worker has got since, each applied to the last."""
        data = b""
        with suppress(BlockingIOError):
            while True:
                data += self.sock.recv(1 << 16)
        got = []
        for kind, payload in FrameReader(SNAPSHOT_LIMIT_BYTES).feed(data):
            assert kind is Kind.SNAPSHOT
            self.base = wire.apply(self.base, payload)
            got.append(self.base.generation)
        return got

    def is_killed(self) -> bool:
        """Wait for its end."""
        return self.process.wait(SECONDS) == -signal.SIGKILL

    def lives_on(self) -> bool:
        """Give it a moment to end in."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)
        return self.process.returncode is None


@pytest.fixture
def station() -> Iterator[Station]:
    loop = Loop()
    ours, its = socket.socketpair()
    for each in (ours, its):
        each.setblocking(False)
    post = Post(loop, 1, Encoder(), lambda _: None, lambda _: None, {})
    post.take(ours, 0)
    with subprocess.Popen(["sleep", "60"]) as process, its:
        station = Station(loop, post, its, process)
        post.pid = process.pid
        station.says(Kind.READY, b"")
        yield station
        process.kill()
        ours.close()


def test_changes_that_come_before_the_answer_travel_as_one(station: Station) -> None:
    for generation in (1, 2, 3):
        station.post.publish(Snapshot(generation))

    assert station.gets() == [1]

    station.says(Kind.ACKNOWLEDGED, b"1 0.5")

    assert station.gets() == [3]
    assert station.post.serving == Snapshot(1)

    station.says(Kind.ACKNOWLEDGED, b"3 0.6")

    assert station.gets() == []
    assert station.post.serving == Snapshot(3)


def test_a_worker_that_does_not_answer_is_killed_when_its_time_is_over(station: Station) -> None:
    station.post.publish(Snapshot(1))
    station.loop.advance(OVERDUE_SECONDS - 1)
    was_left_alone = station.lives_on()
    station.loop.advance(1)

    assert was_left_alone
    assert station.is_killed()


def test_a_worker_that_answers_in_time_is_left_alone(station: Station) -> None:
    for generation in (1, 2):
        station.post.publish(Snapshot(generation))
        station.loop.advance(OVERDUE_SECONDS - 1)
        station.says(Kind.ACKNOWLEDGED, b"%d 0.5" % generation)
    station.loop.advance(10 * OVERDUE_SECONDS)

    assert station.lives_on()
    assert station.loop.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.ACKNOWLEDGED, b"2 0.5"),
        (Kind.ACKNOWLEDGED, b"1"),
        (Kind.ACKNOWLEDGED, b"one 0.5"),
        (Kind.ACKNOWLEDGED, b"1 then"),
        (Kind.LOG, b"nonsense"),
        (Kind.SNAPSHOT, b""),
    ],
)
def test_a_worker_that_talks_nonsense_is_killed(
    station: Station, kind: Kind, payload: bytes
) -> None:
    station.post.publish(Snapshot(1))

    station.says(kind, payload)

    assert station.is_killed()
