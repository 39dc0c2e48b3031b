"""What is set apart means what the strict parser says, and the rest is what the endpoint gets."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm_twisted.http1.errors import RequestError, ResponseError
from fsm_twisted.http1.grammar import (
    DEFAULT_LIMITS,
    HeadLimits,
    parse_request_head,
    parse_response_head,
)
from fsm_twisted.http1.reader import HeadReader, ResponseHeadReader, body_reader
from fsm_twisted.http1.set_apart import Asked, is_begun, set_apart_answer, set_apart_request
from fsm_twisted.http1.usual import Usual, usual_answer, usual_request
from fsm_twisted.message.framing import NO_BODY, Sized
from tests.http1.strategies import NASTY
from tests.http1.test_usual import (
    BARE,
    CHUNKED_RESPONSE,
    DATE,
    REQUEST,
    RESPONSE,
    SENDING,
    SERVER,
    methods,
)

_names = st.sampled_from(
    [
        b"Connection", b"connection", b"CONNECTION", b"Connection_", b"Keep-Alive", b"TE", b"te",
        b"Upgrade", b"HTTP2-Settings", b"Proxy-Connection", b"Proxy", b"Trailer", b"Expect",
        b"Forwarded", b"forwarded", b"X-Forwarded-For", b"x-forwarded-for", b"X-FORWARDED-PROTO",
        b"X-Forwarded-Client-Cert", b"x-forwarded", b"X-Forwardedly", b"X_Forwarded_For",
        b"X-Forwarded_For", b"X-Real-IP", b"X-Real_IP", b"X-Request-ID", b"x-request-idle",
        b"Content-Length", b"Transfer-Encoding", b"Host", b"Max-Forwards", b"Accept",
        b"Keep-Alive ", b"", b" X-Real-IP",
    ]
)  # fmt: skip
_values = st.sampled_from(
    [
        b" close", b"close", b" Close ", b" keep-alive", b" Keep-Alive, close", b" TE, close",
        b" Upgrade, HTTP2-Settings", b" upgrade", b" websocket", b" h2c", b" h2c, websocket",
        b" close, x-real-ip", b" close, Accept", b" cookie", b" ,", b" a b", b"", b" trailers",
        b" 203.0.113.9, 10.0.0.1 ", b" for=192.0.2.1;proto=https", b" https", b" 5", b" chunked",
        b" \x00", b" a\nb", b" a\rb", b"\t\xff", b" 100-continue",
    ]
)  # fmt: skip
_line = st.builds(lambda name, value: b"\r\n" + name + b":" + value, _names, _values)
_some_lines = st.lists(_line, min_size=1, max_size=4)


@st.composite
def _with_more(draw: st.DrawFn, bases: st.SearchStrategy[bytes]) -> bytes:
    """Messages that are usual, with lines put between theirs, and some bytes that are wrong."""
    data = draw(bases)
    for line in draw(_some_lines):
        ends = [at for at in range(data.find(b"\r\n\r\n") + 1) if data[at : at + 2] == b"\r\n"]
        where = draw(st.sampled_from(ends))
        data = data[:where] + line + data[where:]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        where = draw(st.integers(0, len(data)))
        data = data[:where] + draw(st.sampled_from([*NASTY, b""])) + data[where + 1 :]
    return data


_OLD = REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0")
_PREFLIGHT = b"OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n\r\n"
requests_with_more = _with_more(
    st.sampled_from(
        [REQUEST, SENDING, _OLD, SENDING.replace(b"HTTP/1.1", b"HTTP/1.0"), _PREFLIGHT]
    )
)
answers_with_more = _with_more(
    st.sampled_from(
        [RESPONSE, CHUNKED_RESPONSE, BARE, RESPONSE.replace(b"Connection: keep-alive\r\n", b"")]
    )
)


def _found(data: bytes) -> tuple[Asked, Usual] | None:
    asked = set_apart_request(data, DEFAULT_LIMITS)
    found = None if asked is None else usual_request(asked.rest, DEFAULT_LIMITS)
    return None if asked is None or found is None else (asked, found)


@given(data=requests_with_more)
@example(data=REQUEST)
@example(data=_OLD)
def test_what_is_set_apart_from_a_request_means_the_same_to_the_strict_parser(
    data: bytes,
) -> None:
    both = _found(data)
    if both is None:
        return
    asked, (method, target, path, authority, begin, cut, end) = both

    reader = HeadReader()
    block = reader.feed(data)
    assert block is not None
    body = reader.take_rest()
    assert asked.rest[end:] == body
    try:
        head = parse_request_head(block, DEFAULT_LIMITS)
    except RequestError as error:
        assert error.reason.code == "bad_host"  # noqa: PT017  the road asks the law about it
        return

    assert (head.method, head.target.wire, head.target.path) == (method, target, path)
    assert head.authority.wire == authority
    assert (head.minor, head.persistent) == (asked.minor, asked.persistent)
    assert head.claims == asked.claims
    assert (head.upgrade, head.expects_continue) == (None, False)
    assert head.framing == Sized(len(body)) or (head.framing, body) == (NO_BODY, b"")
    assert not (body and method in {b"GET", b"HEAD", b"OPTIONS"})
    # The endpoint gets the same fields in the same order, and nothing else.
    forwarded = asked.rest[:begin] + asked.rest[cut:end]
    again = parse_request_head(forwarded, DEFAULT_LIMITS)
    assert (again.fields, again.claims, again.minor) == (head.fields, (), 1)
    is_sized = head.framing is not NO_BODY
    assert len(again.fields) + 1 + is_sized == forwarded.count(b"\r\n") - 2


@given(data=answers_with_more, method=methods)
@example(data=RESPONSE, method=b"GET")
def test_what_is_set_apart_from_an_answer_means_the_same_to_the_strict_parser(
    data: bytes, method: bytes
) -> None:
    apart = set_apart_answer(data, DEFAULT_LIMITS)
    if apart is None:
        return
    rest, persistent = apart
    answer = usual_answer(rest, method, DEFAULT_LIMITS, SERVER, DATE)
    if answer is None:
        return

    reader = ResponseHeadReader()
    block = reader.feed(data)
    assert block is not None
    body = reader.take_rest()
    head = parse_response_head(block, method, DEFAULT_LIMITS)
    payload = body_reader(head.framing, error=ResponseError)
    payload.feed(body)
    assert payload.done
    assert not payload.rest
    assert head.persistent is persistent
    assert head.status >= 200
    passed = ResponseHeadReader().feed(answer)
    assert passed is not None
    assert answer[len(passed) :] == body
    again = parse_response_head(passed, method, DEFAULT_LIMITS)
    assert again.fields[: len(head.fields)] == head.fields
    own = again.fields[len(head.fields) :]
    assert {name for name, _ in own} <= {b"Server", b"Date"}
    assert (again.status, again.reason, again.framing) == (head.status, head.reason, head.framing)
    sized = head.framing is not NO_BODY or head.declared_length is not None
    assert passed.count(b"\r\n") == len(again.fields) + 2 + sized


def _asked(*lines: bytes, version: bytes = b"1.1") -> Asked | None:
    both = _found(
        b"GET / HTTP/%b\r\nHost: a\r\n%b\r\n" % (version, b"".join(b"%b\r\n" % x for x in lines))
    )
    return None if both is None else both[0]


@pytest.mark.parametrize(
    ("lines", "version", "persistent"),
    [
        ((), b"1.1", True),
        ((b"Connection: close",), b"1.1", False),
        ((b"connection:CLOSE , keep-alive",), b"1.1", False),
        ((b"Connection: keep-alive", b"Connection: close"), b"1.1", False),
        ((b"Connection: TE, close", b"TE: deflate,gzip;q=0.3"), b"1.1", False),
        (
            (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMA"),
            b"1.1",
            True,
        ),
        ((), b"1.0", False),
        ((b"Connection: Keep-Alive",), b"1.0", True),
    ],
)
def test_a_client_may_end_its_connection_and_still_be_usual(
    lines: tuple[bytes, ...],
    version: bytes,
    persistent: bool,  # noqa: FBT001  a column of the table
) -> None:
    asked = _asked(*lines, version=version)

    assert asked is not None
    assert (asked.persistent, asked.minor) == (persistent, int(version[2:]))
    assert asked.rest == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_claims_are_set_apart_in_their_order() -> None:
    asked = _asked(b"X-Forwarded-For: 1.2.3.4", b"Accept: x", b"x-forwarded-for:  5.6.7.8 ")

    assert asked is not None
    assert asked.claims == ((b"X-Forwarded-For", b"1.2.3.4"), (b"x-forwarded-for", b"5.6.7.8"))
    assert asked.rest == b"GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        (b"Connection: close, Accept", b"Accept: x"),
        (b"Connection: x-custom",),
        (b"Connection: a b",),
        (b"Connection: upgrade", b"Upgrade: websocket"),
        (b"Connection: upgrade", b"Upgrade: h2c, WebSocket"),
        (b"X-Forwarded-For: a\nb",),
        (b"X-Forwarded-For: \0",),
        (b"X-Forwarded-For : a",),
        (b"X_Forwarded_For: a",),
        (b"X-Forwarded-For: a", b" folded"),
        (b"X-Forwarded-For: a", b"Expect: 100-continue"),
        (b"X-Forwarded-For: a", b"Host: b"),
        (b"X-Forwarded-For: a", b"Transfer-Encoding: chunked"),
    ],
)
def test_what_means_more_is_left_to_the_strict_parser(lines: tuple[bytes, ...]) -> None:
    assert _asked(*lines) is None


def test_a_line_is_no_line_of_the_body_nor_of_the_request_line() -> None:
    body = b"\r\nX-Forwarded-For: 1"
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    asked = set_apart_request(data, DEFAULT_LIMITS)

    assert asked is not None
    assert asked.rest == data
    assert set_apart_request(b"GET / HTTP/1.1\r\nConnection: close\r\n", DEFAULT_LIMITS) is None
    assert _found(b"\r\nX-Real-IP: 1\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") is None


def test_the_limits_hold_for_the_whole_head() -> None:
    claims = [b"X-Forwarded-For: 203.0.113.9"] * 126

    assert _asked(*claims) is not None
    assert _asked(*claims, b"TE: trailers", b"TE: x", b"TE: x") is None
    asked = REQUEST[:-2] + b"X-Forwarded-For: 1\r\n\r\n"
    assert set_apart_request(asked, HeadLimits(head_bytes=len(asked))) is not None
    assert set_apart_request(asked, HeadLimits(head_bytes=len(asked) - 1)) is None


@pytest.mark.parametrize(
    ("lines", "persistent"),
    [
        (b"Connection: close\r\n", False),
        (b"Keep-Alive: timeout=60\r\nConnection: keep-alive\r\n", True),
        (b"Upgrade: h2,h2c\r\nConnection: Upgrade, close\r\n", False),
        (b"Upgrade: h2\r\nConnection: Upgrade, Keep-Alive\r\nKeep-Alive: timeout=5\r\n", True),
    ],
)
def test_an_endpoint_may_end_its_connection_and_still_be_usual(
    lines: bytes,
    persistent: bool,  # noqa: FBT001  a column of the table
) -> None:
    data = b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nok" % lines

    expected = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", persistent
    assert set_apart_answer(data, DEFAULT_LIMITS) == expected


@pytest.mark.parametrize(
    "lines", [b"Connection: ETag\r\nETag: 1\r\n", b"Connection: x-own\r\n", b"Connection: a b\r\n"]
)
def test_an_answer_that_lists_fields_away_is_left_to_the_strict_parser(lines: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nok" % lines

    assert set_apart_answer(data, DEFAULT_LIMITS) is None


@pytest.mark.parametrize(
    ("begin", "method", "expected"),
    [
        (b"Content-Length: 3\r\n\r\nok", b"GET", True),
        (b"content-length:3\r\nETag: 1\r\n\r\n", b"POST", True),
        (b"Content-Length: 2\r\n\r\nok", b"GET", False),
        (b"Content-Length: 3\r\n\r\n", b"HEAD", False),
        (b"ETag: 1\r\n\r\nContent-Length: 90\r\n", b"GET", False),
        (b"Content-Length: 90\r\n", b"GET", False),
    ],
)
def test_an_answer_has_only_begun_while_its_body_is_not_there(
    begin: bytes,
    method: bytes,
    expected: bool,  # noqa: FBT001  a column of the table
) -> None:
    assert is_begun(b"HTTP/1.1 200 OK\r\n" + begin, method) is expected


def test_with_nothing_to_set_apart_a_message_stays_itself() -> None:
    request, answer = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    asked = set_apart_request(request, DEFAULT_LIMITS)

    assert asked is not None
    assert asked.rest is request
    assert set_apart_answer(answer, DEFAULT_LIMITS) is None
