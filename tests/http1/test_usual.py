"""Decision D2: a usual head means to the strict parser what the one expression took it for."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fsm_twisted.http1.grammar import HeadLimits, parse_request_head, parse_response_head
from fsm_twisted.http1.special import ORDINARY, REQUEST_NAMES, RESPONSE_NAMES
from fsm_twisted.http1.usual import (
    USUAL_REQUEST,
    USUAL_RESPONSE,
    is_unusual_size,
    may_have_dots,
    usual_answer,
)
from fsm_twisted.message.authority import AuthorityError, parse_authority
from fsm_twisted.message.framing import NO_BODY, Sized
from tests.http1 import strategies as make

LIMITS = HeadLimits()

# Names near those that have a meaning: where a pattern would go wrong.
_names = st.sampled_from(
    b"Host host HOST hosts Connection connection CONNECTION Connections Content-Length "
    b"content-length Content-Type Transfer-Encoding TE te Tea Trailer Trailers Upgrade upgrades "
    b"Expect Expected Keep-Alive keep-alive Proxy Proxy-Connection Proxy-Authorization Forwarded "
    b"X-Forwarded-For x-forwarded X-Forward X-Real-IP X-Real-IPs X-Request-ID HTTP2-Settings "
    b"X_Real_IP Accept Cookie Set-Cookie Date Server ETag c".split()
)
_values = st.sampled_from(
    [
        *(b" a", b"a", b"", b" ", b" keep-alive", b" Keep-Alive", b"keep-alive", b" close", b" 5"),
        *(b" 0", b" a.b:80", b"\ta\t", b" \x80", b" a\0", b" a\rb", b" 5, 5", b" chunked"),
    ]
)
_line = st.tuples(_names, st.sampled_from([b":", b":", b":", b" :"]), _values).map(b"".join)
_host = st.sampled_from([b"Host: a", b"host:a.b:8000", b"Host: a b", b"Host: a..b"])


@st.composite
def _head(draw: st.DrawFn, start: st.SearchStrategy[bytes]) -> bytes:
    lines = draw(st.lists(st.one_of(_line, st.just(b"Connection: keep-alive")), max_size=4))
    lines.insert(draw(st.integers(0, len(lines))), draw(_host))
    return b"\r\n".join([draw(start), *lines, b"", b""])


_request_line = st.tuples(
    st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE"]),
    st.sampled_from([b"/", b"/a?b", b"/../a", b"/a#b", b"*", b"http://a/", b"/%2e", b"/a|\"'"]),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]),
).map(b" ".join)
_status_line = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK", b"HTTP/1.1 404", b"HTTP/1.1 500 ", b"HTTP/1.1 204 X"),
        *(b"HTTP/1.1 304 X", b"HTTP/1.1 101 X", b"HTTP/1.0 200 OK", b"HTTP/1.1 600 X"),
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.one_of(_head(_request_line), make.request()))
@example(data=b"GET / HTTP/1.1\r\nA: b\r\nhost:a\r\nConnection: keep-alive\r\nB:c\r\n\r\n")
def test_a_usual_request_is_what_the_strict_parser_finds(data: bytes) -> None:
    found = USUAL_REQUEST.fullmatch(data)
    if found is None or may_have_dots(found[2]) or is_unusual_size(data, len(data), LIMITS):
        return
    try:
        authority = parse_authority(found[3])
    except AuthorityError:
        return

    head = parse_request_head(data, LIMITS)

    assert (head.method, head.target.wire, head.authority) == (found[1], found[2], authority)
    assert (head.minor, head.claims, head.framing) == (1, (), NO_BODY)
    assert (head.persistent, head.expects_continue, head.upgrade) == (True, False, None)
    # The line that is cut out is the only one that is not for the endpoint, Host apart.
    begin, end = found.span(4) if found[4] is not None else (0, 0)
    passed = data[:begin] + data[end:]
    assert passed.count(b"\r\n") == len(head.fields) + 3
    assert all(REQUEST_NAMES[name] == ORDINARY for name, _ in head.fields)
    assert parse_request_head(passed, LIMITS) == head


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    head=st.one_of(_head(_status_line), make.response()),
    body=st.sampled_from([b"", b"hello", b"x"]),
)
@example(head=b"HTTP/1.1 200\r\nContent-Length:5\r\nConnection: keep-alive\r\n\r\n", body=b"hello")
@example(
    head=b"HTTP/1.1 200\r\nConnection: keep-alive\r\nContent-Length: 0\r\nA: b\r\n\r\n", body=b""
)
def test_a_usual_response_is_what_the_strict_parser_finds(head: bytes, body: bytes) -> None:
    own = b"X-Own: 1\r\n"
    answer = usual_answer(head + body, LIMITS, own, own)
    if answer is None:
        return
    block = head[: head.index(b"\r\n\r\n") + 4]
    payload = (head + body)[len(block) :]

    meant = parse_response_head(block, b"GET", LIMITS)
    written = parse_response_head(answer[: answer.index(b"\r\n\r\n") + 4], b"GET", LIMITS)

    assert (meant.framing, meant.persistent, meant.minor) == (Sized(len(payload)), True, 1)
    assert answer.endswith(b"\r\n\r\n" + payload)
    assert b"onnection" not in answer.partition(b"\r\n\r\n")[0].replace(b"Connections", b"")
    assert all(RESPONSE_NAMES[name] == ORDINARY for name, _ in written.fields)
    assert tuple(f for f in written.fields if f[0] != b"X-Own") == meant.fields
    assert (written.status, written.reason) == (meant.status, meant.reason)


_MANY = b"a:\r\n" * 8000


@pytest.mark.parametrize("lines", [_MANY, b"Host: a\r\n" + _MANY, _MANY + b"Host: a\r\n"])
@pytest.mark.parametrize("last", [b"te: x\r\n\r\n", b"X", b"\r\nX", b"a: \0\r\n\r\n"])
def test_a_head_that_is_not_usual_is_refused_in_linear_time(lines: bytes, last: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + lines + last
    start = time.process_time()

    assert USUAL_REQUEST.fullmatch(b"GET / HTTP/1.1\r\n" + lines + last) is None
    assert (USUAL_RESPONSE.match(answer) is None) is (last != b"\r\nX")

    # Some ms. Two optional runs of lines side by side once took half a minute.
    assert time.process_time() - start < 1
