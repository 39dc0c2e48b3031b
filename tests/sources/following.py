"""A source on real files, with the reactor in our hand."""
# ruff: noqa: N802  the reactor's methods have Twisted's names

from __future__ import annotations

import select
import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.internet.task import Clock
from zope.interface import implementer

from fsm_twisted.sources.manifests import Contents, ManifestOptions, ManifestSource
from fsm_twisted.sources.manifests.source import Reactor
from tests.sources.manifests import names

PATIENCE_SECONDS = 10.0
LATER_NS = 10**10


@implementer(Reactor)
class HandReactor(Clock):
    """A clock that is turned by hand, and readers that are read when we say so."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[IReadDescriptor] = set()

    def addReader(self, reader: IReadDescriptor) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        self.readers.discard(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        raise AssertionError("nothing is written")

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        raise AssertionError("nothing is written")

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        raise AssertionError("not ours to do")

    def getReaders(self) -> list[IReadDescriptor]:
        return list(self.readers)

    def getWriters(self) -> list[IWriteDescriptor]:
        return []

    def read_events(self, wait_seconds: float = 0.0) -> bool:
        """Let every reader with events read; return whether there was one."""
        ready, _, _ = select.select(list(self.readers), [], [], wait_seconds)
        for reader in ready:
            reader.doRead()
        return bool(ready)


class Following:
    """A source on real files, with a reactor turned by hand."""

    def __init__(self, *paths: Path | str, wall_ns: Callable[[], int] | None = None) -> None:
        self.reactor = HandReactor()
        self.told: list[Contents] = []
        self.source = ManifestSource(
            paths,
            reactor=self.reactor,
            on_change=self.told.append,
            options=ManifestOptions(limit_bytes=10_000),
            # Files seem to have been written long ago, unless a test wants otherwise.
            wall_ns=wall_ns or (lambda: time.time_ns() + LATER_NS),
        )

    def settle(self) -> list[str]:
        """Let all that has happened so far be noticed; return the names of the objects."""
        while self.reactor.read_events():
            pass
        self.reactor.advance(0.05)
        return names(self.source.contents)

    def await_names(self, *expected: str) -> None:
        """Wait until exactly these objects are there."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.settle() != sorted(expected):
            assert time.monotonic() < end, (names(self.source.contents), expected)
            self.reactor.read_events(0.05)

    def reasons(self) -> list[tuple[str, str]]:
        return [(each.where, each.reason) for each in self.source.contents.problems]
