"""
An endpoint that behaves as it is told to: well, or in one of the ways in which endpoints fail.

It answers what the target asks for: ``/small`` 200 bytes, ``/bytes/N`` N bytes of fixed length,
``/chunked/N`` N chunks of 1 KiB; each answer names its endpoint in ``X-Endpoint``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from enum import Enum

_SMALL = b"x" * 200
_PIECE = bytes(65536)
_CHUNK = b"400\r\n" + bytes(1024) + b"\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Behaviour(Enum):
    """What an endpoint does with a request."""

    ANSWER = "answers"
    HANG = "hangs"
    RESET_BEFORE = "resets before the head"
    RESET_AFTER = "resets after the head"
    SLOW = "is slow"


class Origin:
    """One endpoint on a port of its own, which it keeps over its deaths."""

    def __init__(self, name: str, slow_seconds: float = 0.3) -> None:
        self.name = name
        self.slow_seconds = slow_seconds
        self.behaviour = Behaviour.ANSWER
        self.port = 0
        self.connections: set[_Serving] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the second time on the same port again."""
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Serving(self), "127.0.0.1", self.port, backlog=4096
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def kill(self) -> None:
        """Do as a process does that is killed: no listener, every connection reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for each in tuple(self.connections):
            each.reset()


class _Serving(asyncio.Protocol):
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._buffer = b""
        self._body_left = 0
        self._asked: list[bytes] = []
        self._flow = asyncio.Event()
        self._flow.set()
        self._answering: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  asyncio's promise
        self._transport = transport
        self._origin.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._origin.connections.discard(self)
        self._transport = None
        if self._answering is not None:
            self._answering.cancel()

    def reset(self) -> None:
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()

    def pause_writing(self) -> None:
        self._flow.clear()

    def resume_writing(self) -> None:
        self._flow.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_request():
            pass
        if self._asked and self._answering is None:
            self._next()

    def _take_request(self) -> bool:
        """Take one request with its body out of the buffer; our own ingress is a good client."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        end += 4
        if b"\r\ntransfer-encoding: chunked" in head:
            last = self._buffer.find(b"0\r\n\r\n", end)
            if last < 0:
                return False
            end = last + 5
        elif b"\r\ncontent-length:" in head:
            end += int(head.split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self._buffer) < end:
                return False
        self._asked.append(self._buffer.split(b" HTTP/1.1\r\n", 1)[0])
        self._buffer = self._buffer[end:]
        return True

    def _next(self) -> None:
        transport, behaviour = self._transport, self._origin.behaviour
        if transport is None:
            return
        method, _, target = self._asked.pop(0).partition(b" ")
        if behaviour is Behaviour.ANSWER and target == b"/small":
            transport.write(self._head(b"Content-Length: 200") + _SMALL * (method != b"HEAD"))
        elif behaviour is Behaviour.RESET_BEFORE:
            self.reset()
        elif behaviour is Behaviour.RESET_AFTER:
            transport.write(self._head(b"Content-Length: 200") + b"xxx")
            asyncio.get_running_loop().call_later(0.01, self.reset)
        elif behaviour is not Behaviour.HANG:
            self._answering = asyncio.ensure_future(self._answer(method, target))
            self._answering.add_done_callback(self._answered)

    def _answered(self, done: asyncio.Task[None]) -> None:
        self._answering = None
        if not done.cancelled():
            done.result()
            if self._asked:
                self._next()

    def _head(self, framing: bytes) -> bytes:
        name = self._origin.name.encode("ascii")
        return b"HTTP/1.1 200 OK\r\nX-Endpoint: %b\r\n%b\r\n\r\n" % (name, framing)

    async def _answer(self, method: bytes, target: bytes) -> None:
        if self._origin.behaviour is Behaviour.SLOW:
            await asyncio.sleep(self._origin.slow_seconds)
        kind, _, number = target.lstrip(b"/").partition(b"/")
        amount = int(number) if number.isdigit() else 200
        if kind == b"chunked":
            self._write(self._head(b"Transfer-Encoding: chunked"))
            if method != b"HEAD":
                self._write(_CHUNK * amount + b"0\r\n\r\n")
            return
        self._write(self._head(b"Content-Length: %d" % amount))
        while amount > 0 and method != b"HEAD":
            await self._flow.wait()
            self._write(_PIECE[:amount])
            amount -= len(_PIECE)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
