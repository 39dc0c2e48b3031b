"""h2spec's cases on the codec; on the wire of the whole program: tests/wire/test_h2spec.py."""

from __future__ import annotations

import pytest

from fsm_twisted.http2 import codes
from fsm_twisted.http2.events import (
    DataReceived,
    Event,
    RequestReceived,
    TrailersReceived,
    WindowOpened,
)
from tests.http2.h2spec import BODY, CASES, PROTOCOL, WHOLE_GET, Ends, numbers
from tests.http2.wire import GREETING, Frame, Server, answer, ping, settings

STILL_THERE = Frame(codes.PING, codes.ACK, 0, b"stillon?")


class Site(Server):
    """A server that answers each whole request, once what has come in one piece is read."""

    def __init__(self, greeting: bytes = GREETING) -> None:
        self._left: dict[int, bytes] = {}
        super().__init__(greeting=greeting)

    def take(self, stimulus: bytes, size: int) -> None:
        """Read in pieces of *size* bytes, then act."""
        seen = len(self.events)
        for at in range(0, len(stimulus), size):
            self.feed(stimulus[at : at + size])
        for event in self.events[seen:]:
            self._act(event)
        self.collect()

    def _act(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._left[event.stream] = b"" if event.head.method == b"HEAD" else BODY
        if isinstance(event, TrailersReceived) or (
            isinstance(event, RequestReceived | DataReceived) and event.end
        ):
            end = not self._left[event.stream]
            self.connection.send_response(event.stream, answer(), end=end)
            if not end:
                self._send(event.stream)
        elif isinstance(event, WindowOpened):
            self._send(event.stream)

    def _send(self, stream: int) -> None:
        left = self._left[stream]
        self._left[stream] = left[self.connection.send_data(stream, left, end=True) :]


def test_the_table_has_every_case_of_h2spec() -> None:
    assert CASES.keys() == numbers()


@pytest.mark.parametrize("number", CASES)
@pytest.mark.parametrize("size", [2**20, 1], ids=["whole", "byte by byte"])
def test_each_case_has_its_verdict(number: str, size: int) -> None:
    case = CASES[number]
    site = Site() if case.is_greeted else Site(greeting=b"")
    site.collect()
    for stimulus, verdict in case.steps:
        site.take(stimulus, max(size, len(stimulus) // 1000))
        assert verdict.met(site.frames), site.frames
        site.frames.clear()
    assert site.connection.ended == isinstance(verdict, Ends)
    if case.is_greeted and not site.connection.ended:
        assert STILL_THERE in site.feed(ping(STILL_THERE.payload)).frames


@pytest.mark.parametrize("frame", [ping(), WHOLE_GET, settings(flags=codes.ACK)])
def test_the_first_frame_is_settings(frame: bytes) -> None:
    site = Site(greeting=b"").feed(codes.PREFACE + frame)

    assert PROTOCOL.met(site.frames)
