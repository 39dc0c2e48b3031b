"""Two requests in one: what an HTTP/2 client says must not become more, or another, in HTTP/1."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.wire.harness.backend import OK, Served
from tests.wire.harness.http2 import (
    DATA,
    HEADERS,
    RST_STREAM,
    RawHttp2,
    frame,
    head_of,
    raw_h2,
)
from tests.wire.harness.lanes import Lane
from tests.wire.harness.message import Field
from tests.wire.harness.program import Program

END, WHOLE, PROTOCOL_ERROR = 1, 4, 1
EVIL = b"GET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n"


@pytest.fixture
def raw(steady: Program) -> Iterator[RawHttp2]:
    client = raw_h2(steady.https)
    yield client
    client.close()


def outcome(raw: RawHttp2, stream: int = 1) -> bytes | int:
    """Read up to the end of a stream: the status of its answer, or the code of its reset."""
    while True:
        kind, flags, number, payload = raw.read()
        if number != stream:
            continue
        if kind == RST_STREAM:
            return int.from_bytes(payload, "big")
        if kind in {HEADERS, DATA} and flags & END:
            return raw.statuses[stream]


def check_next(raw: RawHttp2, lane: Lane, targets: list[bytes], number: int = 101) -> None:
    """The next request is answered as itself; the endpoint has seen these and no others."""
    raw.send(raw.headers(number, head_of(lane.host, path=b"/next")))
    assert outcome(raw, number) == b"200"
    assert [each.target for each in lane.backend.requests] == [*targets, b"/next"]


# H2.CL and H2.TE: a length of the attacker's choice


@pytest.mark.parametrize("length", [b"0", b"1", b"%d" % (len(EVIL) - 1)])
def test_data_behind_the_content_length_never_reaches_an_endpoint(
    raw: RawHttp2, lane: Lane, length: bytes
) -> None:
    lane.backend.answer(OK)
    head = head_of(lane.host, (b"content-length", length), method=b"POST")
    raw.send(raw.headers(1, head, flags=WHOLE), frame(DATA, END, 1, EVIL))
    assert outcome(raw) == PROTOCOL_ERROR
    check_next(raw, lane, [])


def test_data_behind_the_content_length_that_comes_late_does_not_either(
    raw: RawHttp2, lane: Lane
) -> None:
    def run(served: Served) -> None:
        served.request()
        served.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        served.linger()

    lane.backend.serve(run)
    head = head_of(lane.host, (b"content-length", b"1"), method=b"POST")
    raw.send(raw.headers(1, head, flags=WHOLE), frame(DATA, 0, 1, b"x"))
    raw.until(HEADERS, 1)
    raw.send(frame(DATA, END, 1, EVIL))
    assert int.from_bytes(raw.until(RST_STREAM, 1)[1], "big") == PROTOCOL_ERROR
    served = lane.backend.connection(0)
    served.wait_ended()
    assert (served.requests[0].body, bytes(served.pending())) == (b"x", b"")


def test_a_body_that_looks_like_chunks_stays_a_body(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    body = b"0\r\n\r\n" + EVIL
    raw.send(
        raw.headers(1, head_of(lane.host, method=b"POST"), flags=WHOLE),
        *(frame(DATA, 0, 1, bytes((byte,))) for byte in body[:9]),
        frame(DATA, END, 1, body[9:]),
    )
    assert outcome(raw) == b"200"
    assert lane.backend.requests[0].body == body
    check_next(raw, lane, [b"/"])


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"DELETE"])
def test_a_body_where_none_is_usual_is_delimited_all_the_same(
    raw: RawHttp2, lane: Lane, method: bytes
) -> None:
    lane.backend.answer(OK if method != b"HEAD" else OK[:-2])
    raw.send(raw.headers(1, head_of(lane.host, method=method), flags=WHOLE))
    raw.send(frame(DATA, END, 1, EVIL))
    assert outcome(raw) == b"200"
    request = lane.backend.requests[0]
    assert (request.method, request.body, request.framing) == (method, EVIL, "chunked")


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH"])
def test_a_body_that_is_missing_is_said_to_be_none(
    raw: RawHttp2, lane: Lane, method: bytes
) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, method=method)))
    assert outcome(raw) == b"200"
    assert lane.backend.requests[0].get(b"content-length") == b"0"


# Injection: line ends and more in every place that HTTP/1 writes as text

INJECTED: dict[str, list[Field]] = {
    "the method": [(b":method", b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")],
    "the path": [(b":path", b"/ HTTP/1.1\r\nHost: evil.test\r\n\r\nGET /evil")],
    "the path's query": [(b":path", b"/?a HTTP/1.1\r\nX: y")],
    "the authority": [(b":authority", b"a\r\n\r\n" + EVIL)],
    "the authority's port": [(b":authority", b"a:80\r\nX: y")],
    "the scheme": [(b":scheme", b"http://evil.test/ HTTP/1.1\r\nX: y")],
    "Host": [(b"host", b"a\r\n\r\n" + EVIL)],
    "Cookie": [(b"cookie", b"a=b\r\n\r\n" + EVIL)],
    "a later crumb": [(b"cookie2", b"a"), (b"cookie", b"c=d\r\nX: y")],
    "Expect": [(b"expect", b"100-continue\r\nX: y")],
    "TE": [(b"te", b"trailers\r\nTransfer-Encoding: chunked")],
    "Content-Length": [(b"content-length", b"0\r\nX: y")],
    "X-Forwarded-For": [(b"x-forwarded-for", b"1.2.3.4\r\nX: y")],
    "a bare CR": [(b"x-a", b"b\rX: y")],
    "a bare LF": [(b"x-a", b"b\nX: y")],
    "a folded line": [(b"x-a", b"b\r\n c")],
    "a name": [(b"x-a: b\r\nx-b", b"c")],
    "a name with a space": [(b"transfer-encoding ", b"chunked")],
    "a name with a tab": [(b"content-length\t", b"5")],
    "a name with a control byte": [(b"transfer-encoding\x0b", b"chunked")],
    "a name with a high byte": [(b"content-length\xa0", b"5")],
}


@pytest.mark.parametrize("fields", INJECTED.values(), ids=INJECTED)
@pytest.mark.parametrize("has_body", [False, True])
def test_nothing_is_injected(
    raw: RawHttp2, lane: Lane, fields: list[Field], *, has_body: bool
) -> None:
    lane.backend.answer(OK)
    head = dict(head_of(lane.host, method=b"POST"))
    head.update(fields)
    raw.send(raw.headers(1, list(head.items()), flags=WHOLE if has_body else WHOLE | END))
    if has_body:
        raw.send(frame(DATA, END, 1, EVIL))
    assert outcome(raw) in {PROTOCOL_ERROR, b"400", b"417"}
    check_next(raw, lane, [])


@pytest.mark.parametrize("name", [b"content_length", b"transfer_encoding", b"transfer.encoding"])
def test_look_alikes_of_framing_end_here(raw: RawHttp2, lane: Lane, name: bytes) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, (name, b"5"))))
    assert outcome(raw) == b"200"
    assert name not in {key.lower() for key, _ in lane.backend.requests[0].fields}


def test_a_host_alone_is_who_is_asked(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    head = [field for field in head_of(lane.host) if field[0] != b":authority"]
    raw.send(raw.headers(1, [*head, (b"host", lane.host)]))
    assert outcome(raw) == b"200"
    assert lane.backend.requests[0].all(b"host") == [lane.host]


def test_a_host_that_says_the_default_port_is_no_other(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, (b"host", lane.host.upper() + b":443"))))
    assert outcome(raw) == b"200"
    assert lane.backend.requests[0].all(b"host") == [lane.host]


@pytest.mark.parametrize("other", [b"evil.test", b"%s:80", b"%s.evil.test"])
def test_two_hosts_are_none(raw: RawHttp2, lane: Lane, other: bytes) -> None:
    lane.backend.answer(OK)
    host = other.replace(b"%s", lane.host)
    raw.send(raw.headers(1, head_of(lane.host, (b"host", host))))
    assert outcome(raw) == b"400"
    check_next(raw, lane, [])


# Cookie crumbs


@pytest.mark.parametrize(
    ("crumbs", "whole"),
    [
        ([b"a=1", b"b=2"], b"a=1; b=2"),
        ([b"", b""], b""),
        ([b"", b"a=1", b""], b"a=1"),
        ([b"a=1;", b"b=2"], b"a=1;; b=2"),
        ([b"a%d=x" % n for n in range(200)], b"; ".join(b"a%d=x" % n for n in range(200))),
    ],
)
def test_crumbs_are_one_cookie(
    raw: RawHttp2, lane: Lane, crumbs: list[bytes], whole: bytes
) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, *((b"cookie", each) for each in crumbs))))
    assert outcome(raw) == b"200"
    assert lane.backend.requests[0].all(b"cookie") == [whole]


# Trailers

TRAILERS: dict[str, list[Field]] = {
    "a pseudo-header": [(b":path", b"/evil")],
    "an authority": [(b":authority", b"evil.test")],
    "a status": [(b":status", b"200")],
    "Transfer-Encoding": [(b"transfer-encoding", b"chunked")],
    "Connection": [(b"connection", b"close")],
    "upper case": [(b"X-Sum", b"1")],
    "a line end": [(b"x-sum", b"1\r\n\r\n" + EVIL)],
    "a line end in a name": [(b"x-sum: 1\r\n\r\nget /evil", b"")],
}


@pytest.mark.parametrize("trailers", TRAILERS.values(), ids=TRAILERS)
def test_malformed_trailers_break_the_request_off(
    raw: RawHttp2, lane: Lane, trailers: list[Field]
) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, method=b"POST"), flags=WHOLE))
    raw.send(frame(DATA, 0, 1, b"x"), raw.headers(1, trailers))
    assert outcome(raw) == PROTOCOL_ERROR
    check_next(raw, lane, [])


def test_trailers_say_nothing_of_framing_and_routing(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    raw.send(raw.headers(1, head_of(lane.host, method=b"POST"), flags=WHOLE))
    named = (b"content-length", b"host", b"x-real-ip", b"authorization", b"cookie", b"te")
    fields = [(name, b"5" if name != b"te" else b"trailers") for name in named]
    raw.send(frame(DATA, 0, 1, b"x"), raw.headers(1, [*fields, (b"x-sum", b"1")]))
    assert outcome(raw) == b"200"
    assert lane.backend.requests[0].trailers == ((b"x-sum", b"1"),)
    check_next(raw, lane, [b"/"])


def test_trailers_before_the_declared_end_are_no_end(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    head = head_of(lane.host, (b"content-length", b"5"), method=b"POST")
    raw.send(raw.headers(1, head, flags=WHOLE), frame(DATA, 0, 1, b"x"))
    raw.send(raw.headers(1, [(b"x-sum", b"1")]))
    assert outcome(raw) == PROTOCOL_ERROR
    check_next(raw, lane, [])


# WebSocket: what is for the tunnel must not be read as a request


def web_socket(raw: RawHttp2, lane: Lane) -> bytes:
    head = [*head_of(lane.host, method=b"CONNECT"), (b":protocol", b"websocket")]
    return raw.headers(1, [*head, (b"sec-websocket-version", b"13")], flags=WHOLE)


def test_bytes_for_a_tunnel_that_is_refused_reach_nobody(raw: RawHttp2, lane: Lane) -> None:
    def run(served: Served) -> None:
        served.request()
        time.sleep(0.1)  # what came with the request, and was passed on, would be here
        served.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        served.request()
        served.send(OK)
        served.linger()

    lane.backend.serve(run, run)
    raw.send(web_socket(raw, lane), frame(DATA, 0, 1, EVIL))
    assert outcome(raw) == b"403"
    raw.send(raw.headers(3, head_of(lane.host, path=b"/next")))
    assert raw.until(HEADERS, 3)
    assert b"/evil" not in {each.target for each in lane.backend.requests}


def test_a_tunnel_cannot_be_asked_for_by_two_names(raw: RawHttp2, lane: Lane) -> None:
    lane.backend.answer(OK)
    for number, value in ((1, b"websocket\r\nX: y"), (3, b"h2c"), (5, b"")):
        head = [*head_of(lane.host, method=b"CONNECT"), (b":protocol", value)]
        raw.send(raw.headers(number, head, flags=WHOLE))
        assert outcome(raw, number) in {PROTOCOL_ERROR, b"405"}
    check_next(raw, lane, [])
