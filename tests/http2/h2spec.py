"""
Every case of h2spec's groups generic, http2 and hpack that concerns a server, by its number.

Taken from h2spec's sources, group by group (github.com/summerwind/h2spec, its last state). Where
h2spec accepts several verdicts (an error of the stream or of the connection, or a closed
connection), the case names the one that we give. `COUNTS` says how many cases each section has.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack, unpack_from
from typing import Final

import attrs

from fsm_twisted.http2 import codes, huffman
from fsm_twisted.http2.codes import PREFACE, ErrorCode
from fsm_twisted.message.fields import Field, Fields
from tests.http2.wire import (
    END,
    WHOLE,
    Frame,
    block,
    continuation,
    data,
    go_away,
    headers,
    ping,
    priority,
    reset,
    settings,
    window_update,
)

COUNTS: Final = {
    "generic": {
        "1": 1, "2": 5, "3.1": 3, "3.2": 3, "3.3": 5, "3.4": 1, "3.5": 1, "3.7": 1, "3.8": 1,
        "3.9": 2, "3.10": 2, "4": 4, "5": 15,
    },
    "http2": {
        "3.5": 2, "4.1": 3, "4.2": 3, "4.3": 3, "5.1": 13, "5.1.1": 3, "5.1.2": 1, "5.3.1": 2,
        "5.4.1": 2, "5.5": 2, "6.1": 3, "6.2": 4, "6.3": 2, "6.4": 3, "6.5": 3, "6.5.2": 5,
        "6.5.3": 2, "6.7": 4, "6.8": 1, "6.9": 3, "6.9.1": 3, "6.9.2": 3, "6.10": 6, "7": 2,
        "8.1": 1, "8.1.2": 1, "8.1.2.1": 4, "8.1.2.2": 2, "8.1.2.3": 7, "8.1.2.6": 2, "8.2": 1,
    },
    "hpack": {"2.3.3": 2, "4.2": 1, "5.2": 3, "6.1": 1, "6.3": 1},
}  # fmt: skip

AUTHORITY: Final = b"h2spec.test"
BODY: Final = b"hello"
"""What each request is answered with; h2spec asks for five bytes at least."""


# What the server must do. `met` tells from the frames since the stimulus.


@attrs.frozen
class Ends:
    """GOAWAY with this code, and the connection is closed."""

    code: ErrorCode

    def met(self, frames: Sequence[Frame]) -> bool:
        return any(
            frame.kind == codes.GOAWAY and unpack_from("!L", frame.payload, 4)[0] == self.code
            for frame in frames
        )


@attrs.frozen
class Breaks:
    """RST_STREAM with this code; the connection goes on."""

    code: ErrorCode
    stream: int = 1

    def met(self, frames: Sequence[Frame]) -> bool:
        return Frame(codes.RST_STREAM, 0, self.stream, pack("!L", self.code)) in frames


@attrs.frozen
class Answers:
    """A whole answer on a stream."""

    stream: int = 1
    body: bytes = BODY

    def met(self, frames: Sequence[Frame]) -> bool:
        mine = [frame for frame in frames if frame.stream == self.stream]
        sent = b"".join(frame.payload for frame in mine if frame.kind == codes.DATA)
        return bool(mine) and bool(mine[-1].flags & END) and sent == self.body


@attrs.frozen
class Sends:
    """So much of an answer's body, and no more, on stream 1."""

    size: int

    def met(self, frames: Sequence[Frame]) -> bool:
        sizes = [len(frame.payload) for frame in frames if frame.kind == codes.DATA]
        assert not sizes or sizes == [self.size], sizes
        return bool(sizes)


@attrs.frozen
class Says:
    """This very frame."""

    frame: Frame

    def met(self, frames: Sequence[Frame]) -> bool:
        return self.frame in frames


@attrs.frozen
class Greets:
    """SETTINGS, and nothing before it."""

    def met(self, frames: Sequence[Frame]) -> bool:
        assert not frames or (frames[0].kind, frames[0].flags) == (codes.SETTINGS, 0)
        return bool(frames)


Verdict = Ends | Breaks | Answers | Sends | Says | Greets


