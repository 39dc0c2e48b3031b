"""Who the client is: what the backend is told, and whom the proxy believes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.wire.harness.backend import OK
from tests.wire.harness.client import Client, connect, connect_tls
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import Request
from tests.wire.harness.program import Program

LIES = (
    b"X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Host: lie.test\r\nX-Forwarded-Port: 666\r\nX-Real-IP: 6.6.6.6\r\n"
    b"X-Request-ID: 0123456789abcdef\r\nx-forwarded-for: 8.8.8.8\r\n"
)
LOOK_ALIKES = (
    b"X_Forwarded_For: 6.6.6.6\r\nX-Forwarded_For: 6.6.6.6\r\nx_real_ip: 6.6.6.6\r\n"
    b"X_Forwarded-Proto: https\r\nX_FORWARDED_HOST: lie.test\r\nX_Request_ID: lie\r\n"
    b"X_Forwarded_Port: 666\r\n"
)


def told(client: Client, lane: Lane, extra: bytes) -> Request:
    lane.backend.answer(OK)
    assert client.ask(lane.get(extra=extra)).status == 200
    return lane.backend.wait_request()


@pytest.fixture
def believed(trusting: Program) -> Iterator[Client]:
    client = connect(trusting.http)
    yield client
    client.close()


def test_the_backend_learns_who_the_client_is(client: Client, steady: Program, lane: Lane) -> None:
    request = told(client, lane, b"")
    assert request.get(b"Host") == lane.host
    assert request.get(b"X-Forwarded-For") == b"127.0.0.1"
    assert request.get(b"X-Real-IP") == b"127.0.0.1"
    assert request.get(b"X-Forwarded-Proto") == b"http"
    assert request.get(b"X-Forwarded-Host") == lane.host
    assert request.get(b"X-Forwarded-Port") == b"%d" % steady.http
    assert re.fullmatch(rb"[0-9a-f-]{16,64}", request.get(b"X-Request-ID") or b"")


def test_tls_is_told(steady: Program, lane: Lane) -> None:
    client = connect_tls(steady.https, "secure.test")
    request = told(client, lane, b"")
    assert request.get(b"X-Forwarded-Proto") == b"https"
    assert request.get(b"X-Forwarded-Port") == b"%d" % steady.https
    client.close()


def test_another_address_is_told(steady: Program, lane: Lane) -> None:
    client = connect(steady.http, source="127.0.0.77")
    assert told(client, lane, b"").get(b"X-Forwarded-For") == b"127.0.0.77"
    client.close()


@pytest.mark.parametrize("lies", [LIES, LOOK_ALIKES], ids=["lies", "look-alikes"])
def test_a_stranger_is_not_believed(client: Client, lane: Lane, lies: bytes) -> None:
    request = told(client, lane, lies)
    for value in (b"6.6.6.6", b"7.7.7.7", b"8.8.8.8", b"666", b"lie", b"https", b"0123456789abc"):
        assert value not in request.head, request.head
    assert request.get(b"X-Forwarded-For") == b"127.0.0.1"
    assert request.get(b"X-Forwarded-Proto") == b"http"
    assert request.get(b"X-Forwarded-Host") == lane.host


def test_forwarded_of_a_stranger_is_not_passed_on(client: Client, lane: Lane) -> None:
    request = told(client, lane, b"Forwarded: for=6.6.6.6;proto=https;host=lie.test\r\n")
    assert b"6.6.6.6" not in request.head
    assert b"lie.test" not in request.head


def test_request_ids_differ(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    for _ in range(50):
        client.ask(lane.get())
    assert len({each.get(b"X-Request-ID") for each in lane.backend.requests}) == 50


def test_a_trusted_proxy_is_believed(believed: Client, lane: Lane) -> None:
    request = told(believed, lane, LIES.replace(b"x-forwarded-for: 8.8.8.8\r\n", b""))
    assert b", ".join(request.all(b"X-Forwarded-For")) == b"6.6.6.6, 7.7.7.7, 127.0.0.1"
    assert request.get(b"X-Real-IP") in {b"7.7.7.7", b"6.6.6.6"}
    assert request.get(b"X-Forwarded-Proto") == b"https"
    assert request.get(b"X-Forwarded-Host") == b"lie.test"
    assert request.get(b"X-Forwarded-Port") == b"666"
    assert request.get(b"X-Request-ID") == b"0123456789abcdef"


def test_the_client_is_the_last_address_that_is_not_trusted(believed: Client, lane: Lane) -> None:
    """What stands left of the first stranger, seen from us, anybody may have written."""
    request = told(believed, lane, b"X-Forwarded-For: 6.6.6.6, 7.7.7.7, 127.0.0.1\r\n")
    assert request.get(b"X-Real-IP") == b"7.7.7.7"


def test_several_lines_of_a_trusted_proxy_are_one_list(believed: Client, lane: Lane) -> None:
    extra = b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n"
    request = told(believed, lane, extra)
    assert b", ".join(request.all(b"X-Forwarded-For")) == b"6.6.6.6, 7.7.7.7, 127.0.0.1"
    assert request.get(b"X-Real-IP") == b"7.7.7.7"


def test_look_alikes_of_a_trusted_proxy_are_dropped(believed: Client, lane: Lane) -> None:
    request = told(believed, lane, LOOK_ALIKES)
    assert b"6.6.6.6" not in request.head
    assert b"lie" not in request.head
    assert request.get(b"X-Forwarded-Proto") == b"http"


@pytest.mark.parametrize(
    "extra",
    [
        b"X-Forwarded-For: not an address\r\n",
        b"X-Forwarded-For: ,,,\r\n",
        b"X-Forwarded-For: unknown, 999.1.1.1\r\n",
        b"X-Forwarded-Proto: gopher\r\n",
        b"X-Forwarded-Proto: https, http\r\n",
        b"X-Forwarded-Host: a b<>\r\n",
        b"X-Forwarded-Port: 99999999\r\n",
        b"X-Request-ID: " + b"a" * 5000 + b"\r\n",
        b"X-Request-ID: a b;<c>\r\n",
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n",
    ],
)
def test_nonsense_of_a_trusted_proxy_harms_nobody(
    believed: Client, lane: Lane, extra: bytes
) -> None:
    request = told(believed, lane, extra)
    assert request.get(b"X-Forwarded-Proto") in {b"http", b"https"}
    assert re.fullmatch(rb"[0-9.]+", request.get(b"X-Real-IP") or b"")
    assert len(request.get(b"X-Request-ID") or b"") <= 200


def test_a_trusted_claim_of_https_is_not_redirected(trusting: Program, world: World) -> None:
    lane = world.by_name("secure.test")
    client = connect(trusting.http)
    request = told(client, lane, b"X-Forwarded-Proto: https\r\n")
    assert request.get(b"X-Forwarded-Proto") == b"https"
    client.close()


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (b"/app/hi", b"/hi"),
        (b"/app", b"/"),
        (b"/app/hi?x=/app/1&y=%20", b"/hi?x=/app/1&y=%20"),
        (b"/other?/app/", b"/other?/app/"),
        (b"/app//x", b"//x"),
    ],
)
def test_a_rewrite_changes_the_path_and_never_the_query(
    client: Client, world: World, target: bytes, sent: bytes
) -> None:
    lane = world.by_name("rewrite.test")
    lane.backend.answer(OK)
    assert client.ask(lane.get(target)).status == 200
    assert lane.backend.wait_request().target == sent


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/only", 200),
        (b"/only/", 200),
        (b"/only/x?y", 200),
        (b"/only?y", 200),
        (b"/onlyx", 404),
        (b"/", 404),
        (b"/Only", 404),
        (b"/%6fnly", 404),
        (b"//only", 404),
        (b"/only%2Fx", 404),
        (b"/x/../only", 400),
        (b"/only/%2e%2e/x", 400),
    ],
)
def test_a_path_is_matched_as_sent(
    client: Client, world: World, target: bytes, status: int
) -> None:
    lane = world.by_name("paths.test")
    lane.backend.answer(OK)
    assert client.ask(lane.get(target)).status == status


@pytest.mark.parametrize("chunked", [False, True])
def test_row_32_a_body_over_its_limit_is_413(
    client: Client, world: World, *, chunked: bool
) -> None:
    lane = world.by_name("small.test")
    lane.backend.answer(OK)
    assert client.ask(lane.post(b"x" * 10)).status == 200
    if chunked:
        extra = b"Transfer-Encoding: chunked\r\n"
        client.send(lane.request(b"POST", b"/", extra, b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n"))
    else:
        client.send(lane.post(b"x" * 11))
    response = client.response()
    assert (response.status, response.body) == (413, b"Content Too Large")
    assert all(each.body == b"x" * 10 for each in lane.backend.requests)


def test_row_32_the_option_limits_bodies_everywhere(trusting: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    client = connect(trusting.http)
    assert client.ask(lane.post(b"x" * 1000)).status == 200
    extra = b"Expect: 100-continue\r\nContent-Length: 1001\r\n"
    response = client.ask(lane.request(b"POST", b"/", extra))
    assert (response.status, response.interim) == (413, ())
    client.close()


def test_row_32_a_head_at_its_limits_is_served(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    many = b"".join(b"X-%d: a\r\n" % n for n in range(120))
    assert client.ask(lane.get(extra=many)).status == 200
    assert client.ask(lane.get(extra=(b"X: " + b"a" * 15000 + b"\r\n") * 2)).status == 200
    assert client.ask(lane.get(extra=b"Cookie: " + b"a" * 30000 + b"\r\n")).status == 200
    assert client.ask(lane.get(b"/" + b"a" * 16000)).status == 200
