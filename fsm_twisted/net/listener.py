"""Listeners: accepting connections, a few at a wake-up, and surviving a lack of descriptors."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from fsm_twisted.net.loop import EventLoop

_log = Logger()

ACCEPTS_PER_WAKEUP = 4
PAUSE_SECONDS = 0.25
YIELD_SECONDS = 0.002
WAKEUPS_AFTER_YIELD = 1
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Accept = Callable[[socket.socket, Any], None]


class Listener:
    """
    A listening socket on the reactor.

    Args:
        loop: The reactor.
        sock: Bound, listening and non-blocking.
        accept: Called with each new connection (non-blocking) and the peer's address.
        exhausted: Called when the process has no descriptor left; may close something idle.
        yields: Asked at each wake-up whether another process should have what waits; when it is
            still there `YIELD_SECONDS` later, that process is slow: a few are accepted without
            asking again.
    """

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        accept: Accept,
        exhausted: Callable[[], object] = lambda: None,
        yields: Callable[[], bool] | None = None,
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._fd = sock.fileno()
        self._accept = accept
        self._exhausted = exhausted
        self._yields = yields
        self._unasked = 0
        self._pause: Any = None
        self._is_open = True

    def start(self) -> None:
        """Begin to accept."""
        if self._socket.family in {socket.AF_INET, socket.AF_INET6}:
            # What is accepted inherits it.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.addReader(self)

    def stop(self) -> None:
        """Accept no more; the kernel refuses from now on."""
        if self._is_open:
            self.leave()
            self._socket.close()

    def leave(self) -> None:
        """Accept no more, and leave the socket to another process that has it, too."""
        if not self._is_open:
            return
        self._is_open = False
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.removeReader(self)

    def fileno(self) -> int:
        """Return the socket's number."""
        return self._fd

    def logPrefix(self) -> str:
        """Return what Twisted's log context shows."""
        return "Listener"

    def doRead(self) -> None:
        """Accept a few: the others stay with the kernel, perhaps for another worker."""
        if self._unasked:
            self._unasked -= 1
        elif self._yields is not None and self._yields():
            self._unasked = WAKEUPS_AFTER_YIELD
            self._wait(YIELD_SECONDS)
            return
        for _ in range(ACCEPTS_PER_WAKEUP):
            try:
                sock, peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._wait_for_descriptors(error)
                    return
                continue  # ECONNABORTED and its kin: that client is gone, the next may not be
            try:
                sock.setblocking(False)  # noqa: FBT003
                self._accept(sock, peer)
            except Exception:  # noqa: BLE001  out of doRead it would cost us the listener
                _log.failure("a new connection failed")
                sock.close()

    def _wait_for_descriptors(self, error: OSError) -> None:
        # The socket stays readable, so a registered reader would spin.
        _log.warn(
            "cannot accept: {reason}; trying again in {seconds} s",
            reason=error.strerror,
            seconds=PAUSE_SECONDS,
        )
        self._wait(PAUSE_SECONDS)
        self._exhausted()

    def _wait(self, seconds: float) -> None:
        self._loop.removeReader(self)
        self._pause = self._loop.callLater(seconds, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.addReader(self)

    def connectionLost(self, reason: object) -> None:
        """Twisted calls this when the reactor stops."""
        self.stop()
