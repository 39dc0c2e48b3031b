"""
Pods: HTTP/1.1 servers that say who they are and what they were asked.

An answer is one JSON object: pod, path, query, method, and length and checksum of the body. The
last step of a path asks for more: ``late`` answers after a while, ``slow`` piece by piece,
``download`` sends for as long as the query says; an upgrade to WebSocket is echoed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Coroutine, Iterator
from urllib.parse import parse_qsl

import attrs

PIECE_BYTES = 32 * 1024
PIECES_PER_SECOND = 25
SLOW_SECONDS = 0.2
LATE_SECONDS = 0.03
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def accept_token(key: bytes) -> bytes:
    """Return Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324  the RFC's choice


def piece(number: int) -> bytes:
    """Return one piece of a download; no two are the same."""
    return hashlib.sha256(b"%d" % number).digest() * (PIECE_BYTES // 32)


def mask(data: bytes, key: bytes) -> bytes:
    """Mask or unmask a WebSocket payload."""
    return bytes(byte ^ key[at % 4] for at, byte in enumerate(data))


@attrs.frozen
class Asked:
    """A whole request."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class RequestParser:
    """Cuts bytes into requests."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> Iterator[Asked]:
        """Give every request that is complete now."""
        self.rest += data
        while (asked := self._next()) is not None:
            yield asked

    @property
    def is_between(self) -> bool:
        return not self.rest

    def _next(self) -> Asked | None:
        head, mark, rest = self.rest.partition(b"\r\n\r\n")
        if not mark:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        body: bytes | None
        if "transfer-encoding" in fields:
            body, rest = _dechunk(rest)
        else:
            length = int(fields.get("content-length", "0"))
            body, rest = (rest[:length], rest[length:]) if len(rest) >= length else (None, rest)
        if body is None:
            return None
        self.rest = rest
        method, target, _ = first.split(" ")
        return Asked(method, target, fields, body)


def _dechunk(data: bytes) -> tuple[bytes | None, bytes]:
    body = b""
    while True:
        line, mark, data = data.partition(b"\r\n")
        size = int(line, 16) if mark else 0
        if not mark or len(data) < size + 2:
            return None, b""
        if not size:
            return body, data[2:]
        body, data = body + data[:size], data[size + 2 :]


class Pod:
    """
    One pod, listening once `start` is awaited.

    ``asked`` counts requests; ``enough`` ends downloads that have no end of their own.
    """

    def __init__(self, name: str, address: str, port: int) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.asked = 0
        self.enough = asyncio.Event()
        self.is_stopping = False
        self._server: asyncio.Server | None = None
        self._served: set[Served] = set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen, and return when connections are accepted."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Served(self), self.address, self.port, backlog=512
        )

    async def wait_left(self, *, but_long: bool = True) -> None:
        """Wait until nobody has a connection here; downloads and WebSockets may be left out."""
        while any(not (but_long and each.is_long) for each in self._served):
            self._changed.clear()
            await self._changed.wait()

    def stop(self) -> None:
        """Listen no more, and close what is idle; what is busy says ``Connection: close``."""
        self.is_stopping = True
        if self._server is not None:
            self._server.close()
        for each in tuple(self._served):
            each.close_if_idle()

    def joined(self, served: Served) -> None:
        self._served.add(served)

    def left(self, served: Served) -> None:
        self._served.discard(served)
        self._changed.set()

    def changed(self) -> None:
        self._changed.set()

    def answer(self, asked: Asked) -> bytes:
        """Say who we are and what we were asked."""
        told = {
            "pod": self.name,
            "path": asked.path,
            "query": asked.query,
            "method": asked.method,
            "length": len(asked.body),
            "crc": zlib.crc32(asked.body),
        }
        return json.dumps(told).encode()


