"""
Against h11 and llhttp: what we accept they accept alike; where we refuse more is written down.

The two tables are the places where we are stricter on purpose. Verdicts of the others are part
of them, so that a new version of theirs that changes its mind shows here.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.http1 import strategies as make

pytest.importorskip("llhttp", reason="llhttp is not installed: it needs a C compiler")

from tests.http1.others import (
    Plain,
    by_h11_request,
    by_h11_response,
    by_llhttp_request,
    by_llhttp_response,
    check_agreement_on_requests,
    check_agreement_on_responses,
)
from tests.http1.streams import (
    BODY_LIMIT,
    read_requests,
    read_responses,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
NONE = b"HTTP/1.1 204 X\r\n"


def verdict(found: list[Plain] | None) -> str:
    return "refuses" if found is None else "accepts" if found else "waits"


A, R, W = "accepts", "refuses", "waits"

# What is sent -> our reason, h11, llhttp.
STRICTER_WITH_REQUESTS: list[tuple[str, bytes, str, str, str]] = [
    (
        "row 14: bare LF after the request line",
        b"GET / HTTP/1.1\nHost: a\n\n",
        "bad_request",
        A,
        R,
    ),
    ("row 14: bare LF after a field", GET + b"X: y\nZ: z\r\n\r\n", "bad_request", A, R),
    ("row 16: three empty lines", b"\r\n\r\n\r\n" + GET + b"\r\n", "bad_request", R, A),
    ("row 12: folded line", GET + b"X: a\r\n b\r\n\r\n", "bad_request", A, R),
    ("row 15: a control byte", GET + b"X: a\x01b\r\n\r\n", "bad_request", A, R),
    ("row 15: DEL", GET + b"X: a\x7fb\r\n\r\n", "bad_request", A, R),
    ("row 9: two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request", R, A),
    ("row 9: fragment", b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target", A, A),
    ("row 7: no slash", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target", A, R),
    ("row 7: * for GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target", A, A),
    ("dot segment", b"GET /a/.. HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target", A, A),
    ("row 7: CONNECT", b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "method_refused", A, A),
    ("row 5: TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "method_refused", A, A),
    ("row 10: HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "version_unknown", A, R),
    ("row 10: HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "version_unknown", A, A),
    ("row 8: no Host", b"GET / HTTP/1.1\r\n\r\n", "bad_host", R, A),
    ("row 8: two Hosts", GET + b"Host: a\r\n\r\n", "bad_host", R, A),
    ("row 8: no host", b"GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n", "bad_host", A, A),
    ("row 6: two hosts", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad_host", A, A),
    ("row 27: other expectation", GET + b"Expect: x\r\n\r\n", "expectation_unknown", A, A),
    ("row 1: no list of tokens", GET + b"Connection: a b\r\n\r\n", "bad_request", A, A),
    (
        "row 20: equal lengths",
        POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        "bad_framing",
        A,
        R,
    ),
    ("row 20: list of lengths", POST + b"Content-Length: 2, 2\r\n\r\nab", "bad_framing", A, R),
    (
        "row 17: two framings",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bad_framing",
        A,
        R,
    ),
    (
        "row 18: other codings",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "coding_unknown",
        R,
        A,
    ),
    (
        "row 19: chunked in HTTP/1.0",
        CHUNKED.replace(b"/1.1", b"/1.0") + b"0\r\n\r\n",
        "bad_framing",
        A,
        A,
    ),
    ("space after a size", CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", "bad_framing", A, R),
    ("space in an extension", CHUNKED + b"5; a\r\nhello\r\n0\r\n\r\n", "bad_framing", A, R),
    ("row 21: malformed extension", CHUNKED + b"5;a(\r\nhello\r\n0\r\n\r\n", "bad_framing", A, R),
    (
        "row 21: 5,000 bytes of extension",
        CHUNKED + b"5;%b\r\nhello\r\n0\r\n\r\n" % (b"a" * 5000),
        "bad_framing",
        A,
        A,
    ),
    ("row 22: 17 digits", CHUNKED + b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n", "bad_framing", A, A),
    ("row 22: 2**63", CHUNKED + b"8000000000000000\r\nhello", "bad_framing", W, W),
    ("row 23: folded trailer", CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n", "bad_framing", A, R),
]

STRICTER_WITH_RESPONSES: list[tuple[str, bytes, str, str]] = [
    ("row 14: bare LF", b"HTTP/1.1 204 X\nY: z\n\n", A, R),
    ("row 12: folded line", NONE + b"X: a\r\n b\r\n\r\n", A, R),
    ("row 15: a control byte", NONE + b"X: a\x01b\r\n\r\n", A, R),
    ("row 16: empty line", b"\r\n" + NONE + b"\r\n", R, A),
    ("row 10: HTTP/2.0", b"HTTP/2.0 204 X\r\n\r\n", A, A),
    ("row 10: HTTP/1.2", b"HTTP/1.2 204 X\r\n\r\n", A, R),
    ("status 600", b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", A, A),
    ("status 099", b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", R, A),
    ("row 1: no list of tokens", NONE + b"Connection: a b\r\n\r\n", A, A),
    ("row 20: equal lengths", OK + b"Content-Length: 2\r\n" * 2 + b"\r\nab", A, R),
    (
        "row 17: two framings",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        A,
        R,
    ),
    ("row 18: other coding", OK + b"Transfer-Encoding: gzip\r\n\r\n", R, W),
    (
        "row 19: chunked in HTTP/1.0",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        A,
        A,
    ),
]


def _names(row: tuple[object, ...]) -> str:
    return str(row[0])


@pytest.mark.parametrize("row", STRICTER_WITH_REQUESTS, ids=_names)
def test_we_are_stricter_with_requests_where_the_table_says(
    row: tuple[str, bytes, str, str, str],
) -> None:
    _, data, reason, h11_says, llhttp_says = row

    assert read_requests([data]).fault == reason
    assert verdict(by_h11_request(data)) == h11_says
    assert verdict(by_llhttp_request(data)) == llhttp_says


@pytest.mark.parametrize("row", STRICTER_WITH_RESPONSES, ids=_names)
def test_we_are_stricter_with_responses_where_the_table_says(
    row: tuple[str, bytes, str, str],
) -> None:
    _, data, h11_says, llhttp_says = row

    assert read_responses([data]).fault == "response"
    assert verdict(by_h11_response(data)) == h11_says
    assert verdict(by_llhttp_response(data)) == llhttp_says


_slow = settings(suppress_health_check=[HealthCheck.too_slow])


@_slow
@given(data=make.damaged(make.request()))
def test_a_request_that_we_accept_is_the_same_request_to_h11_and_llhttp(data: bytes) -> None:
    check_agreement_on_requests(data, read_requests([data]))


@_slow
@given(data=make.damaged(make.response()))
def test_a_response_that_we_accept_is_the_same_response_to_h11_and_llhttp(data: bytes) -> None:
    check_agreement_on_responses(data, read_responses([data]))


def test_the_body_limit_of_these_tests_is_what_the_strategies_expect() -> None:
    assert read_requests([POST + b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT + 1)]).fault == (
        "body_too_large"
    )
