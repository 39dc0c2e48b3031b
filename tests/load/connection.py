"""A client's connection: strict about framing, and fast enough to make load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any, Self

import attrs

ANSWER_SECONDS = 20.0


class Broken(AssertionError):
    """An answer that is none."""


@attrs.frozen
class Answer:
    """An answer with its whole body."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """What the pod has told."""
        try:
            told: dict[str, Any] = json.loads(self.body)
        except ValueError:
            raise Broken(f"{self.status} with body {self.body[:200]!r}") from None
        return told


def request(method: str, host: str, target: str, body: bytes | None = None) -> bytes:
    """Write a request; a body is told by Content-Length."""
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n"
    return head.encode() + (body or b"")


def chunked_request(method: str, host: str, target: str, parts: list[bytes]) -> bytes:
    """Write a request with a chunked body."""
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return head.encode() + chunks + b"0\r\n\r\n"


def tls_context() -> ssl.SSLContext:
    """Make a context that believes every certificate; who cares looks at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """A connection to the program."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, server_name: str | None = None) -> Self:
        """Connect; by TLS when there is a server name."""
        if server_name is None:
            streams = await asyncio.open_connection("127.0.0.1", port)
        else:
            streams = await asyncio.open_connection(
                "127.0.0.1", port, ssl=_CONTEXT, server_hostname=server_name
            )
        return cls(*streams)

    @property
    def certificate(self) -> bytes:
        """The peer's certificate, DER."""
        tls: ssl.SSLObject = self.writer.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) or b""

    def send(self, data: bytes) -> None:
        """Send all of *data*, in time."""
        self.writer.write(data)

    async def ask(self, data: bytes, method: str = "GET") -> Answer:
        """Send a request and read its answer."""
        self.writer.write(data)
        return await self.answer(method)

    async def answer(self, method: str = "GET") -> Answer:
        """
        Read an answer.

        Raises:
            Broken: It is not whole, or announces an end of the connection.
        """
        async with asyncio.timeout(ANSWER_SECONDS):
            status, fields = await self.head()
            body = b""
            if method != "HEAD":
                body = b"".join([piece async for piece in self.body(fields)])
        if fields.get("connection", "").lower() == "close":
            raise Broken(f"{status} ends a good connection")
        return Answer(status, fields, body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read status and fields."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            raise Broken(f"the connection ended after {end.partial[-200:]!r}") from None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): text.strip() for name, _, text in pairs}

    async def body(self, fields: dict[str, str]) -> AsyncIterator[bytes]:
        """Read the body piece by piece."""
        try:
            if "content-length" in fields:
                left = int(fields["content-length"])
                while left:
                    piece = await self.reader.readexactly(min(left, 65536))
                    left -= len(piece)
                    yield piece
            elif fields.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    yield (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readexactly(2)
            else:
                raise Broken(f"no framing: {fields}")
        except asyncio.IncompleteReadError as end:
            raise Broken(f"the body ended before its end: {end.partial[-200:]!r}") from None

    def close(self) -> None:
        """Begin to close the connection."""
        self.writer.close()

    async def wait_closed(self) -> None:
        """Wait until it is closed; how it ends is of no interest any more."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


_CONTEXT = tls_context()
