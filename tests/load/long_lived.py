"""What lasts longer than any change: an open WebSocket and a download."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os

import attrs

from tests.load.connection import Broken, Connection
from tests.load.pods import PIECE_BYTES, accept_token, mask, piece

_BEAT_SECONDS = 10.0


class WebSocket:
    """A WebSocket to an echo (RFC 6455), small text frames only."""

    def __init__(self, connection: Connection, pod: str) -> None:
        self._connection = connection
        self.pod = pod
        self.beats = 0

    @classmethod
    async def open(cls, connection: Connection, host: str) -> WebSocket:
        """
        Shake hands; the connection is the WebSocket's then.

        Raises:
            Broken: The answer is no agreement.
        """
        key = base64.b64encode(os.urandom(16))
        connection.send(
            b"GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (host.encode(), key)
        )
        status, fields = await connection.head()
        agreed = fields.get("sec-websocket-accept", "").encode()
        if status != 101 or agreed != accept_token(key):
            raise Broken(f"no WebSocket: {status} {fields}")
        return cls(connection, fields["x-pod"])

    async def beat(self) -> None:
        """
        Send a frame and wait for its echo.

        Raises:
            Broken: Something else comes, or nothing.
        """
        self.beats += 1
        payload = b"beat %d" % self.beats
        key = os.urandom(4)
        frame = bytes((0x81, 0x80 | len(payload))) + key + mask(payload, key)
        self._connection.send(frame)
        try:
            async with asyncio.timeout(_BEAT_SECONDS):
                head = await self._connection.reader.readexactly(2)
                echo = await self._connection.reader.readexactly(head[1] & 127)
        except (asyncio.IncompleteReadError, OSError, TimeoutError) as error:
            raise Broken(f"the WebSocket died at beat {self.beats}: {error!r}") from error
        if (head[0], echo) != (0x81, payload):
            raise Broken(f"the WebSocket said {head + echo!r}, not {payload!r}")

    async def close(self) -> None:
        """Close the connection under it."""
        await self._connection.wait_closed()


@attrs.frozen
class Downloaded:
    """A download that is whole."""

    length: int
    seconds: float


async def download(connection: Connection, host: str, seconds: float, framing: str) -> Downloaded:
    """
    Download for so many seconds, and check every byte.

    Args:
        connection: Used for nothing else.
        host: Whose pod sends.
        seconds: At least so long.
        framing: ``sized``, or ``chunked``, which ends only when the pod has had enough.

    Raises:
        Broken: It breaks off, or some byte is another one.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    target = f"/download?seconds={seconds}&framing={framing}"
    connection.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    status, fields = await connection.head()
    if status != 200:
        raise Broken(f"no download: {status}")
    found = hashlib.sha256()
    length = 0
    async for part in connection.body(fields):
        found.update(part)
        length += len(part)
    expected = hashlib.sha256(b"".join(piece(n) for n in range(length // PIECE_BYTES)))
    if not length or found.digest() != expected.digest():
        raise Broken(f"a download of {length} bytes is not what was sent")
    return Downloaded(length, loop.time() - begun)
