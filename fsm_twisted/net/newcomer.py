"""A new connection until it is known what it is: then its socket belongs to someone else."""

from __future__ import annotations

import socket

from twisted.internet import main

from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.sweep import Sweep


class Newcomer:
    """
    A socket that has been accepted, on the reactor and with limited time.

    A subclass implements `doRead`, which takes over by `release`, and `gone`.

    Args:
        loop: The reactor.
        sweep: Ends it after *seconds*.
        sock: A new connection, non-blocking.
    """

    __slots__ = ("_fd", "_is_open", "_loop", "_socket", "_sweep", "deadline")

    # Twisted asks both names before it tells of a lost connection.
    disconnected = False
    connected = True

    def __init__(self, loop: EventLoop, sweep: Sweep, sock: socket.socket, seconds: float) -> None:
        self._loop = loop
        self._sweep = sweep
        self._socket = sock
        self._fd = sock.fileno()
        self._is_open = True
        self.deadline = sweep.seconds() + seconds
        sweep.add(self)
        loop.addReader(self)

    def fileno(self) -> int:
        """Return the socket's number."""
        return self._fd

    def logPrefix(self) -> str:
        """Return what Twisted's log context shows."""
        return type(self).__name__

    def doRead(self) -> Exception | None:
        """Learn more, or take the socket; an exception that is returned ends the connection."""
        raise NotImplementedError

    def gone(self) -> None:
        """Learn, once and with the socket closed, that the peer has gone or was too slow."""
        raise NotImplementedError

    def release(self) -> None:
        """Leave the reactor with the socket open."""
        self._is_open = False
        self._sweep.discard(self)
        self._loop.removeReader(self)

    def expired(self) -> None:
        """Give up a peer that takes too long."""
        self.connectionLost(main.CONNECTION_LOST)

    def connectionLost(self, reason: object) -> None:
        """Close the socket."""
        if self._is_open:
            self.release()
            self._socket.close()
            self.gone()

    readConnectionLost = writeConnectionLost = connectionLost
