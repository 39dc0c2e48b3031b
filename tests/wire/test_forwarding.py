"""What reaches the backend, and what comes back, by the rows of the table of HTTP promises."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.wire.harness.backend import OK, Served, answering, closing, once
from tests.wire.harness.client import Client
from tests.wire.harness.lanes import Lane
from tests.wire.harness.message import PATIENCE, Request

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


def forwarded(client: Client, lane: Lane, data: bytes) -> Request:
    """Send one request; return it as the backend has read it."""
    lane.backend.answer(OK)
    assert client.ask(data).status == 200
    return lane.backend.wait_request()


def test_row_01_connection_and_what_it_lists_is_removed(client: Client, lane: Lane) -> None:
    request = forwarded(
        client,
        lane,
        lane.get(
            extra=b"Connection: x-a, X-B\r\nX-A: 1\r\nx-b: 2\r\n"
            b"Connection: x-c\r\nX-C: 3\r\nX-D: 4\r\n"
        ),
    )
    assert not [name for name, _ in request.fields if name.lower() in {b"x-a", b"x-b", b"x-c"}]
    assert request.get(b"X-D") == b"4"
    assert request.get(b"Connection") is None


@pytest.mark.parametrize(
    "name", [b"host", b"Content-Length", b"x-forwarded-for", b"X-Forwarded-Proto", b"x-real-ip"]
)
def test_row_01_what_the_proxy_answers_for_cannot_be_listed_away(
    client: Client, lane: Lane, name: bytes
) -> None:
    request = forwarded(client, lane, lane.post(b"hello", b"Connection: %s\r\n" % name))
    assert request.body == b"hello"
    assert request.get(b"Host") == lane.host
    assert request.get(b"X-Forwarded-For") == b"127.0.0.1"
    assert request.get(b"X-Forwarded-Proto") == b"http"
    assert request.get(b"X-Real-IP") == b"127.0.0.1"


def test_row_01_a_listed_coding_stays_the_framing(client: Client, lane: Lane) -> None:
    extra = b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n"
    request = forwarded(client, lane, lane.request(b"POST", b"/", extra, b"2\r\nhi\r\n0\r\n\r\n"))
    assert request.body == b"hi"


def test_row_01_connection_of_a_response_and_what_it_lists_is_removed(
    client: Client, lane: Lane
) -> None:
    lane.backend.answer(
        b"HTTP/1.1 200 OK\r\nConnection: x-a\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nX-B: 2\r\n"
        b"Proxy-Connection: x\r\nTE: trailers\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
    )
    response = client.ask(lane.get())
    names = {name.lower() for name, _ in response.fields}
    assert not names & {b"x-a", b"keep-alive", b"proxy-connection", b"te", b"upgrade"}
    assert response.get(b"X-B") == b"2"


def test_row_01_a_response_cannot_list_its_length_away(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK.replace(b"\r\n\r\n", b"\r\nConnection: content-length\r\n\r\n"))
    response = client.ask(lane.get())
    assert (response.framing, response.body) == ("sized", b"ok")


def test_rows_02_and_03_hop_by_hop_fields_are_removed_unlisted(client: Client, lane: Lane) -> None:
    request = forwarded(
        client,
        lane,
        lane.get(
            extra=b"Keep-Alive: 5\r\nProxy-Connection: close\r\nTE: trailers, gzip\r\n"
            b"Upgrade: h2c\r\nProxy-Authorization: x\r\nTrailer: x\r\nHTTP2-Settings: AAMA\r\n"
        ),
    )
    names = {name.lower() for name, _ in request.fields}
    gone = {b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"trailer", b"http2-settings"}
    assert not names & gone


def test_row_04_via_is_appended(client: Client, lane: Lane) -> None:
    request = forwarded(client, lane, lane.get(extra=b"Via: 1.0 fred\r\n"))
    assert b", ".join(request.all(b"Via")) == b"1.0 fred, 1.1 fsm"


def test_row_04_via_is_sent_for_http_1_0_too(client: Client, lane: Lane) -> None:
    data = b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % lane.host
    assert forwarded(client, lane, data).get(b"Via") in {b"1.0 fsm", b"1.1 fsm"}


@pytest.mark.parametrize(
    ("hops", "left"),
    [
        (b"7", b"6"),
        (b"0000000000007", b"6"),
        # The lesser of one less and the most that we can count (RFC 9110 section 7.6.2).
        (b"1000000000", b"999999999"),
        (b"9" * 5000, b"999999999"),
        (b"seven", b"seven"),
    ],
    ids=["one", "zeros before", "ten digits", "5000 digits", "no number"],
)
def test_row_05_options_counts_hops_down(
    client: Client, lane: Lane, hops: bytes, left: bytes
) -> None:
    asked = lane.request(b"OPTIONS", b"/", b"Max-Forwards: %b\r\n" % hops)
    assert forwarded(client, lane, asked).get(b"Max-Forwards") == left


@pytest.mark.parametrize("hops", [b"0", b"00000000000"])
def test_row_05_options_with_no_hop_left_is_answered_here(
    client: Client, lane: Lane, hops: bytes
) -> None:
    lane.backend.answer(OK)
    response = client.ask(lane.request(b"OPTIONS", b"/", b"Max-Forwards: %b\r\n" % hops))
    assert response.status in {200, 204}
    assert lane.backend.requests == []


def test_row_05_max_forwards_of_other_methods_is_left_alone(client: Client, lane: Lane) -> None:
    request = forwarded(client, lane, lane.get(extra=b"Max-Forwards: 0\r\n"))
    assert request.get(b"Max-Forwards") == b"0"


@pytest.mark.parametrize("port", [b"", b":80"])
@pytest.mark.parametrize("form", [b"http://%s/a?b", b"HTTP://%s/a?b", b"http://%s:80/a?b"])
def test_row_06_absolute_form_becomes_origin_form(
    client: Client, lane: Lane, form: bytes, port: bytes
) -> None:
    target = form % lane.host
    data = b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, lane.host + port)
    request = forwarded(client, lane, data)
    assert request.target == b"/a?b"
    # The target's authority overrides Host (RFC 9112 section 3.2.2).
    assert request.get(b"Host") == target[len(b"http://") : -len(b"/a?b")]


@pytest.mark.parametrize(("tail", "target"), [(b"", b"/"), (b"?q", b"/?q")])
def test_row_06_absolute_form_without_path_gets_one(
    client: Client, lane: Lane, tail: bytes, target: bytes
) -> None:
    data = b"GET http://%s%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (lane.host, tail, lane.host)
    assert forwarded(client, lane, data).target == target


def test_row_07_asterisk_form_of_options_is_no_bad_request(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    response = client.ask(lane.request(b"OPTIONS", b"*"))
    assert response.status in {200, 204}
    assert [each.target for each in lane.backend.requests] in ([], [b"*"])


@pytest.mark.parametrize("spelled", [b"%s:80", b"%s.", b"%s.:8080", b"%s:0"])
def test_row_08_port_and_trailing_dot_do_not_matter_for_routing(
    client: Client, lane: Lane, spelled: bytes
) -> None:
    lane.backend.answer(OK)
    data = b"GET / HTTP/1.1\r\nhOST:\t%s \r\n\r\n" % (spelled % lane.host)
    assert client.ask(data).status == 200


def test_row_08_case_of_the_host_does_not_matter_for_routing(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    assert client.ask(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % lane.host.upper()).status == 200


@pytest.mark.parametrize(
    "target",
    [
        b"//a//b",
        b"/a%2Fb",
        b"/%41%zz",
        b"/a;b=c/d",
        b"/?a=b&c=/../d?e",
        b"/...",
        b"/a/.b/c..",
        b"/%00",
        b"/\\..\\x",
        b'/{}|^`"<>',
        b"/" + b"a" * 7980,
    ],
)
def test_rows_09_and_33_a_target_is_forwarded_as_sent(
    client: Client, lane: Lane, target: bytes
) -> None:
    assert forwarded(client, lane, lane.get(target)).target == target


@pytest.mark.parametrize("method", [b"get", b"PATCH", b"M-SEARCH", b"!#$%&'*+-.^_`|~09Az"])
def test_row_09_any_token_is_a_method(client: Client, lane: Lane, method: bytes) -> None:
    assert forwarded(client, lane, lane.request(method)).method == method


def test_row_10_a_higher_minor_version_is_understood_or_refused(
    client: Client, lane: Lane
) -> None:
    lane.backend.answer(OK)
    response = client.ask(b"GET / HTTP/1.2\r\nHost: %s\r\n\r\n" % lane.host)
    assert response.status in {200, 400, 505}


def test_row_10_the_proxys_own_version_goes_both_ways(client: Client, lane: Lane) -> None:
    """The strict reader on both sides takes nothing but HTTP/1.1."""
    lane.backend.serve(closing(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    assert client.ask(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % lane.host).body == b"ok"
    lane.backend.wait_request()


def test_row_16_two_empty_lines_before_a_request_are_ignored(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    for lines in (b"", b"\r\n", b"\r\n\r\n"):
        assert client.ask(lines + lane.get()).status == 200


def test_row_18_the_name_of_the_coding_has_no_case(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    extra = b"transfer-ENCODING:CHUNKED \r\n"
    response = client.ask(lane.request(b"POST", b"/", extra, b"1\r\na\r\n0\r\n\r\n"))
    assert response.status in {200, 400, 501}
    assert [each.body for each in lane.backend.requests] in ([], [b"a"])


def test_row_21_chunk_extensions_are_dropped(client: Client, lane: Lane) -> None:
    body = b'2;a=b\r\nhi\r\n3 ; c="d;e"\r\nyou\r\n0;x\r\n\r\n'.replace(b"3 ; c", b"3;c")
    request = forwarded(
        client, lane, lane.request(b"POST", b"/", b"Transfer-Encoding: chunked\r\n", body)
    )
    assert request.body == b"hiyou"
    assert b";" not in bytes(lane.backend.connection().received).partition(b"\r\n\r\n")[2]


def test_row_22_sixteen_digits_of_a_chunk_size_are_read(client: Client, lane: Lane) -> None:
    body = b"0000000000000002\r\nhi\r\n0000000000000000\r\n\r\n"
    request = forwarded(
        client, lane, lane.request(b"POST", b"/", b"Transfer-Encoding: chunked\r\n", body)
    )
    assert request.body == b"hi"


def test_row_23_trailers_are_dropped(client: Client, lane: Lane) -> None:
    trailers = b"Host: evil\r\nContent-Length: 9\r\nX-Forwarded-For: 6.6.6.6\r\nA: b\r\n"
    body = b"2\r\nhi\r\n0\r\n" + trailers + b"\r\n"
    extra = b"Transfer-Encoding: chunked\r\nTrailer: A\r\n"
    request = forwarded(client, lane, lane.request(b"POST", b"/", extra, body))
    assert request.trailers == ()
    assert b"evil" not in bytes(lane.backend.connection().received)
    assert client.ask(lane.get()).status == 200


def test_row_23_trailers_of_a_response_never_become_fields(client: Client, lane: Lane) -> None:
    lane.backend.answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n"
        b"2\r\nok\r\n0\r\nSet-Cookie: a=b\r\nContent-Length: 7\r\n\r\n"
    )
    response = client.ask(lane.get())
    assert (response.body, response.trailers) == (b"ok", ())
    assert response.all(b"Set-Cookie") == []
    assert client.ask(lane.get()).body == b"ok"


def test_row_24_head_204_and_304_have_no_body(client: Client, lane: Lane) -> None:
    lane.backend.answer(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 77\r\n\r\n',
        OK,
    )
    head = client.ask(lane.request(b"HEAD"), b"HEAD")
    assert head.get(b"Content-Length") == b"5000000000"
    assert client.ask(lane.request(b"HEAD"), b"HEAD").status == 200
    assert client.ask(lane.get()).status == 204
    assert client.ask(lane.get()).get(b"ETag") == b'"a"'
    assert client.ask(lane.get()).body == b"ok"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 0", b"Content-Length: 2", b"Transfer-Encoding: chunked"]
)
def test_row_24_a_204_with_framing_is_cleaned_or_refused(
    client: Client, lane: Lane, framing: bytes
) -> None:
    """The strict client refuses a 204 with a framing field."""
    lane.backend.answer(b"HTTP/1.1 204 No Content\r\n" + framing + b"\r\n\r\n")
    assert client.ask(lane.get()).status in {204, 502}


def test_row_24_a_request_without_framing_has_no_body(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    assert client.ask(lane.request(b"POST")).status == 200
    assert client.ask(lane.request(b"GET")).status == 200
    first, second = lane.backend.requests
    assert first.body == second.body == b""


def test_row_24_a_get_may_have_a_body(client: Client, lane: Lane) -> None:
    """CL.0: the body of a GET is never taken for the next request."""
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: %s\r\n\r\n" % lane.host
    lane.backend.answer(OK)
    extra = b"Content-Length: %d\r\n" % len(smuggled)
    assert client.ask(lane.request(b"GET", b"/", extra, smuggled)).status == 200
    assert client.ask(lane.get(b"/second")).status == 200
    assert [each.target for each in lane.backend.requests] == [b"/", b"/second"]
    assert lane.backend.requests[0].body == smuggled


def test_row_25_a_chunked_answer_to_http_1_0_is_closed(client: Client, lane: Lane) -> None:
    lane.backend.answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n"
    )
    data = b"GET / HTTP/1.0\r\nHost: %s\r\nConnection: keep-alive\r\n\r\n" % lane.host
    response = client.ask(data)
    assert response.framing == "close"
    assert response.body == b"ok!"


def test_row_25_an_answer_until_close_reaches_both_versions(
    dial: Callable[[], Client], lane: Lane
) -> None:
    lane.backend.serve(closing(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"))
    response = dial().ask(lane.get())
    assert response.body == b"until the end"
    response = dial().ask(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % lane.host)
    assert (response.framing, response.body) == ("close", b"until the end")


@pytest.mark.parametrize("value", [b"close", b"Close", b"CLOSE"])  # the last one is unusual
@pytest.mark.parametrize("body", [b"", b"with its head"])
@pytest.mark.parametrize("answer", [OK, CHUNKED])
def test_the_last_request_is_answered_and_the_connection_ends_in_order(
    client: Client, lane: Lane, value: bytes, body: bytes, answer: bytes
) -> None:
    lane.backend.answer(answer)
    extra = b"Connection: " + value + b"\r\n"
    response = client.ask(lane.post(body, extra) if body else lane.get(extra=extra))

    assert (response.status, response.body) == (200, b"ok")
    assert response.get(b"Connection") == b"close"
    # What still comes is thrown away, and no reset takes the answer back.
    client.send(b"x" * 100_000)
    assert client.ending() == "fin"
    request = lane.backend.wait_request()
    assert (request.get(b"Connection"), request.body) == (None, body)


def test_http_1_0_closes_unless_it_asks_to_keep_alive(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    data = b"GET / HTTP/1.0\r\nHost: %s\r\n%s\r\n"
    for _ in range(2):
        response = client.ask(data % (lane.host, b"Connection: Keep-Alive\r\n"))
        assert response.get(b"Connection") in {b"keep-alive", b"Keep-Alive"}
    client.ask(data % (lane.host, b""))
    assert client.ending() == "fin"


def test_row_29_close_is_honoured_and_nothing_behind_it_is_read(
    client: Client, lane: Lane
) -> None:
    lane.backend.answer(OK)
    client.send(lane.get(extra=b"Connection: x, Close\r\n") + lane.get(b"/behind"))
    assert client.response().get(b"Connection") == b"close"
    assert client.ending() == "fin"
    assert len(lane.backend.requests) == 1


def test_row_29_pipelined_answers_come_in_order(client: Client, lane: Lane) -> None:
    def run(served: Served) -> None:
        while True:
            target = served.request().target
            served.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(target), target))

    lane.backend.serve(run)
    count = 200
    writing = client.send_aside(
        b"".join(
            lane.get(b"/%d" % n) if n % 3 else lane.post(b"x" * n, target=b"/%d" % n)
            for n in range(count)
        )
    )
    assert [client.response().body for _ in range(count)] == [b"/%d" % n for n in range(count)]
    writing.join(PATIENCE)


def test_row_29_pipelined_requests_behind_a_refused_one_are_not_served(
    client: Client, lane: Lane
) -> None:
    lane.backend.answer(OK)
    client.send(lane.get(b"/1") + b"GET / HTTP/1.1\r\n\r\n" + lane.get(b"/3"))
    assert [client.response().status, client.response().status] == [200, 400]
    client.ending()
    assert [each.target for each in lane.backend.requests] == [b"/1"]


def test_row_29_a_local_answer_waits_for_its_turn(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    client.send(lane.get() + b"GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n" + lane.get())
    assert [client.response().status for _ in range(3)] == [200, 404, 200]


def test_row_34_values_and_their_order_are_kept(client: Client, lane: Lane) -> None:
    lane.backend.answer(
        b"HTTP/1.1 299 Own  Reason!\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"Set-Cookie: a=1, x\r\n"
        b"X-A: 1\r\nset-cookie: b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT\r\nX-A:\t\xe42 \r\n"
        b'ETag: W/"x"\r\nX-Empty:\r\nServer: own\r\nContent-Length: 0\r\n\r\n'
    )
    extra = b"Cookie: a=1\r\nX-A: 1\r\ncookie: b=2\r\nx-a: \xe4  2\t\r\nX-Empty:\r\n"
    response = client.ask(lane.get(extra=extra))
    request = lane.backend.wait_request()
    assert request.all(b"X-A") == [b"1", b"\xe4  2"]
    assert b"; ".join(request.all(b"Cookie")) == b"a=1; b=2"
    assert request.get(b"X-Empty") == b""
    assert (response.status, response.reason) == (299, b"Own  Reason!")
    assert response.all(b"Date") == [b"Thu, 01 Jan 1970 00:00:00 GMT"]
    assert response.all(b"X-A") == [b"1", b"\xe42"]
    assert response.all(b"Server") == [b"own"]
    assert response.all(b"Set-Cookie") == [
        b"a=1, x",
        b"b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT",
    ]


def test_row_34_an_answer_without_date_gets_one(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    date = client.ask(lane.get()).get(b"Date")
    assert date is not None
    assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)


def test_a_status_without_reason_is_forwarded(client: Client, lane: Lane) -> None:
    lane.backend.answer(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")
    assert client.ask(lane.get()).reason in {b"", b"OK"}


def test_any_chopping_of_a_request_is_the_same_request(
    dial: Callable[[], Client], lane: Lane
) -> None:
    lane.backend.answer(OK)
    data = lane.request(
        b"POST",
        b"/x?y",
        b"Transfer-Encoding: chunked\r\nX: y\r\n",
        b"3;a\r\nabc\r\n0\r\nT: u\r\n\r\n",
    )
    for size in (1, 2, 3, 7):
        client = dial()
        client.send_chopped(data[n : n + size] for n in range(0, len(data), size))
        assert client.response().status == 200
        assert client.ask(lane.get()).status == 200
    posts = [each for each in lane.backend.requests if each.method == b"POST"]
    assert [each.body for each in posts] == [b"abc"] * 4


def test_any_chopping_of_a_response_is_the_same_response(
    dial: Callable[[], Client], lane: Lane
) -> None:
    data = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
    )

    def run(served: Served) -> None:
        while True:
            size = int(served.request().target[1:])
            for n in range(0, len(data), size):
                served.send(data[n : n + size])

    lane.backend.serve(run)
    for size in (1, 2, 3, 7):
        response = dial().ask(lane.get(b"/%d" % size))
        assert (response.body, len(response.interim)) == (b"abc", 1)


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_stream_both_ways(client: Client, lane: Lane, *, chunked: bool) -> None:
    block = bytes(range(256)) * 4096
    body = block * 10
    if chunked:
        wire = b"".join(b"%x\r\n%s\r\n" % (len(block), block) for _ in range(10)) + b"0\r\n\r\n"
        framing = b"Transfer-Encoding: chunked\r\n"
    else:
        wire, framing = body, b"Content-Length: %d\r\n" % len(body)
    lane.backend.serve(answering(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + wire))
    writing = client.send_aside(lane.request(b"POST", b"/", framing, wire))
    response = client.response()
    writing.join(PATIENCE)
    assert response.body == body
    assert lane.backend.wait_request().body == body


def test_a_reused_connection_serves_many_requests(client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    for _ in range(50):
        assert client.ask(lane.get()).body == b"ok"
    assert len(lane.backend.connections) == 1


def test_an_answer_that_says_close_is_not_reused(client: Client, lane: Lane) -> None:
    lane.backend.serve(once(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
    for _ in range(2):
        response = client.ask(lane.get())
        assert response.get(b"Connection") is None
    assert len(lane.backend.connections) == 2
    lane.backend.connection(0).wait_ended()