@attrs.frozen
class Case:
    """
    One case.

    Attributes:
        about: What is sent, in a few words.
        steps: What is sent, and what must have come before the next step; the last is the verdict.
        is_greeted: The preface and SETTINGS have been exchanged before.
    """

    about: str
    steps: tuple[tuple[bytes, Verdict], ...]
    is_greeted: bool = True


def case(about: str, stimulus: bytes, verdict: Verdict) -> Case:
    return Case(about, ((stimulus, verdict),))


PROTOCOL = Ends(ErrorCode.PROTOCOL_ERROR)
SIZE = Ends(ErrorCode.FRAME_SIZE_ERROR)
FLOW = Ends(ErrorCode.FLOW_CONTROL_ERROR)
COMPRESSION = Ends(ErrorCode.COMPRESSION_ERROR)
CLOSED = Ends(ErrorCode.STREAM_CLOSED)
STREAM_CLOSED = Breaks(ErrorCode.STREAM_CLOSED)
STREAM_PROTOCOL = Breaks(ErrorCode.PROTOCOL_ERROR)
ANSWERS = Answers()
ACKS = Says(Frame(codes.SETTINGS, codes.ACK, 0))
PONGS = Says(Frame(codes.PING, codes.ACK, 0, b"12345678"))

# What clients say.

GET: Fields = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/"),
    (b":authority", AUTHORITY),
)
POST: Fields = ((b":method", b"POST"), *GET[1:])
WINDOW, FRAME_SIZE = codes.INITIAL_WINDOW_SIZE, codes.MAX_FRAME_SIZE

OPEN = headers(1, POST, WHOLE)
WHOLE_GET = headers(1, GET)
BEGUN = headers(1, GET, END)  # without END_HEADERS
FRAGMENT = block(((b"x-dummy0", b"b"),))
UNKNOWN = Frame(0x16, 0, 0, bytes(8)).wire
NO_WINDOW = settings((WINDOW, 0))


def request(*fields: Field, without: bytes = b"") -> bytes:
    return headers(1, (*(field for field in GET if field[0] != without), *fields))


def coded(block: bytes) -> bytes:
    """Write a request whose field block is given, or one with a field added to a usual one."""
    return Frame(codes.HEADERS, END | WHOLE, 1, block).wire


def added(line: bytes) -> bytes:
    return coded(block(GET) + line)


def string(text: bytes, *, is_coded: bool = False) -> bytes:
    """Write a short string."""
    if is_coded:
        text = huffman.encode(text)
    return bytes((0x80 * is_coded | len(text),)) + text


def raw_string(bits: bytes) -> bytes:
    """Write a string that claims to be Huffman-coded."""
    return bytes((0x80 | len(bits),)) + bits


def parts(*sizes: int) -> bytes:
    """Write a request in as many frames, cut anywhere."""
    whole, frames, at = block(GET), b"", 0
    for number, end in enumerate((*sizes, len(whole))):
        flags = WHOLE if end == len(whole) else 0
        if number:
            frames += continuation(1, whole[at:end], flags)
        else:
            frames += Frame(codes.HEADERS, END, 1, whole[:end]).wire
        at = end
    return frames


def self_dependent() -> bytes:
    payload = pack("!LB", 1, 255) + block(GET)
    return Frame(codes.HEADERS, END | WHOLE | codes.HAS_PRIORITY, 1, payload).wire


def with_length(length: bytes) -> bytes:
    return headers(1, (*POST, (b"content-length", length)), WHOLE)


AGENT, NEW = b"\x7a", b"x-test"  # 0x40 | 58: user-agent
TEST = (b"x-test", b"ok")
PADDED_HEAD = b"\x06" + block(GET) + bytes(6)

