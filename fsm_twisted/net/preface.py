"""Whether a plain connection begins with HTTP/2: by prior knowledge, RFC 9113 section 3.3."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from twisted.internet import main

from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.sweep import Sweep

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_READ_BYTES: Final = 16 * 1024


class PrefaceReading:
    """
    A wait for the first bytes of a connection; afterwards the socket belongs to someone else.

    Args:
        loop: The reactor.
        sweep: Ends readings that take longer than *seconds*.
        sock: A new connection, non-blocking.
        is_http2: Called with all that has been read when it begins with the preface.
        is_other: Called with it as soon as it cannot.
        lost: Called, once and with the socket closed, when the peer has gone or was too slow.
    """

    __slots__ = (
        "_begun",
        "_fd",
        "_is_http2",
        "_is_open",
        "_is_other",
        "_loop",
        "_lost",
        "_socket",
        "_sweep",
        "deadline",
    )

    disconnected = False
    connected = True

    def __init__(  # noqa: PLR0913  as many as there are things to know
        self,
        loop: EventLoop,
        sweep: Sweep,
        sock: socket.socket,
        seconds: float,
        is_http2: Callable[[bytes], None],
        is_other: Callable[[bytes], None],
        *,
        lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._sweep = sweep
        self._socket = sock
        self._fd = sock.fileno()
        self._is_http2 = is_http2
        self._is_other = is_other
        self._lost = lost
        self._begun = b""
        self._is_open = True
        self.deadline = sweep.seconds() + seconds
        sweep.add(self)
        loop.addReader(self)

    def fileno(self) -> int:
        """Return the socket's number."""
        return self._fd

    def logPrefix(self) -> str:
        """Return what Twisted's log context shows."""
        return "PrefaceReading"

    def doRead(self) -> Exception | None:
        """Read until it is clear what is spoken."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_LOST
        self._begun += data
        if self._begun.startswith(PREFACE):
            self._release()
            self._is_http2(self._begun)
        elif not PREFACE.startswith(self._begun):
            self._release()
            self._is_other(self._begun)
        return None

    def _release(self) -> None:
        self._is_open = False
        self._sweep.discard(self)
        self._loop.removeReader(self)

    def expired(self) -> None:
        """Give up a client that says nothing."""
        self.connectionLost(main.CONNECTION_LOST)

    def connectionLost(self, reason: object) -> None:
        """Close the socket of a client that has gone."""
        if self._is_open:
            self._release()
            self._socket.close()
            self._lost()

    readConnectionLost = connectionLost
