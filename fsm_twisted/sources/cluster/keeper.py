"""The credentials at hand: read in a thread, kept for a while, renewed when they are refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from fsm_twisted.sources.cluster.access import Access, CredentialsError

_log = Logger()

# After a failure, or a renewal that brought nothing new, nobody asks again for so long.
_PAUSE_SECONDS: Final = 5.0


class Reader(Protocol):
    """Reads credentials; `read` blocks."""

    def check(self) -> None:
        """Read what can be read quickly; raises CredentialsError."""

    def read(self) -> Access:
        """Return the credentials as they are now; raises CredentialsError."""

    def forget(self) -> None:
        """Do not use remembered ones again."""

    def stop(self) -> None:
        """End what is under way in another thread."""


class Keeper:
    """
    Gives the credentials of the moment; whoever asks while they are read waits for the same.

    When they cannot be read anew, the old ones are good until they end: a token file that is empty
    for a moment takes nobody's access away.

    Args:
        reader: Reads them.
        clock: The reactor.
        in_thread: Runs a blocking function elsewhere.
        wall: Unix seconds, by which credentials end.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        clock: IReactorTime,
        in_thread: Callable[[Callable[[], Access]], Deferred[Access]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._in_thread = in_thread
        self._wall = wall
        self._access: Access | None = None
        self._failure: Failure | None = None
        self._until = 0.0
        self._paused_until = 0.0
        self._waiting: list[Deferred[Access]] | None = None

    def check(self) -> None:
        """Read what can be read without a thread; raises CredentialsError."""
        self._reader.check()

    def stop(self) -> None:
        """End what is under way."""
        self._reader.stop()

    def get(self) -> Deferred[Access]:
        """Return the credentials for a request that begins now."""
        if self._waiting is None and self._clock.seconds() < self._until:
            if self._failure is not None:
                return fail(self._failure)
            if self._access is not None:
                return succeed(self._access)
        return self._read()

    def renew(self, stale: Access) -> Deferred[Access]:
        """Return others than *stale*, which was refused; the same when there are no others."""
        if self._waiting is None:
            is_pausing = self._clock.seconds() < self._paused_until
            if is_pausing or self._access != stale:
                return self.get()
            self._reader.forget()
        return self._read().addCallback(self._pause_after, stale)

    def _pause_after(self, access: Access, stale: Access) -> Access:
        if access == stale:
            self._paused_until = self._clock.seconds() + _PAUSE_SECONDS
        return access

    def _read(self) -> Deferred[Access]:
        # Each waits on a Deferred of its own: who stops waiting stops nobody else.
        mine: Deferred[Access] = Deferred()
        if self._waiting is not None:
            self._waiting.append(mine)
            return mine
        self._waiting = [mine]
        self._in_thread(self._reader.read).addCallbacks(self._read_well, self._read_badly)
        return mine

    def _read_well(self, access: Access) -> None:
        if self._failure is not None:
            _log.info("credentials: they can be read again")
        if not access.tls.is_verified and (self._access is None or self._access.tls.is_verified):
            _log.warn(
                "credentials: insecure-skip-tls-verify is set: anyone in between may read our"
                " token and tell us anything"
            )
        self._access, self._failure = access, None
        self._until = self._clock.seconds() + access.good_for_seconds
        self._answer(access)

    def _read_badly(self, failure: Failure) -> None:
        if failure.check(CredentialsError) is None:
            _log.failure("credentials: reading them failed", failure)
            failure = Failure(CredentialsError("reading the credentials failed; see the log"))
        self._until = self._clock.seconds() + _PAUSE_SECONDS
        access = self._access
        if access is None or (access.expires is not None and access.expires <= self._wall()):
            self._failure = failure
            self._answer(failure)
            return
        _log.warn(
            "credentials: {why}; the old ones are used as long as they last",
            why=failure.getErrorMessage(),
        )
        self._answer(access)

    def _answer(self, result: Access | Failure) -> None:
        waiting, self._waiting = self._waiting or [], None
        for each in waiting:
            each.callback(result)
