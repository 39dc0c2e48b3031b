"""
A tiny strict reader of HTTP/1.1, independent of the program's own.

Both ends use it: the client on what the proxy answers, the backend on what the proxy forwards;
so every test also checks that all the proxy ever sends is clean.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import Final

import attrs

PATIENCE: Final = 15.0
"""How long anything is waited for that has to happen, in seconds; a machine may be slow."""

Field = tuple[bytes, bytes]
Fields = tuple[Field, ...]

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-\"$-~]+) HTTP/1\.1")
_FIELD: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
    rb"[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,16}")


class Broken(AssertionError):
    """The proxy has sent something that is not valid HTTP/1.1."""


class Ended(ConnectionError):
    """The other side has ended the connection: ``how`` is fin or reset."""

    def __init__(self, how: str, partial: bytes) -> None:
        super().__init__(f"{how} after {partial[-200:]!r}")
        self.how = how
        self.partial = partial


class Stream:
    """A socket with a buffer; ``received`` keeps every byte that ever came."""

    def __init__(self, sock: socket.socket, seconds: float = PATIENCE) -> None:
        self.sock = sock
        sock.settimeout(seconds)
        self.received = bytearray()
        self._read = 0

    def fill(self) -> None:
        """Wait for more bytes; raise `Ended` when there will be none."""
        try:
            data = self.sock.recv(262144)
        except ConnectionError as error:
            raise Ended("reset", self.pending()) from error
        if not data:
            raise Ended("fin", self.pending())
        self.received += data

    def pending(self) -> bytes:
        """Return what has come and is not read yet."""
        return bytes(self.received[self._read :])

    def until(self, mark: bytes) -> bytes:
        """Read up to and with *mark*."""
        begin = self._read
        while (at := self.received.find(mark, begin)) < 0:
            begin = max(self._read, len(self.received) - len(mark))
            self.fill()
        piece = bytes(self.received[self._read : at + len(mark)])
        self._read = at + len(mark)
        return piece

    def exactly(self, count: int) -> bytes:
        """Read *count* bytes."""
        while len(self.received) - self._read < count:
            self.fill()
        piece = bytes(self.received[self._read : self._read + count])
        self._read += count
        return piece

    def rest(self) -> tuple[bytes, str]:
        """Read until the other side ends; return the bytes and how it ended."""
        while True:
            try:
                self.fill()
            except Ended as end:
                self._read = len(self.received)
                return end.partial, end.how

    def send_aside(self, data: bytes) -> threading.Thread:
        """Send from a thread, for a peer that may stop reading; errors are the peer's choice."""

        def run() -> None:
            # An SSL object that is closed meanwhile has nothing to write with any more.
            with contextlib.suppress(OSError, AttributeError):
                self.sock.sendall(data)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def ending(self) -> str:
        """Wait for the end of the connection, which must come without another byte."""
        data, how = self.rest()
        if data:
            raise Broken(f"bytes where none belong: {data[:300]!r}")
        return how


@attrs.frozen
class Message:
    """A head with its body; ``framing`` is none, sized, chunked or close."""

    fields: Fields
    body: bytes
    framing: str
    trailers: Fields
    head: bytes

    def all(self, name: bytes) -> list[bytes]:
        """Return all values of a field in their order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a field that may not be repeated."""
        values = self.all(name)
        if len(values) > 1:
            raise Broken(f"{name!r} is repeated: {values!r}")
        return values[0] if values else None


@attrs.frozen
class Request(Message):
    """A request as the backend has read it."""

    method: bytes
    target: bytes


@attrs.frozen
class Response(Message):
    """A response as the client has read it."""

    status: int
    reason: bytes
    interim: tuple[Response, ...] = ()


def read_fields(lines: list[bytes]) -> Fields:
    """Split field lines by the grammar alone."""
    fields = []
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise Broken(f"not a field line: {line!r}")
        fields.append((found[1], found[2]))
    return tuple(fields)


def _framing(fields: Fields) -> tuple[str, int]:
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise Broken(f"more than one framing: {lengths!r} {codings!r}")
    if codings:
        if codings != [b"chunked"]:
            raise Broken(f"strange coding {codings!r}")
        return "chunked", 0
    if lengths:
        if not re.fullmatch(rb"[0-9]+", lengths[0]):
            raise Broken(f"strange length {lengths!r}")
        return "sized", int(lengths[0])
    return "none", 0


def _chunks(stream: Stream) -> tuple[bytes, Fields]:
    body = bytearray()
    while True:
        size = stream.until(b"\r\n")[:-2]
        if not _SIZE.fullmatch(size):
            raise Broken(f"not a chunk size: {size!r}")
        if not int(size, 16):
            break
        body += stream.exactly(int(size, 16))
        if stream.exactly(2) != b"\r\n":
            raise Broken("a chunk does not end where it should")
    lines = []
    while (line := stream.until(b"\r\n")) != b"\r\n":
        lines.append(line[:-2])
    return bytes(body), read_fields(lines)


def _body(stream: Stream, framing: str, length: int) -> tuple[bytes, Fields]:
    match framing:
        case "sized":
            return stream.exactly(length), ()
        case "chunked":
            return _chunks(stream)
        case "close":
            data, how = stream.rest()
            if how != "fin":
                raise Ended(how, data)
            return data, ()
        case _:
            return b"", ()


def read_request_head(stream: Stream) -> Request:
    """Read a request without its body; hold it against all a proxy must see to."""
    head = stream.until(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        raise Broken(f"not a request line: {first!r}")
    fields = read_fields(lines)
    if sum(name.lower() == b"host" for name, _ in fields) != 1:
        raise Broken(f"not one Host: {head!r}")
    framing, _ = _framing(fields)
    return Request(fields, b"", framing, (), head, found[1], found[2])


def read_request(stream: Stream) -> Request:
    """Read a whole request."""
    request = read_request_head(stream)
    body, trailers = _body(stream, *_framing(request.fields))
    return attrs.evolve(request, body=body, trailers=trailers)


def read_response_head(stream: Stream) -> Response:
    """Read one head, interim or final."""
    head = stream.until(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise Broken(f"not a status line: {first!r}")
    fields = read_fields(lines)
    framing, _ = _framing(fields)
    status = int(found[1])
    if (status < 200 or status == 204) and framing != "none":
        raise Broken(f"{status} with a framing field: {head!r}")
    return Response(fields, b"", framing, (), head, status, found[2])


def read_response(stream: Stream, method: bytes = b"GET") -> Response:
    """Read interim answers and the final one with its body."""
    interim = []
    while (response := read_response_head(stream)).status < 200 and response.status != 101:
        interim.append(response)
    bodiless = method == b"HEAD" or response.status in {101, 204, 304}
    framing, length = _framing(response.fields)
    if bodiless:
        framing = "none"
    elif framing == "none":
        framing = "close"
    body, trailers = _body(stream, framing, length)
    return attrs.evolve(
        response, body=body, framing=framing, trailers=trailers, interim=tuple(interim)
    )
