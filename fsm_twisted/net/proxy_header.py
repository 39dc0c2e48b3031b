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
from fsm_twisted.net.sweep import Sweep


class ProxyHeaderReading:
    """
    A wait for the PROXY header on the reactor; afterwards the socket belongs to someone else.

    What is behind the header (a ClientHello, a request) stays in the socket.

    Args:
        loop: The reactor.
        sweep: Ends readings that take longer than *seconds*.
        sock: A new connection, non-blocking.
        done: Called with the header once all of it is read.
        failed: Called, once and with the socket closed, when there will be none; with the reason
            when the bytes are no header, with None when the peer has gone or was too slow.
    """

    __slots__ = (
        "_begun",
        "_done",
        "_failed",
        "_fd",
        "_is_open",
        "_loop",
        "_socket",
        "_sweep",
        "deadline",
    )

    disconnected = False
    connected = True

    def __init__(
        self,
        loop: EventLoop,
        sweep: Sweep,
        sock: socket.socket,
        seconds: float,
        done: Callable[[ProxyHeader], None],
        failed: Callable[[ProxyHeaderError | None], None],
    ) -> None:
        self._loop = loop
        self._sweep = sweep
        self._socket = sock
        self._fd = sock.fileno()
        self._done = done
        self._failed = failed
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
        return "ProxyHeaderReading"

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
            self._fail(error)
            return None
        if header is None:
            self._begun = begun + seen
            return None
        self._release()
        self._done(header)
        return None

    def _release(self) -> None:
        self._is_open = False
        self._sweep.discard(self)
        self._loop.removeReader(self)

    def _fail(self, why: ProxyHeaderError | None) -> None:
        if self._is_open:
            self._release()
            self._socket.close()
            self._failed(why)

    def expired(self) -> None:
        """Give up a peer that does not say who it is."""
        self._fail(None)

    def connectionLost(self, reason: object) -> None:
        """Give up a connection that has ended before its header had."""
        self._fail(None)

    readConnectionLost = connectionLost
