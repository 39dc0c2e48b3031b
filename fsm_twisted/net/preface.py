"""Whether a plain connection begins with HTTP/2: by prior knowledge, RFC 9113 section 3.3."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from twisted.internet import main

from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.newcomer import Newcomer
from fsm_twisted.net.sweep import Sweep

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_READ_BYTES: Final = 16 * 1024


class PrefaceReading(Newcomer):
    """
    A wait for the first bytes of a connection.

    Args:
        loop: The reactor.
        sweep: Ends readings that take longer than *seconds*.
        sock: A new connection, non-blocking.
        is_http2: Called with all that has been read when it begins with the preface.
        is_other: Called with it as soon as it cannot.
        lost: Called, once and with the socket closed, when the peer has gone or was too slow.
    """

    __slots__ = ("_begun", "_is_http2", "_is_other", "_lost")

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
        self._is_http2 = is_http2
        self._is_other = is_other
        self._lost = lost
        self._begun = b""
        super().__init__(loop, sweep, sock, seconds)

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
            self.release()
            self._is_http2(self._begun)
        elif not PREFACE.startswith(self._begun):
            self.release()
            self._is_other(self._begun)
        return None

    def gone(self) -> None:
        """Tell that nothing was said."""
        self._lost()
