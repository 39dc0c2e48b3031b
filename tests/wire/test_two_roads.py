"""
What the field sends goes through the program in two ways, and nobody can tell which.

An empty line before a request means nothing (RFC 9112 section 2.2), but it keeps the request, and
with it the answer, off the straight road.
"""

from __future__ import annotations

import pytest

from tests.strategies.field_answers import ANSWERS
from tests.strategies.field_requests import REQUESTS
from tests.wire.harness.backend import OK
from tests.wire.harness.client import connect
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import Fields, Request, Response
from tests.wire.harness.program import Program

STRAIGHT = [each for each in REQUESTS if each.is_straight]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
HTTP_1_0 = b"GET / HTTP/1.0\r\nHost: %b\r\n\r\n"


@pytest.fixture(params=["steady", "trusting"])
def program(request: pytest.FixtureRequest) -> Program:
    """The program among strangers, and behind a trusted proxy."""
    found: Program = request.getfixturevalue(request.param)
    return found


def told(fields: Fields, *made: bytes) -> list[tuple[bytes, bytes]]:
    """Return fields by their names, those of one name in their order, but for what is *made*."""
    lower = [(name.lower(), value) for name, value in fields]
    return sorted((each for each in lower if each[0] not in made), key=lambda each: each[0])


def came(program: Program, lane: Lane, data: bytes) -> tuple[Request, Response]:
    """Send a request on a connection of its own; return what endpoint and client got."""
    client = connect(program.http)
    answer = client.ask(data, data.lstrip().partition(b" ")[0])
    if answer.get(b"Connection") == b"close":
        assert client.ending() == "fin"
    client.close()
    return lane.backend.requests[-1], answer


def both_roads(program: Program, lane: Lane, data: bytes) -> tuple[Request, Response]:
    """Send a request on both roads, which must agree."""
    asked, answer = came(program, lane, data)
    asked_again, answer_again = came(program, lane, b"\r\n" + data)
    is_said = b"x-request-id" in data.lower()
    made = () if is_said and asked.get(b"X-Real-IP") != b"127.0.0.1" else (b"x-request-id",)

    for one, other in ((asked, asked_again), (answer, answer_again)):
        assert told(one.fields, b"date", *made) == told(other.fields, b"date", *made)
        assert (one.body, one.framing) == (other.body, other.framing)
    assert (asked.method, asked.target) == (asked_again.method, asked_again.target)
    assert (answer.status, answer.reason) == (answer_again.status, answer_again.reason)
    return asked, answer


def test_requests_of_the_field_are_the_same_on_both_roads(program: Program, lane: Lane) -> None:
    lane.backend.answer(OK)

    for each in STRAIGHT:
        asked, answer = both_roads(program, lane, each.to(lane.host))
        assert answer.status == 200, each.who
        assert not {b"connection", b"te", b"upgrade"} & {n.lower() for n, _ in asked.fields}


def test_answers_of_the_field_are_the_same_on_both_roads(steady: Program, world: World) -> None:
    for each in ANSWERS:
        lane = world.single()
        if each.is_straight:
            lane.backend.answer(each.data)
            _, answer = both_roads(steady, lane, lane.get())
            assert answer.get(b"Connection") is None, each.who


def test_what_ends_a_client_s_connection_keeps_the_endpoint_s(steady: Program, lane: Lane) -> None:
    lane.backend.answer(OK)

    for _ in range(3):
        both_roads(steady, lane, lane.get(extra=b"Connection: close\r\n"))

    assert len(lane.backend.connections) == 1


def test_what_ends_an_endpoint_s_connection_keeps_the_client_s(
    steady: Program, lane: Lane
) -> None:
    lane.backend.answer(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    client = connect(steady.http)

    assert [client.ask(lane.get()).body for _ in range(3)] == [b"ok"] * 3
    client.close()

    assert len(lane.backend.connections) == 3
    assert all(each.wait_ended() in {"fin", "reset"} for each in lane.backend.connections)


def test_a_client_of_http_1_0_gets_no_chunks(steady: Program, lane: Lane) -> None:
    lane.backend.answer(CHUNKED)

    _, answer = both_roads(steady, lane, HTTP_1_0 % lane.host)

    assert (answer.framing, answer.body) == ("close", b"ok")


def test_a_client_of_http_1_0_may_keep_its_connection(steady: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    client = connect(steady.http)
    data = HTTP_1_0.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n") % lane.host

    for _ in range(3):
        assert client.ask(data).get(b"Connection") == b"keep-alive"
    client.close()


def test_nothing_is_served_behind_the_last_request(steady: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    client = connect(steady.http)

    assert client.ask(lane.get(extra=b"Connection: close\r\n")).get(b"Connection") == b"close"
    client.send(lane.get())

    assert client.ending() == "fin"
    client.close()
    assert len(lane.backend.requests) == 1


@pytest.mark.parametrize(
    "cookie", [b"", b"a=b", b"fsm_affinity_x=1"], ids=["none", "another", "a stale one"]
)
def test_a_new_client_gets_the_cookie_of_its_endpoint_on_both_roads(
    program: Program, world: World, cookie: bytes
) -> None:
    lane = world.by_name("sticky.test")
    lane.backend.answer(OK)
    extra = b"Cookie: %b\r\n" % cookie if cookie else b""

    _, answer = both_roads(program, lane, lane.get(extra=extra))

    own = answer.get(b"Set-Cookie")
    assert own is not None
    assert own.startswith(b"fsm_affinity_")
    # Whoever has it gets none.
    pair = own.partition(b";")[0]
    _, again = both_roads(program, lane, lane.get(extra=b"Cookie: a=b; %b\r\n" % pair))
    assert again.get(b"Set-Cookie") is None


def test_a_cookie_is_for_tls_alone_where_the_client_speaks_it(
    trusting: Program, world: World
) -> None:
    lane = world.by_name("sticky.test")
    lane.backend.answer(OK)

    _, answer = both_roads(trusting, lane, lane.get(extra=b"X-Forwarded-Proto: https\r\n"))

    assert (answer.get(b"Set-Cookie") or b"").endswith(b"; Secure")
