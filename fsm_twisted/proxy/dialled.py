"""Connections that we make: to an endpoint, with a time limit."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from twisted.internet import main

from fsm_twisted.net.descriptor import Descriptor
from fsm_twisted.net.stream import PlainStream

if TYPE_CHECKING:
    from fsm_twisted.proxy.endpoints import EndpointState
    from fsm_twisted.proxy.plane import DataPlane


class Dialled(Descriptor):
    """
    A connection to an endpoint, from the attempt on; a subclass says what is spoken on it.

    Attributes:
        plane: What all connections share.
        endpoint: Whom it leads to.
        is_connecting: Whether nothing can have been sent yet.
    """

    __slots__ = ()
    plane: DataPlane
    endpoint: EndpointState
    is_connecting: bool

    READ_BYTES = 64 * 1024

    def connect(self, seconds: float) -> None:
        """Begin to connect; `ready` or `closed` tells the outcome, never before this returns."""
        where = self.endpoint.endpoint
        family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            # No descriptor left: not the endpoint's fault, and no reason to try another one.
            self.is_closed = True
            self.plane.release_descriptor()
            self._loop.callLater(0, self.overloaded)
            return
        self.attach(sock, PlainStream(sock))
        self.deadline = self.plane.seconds() + seconds
        self.plane.sweep.add(self)
        code = sock.connect_ex((where.address, where.port))
        if code in {0, errno.EINPROGRESS}:
            self._loop.addWriter(self)
        else:
            self._loop.callLater(0, self.connectionLost, main.CONNECTION_LOST)

    def doWrite(self) -> Exception | None:
        """Learn that the connection stands, or has failed; later, send what waits."""
        if not self.is_connecting:
            return super().doWrite()
        self._loop.removeWriter(self)
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            return OSError(code, os.strerror(code))
        return self.established()

    def established(self) -> Exception | None:
        """Be ready, where nothing is to be done before; return why to close otherwise."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.resumeProducing()
        return self.ready()

    def ready(self) -> Exception | None:
        """
        Connect no more, and tell who waits for the connection.

        Returns:
            Why to close, when nobody waits.
        """
        raise NotImplementedError

    def overloaded(self) -> None:
        """Learn that the process has no descriptor left for a connection."""
        raise NotImplementedError
