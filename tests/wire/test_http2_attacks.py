"""HTTP/2 clients that want to harm: floods, smuggling, and more than their share."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator

import pytest

from tests.wire.harness.backend import OK, once
from tests.wire.harness.http2 import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    RawHttp2,
    frame,
    head_of,
    raw_h2,
)
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import Field
from tests.wire.harness.program import Program

PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CALM = 1, 7, 8, 9, 11
ACK, END_STREAM, END_HEADERS, PRIORITY = 1, 1, 4, 2


@pytest.fixture
def raw(steady: Program) -> Iterator[RawHttp2]:
    client = raw_h2(steady.https)
    yield client
    client.close()


def rapid_reset(raw: RawHttp2, lane: Lane) -> None:
    for number in range(1, 4001, 2):
        head = raw.headers(number, head_of(lane.host))
        raw.send(head, frame(RST_STREAM, 0, number, CANCEL.to_bytes(4, "big")))


def pings(raw: RawHttp2, lane: Lane) -> None:
    for _ in range(20):
        raw.send(*[frame(PING, 0, 0, b"12345678")] * 200)


def settings(raw: RawHttp2, lane: Lane) -> None:
    for _ in range(20):
        raw.send(*[frame(SETTINGS, 0, 0)] * 200)


def continuations(raw: RawHttp2, lane: Lane) -> None:
    raw.send(raw.headers(1, head_of(lane.host), flags=END_STREAM))
    raw.send(*[frame(CONTINUATION, 0, 1)] * 500)


def malformed(raw: RawHttp2, lane: Lane) -> None:
    """Names of no length (CVE-2019-9516), which is malformed."""
    for number in range(1, 2001, 2):
        raw.send(raw.headers(number, head_of(lane.host, (b"", b""))))


def made_resets(stimulus: Callable[[int], bytes]) -> Callable[[RawHttp2, Lane], None]:
    """Have the server reset the streams of whole requests, "MadeYouReset" (CVE-2025-8671)."""

    def flood(raw: RawHttp2, lane: Lane) -> None:
        for number in range(1, 2001, 2):
            raw.send(raw.headers(number, head_of(lane.host)), stimulus(number))

    return flood


def window_updates(raw: RawHttp2, lane: Lane) -> None:
    for _ in range(30):
        raw.send(*[frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")] * 200)


def priorities(raw: RawHttp2, lane: Lane) -> None:
    """Turn the tree of streams over and over (CVE-2019-9513)."""
    for _ in range(20):
        raw.send(*[frame(PRIORITY, 0, 1, b"\x80\0\0\3\x10")] * 200)


def dribble(raw: RawHttp2, lane: Lane) -> None:
    """Take an answer byte by byte (CVE-2019-9511)."""
    raw.send(frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0"), raw.headers(1, head_of(lane.host)))
    for _ in range(40):
        raw.send(*[frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1")] * 200)


def empty_data(raw: RawHttp2, lane: Lane) -> None:
    raw.send(raw.headers(1, head_of(lane.host, method=b"POST"), flags=END_HEADERS))
    for _ in range(20):
        raw.send(*[frame(DATA, 0, 1)] * 200)


def bombs(raw: RawHttp2, lane: Lane) -> None:
    """Many references to one large field of the dynamic table."""
    large = raw.encoder.encode([*head_of(lane.host), (b"x-large", b"x" * 4000)], huffman=False)
    raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, large))
    block = raw.encoder.encode([*head_of(lane.host)]) + b"\xbe" * 8000
    raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, block))


MADE_RESETS = {
    "an update of 0": lambda number: frame(WINDOW_UPDATE, 0, number, bytes(4)),
    "an overflow": lambda number: frame(WINDOW_UPDATE, 0, number, b"\x7f\xff\xff\xff"),
    "data after the end": lambda number: frame(DATA, END_STREAM, number, b"x"),
    "a priority of no size": lambda number: frame(PRIORITY, 0, number, b""),
    "a second head": lambda number: frame(HEADERS, END_STREAM | END_HEADERS, number, b""),
}
FLOODS = {
    "rapid reset (CVE-2023-44487)": rapid_reset,
    "pings (CVE-2019-9512)": pings,
    "settings (CVE-2019-9515)": settings,
    "continuations (CVE-2024-27316)": continuations,
    "empty frames (CVE-2019-9518)": empty_data,
    "no names": malformed,
    "window updates": window_updates,
    "priorities": priorities,
    "dribble": dribble,
    **{f"made resets by {name}": made_resets(made) for name, made in MADE_RESETS.items()},
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_is_told_to_be_calm_and_costs_its_own_connection_alone(
    raw: RawHttp2, lane: Lane, steady: Program, flood: Callable[[RawHttp2, Lane], None]
) -> None:
    lane.backend.answer(OK)
    with contextlib.suppress(ConnectionError, ssl.SSLError):  # hung up in the middle of it
        flood(raw, lane)
    assert raw.farewell() == CALM
    other = raw_h2(steady.https)
    other.send(other.headers(1, head_of(lane.host)))
    other.until(HEADERS, 1)
    other.close()


def test_resets_that_are_made_leave_no_work_to_endpoints(raw: RawHttp2, lane: Lane) -> None:
    """The request is at the endpoint when the client makes us reset its stream."""
    lane.backend.serve(once(b""))
    raw.send(raw.headers(1, head_of(lane.host)))
    lane.backend.wait_request()
    raw.send(frame(WINDOW_UPDATE, 0, 1, bytes(4)))
    lane.backend.connection(0).wait_ended()


# What browsers and gRPC clients do all day is no flood.


def test_a_browser_may_cancel_a_hundred_images_again_and_again(
    raw: RawHttp2, lane: Lane, world: World
) -> None:
    lane.backend.serve(once(b""))
    other = world.single()
    other.backend.answer(OK)
    number = 1
    for _ in range(4):
        wanted = range(number, number + 200, 2)
        number += 200
        raw.send(*[raw.headers(each, head_of(lane.host)) for each in wanted])
        raw.send(*[frame(RST_STREAM, 0, each, CANCEL.to_bytes(4, "big")) for each in wanted])
    raw.send(raw.headers(number, head_of(other.host)))
    raw.until(DATA, number)
    assert not [kind for kind, *_ in raw.frames if kind in {GOAWAY, RST_STREAM}]


def test_a_client_may_ask_for_signs_of_life_and_update_windows_often(
    raw: RawHttp2, lane: Lane
) -> None:
    lane.backend.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60000)
    for number in range(1, 101, 2):
        raw.send(raw.headers(number, head_of(lane.host)), *[frame(PING, 0, 0, b"12345678")] * 10)
        taken = 0
        while taken < 60000:
            raw.read()
            kind, _, stream, payload = raw.frames[-1]
            assert kind not in {GOAWAY, RST_STREAM}
            if (kind, stream) == (DATA, number):
                taken += len(payload)
                size = len(payload).to_bytes(4, "big")
                raw.send(frame(WINDOW_UPDATE, 0, number, size), frame(WINDOW_UPDATE, 0, 0, size))


def test_a_body_of_tiny_frames_is_one_for_the_endpoint(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, method=b"POST"), flags=END_HEADERS))
    for _ in range(20):
        raw.send(*[frame(DATA, 0, 1, b"x")] * 500)
    raw.send(frame(DATA, END_STREAM, 1))
    raw.until(DATA, 1)
    assert lane.backend.wait_request().body == b"x" * 10_000


def test_a_head_that_unpacks_to_too_much_is_refused(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    bombs(raw, lane)
    raw.until(HEADERS, 3)
    assert raw.statuses[3] == b"431"
    assert len(lane.backend.requests) <= 1


def test_streams_over_the_most_are_refused(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.serve(once(b""))
    raw.send(*[raw.headers(number, head_of(lane.host)) for number in range(1, 259, 2)])
    _, payload = raw.until(RST_STREAM)
    assert raw.frames[-1][2] == 257
    assert int.from_bytes(payload, "big") == REFUSED_STREAM


MALFORMED: dict[str, list[Field]] = {
    "CRLF in a value": [(b"x-a", b"b\r\nHost: evil")],
    "LF in a value": [(b"x-a", b"b\nHost: evil")],
    "NUL in a value": [(b"x-a", b"b\0")],
    "CRLF in a name": [(b"x-a\r\nx-b", b"c")],
    "a colon in a name": [(b"x-a: b", b"c")],
    "upper case": [(b"X-A", b"b")],
    "a space in a name": [(b"x a", b"b")],
    "an empty name": [(b"", b"b")],
    "Transfer-Encoding": [(b"transfer-encoding", b"chunked")],
    "Connection": [(b"connection", b"close")],
    "Upgrade": [(b"upgrade", b"h2c")],
    "TE": [(b"te", b"gzip")],
    "two lengths": [(b"content-length", b"0"), (b"content-length", b"0")],
    "a signed length": [(b"content-length", b"+0")],
    "a length without a body": [(b"content-length", b"5")],
    "a late pseudo-header": [(b"x-a", b"b"), (b":path", b"/other")],
    "two paths": [(b":path", b"/other")],
    "an unknown pseudo-header": [(b":evil", b"x")],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_head_is_a_stream_error_and_no_request(
    raw: RawHttp2, lane: Lane, fields: list[Field]
) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, *fields)))
    _, payload = raw.until(RST_STREAM, 1)
    assert int.from_bytes(payload, "big") == PROTOCOL_ERROR
    raw.send(raw.headers(3, head_of(lane.host)))
    raw.until(HEADERS, 3)
    assert [each.target for each in lane.backend.requests] == [b"/"]


REFUSED: dict[str, tuple[list[Field], bytes]] = {
    "a space in the path": ([(b":path", b"/a HTTP/1.1")], b"400"),
    "CRLF in the path": ([(b":path", b"/a\r\nHost: evil")], b"400"),
    "a fragment": ([(b":path", b"/a#b")], b"400"),
    "a dot segment": ([(b":path", b"/a/../b")], b"400"),
    "an absolute path": ([(b":path", b"http://evil/a")], b"400"),
    "a path in the authority": ([(b":authority", b"evil/x")], b"400"),
    "user information": ([(b":authority", b"a@evil")], b"400"),
    "a Host that differs": ([(b"host", b"evil.test")], b"400"),
    "TRACE": ([(b":method", b"TRACE")], b"405"),
    "another scheme": ([(b":scheme", b"ftp")], b"400"),
}


@pytest.mark.parametrize(("fields", "status"), REFUSED.values(), ids=REFUSED)
def test_what_could_not_be_said_in_http1_is_no_request(
    raw: RawHttp2, lane: Lane, fields: list[Field], status: bytes
) -> None:
    lane.backend.answer(OK)
    head = dict(head_of(lane.host))
    head.update(fields)
    raw.send(raw.headers(1, list(head.items())))
    while raw.read()[0] not in {HEADERS, RST_STREAM}:
        pass
    kind, _, _, payload = raw.frames[-1]
    assert kind == RST_STREAM or status in payload or (status == b"400" and b"\x8c" in payload)
    raw.send(raw.headers(3, head_of(lane.host)))
    raw.until(HEADERS, 3)
    assert [each.target for each in lane.backend.requests] == [b"/"]


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\xff"), COMPRESSION_ERROR),
        (frame(DATA, END_STREAM, 1, b"x"), PROTOCOL_ERROR),
        (frame(HEADERS, END_STREAM | END_HEADERS, 2, b"\x82"), PROTOCOL_ERROR),
        (frame(PING, 0, 1, b"12345678"), PROTOCOL_ERROR),
    ],
    ids=["a broken head", "data of an idle stream", "a stream of the server", "PING of a stream"],
)
def test_an_error_of_the_connection_ends_it(raw: RawHttp2, wire: bytes, code: int) -> None:
    raw.send(wire)
    assert raw.farewell() == code


def test_what_is_not_http2_gets_no_answer_by_it(steady: Program) -> None:
    raw = raw_h2(steady.https)
    raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert raw.farewell() != 0
    raw.close()
