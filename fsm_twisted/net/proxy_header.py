"""Reading a PROXY header off a new connection, and not a byte of what is behind it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.internet import main

from fsm_twisted.message.proxy_protocol import (
    LONGEST_BYTES,
    ProxyHeader,
    ProxyHeaderError,
    parse_proxy_header,
)
from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.newcomer import Newcomer
from fsm_twisted.net.sweep import Sweep


class ProxyHeaderReading(Newcomer):
    """
    A wait for the PROXY header.

    What is behind the header (a ClientHello, a request) stays in the socket.

    Args:
        loop: The reactor.
        sweep: Ends readings that take longer than *seconds*.
        sock: A new connection, non-blocking.
        done: Called with the header once all of it is read.
        failed: Called, once and with the socket closed, when there will be none; with the reason
            when the bytes are no header, with None when the peer has gone or was too slow.
    """

    __slots__ = ("_begun", "_done", "_failed", "_why")

    def __init__(
        self,
        loop: EventLoop,
        sweep: Sweep,
        sock: socket.socket,
        seconds: float,
        done: Callable[[ProxyHeader], None],
        failed: Callable[[ProxyHeaderError | None], None],
    ) -> None:
        self._done = done
        self._failed = failed
        self._why: ProxyHeaderError | None = None
        self._begun = b""
        super().__init__(loop, sweep, sock, seconds)

    def doRead(self) -> Exception | None:
        """
        Look at what has come, and take of it what belongs to the header.

        The beginning of a header is taken too, else the socket would stay readable and the
        reactor would spin.
        """
        begun = self._begun
        try:
            seen = self._socket.recv(LONGEST_BYTES - len(begun), socket.MSG_PEEK)
            if not seen:
                return main.CONNECTION_LOST
            header = parse_proxy_header(begun + seen)
            self._socket.recv(len(seen) if header is None else header.size - len(begun))
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        except ProxyHeaderError as error:
            self._why = error
            return main.CONNECTION_LOST
        if header is None:
            self._begun = begun + seen
            return None
        self.release()
        self._done(header)
        return None

    def gone(self) -> None:
        """Tell that there will be no header."""
        self._failed(self._why)