GENERIC: dict[str, Case] = {
    "1/1": Case("preface", ((PREFACE + settings((WINDOW, 65535)), Greets()),), is_greeted=False),
    "2/1": case("PRIORITY on an idle stream", priority(1) + ping(), PONGS),
    "2/2": case(
        "WINDOW_UPDATE, half closed (remote)",
        NO_WINDOW + WHOLE_GET + window_update(1, 1),
        Sends(1),
    ),
    "2/3": case(
        "PRIORITY, half closed (remote)",
        NO_WINDOW + WHOLE_GET + priority(1) + window_update(1, 1),
        Sends(1),
    ),
    "2/4": case("RST_STREAM, half closed (remote)", WHOLE_GET + reset(1) + ping(), PONGS),
    "2/5": Case("PRIORITY, closed", ((WHOLE_GET, ANSWERS), (priority(1) + ping(), PONGS))),
    "3.1/1": case("DATA", OPEN + data(1, b"test", END), ANSWERS),
    "3.1/2": case("two DATA", OPEN + data(1, b"test") + data(1, b"test", END), ANSWERS),
    "3.1/3": case(
        "DATA with padding", OPEN + data(1, b"\x06test" + bytes(6), codes.PADDED | END), ANSWERS
    ),
    "3.2/1": case("HEADERS", WHOLE_GET, ANSWERS),
    "3.2/2": case(
        "HEADERS with padding",
        Frame(codes.HEADERS, END | WHOLE | codes.PADDED, 1, PADDED_HEAD).wire,
        ANSWERS,
    ),
    "3.2/3": case(
        "HEADERS with priority",
        Frame(codes.HEADERS, END | WHOLE | 0x20, 1, b"\0\0\0\0\xff" + block(GET)).wire,
        ANSWERS,
    ),
    "3.3/1": case("priority 1", priority(1, 0, 0) + WHOLE_GET, ANSWERS),
    "3.3/2": case("priority 256", priority(1, 0, 255) + WHOLE_GET, ANSWERS),
    "3.3/3": case("dependency", priority(3, 1, 0) + WHOLE_GET, ANSWERS),
    "3.3/4": case("exclusive", priority(1, 0, 0, exclusive=True) + WHOLE_GET, ANSWERS),
    "3.3/5": case("PRIORITY, then a lower stream", priority(3) + WHOLE_GET, ANSWERS),
    "3.4/1": case("RST_STREAM", headers(1, GET, WHOLE) + reset(1) + ping(), PONGS),
    "3.5/1": case(
        "SETTINGS", settings((1, 4096), (2, 1), (3, 100), (4, 65535), (5, 16384), (6, 100)), ACKS
    ),
    "3.7/1": case("PING", ping(), PONGS),
    "3.8/1": case("GOAWAY", go_away(0) + ping(), PONGS),
    "3.9/1": case("WINDOW_UPDATE on stream 0", window_update(0, 1) + ping(), PONGS),
    "3.9/2": case("WINDOW_UPDATE on stream 1", WHOLE_GET + window_update(1, 1), ANSWERS),
    "3.10/1": case("CONTINUATION", parts(5), ANSWERS),
    "3.10/2": case("two CONTINUATION", parts(5, 10), ANSWERS),
    "4/1": case("GET", WHOLE_GET, ANSWERS),
    "4/2": case("HEAD", headers(1, ((b":method", b"HEAD"), *GET[1:])), Answers(body=b"")),
    "4/3": case("POST", OPEN + data(1, b"test", END), ANSWERS),
    "4/4": case(
        "POST with trailers",
        headers(1, (*POST, (b"trailer", b"x-test")), WHOLE)
        + data(1, b"test")
        + headers(1, (TEST,)),
        ANSWERS,
    ),
    "5/1": case("indexed", added(b"\xba"), ANSWERS),
    "5/2": case("kept, indexed name", added(AGENT + string(b"h2spec")), ANSWERS),
    "5/3": case("the same, coded", added(AGENT + string(b"h2spec", is_coded=True)), ANSWERS),
    "5/4": case("kept, new name", added(b"\x40" + string(NEW) + string(b"h2spec")), ANSWERS),
    "5/5": case(
        "the same, coded",
        added(b"\x40" + string(NEW, is_coded=True) + string(b"h2spec", is_coded=True)),
        ANSWERS,
    ),
    "5/6": case("not kept, indexed name", added(b"\x0f\x2b" + string(b"h2spec")), ANSWERS),
    "5/7": case("the same, coded", added(b"\x0f\x2b" + string(b"h2spec", is_coded=True)), ANSWERS),
    "5/8": case("not kept, new name", added(b"\x00" + string(NEW) + string(b"h2spec")), ANSWERS),
    "5/9": case(
        "the same, coded",
        added(b"\x00" + string(NEW, is_coded=True) + string(b"h2spec", is_coded=True)),
        ANSWERS,
    ),
    "5/10": case("never kept, indexed name", added(b"\x1f\x2b" + string(b"h2spec")), ANSWERS),
    "5/11": case(
        "the same, coded", added(b"\x1f\x2b" + string(b"h2spec", is_coded=True)), ANSWERS
    ),
    "5/12": case(
        "never kept, new name", added(b"\x10" + string(NEW) + string(b"h2spec")), ANSWERS
    ),
    "5/13": case(
        "the same, coded",
        added(b"\x10" + string(NEW, is_coded=True) + string(b"h2spec", is_coded=True)),
        ANSWERS,
    ),
    "5/14": case("table size 128", coded(b"\x3f\x61" + block(GET)), ANSWERS),
    "5/15": case("table size 0, then 4096", coded(b"\x20\x3f\xe1\x1f" + block(GET)), ANSWERS),
}

