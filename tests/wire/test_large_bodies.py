"""Bodies that are worth a splice: whole on the other side, or seen to be cut."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.wire.harness.backend import OK, Served, answering, once
from tests.wire.harness.client import Client, connect, connect_tls
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program
from tests.wire.test_metrics import labels_of, scrape, total

BODY = bytes(range(251)) * 20_000  # 5 MB
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)


def test_a_large_answer_is_whole_and_both_connections_serve_on(client: Client, lane: Lane) -> None:
    lane.backend.answer(HEAD + BODY, OK, HEAD + BODY)
    for body in (BODY, b"ok", BODY):
        assert client.ask(lane.get()).body == body
    assert len(lane.backend.connections) == 1


def test_a_large_answer_through_tls_is_whole(steady: Program, world: World) -> None:
    lane = world.by_name("secure.test")
    lane.backend.answer(HEAD + BODY)
    client = connect_tls(steady.https, "secure.test")
    assert client.ask(lane.get()).body == BODY
    client.close()


def test_what_follows_a_large_answer_answers_nobody(client: Client, lane: Lane) -> None:
    lane.backend.serve(once(HEAD + BODY + b"HTTP/1.1 200 OK\r\n\r\nbad"), answering(OK))
    assert client.ask(lane.get()).body == BODY
    assert client.ask(lane.get()).body == b"ok"
    assert len(lane.backend.connections) == 2


@pytest.mark.parametrize("end", [Served.half_close, Served.reset], ids=["end", "reset"])
def test_a_large_answer_that_is_cut_is_seen_to_be_cut(
    client: Client, lane: Lane, end: Callable[[Served], None]
) -> None:
    lane.backend.serve(once(HEAD + BODY[:-1], end))
    with pytest.raises(Ended) as told:
        client.ask(lane.get())
    assert told.value.how == "reset"


def test_a_client_that_goes_within_a_large_answer_ends_the_endpoint_s_part(
    steady: Program, lane: Lane
) -> None:
    def run(served: Served) -> None:
        served.request()
        served.send(HEAD + BODY + bytes(64_000_000))

    lane.backend.serve(run)
    client = connect(steady.http, receive_buffer=4096)
    client.send(lane.get())
    client.until(b"\r\n\r\n")
    client.reset()
    assert lane.backend.connection().wait_ended() == "reset"


def test_a_large_upload_is_whole_and_the_next_request_is_understood(
    client: Client, lane: Lane
) -> None:
    lane.backend.answer(OK)
    client.send_aside(lane.post(BODY) + lane.get(b"/next"))
    assert client.response().status == 200
    assert client.response().status == 200
    first, second = lane.backend.requests
    assert first.body == BODY
    assert second.target == b"/next"
    assert len(lane.backend.connections) == 1


def test_an_early_answer_to_a_large_upload_arrives(client: Client, lane: Lane) -> None:
    answered = threading.Event()

    def run(served: Served) -> None:
        served.request_head()
        served.exactly(len(BODY) // 2)
        served.send(OK.replace(b"200 OK", b"413 Too Large"))
        answered.wait(PATIENCE)

    lane.backend.serve(run)
    client.send(lane.post(BODY)[: -len(BODY) // 4])
    assert client.response().status == 413
    answered.set()


def test_bytes_that_went_past_are_counted(steady: Program, client: Client, lane: Lane) -> None:
    lane.backend.answer(HEAD + BODY)
    client.send_aside(lane.post(BODY))
    assert client.response().body == BODY
    samples, labels = scrape(steady), labels_of(lane)
    assert total(samples, "response_bytes_total", **labels) == len(client.received)
    request = lane.backend.wait_request()
    assert total(samples, "request_bytes_total", **labels) == len(request.head) + len(BODY)
