"""
The ClientHello of a new connection, read without taking a byte of it from the socket.

Whoever gets the connection afterwards, OpenSSL or an endpoint, finds it as the client has sent it.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import main

from fsm_twisted.message.client_hello import (
    MAX_HELLO_BYTES,
    ClientHelloError,
    ClientHelloTooLong,
    read_client_hello,
)
from fsm_twisted.net.handshake import HandshakeResult
from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.newcomer import Newcomer
from fsm_twisted.net.sweep import Sweep

_PEEK_BYTES: Final = MAX_HELLO_BYTES + 1
_LOOK_AGAIN_SECONDS: Final = 0.05


class HelloReading(Newcomer):
    """
    A wait for a whole ClientHello.

    While part of it is there the socket is readable, and the reactor would spin; so the kernel is
    told (``SO_RCVLOWAT``) not to call it readable before there is more.

    Args:
        loop: The reactor.
        sweep: Ends readings that take longer than *seconds*.
        sock: A new connection, non-blocking.
        done: Called with the server name once the hello is there; it is empty when the client
            names none, and as soon as it is clear that this is no hello.
        lost: Called once, with the socket closed, when there will be none: with the reason.
    """

    __slots__ = ("_done", "_later", "_lost", "_result", "_seen")

    def __init__(
        self,
        loop: EventLoop,
        sweep: Sweep,
        sock: socket.socket,
        seconds: float,
        done: Callable[[bytes], None],
        lost: Callable[[HandshakeResult], None],
    ) -> None:
        self._done = done
        self._lost = lost
        self._result = HandshakeResult.CLIENT_GONE
        self._seen = 0
        self._later: Any = None
        super().__init__(loop, sweep, sock, seconds)

    def doRead(self) -> Exception | None:
        """Look at what there is."""
        try:
            data = self._socket.recv(_PEEK_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        return self._look_at(data) if data else main.CONNECTION_LOST

    def _look_at(self, data: bytes) -> Exception | None:
        server_name = b""
        try:
            hello = read_client_hello(data)
            if hello is None:
                return self._wait_for_more(len(data))
            server_name = hello.server_name
        except ClientHelloTooLong:
            self._result = HandshakeResult.HELLO_TOO_LONG
            return main.CONNECTION_LOST
        except ClientHelloError:
            pass  # OpenSSL knows best what to say to that
        self._pass_on(server_name)
        return None

    def _wait_for_more(self, seen: int) -> Exception | None:
        if seen > self._seen:
            self._seen = seen
            self._want(seen + 1)
            return None
        # Readable with nothing new: the end of the input, or a kernel that is short of memory.
        if self._has_ended():
            return main.CONNECTION_LOST
        self._loop.removeReader(self)
        self._later = self._loop.callLater(_LOOK_AGAIN_SECONDS, self._look_again)
        return None

    def _look_again(self) -> None:
        self._later = None
        self._loop.addReader(self)

    def _has_ended(self) -> bool:
        poller = select.poll()
        poller.register(self._fd, select.POLLRDHUP)
        return bool(poller.poll(0))

    def _want(self, size: int) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _pass_on(self, server_name: bytes) -> None:
        self.release()
        if self._seen:
            self._want(1)
        self._done(server_name)

    def release(self) -> None:
        """Leave the reactor with the socket open."""
        super().release()
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def expired(self) -> None:
        """Give up a client that does not finish its hello."""
        self._result = HandshakeResult.TIMEOUT
        super().expired()

    def gone(self) -> None:
        """Tell why there is none."""
        self._lost(self._result)