HTTP2: dict[str, Case] = {
    "3.5/1": Case("preface", ((PREFACE + settings((WINDOW, 65535)), Greets()),), is_greeted=False),
    "3.5/2": Case(
        "no preface", ((b"INVALID CONNECTION PREFACE\r\n\r\n", PROTOCOL),), is_greeted=False
    ),
    "4.1/1": case("unknown type", UNKNOWN + ping(), PONGS),
    "4.1/2": case("undefined flags", ping(flags=0x16), PONGS),
    "4.1/3": case("reserved bit", Frame(codes.PING, 0x16, 1 << 31, b"12345678").wire, PONGS),
    "4.2/1": case("DATA of 2^14 bytes", OPEN + data(1, b"x" * 16384, END), ANSWERS),
    "4.2/2": case("larger DATA", OPEN + data(1, b"x" * 16385, END), SIZE),
    "4.2/3": case("larger HEADERS", coded(b"x" * 16385), SIZE),
    "4.3/1": case("literal without length and string", coded(b"\x40"), COMPRESSION),
    "4.3/2": case(
        "PRIORITY inside a block", BEGUN + priority(1) + continuation(1, FRAGMENT), PROTOCOL
    ),
    "4.3/3": case(
        "HEADERS of another stream inside a block",
        BEGUN + headers(3, GET) + continuation(1, FRAGMENT),
        PROTOCOL,
    ),
    "5.1/1": case("idle: DATA", data(1, b"test", END), PROTOCOL),
    "5.1/2": case("idle: RST_STREAM", reset(1), PROTOCOL),
    "5.1/3": case("idle: WINDOW_UPDATE", window_update(1, 100), PROTOCOL),
    "5.1/4": case("idle: CONTINUATION", continuation(1, block(GET)), PROTOCOL),
    "5.1/5": case("half closed: DATA", WHOLE_GET + data(1, b"test", END), STREAM_CLOSED),
    "5.1/6": case("half closed: HEADERS", WHOLE_GET + WHOLE_GET, STREAM_CLOSED),
    "5.1/7": case("half closed: CONTINUATION", WHOLE_GET + continuation(1, block(GET)), PROTOCOL),
    "5.1/8": case("reset: DATA", OPEN + reset(1) + data(1, b"test", END), CLOSED),
    "5.1/9": case("reset: HEADERS", OPEN + reset(1) + WHOLE_GET, CLOSED),
    "5.1/10": case("reset: CONTINUATION", OPEN + reset(1) + continuation(1, FRAGMENT), PROTOCOL),
    "5.1/11": Case("closed: DATA", ((WHOLE_GET, ANSWERS), (data(1, b"test", END), CLOSED))),
    "5.1/12": Case("closed: HEADERS", ((WHOLE_GET, ANSWERS), (WHOLE_GET, CLOSED))),
    "5.1/13": Case(
        "closed: CONTINUATION", ((WHOLE_GET, ANSWERS), (continuation(1, FRAGMENT), PROTOCOL))
    ),
    "5.1.1/1": case("even number", headers(2, GET), PROTOCOL),
    "5.1.1/2": case("smaller number", headers(5, GET) + headers(3, GET), PROTOCOL),
    "5.1.1/3": case(
        "HEADERS, half closed (remote)",
        headers(5, GET) * 2,
        Breaks(ErrorCode.STREAM_CLOSED, stream=5),
    ),
    "5.1.2/1": case(
        "more streams than allowed",
        NO_WINDOW + b"".join(headers(number, GET) for number in range(1, 258, 2)),
        Breaks(ErrorCode.REFUSED_STREAM, stream=257),
    ),
    "5.3.1/1": case("HEADERS depends on itself", self_dependent(), PROTOCOL),
    "5.3.1/2": case("PRIORITY depends on itself", priority(1, 1), PROTOCOL),
    "5.4.1/1": case("PING on a stream: closed", ping(bytes(8), stream=3), PROTOCOL),
    "5.4.1/2": case("PING on a stream: GOAWAY", ping(bytes(8), stream=3), PROTOCOL),
    "5.5/1": case("unknown extension", UNKNOWN + ping(), PONGS),
    "5.5/2": case("unknown extension inside a block", BEGUN + UNKNOWN, PROTOCOL),
    "6.1/1": case("DATA on stream 0", Frame(codes.DATA, END, 0, b"test").wire, PROTOCOL),
    "6.1/2": case("DATA, half closed", headers(1, POST) + data(1, b"test", END), STREAM_CLOSED),
    "6.1/3": case(
        "padding over the payload",
        with_length(b"4") + data(1, b"\x06Test", codes.PADDED | END),
        PROTOCOL,
    ),
    "6.2/1": case(
        "HEADERS, then PRIORITY", BEGUN + priority(1) + continuation(1, FRAGMENT), PROTOCOL
    ),
    "6.2/2": case(
        "HEADERS, then another's", BEGUN + headers(3, GET) + continuation(1, FRAGMENT), PROTOCOL
    ),
    "6.2/3": case("HEADERS on stream 0", headers(0, GET), PROTOCOL),
    "6.2/4": case(
        "padding over the payload",
        Frame(
            codes.HEADERS,
            END | WHOLE | codes.PADDED,
            1,
            bytes((len(block(GET)) + 2,)) + block(GET),
        ).wire,
        PROTOCOL,
    ),
    "6.3/1": case("PRIORITY on stream 0", priority(0), PROTOCOL),
    "6.3/2": case(
        "PRIORITY of four bytes",
        WHOLE_GET + Frame(codes.PRIORITY, 0, 1, b"\x80\0\0\1").wire,
        Breaks(ErrorCode.FRAME_SIZE_ERROR),
    ),
    "6.4/1": case("RST_STREAM on stream 0", reset(0), PROTOCOL),
    "6.4/2": case("RST_STREAM, idle", reset(1), PROTOCOL),
    "6.4/3": case(
        "RST_STREAM of three bytes",
        WHOLE_GET + Frame(codes.RST_STREAM, 0, 1, b"\0\0\0").wire,
        SIZE,
    ),
    "6.5/1": case("ACK with payload", Frame(codes.SETTINGS, codes.ACK, 0, b"\0").wire, SIZE),
    "6.5/2": case("SETTINGS on a stream", settings((3, 100), stream=1), PROTOCOL),
    "6.5/3": case(
        "SETTINGS of eight bytes", Frame(codes.SETTINGS, 0, 0, b"\0\3\0\0\0\x64\0\2").wire, SIZE
    ),
    "6.5.2/1": case("ENABLE_PUSH 2", settings((codes.ENABLE_PUSH, 2)), PROTOCOL),
    "6.5.2/2": case("INITIAL_WINDOW_SIZE 2^31", settings((WINDOW, 2**31)), FLOW),
    "6.5.2/3": case("MAX_FRAME_SIZE 2^14-1", settings((FRAME_SIZE, 16383)), PROTOCOL),
    "6.5.2/4": case("MAX_FRAME_SIZE 2^24", settings((FRAME_SIZE, 2**24)), PROTOCOL),
    "6.5.2/5": case("unknown setting", settings((0xFF, 1)) + ping(), PONGS),
    "6.5.3/1": Case(
        "two values of a setting",
        ((settings((WINDOW, 100), (WINDOW, 1)), ACKS), (WHOLE_GET, Sends(1))),
    ),
    "6.5.3/2": case("SETTINGS", settings((codes.ENABLE_PUSH, 0)), ACKS),
    "6.7/1": case("PING", ping(), PONGS),
    "6.7/2": case("PING with ACK", ping(b"invalid\0", codes.ACK) + ping(), PONGS),
    "6.7/3": case("PING on a stream", ping(bytes(8), stream=1), PROTOCOL),
    "6.7/4": case("PING of six bytes", ping(bytes(6)), SIZE),
    "6.8/1": case("GOAWAY on a stream", go_away(0, stream=1), PROTOCOL),
    "6.9/1": case("WINDOW_UPDATE of 0", window_update(0, 0), PROTOCOL),
    "6.9/2": case(
        "WINDOW_UPDATE of 0 on a stream",
        headers(1, GET, WHOLE) + window_update(1, 0),
        STREAM_PROTOCOL,
    ),
    "6.9/3": case(
        "WINDOW_UPDATE of three bytes", Frame(codes.WINDOW_UPDATE, 0, 0, b"\0\0\1").wire, SIZE
    ),
    "6.9.1/1": Case("window of 1", ((settings((WINDOW, 1)), ACKS), (WHOLE_GET, Sends(1)))),
    "6.9.1/2": case("the connection's window overflows", window_update(0, 2**31 - 1) * 2, FLOW),
    "6.9.1/3": case(
        "a stream's window overflows",
        headers(1, GET, WHOLE) + window_update(1, 2**31 - 1) * 2,
        Breaks(ErrorCode.FLOW_CONTROL_ERROR),
    ),
    "6.9.2/1": Case(
        "windows grow", ((NO_WINDOW, ACKS), (WHOLE_GET + settings((WINDOW, 1)), Sends(1)))
    ),
    "6.9.2/2": Case(
        "a window becomes negative",
        (
            (settings((WINDOW, 3)), ACKS),
            (WHOLE_GET, Sends(3)),
            (settings((WINDOW, 2)), ACKS),
            (window_update(1, 2), Sends(1)),
        ),
    ),
    "6.9.2/3": case("INITIAL_WINDOW_SIZE 2^31", settings((WINDOW, 2**31)), FLOW),
    "6.10/1": case(
        "two CONTINUATION",
        BEGUN + continuation(1, FRAGMENT, 0) + continuation(1, FRAGMENT),
        ANSWERS,
    ),
    "6.10/2": case(
        "CONTINUATION, then DATA",
        headers(1, POST, 0) + continuation(1, FRAGMENT, 0) + data(1, b"test", END),
        PROTOCOL,
    ),
    "6.10/3": case("CONTINUATION on stream 0", BEGUN + continuation(0, FRAGMENT), PROTOCOL),
    "6.10/4": case(
        "CONTINUATION after END_HEADERS", WHOLE_GET + continuation(1, FRAGMENT), PROTOCOL
    ),
    "6.10/5": case(
        "CONTINUATION after the last one", BEGUN + continuation(1, FRAGMENT) * 2, PROTOCOL
    ),
    "6.10/6": case(
        "CONTINUATION after DATA",
        headers(1, POST, 0)
        + data(1, b"test", END)
        + continuation(1, FRAGMENT, 0)
        + continuation(0, FRAGMENT),
        PROTOCOL,
    ),
    "7/1": case("GOAWAY with an unknown code", go_away(0, 0xFF) + ping(), PONGS),
    "7/2": case("RST_STREAM with an unknown code", OPEN + reset(1, 0xFF) + ping(), PONGS),
    "8.1/1": case(
        "a second HEADERS without END_STREAM",
        OPEN + data(1, b"test") + headers(1, (TEST,), WHOLE),
        STREAM_PROTOCOL,
    ),
    "8.1.2/1": case("upper case", request((b"X-TEST", b"ok")), STREAM_PROTOCOL),
    "8.1.2.1/1": case("unknown pseudo-header", request((b":test", b"ok")), STREAM_PROTOCOL),
    "8.1.2.1/2": case(":status in a request", request((b":status", b"200")), STREAM_PROTOCOL),
    "8.1.2.1/3": case(
        "pseudo-header in trailers",
        OPEN + data(1, b"test") + headers(1, ((b":method", b"POST"),), WHOLE),
        STREAM_PROTOCOL,
    ),
    "8.1.2.1/4": case("pseudo-headers behind a field", headers(1, (TEST, *GET)), STREAM_PROTOCOL),
    "8.1.2.2/1": case("Connection", request((b"connection", b"keep-alive")), STREAM_PROTOCOL),
    "8.1.2.2/2": case(
        "TE beside trailers",
        request((b"trailers", b"test"), (b"te", b"trailers, deflate")),
        STREAM_PROTOCOL,
    ),
    "8.1.2.3/1": case(
        "empty :path", headers(1, (*GET[:2], (b":path", b""), GET[3])), STREAM_PROTOCOL
    ),
    "8.1.2.3/2": case("no :method", request(without=b":method"), STREAM_PROTOCOL),
    "8.1.2.3/3": case("no :scheme", request(without=b":scheme"), STREAM_PROTOCOL),
    "8.1.2.3/4": case("no :path", request(without=b":path"), STREAM_PROTOCOL),
    "8.1.2.3/5": case(":method twice", request(GET[0]), STREAM_PROTOCOL),
    "8.1.2.3/6": case(":scheme twice", request(GET[1]), STREAM_PROTOCOL),
    "8.1.2.3/7": case(":path twice", request(GET[2]), STREAM_PROTOCOL),
    "8.1.2.6/1": case(
        "Content-Length below the DATA", with_length(b"1") + data(1, b"test", END), STREAM_PROTOCOL
    ),
    "8.1.2.6/2": case(
        "Content-Length below the sum of DATA",
        with_length(b"1") + data(1, b"test") + data(1, b"test", END),
        STREAM_PROTOCOL,
    ),
    "8.2/1": case(
        "PUSH_PROMISE",
        Frame(codes.PUSH_PROMISE, WHOLE, 1, b"\0\0\0\3" + block(GET)).wire,
        PROTOCOL,
    ),
}

