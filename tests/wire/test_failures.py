"""When endpoints fail: who is asked again, who never is, and what the client is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wire.harness.backend import OK, Served, answering, closing, once
from tests.wire.harness.client import Client, connect
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE
from tests.wire.harness.program import Program

METHODS = [b"GET", b"HEAD", b"POST", b"PATCH", b"PUT", b"DELETE"]


def body_of(method: bytes) -> bytes:
    return b"" if method in {b"GET", b"HEAD", b"DELETE", b"OPTIONS"} else b"Content-Length: 2\r\n"


def ask(client: Client, lane: Lane, method: bytes) -> int:
    extra = body_of(method)
    return client.ask(lane.request(method, b"/", extra, b"hi" if extra else b""), method).status


def die(served: Served) -> None:
    """Let a connection that has answered end when it is asked again, before one byte."""
    served.request()
    served.send(OK)
    served.request()


def die_by_reset(served: Served) -> None:
    die(served)
    served.reset()


@pytest.mark.parametrize("method", METHODS)
def test_a_refused_connection_sends_any_method_to_the_other_endpoint(
    client: Client, world: World, method: bytes
) -> None:
    lane = world.double()
    lane.backends[1].answer(OK)
    for _ in range(3):
        assert ask(client, lane, method) == 200


def test_all_refused_is_502(client: Client, world: World) -> None:
    for lane in (world.single(), world.double()):
        response = client.ask(lane.get())
        assert (response.status, response.body) == (502, b"Bad Gateway")


def test_no_endpoints_is_503(client: Client) -> None:
    response = client.ask(b"GET / HTTP/1.1\r\nHost: empty.test\r\n\r\n")
    assert (response.status, response.body) == (503, b"No Endpoints")


@pytest.mark.parametrize("name", [b"nobody.test", b"127.0.0.1", b"[::1]:80", b"paths.test"])
def test_no_route_is_404_and_echoes_nothing(client: Client, name: bytes) -> None:
    for method in (b"GET", b"POST"):
        response = client.ask(
            b"%s /<script>?m4rk HTTP/1.1\r\nHost: %s\r\nX-A: m4rk\r\nX-Request-ID: m4rk\r\n"
            b"Content-Length: 0\r\nCookie: m4rk\r\n\r\n" % (method, name)
        )
        assert (response.status, response.body) == (404, b"Service Not Found")
        assert b"m4rk" not in response.head
        assert b"script" not in response.head
        assert name not in response.head
        assert response.get(b"Content-Type") in {b"text/plain", b"text/plain; charset=utf-8"}


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize("death", [die, die_by_reset])
def test_row_31_a_stale_connection_repeats_an_idempotent_request(
    client: Client, lane: Lane, method: bytes, death: Callable[[Served], None]
) -> None:
    lane.backend.serve(death, answering(OK))
    assert client.ask(lane.get()).status == 200
    assert ask(client, lane, method) == 200


@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
@pytest.mark.parametrize("death", [die, die_by_reset])
def test_row_31_a_stale_connection_never_repeats_post(
    client: Client, lane: Lane, method: bytes, death: Callable[[Served], None]
) -> None:
    lane.backend.serve(death, answering(OK))
    assert client.ask(lane.get()).status == 200
    assert ask(client, lane, method) == 502
    assert sum(each.method == method for each in lane.backend.requests) == 1


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_fresh_reset_repeats_safe_requests_elsewhere(
    client: Client, world: World, method: bytes
) -> None:
    lane = world.double()

    def reset(served: Served) -> None:
        served.request()
        served.reset()

    lane.backends[0].serve(reset)
    lane.backends[1].answer(OK)
    for _ in range(2):
        assert ask(client, lane, method) == 200


@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
def test_row_31_a_fresh_reset_never_repeats_post(
    client: Client, world: World, method: bytes
) -> None:
    lane = world.double()

    def reset(served: Served) -> None:
        served.request()
        served.reset()

    for backend in lane.backends:
        backend.serve(reset)
    assert ask(client, lane, method) == 502
    assert sum(len(backend.requests) for backend in lane.backends) == 1


def test_row_31_nothing_is_repeated_after_a_byte_of_the_answer(
    client: Client, world: World
) -> None:
    lane = world.double()
    for backend in lane.backends:
        backend.serve(closing(b"H"))
    assert client.ask(lane.get()).status == 502
    assert sum(len(backend.requests) for backend in lane.backends) == 1


def test_a_body_that_has_been_streamed_is_not_repeated(client: Client, world: World) -> None:
    """A PUT of 3 MB is idempotent, but its body is gone: it may not arrive cut."""
    lane = world.double()

    def reset(served: Served) -> None:
        served.request_head()
        served.exactly(1000000)
        served.reset()

    for backend in lane.backends:
        backend.serve(reset)
    client.send_aside(lane.request(b"PUT", b"/", b"Content-Length: 3000000\r\n") + bytes(3000000))
    assert client.response().status == 502
    assert sum(len(backend.connections) for backend in lane.backends) == 1


def test_row_30_a_client_that_goes_mid_body_aborts_the_request(
    dial: Callable[[], Client], world: World
) -> None:
    def end(client: Client) -> None:
        client.close()

    def reset(client: Client) -> None:
        client.reset()

    def half(client: Client) -> None:
        client.half_close()

    for leave in (end, reset, half):
        for framing, part in (
            (b"Content-Length: 10\r\n", b"hello"),
            (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        ):
            lane = world.single()
            lane.backend.serve(once(OK))
            client = dial()
            client.send(lane.request(b"POST", b"/", framing) + part)
            served = lane.backend.connection()
            leave(client)
            served.wait_ended()
            assert served.requests == [], "an incomplete body looks complete"
            assert not bytes(served.received).endswith(b"0\r\n\r\n")


def test_a_client_that_goes_while_waiting_ends_the_exchange(
    dial: Callable[[], Client], lane: Lane
) -> None:
    lane.backend.serve(once(b""))
    client = dial()
    client.send(lane.get())
    lane.backend.wait_request()
    client.reset()
    lane.backend.connection().wait_ended()


def test_a_client_that_half_closes_after_its_request_gets_its_answer(
    client: Client, lane: Lane
) -> None:
    def run(served: Served) -> None:
        served.request()
        ended.wait(PATIENCE)
        served.send(OK)
        served.linger()

    ended = threading.Event()
    lane.backend.serve(run)
    client.send(lane.post(b"hello"))
    client.half_close()
    lane.backend.wait_request()
    ended.set()
    assert client.response().body == b"ok"
    assert client.ending() == "fin"


def test_a_client_that_half_closes_behind_pipelined_requests_gets_all_answers(
    client: Client, lane: Lane
) -> None:
    lane.backend.answer(OK)
    client.send(lane.get() * 5)
    client.half_close()
    assert [client.response().status for _ in range(5)] == [200] * 5
    assert client.ending() == "fin"


def test_a_body_that_stops_is_no_next_request(dial: Callable[[], Client], lane: Lane) -> None:
    """Pause-based desync: what follows an aborted exchange is never read as a request."""
    lane.backend.serve(once(OK), answering(OK))
    client = dial()
    smuggled = lane.get(b"/smuggled")
    client.send(lane.request(b"POST", b"/", b"Content-Length: %d\r\n" % (len(smuggled) + 9)))
    lane.backend.connection()
    client.send(smuggled)
    client.half_close()
    client.rest()
    lane.backend.connection().wait_ended()
    assert [each.target for each in lane.backend.requests] == []


def test_many_clients_at_once_meet_one_another_never(steady: Program, lane: Lane) -> None:
    def run(served: Served) -> None:
        while True:
            request = served.request()
            body = request.target + b" " + request.body
            served.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def one(number: int) -> None:
        client = connect(steady.http)
        for turn in range(20):
            text = b"/%d/%d" % (number, turn)
            response = client.ask(lane.post(text * 50, target=text))
            assert response.body == text + b" " + text * 50
        client.close()

    lane.backend.serve(run)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(32)))
