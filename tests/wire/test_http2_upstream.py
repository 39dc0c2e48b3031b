"""Endpoints that are spoken to by HTTP/2: what they get, and what becomes of what they send."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.wire.harness.client import Client, connect
from tests.wire.harness.http2 import PREFACE, Http2Client, connect_h2, frame
from tests.wire.harness.http2_backend import Asked, Http2Server, echoing, speaking
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program

CANCEL, REFUSED_STREAM, INTERNAL_ERROR = 8, 7, 2
MIB = 1024 * 1024


@pytest.fixture
def lane(world: World) -> Lane:
    return world.http2()


@pytest.fixture
def h2(steady: Program) -> Iterator[Http2Client]:
    made = connect_h2(steady.https)
    yield made
    made.close()


def always(
    answer: Callable[[Http2Server, Asked], None], seen: list[Asked] | None = None
) -> Callable[[Http2Server], None]:
    """Answer every request by *answer*, once it has ended."""

    def play(server: Http2Server) -> None:
        index = 0
        while True:
            asked = server.request(index)
            if seen is not None:
                seen.append(asked)
            answer(server, asked)
            index += 1

    return play


# What an endpoint gets


def test_a_request_of_http1_is_a_stream(lane: Lane, client: Client) -> None:
    seen: list[Asked] = []
    lane.backend.serve(speaking(always(lambda s, a: s.answer(a.number, b"hello"), seen)))

    answer = client.ask(lane.get(b"/a?b=c", b"X-Own: 1\r\nTE: trailers\r\nCookie: a=b\r\n"))

    assert (answer.status, answer.reason, answer.body, answer.framing) == (
        200, b"OK", b"hello", "chunked",
    )  # fmt: skip
    (asked,) = seen
    assert asked.fields[:4] == (
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/a?b=c"),
        (b":authority", lane.host),
    )
    assert asked.get(b"x-own") == b"1"
    assert asked.get(b"cookie") == b"a=b"
    assert asked.get(b"x-forwarded-for") == b"127.0.0.1"
    assert asked.get(b"x-forwarded-proto") == b"http"
    assert asked.get(b"x-forwarded-host") == lane.host
    assert asked.get(b"x-request-id")
    assert not {b"host", b"te", b"connection"} & {name for name, _ in asked.fields}


def test_bodies_keep_their_length_and_those_without_have_none(lane: Lane, client: Client) -> None:
    seen: list[Asked] = []
    lane.backend.serve(speaking(always(lambda s, a: s.answer(a.number, bytes(a.body)), seen)))

    sized = client.ask(lane.post(b"12345"))
    chunked = client.ask(
        lane.request(
            b"POST", extra=b"Transfer-Encoding: chunked\r\n", body=b"3\r\nabc\r\n0\r\n\r\n"
        )
    )

    assert (sized.body, chunked.body) == (b"12345", b"abc")
    assert [each.get(b"content-length") for each in seen] == [b"5", None]


@pytest.mark.parametrize(
    ("method", "status", "fields", "framing"),
    [
        (b"HEAD", b"200", ((b"content-length", b"7"),), "none"),
        (b"GET", b"204", (), "none"),
        (b"GET", b"304", ((b"etag", b'"x"'),), "none"),
        (b"GET", b"200", ((b"content-length", b"0"),), "sized"),
    ],
)
def test_answers_without_a_body(
    lane: Lane,
    client: Client,
    method: bytes,
    status: bytes,
    fields: tuple[tuple[bytes, bytes], ...],
    framing: str,
) -> None:
    def answer(server: Http2Server, asked: Asked) -> None:
        head = ((b":status", status), *fields)
        server.h2.send_headers(asked.number, head, end_stream=True)
        server.flush()

    lane.backend.serve(speaking(always(answer)))

    for _ in range(2):
        found = client.ask(lane.request(method), method)
        assert (found.status, found.body) == (int(status), b"")
        assert found.get(b"content-length") == dict(fields).get(b"content-length")


def test_trailers_and_te_go_through_between_two_streams(lane: Lane, h2: Http2Client) -> None:
    seen: list[Asked] = []
    lane.backend.serve(
        speaking(
            always(lambda s, a: s.answer(a.number, b"x", trailers=((b"grpc-status", b"0"),)), seen)
        )
    )
    number = h2.begin(lane, method=b"POST", fields=((b"te", b"trailers"),), end=False)
    h2.send(number, b"abc")
    h2.h2.send_headers(number, ((b"x-sum", b"6"),), end_stream=True)
    h2.flush()

    answer = h2.answer(number)

    assert (answer.status, bytes(answer.body)) == (200, b"x")
    assert answer.trailers == ((b"grpc-status", b"0"),)
    (asked,) = seen
    assert (asked.get(b"te"), bytes(asked.body)) == (b"trailers", b"abc")
    assert asked.trailers == ((b"x-sum", b"6"),)


def test_trailers_end_a_chunked_body_for_http1(lane: Lane, client: Client) -> None:
    lane.backend.serve(
        speaking(always(lambda s, a: s.answer(a.number, b"x", trailers=((b"a", b"b"),))))
    )

    assert client.ask(lane.get()).body == b"x"
    assert client.ask(lane.get()).trailers == ()


def test_interim_answers_go_through(lane: Lane, client: Client) -> None:
    def play(server: Http2Server) -> None:
        asked = server.head()
        assert asked.get(b"expect") == b"100-continue"
        server.h2.send_headers(asked.number, ((b":status", b"100"),))
        server.flush()
        server.request()
        server.answer(asked.number, bytes(asked.body))
        server.request(1)

    lane.backend.serve(speaking(play))
    client.send(lane.post(b"", b"Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 3"))
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"abc")

    assert client.response().body == b"abc"


def test_a_websocket_is_refused_with_a_reason(lane: Lane, client: Client) -> None:
    lane.backend.serve(speaking(echoing))
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

    assert client.ask(lane.get(b"/", upgrade + b"Sec-WebSocket-Key: eA==\r\n")).status == 501
    assert client.ask(lane.get()).status == 200


def test_a_client_of_http10_is_served(lane: Lane, dial: Callable[[], Client]) -> None:
    lane.backend.serve(speaking(always(lambda s, a: s.answer(a.number, b"ten"))))
    client = dial()
    client.send(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % lane.host)
    data, how = client.rest()
    assert (data.endswith(b"\r\n\r\nten"), how) == (True, "fin")


# Streams and connections


def test_requests_share_one_connection(lane: Lane, h2: Http2Client) -> None:
    def play(server: Http2Server) -> None:
        for index in range(20):
            server.request(index)
        for asked in reversed(tuple(server.asked.values())):
            server.answer(asked.number, bytes(asked.body))
        server.until(lambda: False)

    lane.backend.serve(speaking(play))
    numbers = [h2.begin(lane, method=b"POST", end=False) for _ in range(20)]
    for number in numbers:
        h2.send(number, b"%d" % number, end=True)

    assert [bytes(h2.answer(number).body) for number in numbers] == [b"%d" % n for n in numbers]
    assert len(lane.backend.connections) == 1


def test_an_endpoint_has_no_more_streams_than_it_allows(lane: Lane, h2: Http2Client) -> None:
    most = 0
    lock = threading.Lock()

    def play(server: Http2Server) -> None:
        nonlocal most
        done = 0
        while True:
            asked = server.request(done)
            with lock:
                most = max(most, len(server.asked) - done)
            server.answer(asked.number, b"ok")
            done += 1

    lane.backend.serve(speaking(play, max_concurrent_streams=2))
    numbers = [h2.begin(lane) for _ in range(12)]

    assert [h2.answer(number).status for number in numbers] == [200] * 12
    assert most <= 2
    assert len(lane.backend.connections) > 1


def test_an_endpoint_that_allows_no_stream_is_waited_for(hasty: Program, lane: Lane) -> None:
    def play(server: Http2Server) -> None:
        server.until(lambda: False)

    lane.backend.serve(speaking(play, max_concurrent_streams=0))
    client = connect(hasty.http)

    for _ in range(2):
        assert client.ask(lane.post(b"x")).status == 504
    client.close()


def test_an_idle_connection_that_has_ended_is_never_used(lane: Lane, client: Client) -> None:
    def play(server: Http2Server) -> None:
        asked = server.request()
        server.answer(asked.number, b"once")

    lane.backend.serve(speaking(play))

    for index in range(3):
        assert client.ask(lane.post(b"x")).body == b"once"
        lane.backend.connection(index).wait_ended()


# Endings that are not the endpoint's fault


def test_goaway_sends_what_was_not_processed_elsewhere(lane: Lane, h2: Http2Client) -> None:
    def leaving(server: Http2Server) -> None:
        first = server.request(0)
        server.request(1)
        server.request(2)
        server.raw(frame(7, 0, 0, first.number.to_bytes(4, "big") + bytes(4)))
        server.settle()
        server.answer(first.number, b"old " + bytes(first.body))
        server.served.linger()

    def new(server: Http2Server) -> None:
        always(lambda s, a: s.answer(a.number, b"new " + bytes(a.body)))(server)

    lane.backend.serve(speaking(leaving), speaking(new))
    numbers = []
    for body in (b"1", b"2", b"3"):
        numbers.append(h2.begin(lane, method=b"POST", end=False))
        h2.send(numbers[-1], body, end=True)

    assert [bytes(h2.answer(number).body) for number in numbers] == [b"old 1", b"new 2", b"new 3"]
    assert lane.backend.connection(0).wait_ended() == "fin"


def test_goaway_in_two_steps_fails_nobody(lane: Lane, h2: Http2Client) -> None:
    def leaving(server: Http2Server) -> None:
        first = server.request(0)
        server.raw(frame(7, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4)))
        server.settle()
        server.raw(frame(7, 0, 0, first.number.to_bytes(4, "big") + bytes(4)))
        server.answer(first.number, b"old")
        server.served.linger()

    lane.backend.serve(
        speaking(leaving), speaking(always(lambda s, a: s.answer(a.number, b"new")))
    )
    number = h2.begin(lane)

    assert bytes(h2.answer(number).body) == b"old"
    assert bytes(h2.ask(lane, b"x", method=b"POST").body) == b"new"


def test_a_refused_stream_is_sent_again(lane: Lane, h2: Http2Client) -> None:
    def play(server: Http2Server) -> None:
        for index in range(2):
            server.reset(server.request(index).number, REFUSED_STREAM)
        asked = server.request(2)
        server.answer(asked.number, b"third " + bytes(asked.body))
        server.until(lambda: False)

    lane.backend.serve(speaking(play))

    assert bytes(h2.ask(lane, b"time", method=b"POST").body) == b"third time"
    assert len(lane.backend.connections) == 1


def test_an_endpoint_that_refuses_for_ever_is_not_asked_for_ever(
    lane: Lane, h2: Http2Client
) -> None:
    seen: list[Asked] = []
    lane.backend.serve(speaking(always(lambda s, a: s.reset(a.number, REFUSED_STREAM), seen)))

    assert h2.ask(lane, b"x", method=b"POST").status == 503
    assert 2 <= len(seen) <= 4


def test_a_client_that_cancels_is_told_to_the_endpoint(lane: Lane, h2: Http2Client) -> None:
    resets: list[int | None] = []
    seen = threading.Event()

    def play(server: Http2Server) -> None:
        asked = server.head()
        seen.set()
        server.until(lambda: asked.reset is not None)
        resets.append(asked.reset)
        other = server.request(1)
        server.answer(other.number, b"ok")
        server.until(lambda: False)

    lane.backend.serve(speaking(play))
    number = h2.begin(lane, method=b"POST", end=False)
    h2.send(number, b"x")
    assert seen.wait(PATIENCE)
    h2.h2.reset_stream(number, CANCEL)
    h2.flush()

    assert bytes(h2.ask(lane).body) == b"ok"
    assert resets == [CANCEL]
    assert len(lane.backend.connections) == 1


def test_a_reset_before_the_answer_is_502_and_the_connection_goes_on(
    lane: Lane, h2: Http2Client
) -> None:
    def play(server: Http2Server) -> None:
        server.reset(server.request(0).number, INTERNAL_ERROR)
        server.answer(server.request(1).number, b"ok")
        server.until(lambda: False)

    lane.backend.serve(speaking(play))

    assert h2.ask(lane, b"x", method=b"POST").status == 502
    assert h2.ask(lane).status == 200
    assert len(lane.backend.connections) == 1


@pytest.mark.parametrize(("code", "told"), [(CANCEL, CANCEL), (1, INTERNAL_ERROR)])
def test_a_reset_in_an_answer_reaches_the_client(
    lane: Lane, h2: Http2Client, code: int, told: int
) -> None:
    def play(server: Http2Server) -> None:
        asked = server.request()
        server.h2.send_headers(asked.number, ((b":status", b"200"),))
        server.h2.send_data(asked.number, b"part")
        server.settle()
        server.reset(asked.number, code)
        server.until(lambda: False)

    lane.backend.serve(speaking(play))
    answer = h2.ask(lane)

    assert (answer.status, bytes(answer.body), answer.reset) == (200, b"part", told)


def test_an_answer_before_the_end_of_the_request_is_whole(lane: Lane, h2: Http2Client) -> None:
    def play(server: Http2Server) -> None:
        asked = server.head()
        server.answer(asked.number, b"enough", trailers=((b"a", b"b"),))
        server.until(lambda: asked.reset is not None)
        assert asked.reset == 0
        server.until(lambda: False)

    lane.backend.serve(speaking(play))
    number = h2.begin(lane, method=b"POST", end=False)
    answer = h2.answer(number)

    assert (answer.status, bytes(answer.body), answer.ended) == (200, b"enough", True)


# Back-pressure


def test_a_slow_reader_stops_its_stream_alone(lane: Lane, steady: Program) -> None:
    sent: dict[bytes, int] = {}

    def play(server: Http2Server) -> None:
        chunk = bytes(16384)
        slow = server.request(0)
        server.h2.send_headers(slow.number, ((b":status", b"200"),))
        for _ in range(4 * MIB // len(chunk)):
            if server.h2.local_flow_control_window(slow.number) < len(chunk):
                break
            server.h2.send_data(slow.number, chunk)
            sent[b"slow"] = sent.get(b"slow", 0) + len(chunk)
            server.flush()
        for index in range(1, 6):
            server.answer(server.request(index).number, bytes(MIB))
        server.until(lambda: False)

    lane.backend.serve(speaking(play))
    slow = connect_h2(steady.https)
    slow.reads = False
    slow.begin(lane)
    slow.until(lambda: len(slow.answers[1].body) >= 65535)
    quick = connect_h2(steady.https)

    for _ in range(5):
        assert len(quick.ask(lane).body) == MIB
    assert sent[b"slow"] <= 512 * 1024
    assert len(lane.backend.connections) == 1
    slow.close()
    quick.close()


def test_an_endpoint_that_takes_nothing_of_one_body_takes_others(
    lane: Lane, steady: Program
) -> None:
    full = threading.Event()

    def play(server: Http2Server) -> None:
        server.reads = False
        first = server.head()
        server.until(lambda: len(first.body) == 65535)
        full.set()
        server.h2.increment_flow_control_window(MIB)  # of the connection alone
        server.flush()
        other = server.request(1)
        server.answer(other.number, b"%d" % len(other.body))
        server.h2.increment_flow_control_window(4 * MIB, first.number)
        server.h2.increment_flow_control_window(4 * MIB)
        server.flush()
        server.until(lambda: first.ended)
        server.answer(first.number, b"%d" % len(first.body))
        server.until(lambda: False)

    lane.backend.serve(speaking(play))
    big = connect(steady.http)
    thread = big.send_aside(lane.post(bytes(2 * MIB)))
    assert full.wait(PATIENCE)
    small = connect(steady.http)

    assert small.ask(lane.post(b"x" * 1000)).body == b"1000"
    assert big.response().body == b"%d" % (2 * MIB)
    thread.join()
    big.close()
    small.close()


# Endpoints that fail


def test_a_refused_connection_is_tried_elsewhere(world: World, client: Client) -> None:
    lane = world.http2_double()
    lane.backends[1].serve(speaking(echoing))

    for _ in range(4):
        assert client.ask(lane.post(b"x")).body == b"x"


def test_nobody_there_is_502(lane: Lane, client: Client) -> None:
    assert client.ask(lane.post(b"x")).status == 502


def _leave_at_the_first(server: Http2Server) -> None:
    server.request()


@pytest.mark.parametrize(("method", "status"), [(b"GET", 200), (b"POST", 502)])
def test_a_connection_that_closes_before_the_answer(
    world: World, client: Client, method: bytes, status: int
) -> None:
    lane = world.http2_double()
    for backend in lane.backends:
        backend.serve(
            speaking(_leave_at_the_first),
            speaking(always(lambda s, a: s.answer(a.number, b"ok"))),
        )
    lane.backends[1].serve(speaking(always(lambda s, a: s.answer(a.number, b"ok"))))
    found = [
        client.ask(lane.request(method, extra=b"Content-Length: 0\r\n"), method).status
        for _ in range(2)
    ]

    assert sorted(found) == [200, status]


def _head_of_200(number: int, flags: int = 4) -> bytes:
    return frame(1, flags, number, b"\x88")


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "http/1": lambda _: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "garbage": lambda _: b"\xff" * 200,
    "its own preface": lambda _: PREFACE,
    "push": lambda number: frame(5, 4, number, (2).to_bytes(4, "big") + b"\x82\x86\x84"),
    "bad hpack": lambda number: frame(1, 5, number, b"\xff\xff\xff\xff\xff"),
    "no status": lambda number: frame(1, 5, number, b"\x00\x01a\x01b"),
    "status 101": lambda number: frame(1, 5, number, b"\x08\x03101"),
    "upper case": lambda number: frame(1, 5, number, b"\x88\x00\x01A\x01b"),
    "line break": lambda number: frame(1, 5, number, b"\x88\x00\x01a\x03b\r\n"),
    "connection": lambda number: frame(1, 5, number, b"\x88\x00\x0aconnection\x05close"),
    "transfer-encoding": lambda number: frame(
        1, 5, number, b"\x88\x00\x11transfer-encoding\x07chunked"
    ),
    "data first": lambda number: frame(0, 1, number, b"x"),
    "two lengths": lambda number: frame(1, 4, number, b"\x88\x0f\x0d\x011\x0f\x0d\x012"),
    "interim for ever": lambda number: frame(1, 4, number, b"\x08\x03103") * 40,
    "endless head": lambda number: (
        frame(1, 0, number, b"\x88") + frame(9, 0, number, b"\x00\x01a\x01b") * 1000
    ),
    "a large head": lambda number: frame(
        1, 4, number, b"\x88" + (b"\x00\x01a\x7f\x80\x7f" + b"x" * 16383)
    ),
    "pings": lambda _: frame(6, 0, 0, bytes(8)) * 20000,
    "settings": lambda _: frame(4, 0, 0) * 20000,
    "window overflow": lambda _: frame(8, 0, 0, (2**31 - 1).to_bytes(4, "big")),
    "goaway again and again": lambda _: frame(7, 0, 0, bytes(8)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_answer_is_502_and_the_next_request_is_served(
    lane: Lane, client: Client, name: str
) -> None:
    def play(server: Http2Server) -> None:
        server.raw(HOSTILE[name](server.request().number))
        other = server.request(1)  # what concerns a stream alone does not end the connection
        server.answer(other.number, b"ok")
        server.served.linger()

    good = speaking(always(lambda s, a: s.answer(a.number, b"ok")))
    lane.backend.serve(speaking(play), good)

    found = client.ask(lane.post(b"x"))
    if name.startswith("goaway"):
        assert found.status == 200  # it was not processed, and the next connection is good
    else:
        assert (found.status, found.get(b"content-type")) == (502, b"text/plain")
    assert client.ask(lane.post(b"x")).status == 200


@pytest.mark.parametrize(
    "rest",
    [
        frame(0, 1, 1, b"12"),
        frame(0, 1, 1, b"1234"),
        frame(0, 0, 1, b"12") + frame(1, 5, 1, b"\x00\x01a\x01b"),
    ],
)
def test_a_body_of_another_length_never_looks_whole(
    lane: Lane, client: Client, rest: bytes
) -> None:
    def play(server: Http2Server) -> None:
        asked = server.request()
        assert asked.number == 1
        server.raw(frame(1, 4, 1, b"\x88\x0f\x0d\x013") + rest)
        server.served.linger()

    lane.backend.serve(speaking(play))
    client.send(lane.get())

    with pytest.raises(Ended) as end:
        client.response()
    assert end.value.how == "reset"


def test_a_silent_endpoint_is_504_and_its_connection_gets_no_more(
    hasty: Program, lane: Lane
) -> None:
    def silent(server: Http2Server) -> None:
        server.request()
        server.served.linger()

    good = speaking(always(lambda s, a: s.answer(a.number, b"ok")))
    lane.backend.serve(speaking(silent), good)
    client = connect(hasty.http)

    assert client.ask(lane.post(b"x")).status == 504
    assert client.ask(lane.post(b"x")).status == 200
    assert len(lane.backend.connections) == 2
    client.close()
