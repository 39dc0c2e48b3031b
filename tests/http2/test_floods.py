"""What costs us much and the peer little ends the connection with ENHANCE_YOUR_CALM."""

from __future__ import annotations

import pytest

from fsm_twisted.http2 import codes
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.http2.events import DataReceived, WindowOpened
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


def waiting(*, window: int = 0) -> Server:
    """Make a server with eight answers that windows do not let through, of streams or of all."""
    server = Server(TIGHT).feed(settings((4, window)))
    server.feed(b"".join(headers(2 * n + 1) for n in range(8)))
    for number in range(1, 17, 2):
        server.respond(number, b"x" * 10_000)
    return server


def dance(server: Server, stimulus: bytes, count: int) -> None:
    """Widen windows by next to nothing, again and again; what is let go is sent."""
    for _ in range(count):
        seen = len(server.events)
        server.feed(stimulus)
        for event in server.events[seen:]:
            if isinstance(event, WindowOpened):
                server.connection.send_data(event.stream, b"x" * 10_000, end=True)
        server.collect()


DANCES = {
    "a stream's window by a byte (CVE-2019-9511)": (0, window_update(1, 1)),
    "the connection's window by a byte": (10**6, window_update(0, 1)),
    "the setting to and fro": (0, settings((4, 1)) + settings((4, 0))),
}


@pytest.mark.parametrize("name", DANCES)
def test_windows_that_open_by_next_to_nothing_are_a_flood(name: str) -> None:
    window, stimulus = DANCES[name]
    server = waiting(window=window)

    dance(server, stimulus, 40)

    assert server.verdict == CALM


def test_small_windows_that_are_read_are_no_flood() -> None:
    server = waiting()
    dance(server, window_update(1, 300), 30)

    assert server.verdict == ("fine", 0)


def test_many_tiny_frames_of_a_body_are_one_piece() -> None:
    server = Server().feed(OPEN + headers(3, POST, WHOLE))
    server.events.clear()
    server.feed(data(1, b"x") * 500 + data(3, b"y") + data(1, b"x") * 500 + data(1, b"", END))

    assert server.events == [
        DataReceived(1, b"x" * 500, end=False),
        DataReceived(3, b"y", end=False),
        DataReceived(1, b"x" * 500, end=True),
    ]


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
