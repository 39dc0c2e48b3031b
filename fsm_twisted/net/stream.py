"""Bytes in and out of a connected socket, as a descriptor sees them, and who is told to wait."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

PlainEnds: Callable[[socket.socket], Any] | None
try:
    from fsm_twisted.net._speedups import PlainEnds
except ImportError:
    PlainEnds = None


class Stream(Protocol):
    """
    Bytes in and out of a connected, non-blocking socket, perhaps through TLS.

    ``recv`` and ``send`` raise `BlockingIOError` when they would block and another `OSError` when
    the connection is gone; ``recv`` gives ``b""`` at the end of input. ``pending`` is the number
    of bytes that can be read without the socket becoming readable (TLS), or None (plain).
    """

    @property
    def recv(self) -> Callable[[int], bytes]:
        """Read at most so many bytes."""

    @property
    def send(self) -> Callable[[Any], int]:
        """Write, and tell how many bytes were taken."""

    @property
    def pending(self) -> Callable[[], int] | None:
        """Count the bytes that wait above the socket."""

    def end_output(self) -> None:
        """
        Tell the peer that nothing more follows (close_notify, FIN).

        Raises:
            BlockingIOError: The socket is full; to be called again when it can be written.
        """


class PlainStream:
    """A `Stream` that is the socket itself, through the compiled module where there is one."""

    __slots__ = ("_socket", "pending", "recv", "send")

    def __init__(self, sock: socket.socket) -> None:
        ends = sock if PlainEnds is None else PlainEnds(sock)
        self._socket = sock
        self.recv: Callable[[int], bytes] = ends.recv
        self.send: Callable[[Any], int] = ends.send
        self.pending = None

    def end_output(self) -> None:
        """Send FIN."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)


class Producer(Protocol):
    """Who fills a descriptor's output and can be told to wait."""

    def pauseProducing(self) -> None: ...  # noqa: D102
    def resumeProducing(self) -> None: ...  # noqa: D102


class Inflow(Protocol):
    """What fills a descriptor's output beside its ``write``: a pipe (`net.splice`)."""

    @property
    def is_waiting(self) -> bool:
        """Whether it holds bytes that the kernel has not taken."""

    def push(self) -> bool:
        """Send what it holds as far as the kernel takes it; true when nothing is left."""

    def settle(self) -> None:
        """Learn that everything that follows from a `push` has been done; may do anything."""

    def end(self) -> None:
        """Send nothing more; what it holds is lost."""


_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger {on=1, seconds=0}


def reset_at_close(sock: socket.socket) -> None:
    """Have the close of *sock* send RST instead of FIN."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def hold_packets(sock: socket.socket) -> None:
    """Have *sock* send full packets only, until its output ends or a fifth of a second is over."""
    with suppress(OSError):  # a Unix socket has no packets
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
