"""inotify as a descriptor of the reactor: one call back when something we look at has changed."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from inotify_simple import INotify, flags
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from fsm_twisted.sources.manifests.places import Places

# Not MODIFY: a writer that empties a file and fills it again tells us when it closes the file.
_MASK: Final = int(
    flags.CREATE
    | flags.DELETE
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.CLOSE_WRITE
    | flags.ATTRIB
    | flags.DELETE_SELF
    | flags.MOVE_SELF
    | flags.ONLYDIR
)
_EXHAUSTED: Final = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class WatchingImpossible(Exception):
    """The kernel gives no (more) watches; whoever asked has to look by itself."""


@implementer(IReadDescriptor)
class Watcher:
    """
    Watches directories, and tells *on_event* that something happened there.

    What happened is not told: events may be lost or merged, so only looking at the files gives
    the truth. The caller adds it to a reactor as a reader, and closes it in the end.
    """

    def __init__(self, on_event: Callable[[], None]) -> None:
        """
        Open the inotify instance.

        Raises:
            WatchingImpossible: There is none to be had.
        """
        self._on_event = on_event
        self._names: dict[int, frozenset[str] | None] = {}
        try:
            self._inotify = INotify(nonblocking=True)
        except (OSError, AttributeError) as error:  # AttributeError: not Linux
            raise WatchingImpossible(str(error)) from None

    def arm(self, places: Places) -> bool:
        """
        Watch exactly *places*, and return whether one of them was not watched before.

        If so, look at the files again: they may have changed just before. A directory that is
        gone or closed to us is passed over.

        Raises:
            WatchingImpossible: The user's watches are used up.
        """
        before, self._names = self._names, {}
        for directory, names in places.items():
            number = self._watch(directory)
            if number is not None:
                known = self._names.get(number, frozenset())
                both = None if names is None or known is None else names | known
                self._names[number] = both
        for number in before.keys() - self._names.keys():
            self._forget(number)
        return bool(self._names.keys() - before.keys())

    def _watch(self, directory: str) -> int | None:
        try:
            return int(self._inotify.add_watch(directory, _MASK))
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise WatchingImpossible(str(error)) from None
            return None

    def _forget(self, number: int) -> None:
        try:
            self._inotify.rm_watch(number)
        except OSError:  # the directory is gone, and the watch with it
            return

    def close(self) -> None:
        """Give the instance back; it tells nothing any more."""
        self._inotify.close()

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed, as reactors expect."""
        return -1 if self._inotify.closed else int(self._inotify.fileno())

    def doRead(self) -> None:
        """Take the events, and tell once if one of them concerns us."""
        concerned = [self._concerns(*event) for event in self._inotify.read(timeout=0)]
        if any(concerned):
            self._on_event()

    def _concerns(self, number: int, mask: int, _cookie: int, name: str) -> bool:
        if mask & flags.Q_OVERFLOW:
            return True
        if number not in self._names:
            return False
        names = self._names[number]
        return names is None or not name or name in names

    def connectionLost(self, reason: Failure) -> None:
        """Close, because the reactor gives us up."""
        self.close()

    def logPrefix(self) -> str:
        """Return the name in the reactor's own log lines."""
        return "manifests"