HPACK: dict[str, Case] = {
    "2.3.3/1": case("index outside the tables", added(b"\xc6"), COMPRESSION),
    "2.3.3/2": case("name outside the tables", added(b"\x7f\x07\x00"), COMPRESSION),
    "4.2/1": case("table size behind the fields", added(b"\x21"), COMPRESSION),
    "5.2/1": case(
        "padding of more than 7 bits",
        added(b"\x00" + string(NEW) + raw_string(huffman.encode(b"test") + b"\xff")),
        COMPRESSION,
    ),
    "5.2/2": case(
        "padding of zeros",  # "tes" is 14 bits
        added(b"\x00" + string(NEW) + raw_string(bytes((0x49, 0x50 & 0xFC)))),
        COMPRESSION,
    ),
    "5.2/3": case(
        "EOS",
        added(b"\x00" + string(NEW) + raw_string(b"\xff\xff\xff\xfd\x25\x42\x7f")),
        COMPRESSION,
    ),
    "6.1/1": case("index 0", added(b"\x80"), COMPRESSION),
    "6.3/1": case("table size 4097", coded(b"\x3f\xe2\x1f" + block(GET)), COMPRESSION),
}

CASES: Final = {
    f"{group}/{number}": case
    for group, cases in (("generic", GENERIC), ("http2", HTTP2), ("hpack", HPACK))
    for number, case in cases.items()
}


def numbers() -> set[str]:
    """Return the numbers of all cases that there are, by `COUNTS`."""
    return {
        f"{group}/{section}/{number}"
        for group, sections in COUNTS.items()
        for section, count in sections.items()
        for number in range(1, count + 1)
    }
