"""What backends may not say, and what of a half answer the client may see."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.wire.harness.backend import OK, Served, answering, closing, once
from tests.wire.harness.client import Client
from tests.wire.harness.lanes import Lane
from tests.wire.harness.message import PATIENCE

LINE = b"HTTP/1.1 200 OK\r\n"
BAD: list[tuple[str, bytes]] = [
    ("11 space before the colon", LINE + b"Content-Length : 2\r\n\r\nok"),
    (
        "11 space before the colon of a harmless field",
        LINE + b"X : 2\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("11 no colon", LINE + b"X\r\nContent-Length: 2\r\n\r\nok"),
    ("11 empty name", LINE + b": x\r\nContent-Length: 2\r\n\r\nok"),
    ("11 a name that is no token", LINE + b"X(): x\r\nContent-Length: 2\r\n\r\nok"),
    ("12 obs-fold", LINE + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
    ("12 obs-fold by a tab", LINE + b"X: a\r\n\tb\r\nContent-Length: 2\r\n\r\nok"),
    ("13 white space before the first field", LINE + b" X: a\r\nContent-Length: 2\r\n\r\nok"),
    ("14 bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    ("14 bare LF in a field", LINE + b"X: a\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok"),
    ("14 bare CR in a field (splitting)", LINE + b"X: a\rB: c\r\nContent-Length: 2\r\n\r\nok"),
    ("14 bare CR in the reason", b"HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok"),
    ("15 NUL in a value", LINE + b"X: a\x00b\r\nContent-Length: 2\r\n\r\nok"),
    ("15 a control in a value", LINE + b"X: a\x01b\r\nContent-Length: 2\r\n\r\nok"),
    ("15 a control in the reason", b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok"),
    (
        "17 coding and length",
        LINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("18 unknown coding", LINE + b"Transfer-Encoding: gzip\r\n\r\nok"),
    ("18 chunked not last", LINE + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("18 coding twice", LINE + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n"),
    ("20 differing lengths", LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
    ("20 differing lengths in a list", LINE + b"Content-Length: 2, 3\r\n\r\nok!"),
    ("20 length +2", LINE + b"Content-Length: +2\r\n\r\nok"),
    ("20 length -2", LINE + b"Content-Length: -2\r\n\r\nok"),
    ("20 empty length", LINE + b"Content-Length:\r\n\r\nok"),
    ("20 endless length", LINE + b"Content-Length: 99999999999999999999999\r\n\r\nok"),
    ("no status line", b"hello\r\n\r\n"),
    ("an SSH banner", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    ("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46"),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("HTTP/0.9", b"ok"),
    ("ICY", b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status of letters", b"HTTP/1.1 2xx OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status below 100", b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("two spaces before the status", b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (
        "an unasked 101",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ),
    ("half a head", LINE + b"Content-Length: 2\r\n"),
    ("26 seventeen interim answers", b"HTTP/1.1 102 Processing\r\n\r\n" * 17 + OK),
    ("26 an interim answer and no more", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ("32 an endless field", LINE + b"X: " + b"a" * 200000),
    ("32 endless fields", LINE + b"X: a\r\n" * 5000),
    ("nothing", b""),
]


@pytest.mark.parametrize("wire", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_answer_is_502_and_its_connection_is_dropped(
    client: Client, lane: Lane, wire: bytes
) -> None:
    lane.backend.serve(closing(wire), closing(wire), answering(OK))
    response = client.ask(lane.post(b"x"))
    assert response.status == 502
    assert response.body == b"Bad Gateway"
    assert len(lane.backend.connections) == 1


def test_a_bad_answers_connection_is_dropped_although_the_backend_keeps_it(
    client: Client, lane: Lane
) -> None:
    lane.backend.serve(once(LINE + b"X : y\r\nContent-Length: 2\r\n\r\nok"), answering(OK))
    assert client.ask(lane.post(b"x")).status == 502
    lane.backend.connection(0).wait_ended()
    assert client.ask(lane.post(b"x")).status == 200


def test_row_20_like_lengths_of_an_answer_are_one_or_refused(client: Client, lane: Lane) -> None:
    lane.backend.answer(LINE + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok")
    response = client.ask(lane.post(b"x"))
    assert (response.status, response.body) in {(200, b"ok"), (502, b"Bad Gateway")}


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        (b"GET", b"Content-Length: 2\r\n\r\nok"),
        (b"GET", b"Connection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
        (b"GET", b"Connection: close\r\nContent-Length: 2\r\n\r\nok"),
        (b"GET", b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        (b"HEAD", b"Content-Length: 2\r\n\r\n"),
    ],
    ids=["sized", "kept alive", "closing", "chunked", "HEAD"],
)
def test_a_status_line_that_ends_with_the_status_goes_on_with_its_space(
    client: Client, lane: Lane, method: bytes, rest: bytes
) -> None:
    """RFC 9112 section 4: a server MUST send the space although no reason follows."""
    lane.backend.answer(b"HTTP/1.1 200\r\n" + rest)

    assert client.ask(lane.request(method, b"/"), method).head.startswith(b"HTTP/1.1 200 \r\n")


CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
TRUNCATED: list[tuple[str, bytes]] = [
    ("sized", LINE + b"Content-Length: 10\r\n\r\nhello"),
    ("chunked, in a chunk", CHUNKED + b"a\r\nhello"),
    ("chunked, between chunks", CHUNKED + b"5\r\nhello\r\n"),
    ("chunked, before the last CRLF", CHUNKED + b"5\r\nhello\r\n0\r\n"),
    ("chunked, in a trailer", CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n"),
    ("chunked, broken size", CHUNKED + b"5\r\nhello\r\nzz\r\nhello\r\n"),
    ("chunked, overlong size", CHUNKED + b"5\r\nhello\r\n10000000000000000\r\n"),
    ("chunked, bare LF", CHUNKED + b"5\r\nhello\n0\r\n\r\n"),
    ("chunked, broken trailer", CHUNKED + b"5\r\nhello\r\n0\r\nA : b\r\n\r\n"),
]


@pytest.mark.parametrize("wire", [case[1] for case in TRUNCATED], ids=[c[0] for c in TRUNCATED])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_row_30_a_truncated_answer_never_looks_complete(
    client: Client, lane: Lane, wire: bytes, version: bytes
) -> None:
    """HTTP/1.0 clients can tell only by RST."""
    head, _, body = wire.partition(b"\r\n\r\n")

    def run(served: Served) -> None:
        served.request()
        served.send(head + b"\r\n\r\n")
        begun.wait(PATIENCE)
        served.send(body)

    begun = threading.Event()
    lane.backend.serve(run)
    client.send(b"GET / HTTP/%s\r\nHost: %s\r\n\r\n" % (version, lane.host))
    begun.set()
    data, how = client.rest()
    if not data.startswith(b"HTTP/1.1 502"):
        assert version == b"1.1" or how == "reset"
        assert b"0\r\n\r\n" not in data


def test_row_30_a_reset_of_an_answer_until_close_is_passed_on(client: Client, lane: Lane) -> None:
    def run(served: Served) -> None:
        served.request()
        served.send(LINE + b"\r\n" + b"hello")
        seen.wait(PATIENCE)
        served.reset()

    seen = threading.Event()
    lane.backend.serve(run)
    client.send(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % lane.host)
    client.until(b"hello")
    seen.set()
    assert client.rest()[1] == "reset"


@pytest.mark.parametrize(
    "extra",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b"x", b"\r\n"],
    ids=["an answer", "a byte", "an empty line"],
)
def test_bytes_behind_an_answer_never_answer_anybody(
    dial: Callable[[], Client], lane: Lane, extra: bytes
) -> None:
    """Response queue poisoning: the connection is dropped, the next request gets its own."""
    lane.backend.serve(once(OK + extra), answering(OK))
    assert dial().ask(lane.get()).body == b"ok"
    assert dial().ask(lane.get()).body == b"ok"
    lane.backend.connection(0).wait_ended()


@pytest.mark.parametrize(
    ("method", "response"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\npoison"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison"),
        (
            b"HEAD",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n",
        ),
    ],
)
def test_row_24_a_body_that_may_not_be_drops_the_connection(
    client: Client, lane: Lane, method: bytes, response: bytes
) -> None:
    lane.backend.serve(once(response), answering(OK))
    client.ask(lane.request(method), method)
    assert client.ask(lane.get()).body == b"ok"
    lane.backend.connection(0).wait_ended()


def test_stray_bytes_on_an_idle_connection_drop_it(client: Client, lane: Lane) -> None:
    def run(served: Served) -> None:
        served.request()
        served.send(OK)
        idle.wait(PATIENCE)
        served.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 6\r\n\r\npoison")
        served.linger()

    idle = threading.Event()
    lane.backend.serve(run, answering(OK))
    assert client.ask(lane.get()).body == b"ok"
    idle.set()
    lane.backend.connection(0).wait_ended()
    response = client.ask(lane.post(b"x"))
    assert (response.status, response.body) == (200, b"ok")


def test_row_26_interim_answers_go_on_to_http_1_1_only(
    dial: Callable[[], Client], lane: Lane
) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 8
    more = b"HTTP/1.1 102 Processing\r\n\r\n" * 8
    lane.backend.answer(early + more + OK)
    response = dial().ask(lane.get())
    assert [each.status for each in response.interim] == [103] * 8 + [102] * 8
    assert response.interim[0].get(b"Link") == b"</a>"
    response = dial().ask(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % lane.host)
    assert (response.interim, response.body) == ((), b"ok")


def test_row_26_hop_by_hop_fields_of_interim_answers_are_removed(
    client: Client, lane: Lane
) -> None:
    lane.backend.answer(
        b"HTTP/1.1 103 Early Hints\r\nConnection: x\r\nX: y\r\nKeep-Alive: 1\r\nLink: </a>\r\n\r\n"
        + OK
    )
    (interim,) = client.ask(lane.get()).interim
    assert {name for name, _ in interim.fields} <= {b"Link", b"Via", b"Server", b"Date"}


def test_row_26_an_interim_answer_goes_on_before_the_final_one(client: Client, lane: Lane) -> None:
    def run(served: Served) -> None:
        served.request()
        served.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        seen.wait(PATIENCE)
        served.send(OK)
        served.linger()

    seen = threading.Event()
    lane.backend.serve(run)
    client.send(lane.get())
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 103 ")
    seen.set()
    assert client.response().status == 200


EXPECT = b"Expect: 100-continue\r\n"


def test_row_27_an_expectation_is_passed_on_and_100_comes_back(client: Client, lane: Lane) -> None:
    def run(served: Served) -> None:
        served.request_head()
        served.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        bodies.append(served.exactly(5))
        served.send(OK)
        served.linger()

    bodies: list[bytes] = []
    lane.backend.serve(run)
    client.send(lane.request(b"POST", b"/", EXPECT + b"Content-Length: 5\r\n"))
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    client.send(b"hello")
    response = client.response()
    assert (response.status, response.interim) == (200, ())
    assert bodies == [b"hello"]


def test_row_27_a_final_answer_before_the_body_is_relayed_at_once(
    client: Client, lane: Lane
) -> None:
    def run(served: Served) -> None:
        served.request_head()
        served.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        served.linger()

    lane.backend.serve(run)
    client.send(lane.request(b"POST", b"/", EXPECT + b"Content-Length: 5\r\n"))
    response = client.response()
    assert (response.status, response.body) == (401, b"no")
    client.send(lane.get(b"/behind"))
    client.rest()
    lane.backend.connection(0).wait_ended()
    assert len(lane.backend.connections) == 1, "the body that was expected is no request"


def test_row_27_http_1_0_never_gets_100(client: Client, lane: Lane) -> None:
    lane.backend.answer(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    data = b"POST / HTTP/1.0\r\nHost: %s\r\n%sContent-Length: 5\r\n\r\nhello" % (lane.host, EXPECT)
    response = client.ask(data)
    assert (response.status, response.interim) == (200, ())


def test_row_27_a_body_that_does_not_wait_is_forwarded(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    assert client.ask(lane.post(b"hello", EXPECT)).status == 200
    assert lane.backend.wait_request().body == b"hello"
    assert client.ask(lane.get()).status == 200


def test_an_early_answer_is_relayed_while_the_body_is_still_sent(
    client: Client, lane: Lane
) -> None:
    """RFC 9112 section 9.5; the connection may not be used again before the body has ended."""

    def run(served: Served) -> None:
        served.request_head()
        served.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        served.linger()

    lane.backend.serve(run)
    client.send(lane.request(b"POST", b"/", b"Content-Length: 100000000\r\n") + bytes(1000))
    response = client.response()
    assert (response.status, response.body) == (413, b"big")
    client.send_aside(bytes(3000000)).join(PATIENCE)
    client.close()
    lane.backend.connection(0).wait_ended()


def test_an_early_answer_of_a_backend_that_closes_arrives(client: Client, lane: Lane) -> None:
    """The backend resets because it has not read the body: its answer still counts."""

    def run(served: Served) -> None:
        served.request_head()
        served.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        served.half_close()
        sent.wait(PATIENCE)

    sent = threading.Event()
    lane.backend.serve(run)
    client.send(lane.request(b"POST", b"/", b"Content-Length: 10000000\r\n"))
    client.send_aside(bytes(10000000))
    response = client.response()
    sent.set()
    assert (response.status, response.body) == (413, b"big")


def test_an_early_answers_connection_is_not_pooled(dial: Callable[[], Client], lane: Lane) -> None:
    """0.CL: a pooled connection must not wait for the rest of a body."""

    def early(served: Served) -> None:
        served.request_head()
        served.send(OK)
        served.linger()

    lane.backend.serve(early, answering(OK))
    first = dial()
    assert first.ask(lane.request(b"POST", b"/", b"Content-Length: 50\r\n")).status == 200
    assert dial().ask(lane.get(b"/second")).status == 200
    first.close()
    lane.backend.connection(0).wait_ended()
    assert b"/second" not in bytes(lane.backend.connection(0).received)
