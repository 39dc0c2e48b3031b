"""A client that keeps its connection and judges every answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import frozen


class Broken(Exception):
    """The connection ended, or the answer cannot be read to its end."""


@frozen
class Answer:
    """What came back, as far as clients here look at it."""

    status: int
    endpoint: str
    body_bytes: int
    keeps: bool


@frozen
class Request:
    """The bytes of a request, and what is known about it."""

    raw: bytes
    method: str = "GET"

    @property
    def is_idempotent(self) -> bool:
        """RFC 9110 section 9.2.2."""
        return self.method in {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"}


def request(host: str, method: str, target: str, body: bytes = b"", fields: str = "") -> Request:
    """Write a request with a body of known length, if any."""
    length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{length}{fields}\r\n"
    return Request(head.encode("ascii") + body, method)


class Talker:
    """One keep-alive connection to 127.0.0.1, opened anew when it has ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, asked: Request, seconds: float = 10.0) -> Answer:
        """
        Send a request and read the answer to its end.

        Raises:
            Broken: No whole answer, for whatever reason, time included.
        """
        try:
            async with asyncio.timeout(seconds):
                answer = await self._exchange(asked)
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Broken(repr(error)) from None
        if not answer.keeps:
            self.close()
        return answer

    async def _exchange(self, asked: Request) -> Answer:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(asked.raw)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head[9:12])
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:-2])
        }
        size = await _skip_body(reader, fields, has_body=asked.method != "HEAD" and status != 304)
        keeps = fields.get("connection", "").lower() != "close"
        return Answer(status, fields.get("x-endpoint", ""), size, keeps)

    async def abandon(self, asked: Request) -> None:
        """Send a request and leave at once, as a client does whose user has gone away."""
        self.close()
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(asked.raw)
            await writer.drain()
            writer.close()

    def close(self) -> None:
        """Leave the connection, if there is one."""
        if self._streams is not None:
            with suppress(OSError):
                self._streams[1].transport.abort()
            self._streams = None


async def _skip_body(
    reader: asyncio.StreamReader, fields: dict[str, str], *, has_body: bool
) -> int:
    if not has_body:
        return 0
    if "content-length" in fields:
        size = left = int(fields["content-length"])
        while left > 0:
            piece = await reader.read(min(left, 65536))
            if not piece:
                raise EOFError
            left -= len(piece)
        return size
    if fields.get("transfer-encoding") != "chunked":
        return len(await reader.read())
    total = 0
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + 2)
        if size == 0:
            return total
        total += size
