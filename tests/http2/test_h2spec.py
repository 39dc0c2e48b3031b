"""
The cases of h2spec's groups generic, http2 and hpack that concern a server.

Names are h2spec's, group/section/number. Where it lets a stream error be a connection error, so
do we; the codes are those that it accepts.
"""

from __future__ import annotations

from struct import pack

import pytest

from fsm_twisted.http2 import codes, huffman
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.http2.limits import Limits
from tests.http2.wire import (
    END,
    GET,
    POST,
    WHOLE,
    Frame,
    Server,
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

PROTOCOL = ("connection", ErrorCode.PROTOCOL_ERROR)
SIZE = ("connection", ErrorCode.FRAME_SIZE_ERROR)
FLOW = ("connection", ErrorCode.FLOW_CONTROL_ERROR)
COMPRESSION = ("connection", ErrorCode.COMPRESSION_ERROR)
CLOSED = ("connection", ErrorCode.STREAM_CLOSED)
STREAM_CLOSED = ("stream", ErrorCode.STREAM_CLOSED)
STREAM_PROTOCOL = ("stream", ErrorCode.PROTOCOL_ERROR)
STREAM_FLOW = ("stream", ErrorCode.FLOW_CONTROL_ERROR)
STREAM_SIZE = ("stream", ErrorCode.FRAME_SIZE_ERROR)

OPEN = headers(1, POST, WHOLE)
WHOLE_GET = headers(1)
BEGUN = headers(1, GET, END)  # without END_HEADERS
FRAGMENT = block(((b"x-a", b"b"),))
PADDING_TOO_LONG = b"\x09test"
NULL = Frame(codes.DATA, 0, 0, b"test").wire


def self_dependent() -> bytes:
    payload = pack("!LB", 1, 255) + block(GET)
    return Frame(codes.HEADERS, END | WHOLE | codes.HAS_PRIORITY, 1, payload).wire


def request(*fields: tuple[bytes, bytes], without: bytes = b"") -> bytes:
    kept = tuple(field for field in GET if field[0] != without)
    return headers(1, kept + fields)


def coded(block: bytes) -> bytes:
    return Frame(codes.HEADERS, END | WHOLE, 1, block).wire


def literal(value: bytes) -> bytes:
    """Write x-a with an already Huffman-coded value."""
    return block(GET) + b"\x00\x03x-a" + bytes((0x80 | len(value),)) + value


# What comes after the greeting, and the verdict.
FAULTS: dict[str, tuple[bytes, tuple[str, int]]] = {
    "http2/4.1/1 unknown type": (Frame(0x16, 0, 0, b"x" * 8).wire + WHOLE_GET, ("fine", 0)),
    "http2/4.1/2 undefined flags": (ping(flags=0x16) + WHOLE_GET, ("fine", 0)),
    "http2/4.1/3 reserved bit": (Frame(codes.PING, 0, 1 << 31, b"12345678").wire, ("fine", 0)),
    "http2/4.2/1 DATA of 2^14": (OPEN + data(1, b"x" * 16384, END), ("fine", 0)),
    "http2/4.2/2 DATA over the limit": (OPEN + data(1, b"x" * 16385), SIZE),
    "http2/4.2/3 HEADERS over the limit": (
        Frame(codes.HEADERS, END | WHOLE, 1, b"x" * 16385).wire,
        SIZE,
    ),
    "http2/4.3/1 invalid fragment": (coded(b"\xff\xff\xff\xff\xff\xff\xff"), COMPRESSION),
    "http2/4.3/2 PRIORITY in a block": (BEGUN + priority(1), PROTOCOL),
    "http2/4.3/3 HEADERS in a block": (BEGUN + headers(3), PROTOCOL),
    "http2/5.1/1 idle: DATA": (data(1, b"test", END), PROTOCOL),
    "http2/5.1/2 idle: RST_STREAM": (reset(1), PROTOCOL),
    "http2/5.1/3 idle: WINDOW_UPDATE": (window_update(1, 100), PROTOCOL),
    "http2/5.1/4 idle: CONTINUATION": (continuation(1, block(GET)), PROTOCOL),
    "http2/5.1/5 half closed (remote): DATA": (WHOLE_GET + data(1, b"test", END), STREAM_CLOSED),
    "http2/5.1/6 half closed (remote): HEADERS": (WHOLE_GET + WHOLE_GET, STREAM_CLOSED),
    "http2/5.1/7 half closed (remote): CONTINUATION": (
        WHOLE_GET + continuation(1, block(GET)),
        PROTOCOL,
    ),
    "http2/5.1/8 closed by RST_STREAM: DATA": (OPEN + reset(1) + data(1, b"test", END), CLOSED),
    "http2/5.1/9 closed by RST_STREAM: HEADERS": (OPEN + reset(1) + WHOLE_GET, CLOSED),
    "http2/5.1/10 closed by RST_STREAM: CONTINUATION": (
        OPEN + reset(1) + continuation(1, FRAGMENT),
        PROTOCOL,
    ),
    "http2/5.1.1/1 even number": (headers(2), PROTOCOL),
    "http2/5.1.1/2 smaller number": (headers(5) + headers(3), PROTOCOL),
    "http2/5.1.1/3 HEADERS in half closed (remote)": (headers(5) + headers(5), STREAM_CLOSED),
    "http2/5.3.1/1 HEADERS depends on itself": (self_dependent(), PROTOCOL),
    "http2/5.3.1/2 PRIORITY depends on itself": (priority(1, 1), PROTOCOL),
    "http2/5.4.1/1 invalid PING ends the connection": (ping(stream=3), PROTOCOL),
    "http2/5.5/1 unknown extension": (Frame(0x16, 0, 0, b"x" * 8).wire + ping(), ("fine", 0)),
    "http2/5.5/2 unknown extension in a block": (BEGUN + Frame(0x16, 0, 0).wire, PROTOCOL),
    "http2/6.1/1 DATA on stream 0": (NULL, PROTOCOL),
    "http2/6.1/2 DATA on a stream not open": (WHOLE_GET + data(1, b"test"), STREAM_CLOSED),
    "http2/6.1/3 invalid padding": (
        OPEN + data(1, PADDING_TOO_LONG, codes.PADDED | END),
        PROTOCOL,
    ),
    "http2/6.2/1 HEADERS, then PRIORITY": (BEGUN + priority(1), PROTOCOL),
    "http2/6.2/2 HEADERS to another stream": (BEGUN + headers(3), PROTOCOL),
    "http2/6.2/3 HEADERS on stream 0": (headers(0), PROTOCOL),
    "http2/6.2/4 invalid padding": (
        Frame(codes.HEADERS, END | WHOLE | codes.PADDED, 1, b"\xf0" + block(GET)).wire,
        PROTOCOL,
    ),
    "http2/6.3/1 PRIORITY on stream 0": (priority(0), PROTOCOL),
    "http2/6.3/2 PRIORITY of a wrong size": (
        OPEN + Frame(codes.PRIORITY, 0, 1, b"\x80\0\0\1").wire,
        STREAM_SIZE,
    ),
    "http2/6.4/1 RST_STREAM on stream 0": (reset(0), PROTOCOL),
    "http2/6.4/2 RST_STREAM on an idle stream": (reset(1), PROTOCOL),
    "http2/6.4/3 RST_STREAM of a wrong size": (
        OPEN + Frame(codes.RST_STREAM, 0, 1, b"\0\0\0").wire,
        SIZE,
    ),
    "http2/6.5/1 ACK with payload": (settings((1, 1), flags=codes.ACK), SIZE),
    "http2/6.5/2 SETTINGS on a stream": (settings((3, 100), stream=1), PROTOCOL),
    "http2/6.5/3 SETTINGS of a wrong size": (Frame(codes.SETTINGS, 0, 0, b"\0\3\0").wire, SIZE),
    "http2/6.5.2/1 ENABLE_PUSH 2": (settings((codes.ENABLE_PUSH, 2)), PROTOCOL),
    "http2/6.5.2/2 INITIAL_WINDOW_SIZE": (settings((codes.INITIAL_WINDOW_SIZE, 2**31)), FLOW),
    "http2/6.5.2/3 MAX_FRAME_SIZE too small": (settings((codes.MAX_FRAME_SIZE, 16383)), PROTOCOL),
    "http2/6.5.2/4 MAX_FRAME_SIZE too large": (settings((codes.MAX_FRAME_SIZE, 2**24)), PROTOCOL),
    "http2/6.5.2/5 unknown setting": (settings((0xFF, 1)) + ping(), ("fine", 0)),
    "http2/6.7/3 PING on a stream": (ping(stream=1), PROTOCOL),
    "http2/6.7/4 PING of a wrong size": (ping(b"123456"), SIZE),
    "http2/6.8/1 GOAWAY on a stream": (go_away(0, stream=1), PROTOCOL),
    "http2/6.9/1 WINDOW_UPDATE of 0": (window_update(0, 0), PROTOCOL),
    "http2/6.9/2 WINDOW_UPDATE of 0 on a stream": (OPEN + window_update(1, 0), STREAM_PROTOCOL),
    "http2/6.9/3 WINDOW_UPDATE of a wrong size": (
        Frame(codes.WINDOW_UPDATE, 0, 0, b"\0\0\1").wire,
        SIZE,
    ),
    "http2/6.9.1/2 windows over the largest": (window_update(0, 2**31 - 1) * 2, FLOW),
    "http2/6.9.1/3 windows of a stream over the largest": (
        OPEN + window_update(1, 2**31 - 1) * 2,
        STREAM_FLOW,
    ),
    "http2/6.9.2/3 setting over the largest": (settings((4, 2**31)), FLOW),
    "http2/6.10/2 CONTINUATION, then another frame": (
        BEGUN + continuation(1, FRAGMENT, 0) + data(1, b"test", END),
        PROTOCOL,
    ),
    "http2/6.10/3 CONTINUATION on stream 0": (BEGUN + continuation(0, FRAGMENT), PROTOCOL),
    "http2/6.10/4 CONTINUATION after whole HEADERS": (
        WHOLE_GET + continuation(1, FRAGMENT),
        PROTOCOL,
    ),
    "http2/6.10/5 CONTINUATION after the last one": (
        BEGUN + continuation(1, FRAGMENT) + continuation(1, FRAGMENT),
        PROTOCOL,
    ),
    "http2/6.10/6 CONTINUATION after DATA": (
        OPEN + data(1, b"test") + continuation(1, FRAGMENT),
        PROTOCOL,
    ),
    "http2/7/1 GOAWAY with an unknown code": (go_away(0, 0xFF) + ping(), ("fine", 0)),
    "http2/7/2 RST_STREAM with an unknown code": (OPEN + reset(1, 0xFF) + ping(), ("fine", 0)),
    "http2/8.1/1 second HEADERS without END_STREAM": (
        OPEN + data(1, b"test") + headers(1, ((b"x-test", b"ok"),), WHOLE),
        STREAM_PROTOCOL,
    ),
    "http2/8.1.2/1 upper case": (request((b"X-TEST", b"ok")), STREAM_PROTOCOL),
    "http2/8.1.2.1/1 unknown pseudo-header": (request((b":test", b"ok")), STREAM_PROTOCOL),
    "http2/8.1.2.1/2 :status in a request": (request((b":status", b"200")), STREAM_PROTOCOL),
    "http2/8.1.2.1/3 pseudo-header as trailer": (
        OPEN + data(1, b"test") + headers(1, ((b":method", b"200"),)),
        STREAM_PROTOCOL,
    ),
    "http2/8.1.2.1/4 pseudo-header behind a field": (
        request((b"x-test", b"ok"), (b":path", b"/"), without=b":path"),
        STREAM_PROTOCOL,
    ),
    "http2/8.1.2.2/1 connection-specific": (
        request((b"connection", b"keep-alive")),
        STREAM_PROTOCOL,
    ),
    "http2/8.1.2.2/2 TE": (request((b"trailers", b"test"), (b"te", b"gzip")), STREAM_PROTOCOL),
    "http2/8.1.2.3/1 empty :path": (headers(1, (*GET[:2], (b":path", b""))), STREAM_PROTOCOL),
    "http2/8.1.2.3/2 no :method": (request(without=b":method"), STREAM_PROTOCOL),
    "http2/8.1.2.3/3 no :scheme": (request(without=b":scheme"), STREAM_PROTOCOL),
    "http2/8.1.2.3/4 no :path": (request(without=b":path"), STREAM_PROTOCOL),
    "http2/8.1.2.3/5 :method twice": (request((b":method", b"GET")), STREAM_PROTOCOL),
    "http2/8.1.2.3/6 :scheme twice": (request((b":scheme", b"http")), STREAM_PROTOCOL),
    "http2/8.1.2.3/7 :path twice": (request((b":path", b"/")), STREAM_PROTOCOL),
    "http2/8.1.2.6/1 Content-Length is not that of the DATA": (
        headers(1, (*POST, (b"content-length", b"1")), WHOLE) + data(1, b"test", END),
        STREAM_PROTOCOL,
    ),
    "http2/8.1.2.6/2 Content-Length is not the sum of the DATA": (
        headers(1, (*POST, (b"content-length", b"1")), WHOLE)
        + data(1, b"test")
        + data(1, b"test", END),
        STREAM_PROTOCOL,
    ),
    "http2/8.2/1 PUSH_PROMISE": (
        Frame(codes.PUSH_PROMISE, WHOLE, 1, b"\0\0\0\2" + block(GET)).wire,
        PROTOCOL,
    ),
    "hpack/2.3.3/1 index outside the table": (coded(block(GET) + b"\xc6"), COMPRESSION),
    "hpack/2.3.3/2 name outside the table": (coded(block(GET) + b"\x7f\x07\x01a"), COMPRESSION),
    "hpack/4.2/1 size update at the end": (coded(block(GET) + b"\x21"), COMPRESSION),
    "hpack/5.2/1 padding over 7 bits": (
        coded(literal(huffman.encode(b"a") + b"\xff")),
        COMPRESSION,
    ),
    "hpack/5.2/2 padding of zeros": (coded(literal(b"\x18")), COMPRESSION),
    "hpack/5.2/3 EOS": (coded(literal(b"\xff\xff\xff\xff")), COMPRESSION),
    "hpack/6.1/1 index 0": (coded(block(GET) + b"\x80"), COMPRESSION),
    "hpack/6.3/1 size update over the setting": (coded(b"\x3f\xe2\x1f" + block(GET)), COMPRESSION),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_has_the_verdict_of_the_specification(case: str) -> None:
    stimulus, verdict = FAULTS[case]

    assert Server().feed(stimulus).verdict == verdict


@pytest.mark.parametrize("case", FAULTS)
def test_each_verdict_is_the_same_byte_by_byte(case: str) -> None:
    stimulus, verdict = FAULTS[case]
    server = Server()
    for at in range(min(len(stimulus), 200)):
        server.feed(stimulus[at : at + 1])
    server.feed(stimulus[200:])

    assert server.verdict == verdict


# Requests in every legal dress: each must be reported and answered.
DRESSES: dict[str, bytes] = {
    "generic/1/1 preface, then a request": WHOLE_GET,
    "generic/2/1 PRIORITY on an idle stream": priority(1) + WHOLE_GET,
    "generic/2/2 WINDOW_UPDATE on half closed (remote)": WHOLE_GET + window_update(1, 100),
    "generic/2/3 PRIORITY on half closed (remote)": WHOLE_GET + priority(1),
    "generic/3.1/1 DATA": OPEN + data(1, b"test", END),
    "generic/3.1/2 two DATA": OPEN + data(1, b"test") + data(1, b"test", END),
    "generic/3.1/3 DATA with padding": OPEN + data(1, b"\x06test" + bytes(6), codes.PADDED | END),
    "generic/3.2/2 HEADERS with padding": Frame(
        codes.HEADERS, END | WHOLE | codes.PADDED, 1, b"\x06" + block(GET) + bytes(6)
    ).wire,
    "generic/3.2/3 HEADERS with priority": Frame(
        codes.HEADERS, END | WHOLE | codes.HAS_PRIORITY, 1, b"\0\0\0\0\xff" + block(GET)
    ).wire,
    "generic/3.3/1 priority 1": priority(1, 0, 0) + WHOLE_GET,
    "generic/3.3/2 priority 256": priority(1, 0, 255) + WHOLE_GET,
    "generic/3.3/3 dependency": priority(1, 3) + WHOLE_GET,
    "generic/3.3/4 exclusive dependency": priority(1, 3, exclusive=True) + WHOLE_GET,
    "generic/3.3/5 PRIORITY above, then HEADERS below": priority(5, 0) + WHOLE_GET,
    "generic/3.8/1 GOAWAY": go_away(0) + WHOLE_GET,
    "generic/3.9/1 WINDOW_UPDATE on stream 0": window_update(0, 1) + WHOLE_GET,
    "generic/3.9/2 WINDOW_UPDATE on stream 1": WHOLE_GET + window_update(1, 1),
    "generic/3.10/1 CONTINUATION": BEGUN + continuation(1, FRAGMENT),
    "generic/3.10/2 two CONTINUATION": BEGUN
    + continuation(1, FRAGMENT, 0)
    + continuation(1, FRAGMENT),
    "generic/4/2 HEAD": headers(1, ((b":method", b"HEAD"), *GET[1:])),
    "generic/4/3 POST": OPEN + data(1, b"test", END),
    "generic/4/4 POST with trailers": OPEN + data(1, b"test") + headers(1, ((b"x-test", b"ok"),)),
    "generic/5/1 indexed": coded(block(GET) + b"\x90"),
    "generic/5/2 literal with indexing, indexed name": coded(block(GET) + b"\x7a\x03abc"),
    "generic/5/3 literal with indexing, Huffman": coded(block(GET) + b"\x7a\x81\x1f"),
    "generic/5/4 literal with indexing, new name": coded(block(GET) + b"\x40\x03x-a\x01b"),
    "generic/5/5 new name, Huffman": coded(
        block(GET) + b"\x40\x83" + huffman.encode(b"x-a") + b"\x81\x1f"
    ),
    "generic/5/6 literal without indexing, indexed name": coded(block(GET) + b"\x0f\x2b\x03abc"),
    "generic/5/7 literal without indexing, Huffman": coded(block(GET) + b"\x0f\x2b\x81\x1f"),
    "generic/5/8 literal without indexing, new name": coded(block(GET) + b"\x00\x03x-a\x01b"),
    "generic/5/10 never indexed, indexed name": coded(block(GET) + b"\x1f\x2b\x03abc"),
    "generic/5/11 never indexed, Huffman": coded(block(GET) + b"\x1f\x2b\x81\x1f"),
    "generic/5/12 never indexed, new name": coded(block(GET) + b"\x10\x03x-a\x01b"),
    "generic/5/14 size update": coded(b"\x21" + block(GET)),
    "generic/5/15 two size updates": coded(b"\x21\x3f\x1e" + block(GET)),
    "http2/6.10/1 many CONTINUATION": BEGUN
    + continuation(1, FRAGMENT, 0) * 5
    + continuation(1, FRAGMENT),
}


@pytest.mark.parametrize("case", DRESSES)
def test_each_legal_request_is_reported_and_answered(case: str) -> None:
    server = Server().feed(DRESSES[case])

    assert server.verdict == ("fine", 0)
    assert "RequestReceived" in server.kinds()
    server.respond(1, b"abc")
    assert [frame.kind for frame in server.frames if frame.stream == 1] == [
        codes.HEADERS,
        codes.DATA,
    ]
    assert server.connection.open_streams == 0


def test_3_5_1_the_server_sends_settings_first() -> None:
    server = Server(greeting=b"")
    server.collect()

    assert server.frames[0].kind == codes.SETTINGS
    assert not server.frames[0].flags


def test_3_5_2_an_invalid_preface_is_a_protocol_error() -> None:
    assert Server(greeting=b"").feed(b"INVALID CONNECTION PREFACE\r\n\r\n").verdict == PROTOCOL


@pytest.mark.parametrize("frame", [ping(), WHOLE_GET, settings(flags=codes.ACK)])
def test_3_5_the_first_frame_is_settings(frame: bytes) -> None:
    assert Server(greeting=b"").feed(codes.PREFACE + frame).verdict == PROTOCOL


@pytest.mark.parametrize(
    ("stimulus", "code"),
    [
        (data(1, b"test", END), CLOSED),  # 5.1/11
        (WHOLE_GET, CLOSED),  # 5.1/12
        (continuation(1, FRAGMENT), PROTOCOL),  # 5.1/13
    ],
)
def test_5_1_frames_on_a_stream_that_both_ended(stimulus: bytes, code: tuple[str, int]) -> None:
    server = Server().feed(WHOLE_GET)
    server.respond(1)

    assert server.feed(stimulus).verdict == code


@pytest.mark.parametrize("stimulus", [priority(1), window_update(1, 5), reset(1)])
def test_generic_2_5_harmless_frames_on_a_closed_stream_are_ignored(stimulus: bytes) -> None:
    server = Server().feed(WHOLE_GET)
    server.respond(1)

    assert server.feed(stimulus).verdict == ("fine", 0)


def test_5_1_2_a_stream_over_the_limit_is_refused() -> None:
    server = Server(Limits(streams=2))
    server.feed(b"".join(headers(number) for number in (1, 3, 5)))

    assert server.kinds() == ["RequestReceived"] * 2
    assert server.verdict == ("stream", ErrorCode.REFUSED_STREAM)


def test_6_5_3_1_the_last_of_several_values_counts() -> None:
    server = Server().feed(settings((4, 100), (4, 1)) + WHOLE_GET)

    assert server.respond(1, b"abc") == 1
    assert [frame.payload for frame in server.of_kind(codes.DATA)] == [b"a"]


def test_6_5_3_2_settings_are_acknowledged() -> None:
    server = Server().feed(settings((codes.ENABLE_PUSH, 0)))

    assert Frame(codes.SETTINGS, codes.ACK, 0) in server.frames


def test_6_7_1_a_ping_is_answered_with_the_same_payload() -> None:
    assert Frame(codes.PING, codes.ACK, 0, b"12345678") in Server().feed(ping()).frames


def test_6_7_2_an_answer_is_not_answered() -> None:
    server = Server().feed(ping(b"unasked!", codes.ACK) + ping())

    assert [frame.payload for frame in server.of_kind(codes.PING)] == [b"12345678"]


def test_6_9_1_1_and_6_9_2_windows_bound_data() -> None:
    server = Server().feed(settings((4, 1)) + WHOLE_GET)

    assert server.respond(1, b"abc") == 1
    server.feed(window_update(1, 1))
    assert server.kinds()[-1] == "WindowOpened"
    assert server.connection.send_data(1, b"bc", end=True) == 1


def test_6_9_2_1_a_new_initial_window_changes_streams() -> None:
    server = Server().feed(settings((4, 0)) + WHOLE_GET)
    assert server.respond(1, b"abc") == 0

    server.feed(settings((4, 1)))

    assert server.kinds()[-1] == "WindowOpened"
    assert server.connection.send_data(1, b"abc", end=True) == 1


def test_6_9_2_2_a_window_may_become_negative() -> None:
    server = Server().feed(settings((4, 3)) + WHOLE_GET)
    assert server.respond(1, b"abcdef") == 3

    server.feed(settings((4, 2)))
    assert server.connection.send_data(1, b"def", end=True) == 0
    server.feed(window_update(1, 2))
    assert server.connection.send_data(1, b"def", end=True) == 1
