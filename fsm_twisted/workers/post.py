"""One post of the fleet: a worker holds it until it dies, then another one takes it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
from twisted.logger import Logger

from fsm_twisted.snapshot import wire
from fsm_twisted.snapshot.model import Snapshot
from fsm_twisted.workers.channel import REPORT_LIMIT_BYTES, Channel, Kind
from fsm_twisted.workers.log_events import tell

_log = Logger()

SETTLED_SECONDS = 10.0
REAP_SECONDS = 1.0
OVERDUE_SECONDS = 60.0
_FIRST_DELAY_SECONDS = 0.25
_LONGEST_DELAY_SECONDS = 30.0
_REMEMBERED_DELTAS = 4

Receivers = Mapping[Kind, Callable[[int, bytes], object]]


@attrs.define
class Patience:
    """How long to wait before something that has died is started again, in seconds."""

    _quick_deaths: int = 0

    def delay(self, lived_seconds: float) -> float:
        """Return 0 for the first death, then twice as long for each one that follows at once."""
        self._quick_deaths = 0 if lived_seconds >= SETTLED_SECONDS else self._quick_deaths + 1
        if self._quick_deaths <= 1:
            return 0.0
        doubled = _FIRST_DELAY_SECONDS * 2.0 ** min(self._quick_deaths - 2, 10)
        return min(doubled, _LONGEST_DELAY_SECONDS)


class Encoder:
    """Writes snapshots for all posts, each only once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int | None, int], bytes] = {}

    def encode(self, base: Snapshot | None, snapshot: Snapshot) -> bytes:
        """Write what leads from *base* (None: nothing) to *snapshot*."""
        key = (None if base is None else base.generation, snapshot.generation)
        data = self._known.get(key)
        if data is None:
            if len(self._known) >= _REMEMBERED_DELTAS:
                del self._known[next(iter(self._known))]
            if base is None:
                data = wire.encode_full(snapshot)
            else:
                data = wire.encode_delta(base, snapshot)
            self._known[key] = data
        return data


class Post:
    """
    The master's side of one worker.

    At most one snapshot is under way: what comes meanwhile is sent as one change when the worker
    has acknowledged it, so no queue grows. One that does not acknowledge within `OVERDUE_SECONDS`
    hangs: it is killed, so that another takes the post.

    Args:
        loop: The reactor.
        number: From 1 on.
        encoder: Shared by all posts.
        acknowledged: Called when the worker serves another generation, with the monotonic time
            at which it began to.
        vacated: Called when the worker has gone.
        receivers: Take the messages that are not about snapshots.

    Attributes:
        pid: The worker's process, 0 when it is not known; the nursery tells, not the worker, since
            it is what we kill.
    """

    def __init__(
        self,
        loop: Any,
        number: int,
        encoder: Encoder,
        acknowledged: Callable[[float], None],
        vacated: Callable[[Post], None],
        receivers: Receivers,
    ) -> None:
        self._loop = loop
        self.number = number
        self.patience = Patience()
        self.serving: Snapshot | None = None
        self.began_seconds = 0.0
        self.pid = 0
        self.is_late = False
        self._sent: Snapshot | None = None
        self._wanted: Snapshot | None = None
        self._channel: Channel | None = None
        self._overdue: Any = None
        self._encoder = encoder
        self._acknowledged = acknowledged
        self._vacated = vacated
        self._receivers = {Kind.LOG: tell, **receivers}

    @property
    def is_held(self) -> bool:
        """Whether there is a worker, however young."""
        return self._channel is not None

    @property
    def is_changing(self) -> bool:
        """Whether a worker that serves has been sent a change and does not serve it yet."""
        return self.serving is not None and self._sent is not self.serving

    def take(self, sock: socket.socket, now: float) -> None:
        """
        Begin with a new worker.

        Args:
            sock: Our end of its channel, non-blocking.
            now: Monotonic, in seconds.
        """
        self.began_seconds = now
        self._channel = Channel(self._loop, sock, self._received, self._ended, REPORT_LIMIT_BYTES)
        self._advance()

    def publish(self, snapshot: Snapshot) -> None:
        """Have *snapshot* served, by this worker and the ones to come."""
        self._wanted = snapshot
        self._advance()

    def tell(self, kind: Kind, payload: bytes = b"") -> None:
        """Send a message."""
        if self._channel is not None:
            self._channel.send(kind, payload)

    def end(self) -> None:
        """Ask the worker to end at once: the channel ends."""
        if self._channel is not None:
            self._channel.finish()

    def kill(self) -> None:
        """End a worker that does not obey."""
        # While its channel is open the process is there, so the number is still its own.
        if self._channel is not None and self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _advance(self) -> None:
        wanted = self._wanted
        if self._channel is None or wanted is None or self._sent is not self.serving:
            return
        if wanted is not self.serving:
            self._channel.send(Kind.SNAPSHOT, self._encoder.encode(self.serving, wanted))
            self._sent = wanted
            self._overdue = self._loop.callLater(OVERDUE_SECONDS, self._hangs)

    def _hangs(self) -> None:
        _log.error("worker {number} does not answer; it is killed", number=self.number)
        self._overdue = None
        self.kill()

    def _in_time(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _received(self, kind: Kind, payload: bytes) -> None:
        try:
            if kind is Kind.ACKNOWLEDGED:
                generation, seconds = payload.split(b" ")
                self._confirm(int(generation), float(seconds))
            elif kind is not Kind.READY:
                self._receivers[kind](self.number, payload)
        except (ValueError, TypeError, LookupError):
            _log.failure("worker {number} talks nonsense", number=self.number)
            self.kill()

    def _confirm(self, generation: int, seconds: float) -> None:
        if self._sent is None or self._sent.generation != generation:
            msg = f"generation {generation} was not sent"
            raise ValueError(msg)
        self._in_time()
        self.serving = self._sent
        self._advance()
        self.is_late &= self.is_changing
        self._acknowledged(seconds)

    def _ended(self) -> None:
        self._in_time()
        self._channel = self._sent = self.serving = None
        self.is_late = False
        if self.pid:
            # A worker whose nursery has died belongs to process 1, which in a container is us.
            self._loop.callLater(REAP_SECONDS, _reap, self.pid)
            self.pid = 0
        self._vacated(self)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
