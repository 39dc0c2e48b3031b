"""Manifest files as a source of objects: loaded at the start, followed from then on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime
from twisted.logger import Logger

from fsm_twisted.sources.coalesce import Coalescer
from fsm_twisted.sources.contents import Contents
from fsm_twisted.sources.manifests.documents import LIMIT_BYTES
from fsm_twisted.sources.manifests.files import Given
from fsm_twisted.sources.manifests.library import Library, check_paths
from fsm_twisted.sources.manifests.places import Places
from fsm_twisted.sources.manifests.watch import Watcher, WatchingImpossible

_log = Logger()

# New directories to watch may come up while we begin to watch others; not for ever, though.
_ROUNDS: Final = 5


class Reactor(IReactorTime, IReactorFDSet):
    """What we ask of the reactor: time, and telling us when a descriptor is readable."""


@attrs.frozen
class ManifestOptions:
    """
    How files are read and followed.

    A burst of changes is over when nothing happened for ``quiet_seconds``, or when it has lasted
    ``at_most_seconds``. A file larger than ``limit_bytes`` is not read. Without inotify, files
    are looked at every ``poll_seconds``. Objects without a namespace live in
    ``default_namespace``.
    """

    default_namespace: str = "default"
    limit_bytes: int = LIMIT_BYTES
    quiet_seconds: float = 0.05
    at_most_seconds: float = 0.25
    poll_seconds: float = 1.0


class ManifestSource:
    """
    Follows manifest files, and tells *on_change* everything they say whenever that changes.

    Files are read in the reactor's thread. Where the kernel gives us no inotify watches, the
    files are looked at once a second instead, and the log says so once.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        reactor: Reactor,
        on_change: Callable[[Contents], None],
        options: ManifestOptions = ManifestOptions(),
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """
        Take the paths as they are seen from the current directory; nothing is read yet.

        Args:
            paths: Files, or directories whose files count (not those deeper down); of the same
                object in two files, the later one counts.
            reactor: The running, or soon to be running, reactor.
            on_change: Called in `start`, and then from the reactor, never twice with the same.
            options: How to read and follow them.
            wall_ns: The clock by which files are dated.
        """
        self._reactor = reactor
        self._on_change = on_change
        self._paths = tuple(Given.of(path) for path in paths)
        self._library = Library(
            self._paths,
            default_namespace=options.default_namespace,
            limit_bytes=options.limit_bytes,
            settle_seconds=options.quiet_seconds,
            at_most_seconds=options.at_most_seconds,
            seconds=reactor.seconds,
            wall_ns=wall_ns,
        )
        self._options = options
        self._coalescer = Coalescer(
            reactor,
            self._refresh,
            quiet_seconds=options.quiet_seconds,
            at_most_seconds=options.at_most_seconds,
        )
        self._watcher: Watcher | None = None
        self._poll: IDelayedCall | None = None
        self.contents = Contents()

    def check(self) -> None:
        """
        Look whether all paths are there, for a program that has not started yet.

        Raises:
            SourceError: One is missing or cannot be read; the text names it.
        """
        check_paths(self._paths)

    def start(self) -> Contents:
        """
        Load everything, begin to follow, and return what there is, told to *on_change* as well.

        Raises:
            SourceError: A path is missing or cannot be read. Later on, a path that is missing
                has no objects, and one that cannot be read keeps those it had.
        """
        self.check()
        try:
            self._watcher = Watcher(self._coalescer.poke)
        except WatchingImpossible as impossible:
            self._fall_back(impossible)
        self._look()
        self._library.read()
        self.contents = self._library.contents()
        if self._watcher is not None:
            self._reactor.addReader(self._watcher)
        self._on_change(self.contents)
        return self.contents

    def stop(self) -> None:
        """Follow no longer; nothing is told after this."""
        self._coalescer.cancel()
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        if self._watcher is not None:
            self._reactor.removeReader(self._watcher)
            self._watcher.close()
            self._watcher = None

    def missing(self) -> str:
        """Say what is waited for: nothing, for `start` loads everything."""
        return ""

    def _refresh(self) -> None:
        """Look at all files again, and tell when they say something else."""
        self._look()
        if not self._library.read():
            self._coalescer.poke()
        contents = self._library.contents()
        if contents != self.contents:
            self.contents = contents
            self._on_change(contents)

    def _look(self) -> None:
        """List until every directory that matters was watched before it was listed."""
        for _ in range(_ROUNDS):
            if not self._arm(self._library.look()):
                return

    def _arm(self, places: Places) -> bool:
        if self._watcher is None:
            return False
        try:
            return self._watcher.arm(places)
        except WatchingImpossible as impossible:
            self._reactor.removeReader(self._watcher)
            self._watcher.close()
            self._watcher = None
            self._fall_back(impossible)
            return False

    def _fall_back(self, impossible: WatchingImpossible) -> None:
        _log.warn(
            "manifests: no inotify watches ({why}); looking at the files every {seconds} s"
            " (raise fs.inotify.max_user_instances and max_user_watches)",
            why=str(impossible),
            seconds=self._options.poll_seconds,
        )
        self._poll = self._reactor.callLater(self._options.poll_seconds, self._poll_once)

    def _poll_once(self) -> None:
        self._poll = self._reactor.callLater(self._options.poll_seconds, self._poll_once)
        self._refresh()
