"""HTTP/2 clients: requests and answers, one stream beside the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.wire.harness.backend import OK, Served, answering, once
from tests.wire.harness.http2 import Http2Client, connect_h2
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE
from tests.wire.harness.program import Program

LINE = b"HTTP/1.1 200 OK\r\n"
INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR, CANCEL = 2, 0, 1, 8


@pytest.fixture
def talk(steady: Program) -> Iterator[Callable[[], Http2Client]]:
    """Open connections to the steady program, closed after the test."""
    clients: list[Http2Client] = []

    def run() -> Http2Client:
        clients.append(connect_h2(steady.https))
        return clients[-1]

    yield run
    for client in clients:
        client.close()


@pytest.fixture
def client(talk: Callable[[], Http2Client]) -> Http2Client:
    return talk()


# The request


def test_a_request_reaches_the_endpoint_as_http1(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    answer = client.ask(
        lane,
        path=b"/a//b?c=%2F",
        fields=[
            (b"accept", b"*/*"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"x-forwarded-for", b"6.6.6.6"),
            (b"x_forwarded_for", b"6.6.6.6"),
            (b"te", b"trailers"),
        ],
    )
    assert (answer.status, bytes(answer.body)) == (200, b"ok")
    request = lane.backend.wait_request()
    assert request.method == b"GET"
    assert request.target == b"/a//b?c=%2F"
    assert request.all(b"host") == [lane.host]
    assert request.get(b"cookie") == b"a=1; b=2"
    assert request.get(b"x-forwarded-for") == request.get(b"x-real-ip") == b"127.0.0.1"
    assert request.get(b"x-forwarded-proto") == b"https"
    assert request.get(b"x-forwarded-host") == lane.host
    assert request.get(b"via") == b"1.1 fsm"
    assert request.get(b"x-request-id")
    assert not request.all(b"x_forwarded_for") + request.all(b"te") + request.all(b"connection")


def test_an_answer_has_our_date_and_no_field_of_http1(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(
        LINE + b"Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
        b"X-End: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok"
    )
    answer = client.ask(lane)
    names = [name for name, _ in answer.fields]
    assert sorted(names) == [
        b"content-length", b"date", b"server", b"set-cookie", b"set-cookie", b"x-end",
    ]  # fmt: skip
    assert answer.get(b"server") == b"fsm"
    assert [value for name, value in answer.fields if name == b"set-cookie"] == [b"a", b"b"]


def test_streams_do_not_wait_for_each_other(client: Http2Client, lane: Lane, world: World) -> None:
    slow = world.single()
    go_on = threading.Event()

    def wait(served: Served) -> None:
        served.request()
        go_on.wait(PATIENCE)
        served.send(OK)
        served.linger()

    slow.backend.serve(wait)
    lane.backend.answer(OK)
    first = client.begin(slow)
    assert [client.ask(lane).status for _ in range(3)] == [200, 200, 200]
    assert not client.answers[first].is_over
    go_on.set()
    assert client.answer(first).status == 200


def test_connections_to_endpoints_are_used_again(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    for _ in range(5):
        assert client.ask(lane).status == 200
        assert client.ask(lane, b"body").status == 200
    assert len(lane.backend.connections) == 1


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_reaches_the_endpoint(client: Http2Client, lane: Lane, *, declared: bool) -> None:
    lane.backend.answer(OK)
    body = bytes(range(256)) * 4096
    fields = [(b"content-length", b"%d" % len(body))] if declared else []
    number = client.begin(lane, method=b"POST", fields=fields, end=False)
    client.upload(number, body)
    assert client.answer(number).status == 200
    request = lane.backend.wait_request()
    assert request.body == body
    assert request.framing == ("sized" if declared else "chunked")


def test_trailers_of_a_request_follow_its_chunks(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    number = client.begin(lane, method=b"POST", end=False)
    client.send(number, b"hello")
    client.h2.send_headers(
        number, [(b"x-sum", b"5"), (b"host", b"evil"), (b"x-real-ip", b"6.6.6.6")], end_stream=True
    )
    client.flush()
    assert client.answer(number).status == 200
    request = lane.backend.wait_request()
    assert (request.body, request.trailers) == (b"hello", ((b"x-sum", b"5"),))


def test_an_endpoint_that_is_slow_to_connect_gets_the_body_too(
    client: Http2Client, world: World
) -> None:
    lane = world.double()
    lane.backends[1].answer(OK)  # the first endpoint refuses
    for _ in range(2):
        answer = client.ask(lane, b"once", method=b"POST")
        assert answer.status == 200
    assert [each.body for each in lane.backends[1].requests] == [b"once", b"once"]


def test_a_stale_connection_is_no_fault_of_the_client(client: Http2Client, lane: Lane) -> None:
    lane.backend.serve(once(OK, lambda served: served.until(b"\r\n\r\n")), answering(OK))
    assert [client.ask(lane).status for _ in range(2)] == [200, 200]


def test_a_body_over_its_limit_is_refused(client: Http2Client, world: World) -> None:
    lane = world.by_name("small.test")
    lane.backend.answer(OK)
    declared = client.begin(lane, method=b"POST", fields=[(b"content-length", b"11")], end=False)
    assert client.answer(declared).status == 413
    streamed = client.begin(lane, method=b"POST", end=False)
    client.send(streamed, b"x" * 11)
    assert client.answer(streamed).status == 413
    assert client.ask(lane, b"x" * 10, method=b"POST").status == 200


def test_a_client_that_expects_100_gets_it_from_the_endpoint(
    client: Http2Client, lane: Lane
) -> None:
    def run(served: Served) -> None:
        served.request_head()
        served.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        served.exactly(5)
        served.send(OK)
        served.linger()

    lane.backend.serve(run)
    fields = [(b"content-length", b"5"), (b"expect", b"100-continue")]
    number = client.begin(lane, method=b"POST", fields=fields, end=False)
    client.until(lambda: client.answers[number].interim == [100])
    client.send(number, b"hello", end=True)
    assert client.answer(number).status == 200


def test_an_answer_before_the_end_of_a_body_ends_the_stream(
    client: Http2Client, lane: Lane
) -> None:
    def run(served: Served) -> None:
        served.request_head()
        served.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        served.linger()

    lane.backend.serve(run)
    number = client.begin(lane, method=b"POST", end=False)
    client.until(lambda: client.answers[number].reset is not None)
    answer = client.answers[number]
    assert (answer.status, bytes(answer.body), answer.ended) == (403, b"no", True)
    assert answer.reset == NO_ERROR
    lane.backend.connection(0).wait_ended()


# The answer


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"Content-Length: 5\r\n\r\nabcde", b"abcde"),
        (b"\r\nabcde", b"abcde"),
        (b"Content-Length: 0\r\n\r\n", b""),
    ],
    ids=["chunked", "sized", "until close", "empty"],
)
def test_a_body_comes_whole(client: Http2Client, lane: Lane, wire: bytes, body: bytes) -> None:
    lane.backend.serve(once(LINE + wire, lambda served: served.half_close()))
    answer = client.ask(lane)
    assert (answer.status, bytes(answer.body), answer.reset) == (200, body, None)


def test_trailers_of_an_answer_follow_its_body(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(
        LINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n"
        b"Content-Length: 9\r\nSet-Cookie: x\r\n\r\n"
    )
    answer = client.ask(lane)
    assert (bytes(answer.body), answer.trailers) == (b"abc", ((b"grpc-status", b"0"),))


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_head(
    client: Http2Client, lane: Lane, status: int
) -> None:
    lane.backend.answer(b"HTTP/1.1 %d X\r\nETag: x\r\n\r\n" % status)
    answer = client.ask(lane)
    assert (answer.status, bytes(answer.body), answer.get(b"content-length")) == (
        status,
        b"",
        None,
    )


def test_an_answer_to_head_tells_its_length(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(LINE + b"Content-Length: 77\r\n\r\n")
    answer = client.ask(lane, method=b"HEAD")
    assert (answer.status, answer.get(b"content-length"), answer.ended) == (200, b"77", True)


def test_early_hints_come_before_the_answer(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
    answer = client.ask(lane)
    assert (answer.interim, answer.status) == ([103], 200)


@pytest.mark.parametrize(
    ("host", "method", "status", "body"),
    [
        (b"nobody.test", b"GET", 404, b"Service Not Found"),
        (b"empty.test", b"GET", 503, b"No Endpoints"),
        (b"empty.test", b"HEAD", 503, b""),
        (b"empty.test", b"TRACE", 405, b"Method Not Allowed"),
    ],
)
def test_replies_of_ours_are_whole_answers(
    client: Http2Client, host: bytes, method: bytes, status: int, body: bytes
) -> None:
    answer = client.ask(host, method=method)
    assert (answer.status, bytes(answer.body), answer.reset) == (status, body, None)
    assert answer.get(b"server") == b"fsm"
    assert answer.get(b"date")


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", LINE + b"Content-Length: x\r\n\r\n"])
def test_an_endpoint_that_cannot_be_understood_gives_502(
    client: Http2Client, lane: Lane, answer: bytes
) -> None:
    lane.backend.serve(once(answer, lambda _: None))
    assert client.ask(lane, b"x", method=b"POST").status == 502
    assert client.ask(b"nobody.test").status == 404


@pytest.mark.parametrize(
    "wire",
    [
        b"Content-Length: 10\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ],
)
def test_an_answer_that_breaks_off_resets_its_stream_alone(
    client: Http2Client, lane: Lane, wire: bytes
) -> None:
    lane.backend.serve(once(LINE + wire, lambda _: None))
    answer = client.ask(lane)
    assert (answer.reset, answer.ended) == (INTERNAL_ERROR, False)
    assert client.ask(b"nobody.test").status == 404


# Ends


def test_a_stream_that_the_client_resets_leaves_no_work_to_the_endpoint(
    client: Http2Client, lane: Lane
) -> None:
    def run(served: Served) -> None:
        served.request()
        served.linger()

    lane.backend.serve(run)
    number = client.begin(lane)
    lane.backend.wait_request()
    client.h2.reset_stream(number, CANCEL)
    client.flush()
    lane.backend.connection(0).wait_ended()
    assert client.ask(b"nobody.test").status == 404


def test_a_client_that_goes_away_leaves_no_work_to_endpoints(
    client: Http2Client, lane: Lane, world: World
) -> None:
    lanes = (lane, world.single())
    for each in lanes:
        each.backend.serve(once(b""))
        client.begin(each)
        each.backend.wait_request()
    client.client.reset()
    for each in lanes:
        each.backend.connection(0).wait_ended()


@pytest.mark.parametrize(("sent", "declared"), [(b"hello", b"4"), (b"hello", b"6")])
def test_a_body_of_another_length_than_declared_is_no_request(
    client: Http2Client, lane: Lane, sent: bytes, declared: bytes
) -> None:
    def run(served: Served) -> None:
        served.request_head()
        served.linger()

    lane.backend.serve(run)
    number = client.begin(lane, method=b"POST", fields=[(b"content-length", declared)], end=False)
    lane.backend.wait_request()
    client.send(number, sent, end=True)
    assert client.answer(number).reset == PROTOCOL_ERROR
    lane.backend.connection(0).wait_ended()
    assert client.ask(b"nobody.test").status == 404
