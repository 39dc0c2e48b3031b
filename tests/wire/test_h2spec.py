"""h2spec's cases on the wire of the whole program; what they are is told in tests/http2."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fsm_twisted.http2.codes import ACK, PREFACE, RST_STREAM
from tests.http2.h2spec import AUTHORITY, BODY, CASES, Breaks, Ends, Verdict
from tests.http2.wire import Frame, ping, settings
from tests.wire.harness.backend import Backend
from tests.wire.harness.client import connect_tls
from tests.wire.harness.http2 import GOAWAY, PING, SETTINGS, RawHttp2, h2_context
from tests.wire.harness.lanes import World
from tests.wire.harness.message import Ended
from tests.wire.harness.program import Program

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def backend(whole_world: World) -> Backend:
    """The endpoint of all cases: what of it one case has broken off is nothing to the next."""
    return whole_world.named[AUTHORITY.decode()].backend.answer(OK)


def frames_of(raw: RawHttp2) -> Sequence[Frame]:
    return [Frame(kind, flags, stream, data) for kind, flags, stream, data in raw.frames]


def see(raw: RawHttp2, verdict: Verdict) -> None:
    """Read until the verdict is there; whoever ends the connection must have said so."""
    while not verdict.met(frames_of(raw)):
        raw.read()
    if isinstance(verdict, Ends):
        with pytest.raises(Ended) as end:
            raw.until(-1)
        assert end.value.how == "fin"


def still_there(raw: RawHttp2, verdict: Verdict) -> None:
    """Nothing else than the verdict is said, and the connection goes on."""
    raw.send(ping(b"stillon?"))
    while raw.until(PING)[1] != b"stillon?":
        pass
    assert not [frame for frame in raw.frames if frame[0] == GOAWAY]
    broken = [frame for frame in raw.frames if frame[0] == RST_STREAM]
    assert len(broken) == isinstance(verdict, Breaks)


@pytest.mark.parametrize("number", CASES)
def test_each_case_has_its_verdict(number: str, steady: Program, backend: Backend) -> None:
    case = CASES[number]
    raw = RawHttp2(connect_tls(steady.https, "any.test", h2_context()))
    if case.is_greeted:
        raw.send(PREFACE, settings())
        raw.until(SETTINGS)
        while raw.until(SETTINGS)[0] != ACK:
            pass
        raw.send(settings(flags=ACK))
        raw.frames.clear()
    for stimulus, verdict in case.steps:
        raw.send(stimulus)
        see(raw, verdict)
        if (stimulus, verdict) != case.steps[-1]:
            raw.frames.clear()
    if case.is_greeted and not isinstance(verdict, Ends):
        still_there(raw, verdict)
    raw.close()
