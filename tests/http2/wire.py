"""Frames and field blocks written by hand, and a server that has greeted its client."""

from __future__ import annotations

from struct import pack, unpack_from

import attrs

from fsm_twisted.http2 import codes
from fsm_twisted.http2.connection import Connection, Role
from fsm_twisted.http2.events import Event
from fsm_twisted.http2.limits import DEFAULT_LIMITS, Limits
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import CHUNKED, Framing
from fsm_twisted.message.heads import ResponseHead

END = codes.END_STREAM
WHOLE = codes.END_HEADERS
GET: Fields = (
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":path", b"/"),
    (b":authority", b"a"),
)
POST: Fields = ((b":method", b"POST"), *GET[1:])


@attrs.frozen
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes = b""

    @property
    def wire(self) -> bytes:
        size = len(self.payload)
        return pack("!HBBBL", size >> 8, size & 255, self.kind, self.flags, self.stream) + (
            self.payload
        )


def frames_of(data: bytes) -> list[Frame]:
    """Take whole frames apart."""
    found = []
    while data:
        high, low, kind, flags, stream = unpack_from("!HBBBL", data)
        size = high << 8 | low
        found.append(Frame(kind, flags, stream, data[9 : 9 + size]))
        assert len(found[-1].payload) == size
        data = data[9 + size :]
    return found


def block(fields: Fields) -> bytes:
    """Write fields as literals without table and Huffman code; names are short."""
    return b"".join(
        b"\x00%c%b%b%b" % (len(name), name, _size(len(value)), value) for name, value in fields
    )


def _size(size: int) -> bytes:
    if size < 127:
        return bytes((size,))
    rest = size - 127
    coded = b"\x7f"
    while rest > 127:
        coded += bytes((128 | rest & 127,))
        rest >>= 7
    return coded + bytes((rest,))


def headers(stream: int, fields: Fields = GET, flags: int = END | WHOLE) -> bytes:
    return Frame(codes.HEADERS, flags, stream, block(fields)).wire


def data(stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return Frame(codes.DATA, flags, stream, payload).wire


def settings(*values: tuple[int, int], flags: int = 0, stream: int = 0) -> bytes:
    payload = b"".join(pack("!HL", *value) for value in values)
    return Frame(codes.SETTINGS, flags, stream, payload).wire


def window_update(stream: int, increment: int) -> bytes:
    return Frame(codes.WINDOW_UPDATE, 0, stream, pack("!L", increment)).wire


def reset(stream: int, code: int = codes.ErrorCode.CANCEL) -> bytes:
    return Frame(codes.RST_STREAM, 0, stream, pack("!L", code)).wire


def ping(payload: bytes = b"12345678", flags: int = 0, stream: int = 0) -> bytes:
    return Frame(codes.PING, flags, stream, payload).wire


def priority(stream: int, parent: int = 0, weight: int = 255, *, exclusive: bool = False) -> bytes:
    word = parent | (1 << 31 if exclusive else 0)
    return Frame(codes.PRIORITY, 0, stream, pack("!LB", word, weight)).wire


def continuation(stream: int, payload: bytes, flags: int = WHOLE) -> bytes:
    return Frame(codes.CONTINUATION, flags, stream, payload).wire


def go_away(last: int, code: int = 0, stream: int = 0) -> bytes:
    return Frame(codes.GOAWAY, 0, stream, pack("!LL", last, code)).wire


GREETING = codes.PREFACE + settings() + settings(flags=codes.ACK)


def answer(status: int = 200, framing: Framing = CHUNKED, fields: Fields = ()) -> ResponseHead:
    return ResponseHead(status, b"", 1, fields, framing, persistent=True)


class Server:
    """A server of ours, greeted; what it reports and writes is kept."""

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        greeting: bytes = GREETING,
        *,
        tells_usual: bool = False,
    ) -> None:
        self.connection = Connection(Role.SERVER, limits, tells_usual=tells_usual)
        self.events: list[Event] = []
        self.frames: list[Frame] = []
        if greeting:
            self.feed(greeting)
            self.events.clear()
            self.frames.clear()

    def feed(self, data: bytes, now: float = 0.0) -> Server:
        self.events += self.connection.receive(data, now)
        self.collect()
        return self

    def collect(self) -> None:
        self.frames += frames_of(self.connection.take_output())

    def respond(self, stream: int, body: bytes = b"", status: int = 200) -> int:
        self.connection.send_response(stream, answer(status), end=not body)
        taken = self.connection.send_data(stream, body, end=True) if body else 0
        self.collect()
        return taken

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def of_kind(self, kind: int) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind == kind]

    @property
    def verdict(self) -> tuple[str, int]:
        """``connection`` with the code of GOAWAY, ``stream`` with that of RST_STREAM, or fine."""
        for frame in self.of_kind(codes.GOAWAY):
            return "connection", unpack_from("!L", frame.payload, 4)[0]
        for frame in self.of_kind(codes.RST_STREAM):
            return "stream", unpack_from("!L", frame.payload)[0]
        return "fine", 0
