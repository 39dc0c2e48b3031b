"""What costs us much and the peer little ends the connection with ENHANCE_YOUR_CALM."""

from __future__ import annotations

import pytest

from fsm_twisted.http2 import codes
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.http2.limits import Limits, Patience
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
    headers,
    ping,
    priority,
    reset,
    settings,
    window_update,
)

CALM = ("connection", ErrorCode.ENHANCE_YOUR_CALM)
TIGHT = Limits(
    resets=Patience(10, 5),
    control=Patience(20, 5),
    updates=Patience(20, 5),
    queued_frames=15,
    streams=8,
)
OPEN = headers(1, POST, WHOLE)


def resets(count: int) -> bytes:
    return b"".join(headers(2 * n + 1) + reset(2 * n + 1) for n in range(count))


def made_resets(count: int) -> bytes:
    """Make the server reset streams: WINDOW_UPDATE of 0 ("MadeYouReset", CVE-2025-8671)."""
    return b"".join(headers(2 * n + 1) + window_update(2 * n + 1, 0) for n in range(count))


def malformed(count: int) -> bytes:
    return b"".join(headers(2 * n + 1, GET[:2]) for n in range(count))


FLOODS = {
    "rapid reset": resets(50),
    "made resets": made_resets(50),
    "malformed heads": malformed(50),
    "more streams than allowed": b"".join(headers(2 * n + 1) for n in range(50)),
    "pings": ping() * 50,
    "answers to pings": ping(flags=codes.ACK) * 50,
    "settings": settings((3, 5)) * 50,
    "priorities": priority(1) * 50,
    "unknown frames": Frame(0x33, 0, 0).wire * 50,
    "empty data": OPEN + data(1) * 50,
    "nothing but padding": OPEN + data(1, b"\x01\x00", codes.PADDED) * 50,
    "window updates": window_update(0, 1) * 50,
    "window updates on a stream": OPEN + window_update(1, 1) * 50,
    "resets of closed streams": OPEN + reset(1) * 50,
    "continuations": headers(1, GET, END) + continuation(1, b"", 0) * 50,
    "a block without end": headers(1, GET, END) + continuation(1, bytes(16384), 0) * 6,
}

ALWAYS = ("continuations", "a block without end")


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_answered_by_enhance_your_calm(name: str) -> None:
    server = Server(TIGHT).feed(FLOODS[name])

    assert server.verdict == CALM
    assert server.kinds()[-1] == "ConnectionEnded"


@pytest.mark.parametrize("name", [n for n in FLOODS if n not in ALWAYS])
def test_fifty_of_anything_are_no_flood_with_the_usual_limits(name: str) -> None:
    assert not Server().feed(FLOODS[name]).connection.ended


def test_patience_comes_back_with_time() -> None:
    server = Server(TIGHT)
    for second in range(100):
        server.feed(ping() * 4, float(second))

    assert server.verdict == ("fine", 0)


def test_a_clock_that_stands_still_gives_nothing_back() -> None:
    server = Server(TIGHT)
    for _ in range(100):
        server.feed(ping() * 4, 7.0)

    assert server.verdict == CALM


def test_answers_that_nobody_reads_are_bounded() -> None:
    server = Server(Limits(queued_frames=10))
    for _ in range(100):
        server.connection.receive(ping() * 2, 0.0)

    assert len(server.connection.take_output()) < 1000
    assert server.connection.ended


def test_data_that_we_send_pays_for_window_updates() -> None:
    server = Server(TIGHT).feed(settings((4, 2**31 - 1)) + headers(1) + window_update(0, 2**30))
    server.respond(1, b"x" * 16384 * 100)

    assert server.feed(window_update(0, 1) * 19).verdict == ("fine", 0)


def test_a_head_over_the_limit_is_refused_and_the_connection_goes_on() -> None:
    server = Server()
    large = tuple((b"x-%d" % n, b"v" * 1000) for n in range(40))
    fields = (*GET, *large)
    whole = block(fields)
    server.feed(Frame(codes.HEADERS, END, 1, whole[:16000]).wire)
    server.feed(continuation(1, whole[16000:32000], 0) + continuation(1, whole[32000:]))
    server.feed(headers(3))

    assert server.kinds() == ["RequestRefused", "RequestReceived"]
    assert server.verdict == ("fine", 0)