class Served(asyncio.Protocol):
    """A connection from the program to a pod."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._requests = RequestParser()
        self._feed: Callable[[bytes], None] = self._take_requests
        self._work: asyncio.Task[None] | None = None
        self._frames = b""
        self.is_long = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pod.joined(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._work is not None:
            self._work.cancel()
        self._pod.left(self)

    def data_received(self, data: bytes) -> None:
        self._feed(data)

    def close_if_idle(self) -> None:
        if self._work is None and self._requests.is_between and not self.is_long:
            self._transport.close()

    def _take_requests(self, data: bytes) -> None:
        for asked in self._requests.feed(data):
            self._pod.asked += 1
            self._serve(asked)

    def _serve(self, asked: Asked) -> None:
        step = asked.path.rpartition("/")[2]
        if asked.fields.get("upgrade", "").lower() == "websocket":
            self._upgrade(asked)
        elif step == "download":
            self._begin(self._download(dict(parse_qsl(asked.query))), is_long=True)
        elif step == "slow":
            self._begin(self._slow(asked))
        elif step == "late":
            self._begin(self._late(asked))
        else:
            self._answer(asked)
            self._answered()

    def _answer(self, asked: Asked) -> None:
        body = self._pod.answer(asked)
        self._transport.write(_WHOLE % (len(body), self._ending(), body))

    def _ending(self) -> bytes:
        return b"Connection: close\r\n" if self._pod.is_stopping else b""

    def _answered(self) -> None:
        if self._pod.is_stopping:
            self._transport.close()

    def _begin(self, work: Coroutine[object, None, None], *, is_long: bool = False) -> None:
        self.is_long = is_long
        self._pod.changed()
        self._work = asyncio.get_running_loop().create_task(work)
        self._work.add_done_callback(self._done)

    def _done(self, work: asyncio.Task[None]) -> None:
        self._work = None
        self.is_long = False
        if not work.cancelled():
            work.result()
            self._answered()

    async def _late(self, asked: Asked) -> None:
        await asyncio.sleep(LATE_SECONDS)
        self._answer(asked)

    async def _slow(self, asked: Asked) -> None:
        body = self._pod.answer(asked)
        self._transport.write(_CHUNKED)
        for at in range(0, len(body), len(body) // 4):
            part = body[at : at + len(body) // 4]
            self._transport.write(b"%x\r\n%s\r\n" % (len(part), part))
            await asyncio.sleep(SLOW_SECONDS / 4)
        self._transport.write(b"0\r\n\r\n")

    async def _download(self, query: dict[str, str]) -> None:
        """Send for *seconds*: all told before (``sized``), or chunked until it is enough too."""
        count = int(float(query["seconds"]) * PIECES_PER_SECOND)
        is_sized = query["framing"] == "sized"
        length = b"Content-Length: %d\r\n\r\n" % (count * PIECE_BYTES)
        self._transport.write(b"HTTP/1.1 200 OK\r\n" + length if is_sized else _CHUNKED)
        number = 0
        while number < count or not (is_sized or self._pod.enough.is_set()):
            data = piece(number)
            self._transport.write(data if is_sized else b"%x\r\n%s\r\n" % (len(data), data))
            number += 1
            await asyncio.sleep(1 / PIECES_PER_SECOND)
        if not is_sized:
            self._transport.write(b"0\r\n\r\n")

    def _upgrade(self, asked: Asked) -> None:
        self.is_long = True
        self._feed = self._echo
        self._pod.changed()
        token = accept_token(asked.fields["sec-websocket-key"].encode())
        name = self._pod.name.encode()
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\nX-Pod: %s\r\n\r\n" % (token, name)
        )
        self._echo(b"")

    def _echo(self, data: bytes) -> None:
        """Send every masked frame of less than 126 bytes back, unmasked."""
        self._frames += data
        while len(self._frames) >= 6 and len(self._frames) >= 6 + (self._frames[1] & 127):
            size = self._frames[1] & 127
            payload = mask(self._frames[6 : 6 + size], self._frames[2:6])
            self._transport.write(bytes((self._frames[0], size)) + payload)
            self._frames = self._frames[6 + size :]


async def _main(name: str, address: str, port: int) -> None:
    await Pod(name, address, port).start()
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
