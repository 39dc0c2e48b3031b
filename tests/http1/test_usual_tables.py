"""The usual heads (D2) by tables: each name, byte and status that could slip through."""

from __future__ import annotations

import time

import pytest

from fsm_twisted.http1.grammar import HeadLimits, parse_request_head, parse_response_head
from fsm_twisted.http1.special import ORDINARY, REQUEST_NAMES
from fsm_twisted.http1.usual import (
    USUAL_BARE,
    USUAL_RESPONSE,
    usual_answer,
    usual_request,
)
from fsm_twisted.message.authority import AuthorityError, parse_authority
from fsm_twisted.message.fields import PROTECTED
from fsm_twisted.message.framing import NO_BODY, Sized

LIMITS = HeadLimits()


def check_request(data: bytes) -> bool:
    """Return whether the head is usual; if so, it is what the strict parser finds."""
    found = usual_request(data, LIMITS)
    if found is None:
        return False
    method, target, path, wire, begin, cut, end = found
    try:
        authority = parse_authority(wire)
    except AuthorityError:
        return False

    assert end == len(data)
    head = parse_request_head(data, LIMITS)

    assert (head.method, head.target.wire, head.authority) == (method, target, authority)
    assert head.target.path == path
    assert (head.minor, head.claims, head.framing) == (1, (), NO_BODY)
    assert (head.persistent, head.expects_continue, head.upgrade) == (True, False, None)
    # The line that is cut out is the only one that is not for the endpoint, Host apart.
    passed = data[:begin] + data[cut:]
    assert passed.count(b"\r\n") == len(head.fields) + 3
    assert all(REQUEST_NAMES[name] == ORDINARY for name, _ in head.fields)
    assert parse_request_head(passed, LIMITS) == head
    return True


def check_response(data: bytes) -> bool:
    """Return whether the answer is usual; if so, it is what the strict parser finds."""
    own = b"X-Own: 1\r\n"
    answer = usual_answer(data, b"GET", LIMITS, own, own)
    if answer is None:
        return False
    head, empty, payload = data.partition(b"\r\n\r\n")
    written, _, passed = answer.partition(b"\r\n\r\n")

    meant = parse_response_head(head + empty, b"GET", LIMITS)
    again = parse_response_head(written + empty, b"GET", LIMITS)

    assert (meant.framing, meant.persistent, meant.minor) == (Sized(len(payload)), True, 1)
    assert passed == payload
    assert tuple(f for f in again.fields if f[0] != b"X-Own") == meant.fields
    assert (again.status, again.reason, again.framing) == (
        meant.status,
        meant.reason,
        meant.framing,
    )
    # Nothing that is for this hop went on.
    own_lines = sum(name == b"X-Own" for name, _ in again.fields)
    assert written.count(b"\r\n") == len(meant.fields) + 1 + own_lines
    return True


_SPECIAL = sorted(
    PROTECTED | {b"proxy", b"x-forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x_real_ip"}
)
_SPELLINGS = (bytes.lower, bytes.title, bytes.upper)


@pytest.mark.parametrize("name", _SPECIAL)
def test_a_name_with_a_meaning_is_not_usual_anywhere_in_a_head(name: bytes) -> None:
    for spelt in (spelling(name) for spelling in _SPELLINGS):
        for value in (b"x", b"5", b"0", b"close", b"keep-alive", b"websocket", b"100-continue"):
            line = b"%b: %b\r\n" % (spelt, value)
            length = b"Content-Length: 5\r\n"
            check_request(b"GET / HTTP/1.1\r\n%bHost: a\r\n\r\n" % line)
            check_request(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % line)
            check_response(b"HTTP/1.1 200 OK\r\n%b%b\r\nhello" % (line, length))
            check_response(b"HTTP/1.1 200 OK\r\n%b%b\r\nhello" % (length, line))
            check_response(b"HTTP/1.1 200 OK\r\n%b%b%b\r\nhello" % (line, length, line))


def _check_odd_byte(odd: bytes) -> None:
    usual = check_request(b"GET /a%bb HTTP/1.1\r\nHost: a\r\n\r\n" % odd)
    assert usual is (b"!" <= odd <= b"~" and odd != b"#")
    check_request(b"G%bET / HTTP/1.1\r\nHost: a\r\n\r\n" % odd)
    check_request(b"GET / HTTP/1.1\r\nHost: a%bb\r\n\r\n" % odd)
    check_request(b"GET / HTTP/1.1\r\nHost: a\r\nX: y%bz\r\n\r\n" % odd)
    check_request(b"GET / HTTP/1.1\r\nHost: a\r\nX%bY: z\r\n\r\n" % odd)
    check_request(b"GET / HTTP/1.1\r\nHost: a%b\r\n\r\n" % odd)
    check_request(b"GET / HTTP/1.1\r\nX-Real%bIP: 1\r\nHost: a\r\n\r\n" % odd)
    check_response(b"HTTP/1.1 200 O%bK\r\nContent-Length: 5\r\n\r\nhello" % odd)
    check_response(b"HTTP/1.1 200 OK\r\nX%bY: z\r\nContent-Length: 5\r\n\r\nhello" % odd)
    check_response(b"HTTP/1.1 200 OK\r\nX: y%bz\r\nContent-Length: 5\r\n\r\nhello" % odd)
    check_response(b"HTTP/1.1 200 OK\r\nContent-Length: %b5\r\n\r\nhello" % odd)
    check_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5%b\r\n\r\nhello" % odd)


def test_any_byte_in_any_place_is_usual_only_if_it_is_strictly_right() -> None:
    for byte in range(256):
        _check_odd_byte(bytes([byte]))


@pytest.mark.parametrize(
    "target", [b"/.", b"/..", b"/a/../b", b"/%2e", b"/a/.%2E/b", b"/%2e%2e?x"]
)
def test_a_target_that_has_a_dot_segment_is_not_usual(target: bytes) -> None:
    assert not check_request(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)


@pytest.mark.parametrize(
    "target", [b"/.well-known/a", b"/a/...", b"/..a", b"/a%20b%2Fc%C3%A9", b"/%2ea", b"/?%2e%2e"]
)
def test_a_dot_or_an_escape_alone_is_usual(target: bytes) -> None:
    assert check_request(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)


@pytest.mark.parametrize("host", [b"my_service:8080", b"[::1]:80", b"[fd00::7]"])
def test_every_host_is_usual_that_the_strict_parser_knows(host: bytes) -> None:
    assert check_request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)


@pytest.mark.parametrize("host", [b"[::1", b"[1.2.3.4]", b"a]", b"-", b"[]", b"a[::1]"])
def test_a_host_is_left_to_the_strict_parser(host: bytes) -> None:
    assert not check_request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)


def test_what_browsers_ask_before_a_request_is_usual_unless_its_hops_are_counted() -> None:
    asked = b"OPTIONS /a HTTP/1.1\r\nHost: a\r\n%bOrigin: https://b.example\r\n\r\n"

    assert check_request(asked % b"")
    assert check_request(asked % b"Connection: keep-alive\r\n")
    assert not check_request(asked % b"Max-Forwards: 0\r\n")
    assert not check_request(asked % b"MAX-FORWARDS: 3\r\n")


def test_a_status_is_usual_only_if_a_body_follows() -> None:
    for status in range(1000):
        answer = b"HTTP/1.1 %03d X\r\nContent-Length: 5\r\n\r\nhello" % status

        assert not check_response(answer) or (200 <= status < 600 and status not in (204, 304))


@pytest.mark.parametrize("length", range(8))
def test_an_answer_is_usual_only_if_it_ends_with_the_read(length: int) -> None:
    usual = check_response(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhello" % length)

    assert usual is (length == 5)


def test_the_ordinary_heads_of_browsers_and_backends_are_usual() -> None:
    lines = b"Accept: */*\r\nCookie: a=b\r\n"
    alive = b"Connection: keep-alive\r\n"
    for first, last in ((b"", b""), (alive, b""), (b"", alive), (lines, alive), (lines, lines)):
        assert check_request(b"GET /a?b HTTP/1.1\r\nHost: a:80\r\n%b%b\r\n" % (first, last))
        assert check_response(
            b"HTTP/1.1 200 OK\r\n%bContent-Length: 5\r\n%b\r\nhello" % (first, last)
        )


_MANY = b"a:\r\n" * 8000


@pytest.mark.parametrize("lines", [_MANY, b"Host: a\r\n" + _MANY, _MANY + b"Host: a\r\n"])
@pytest.mark.parametrize("last", [b"te: x\r\n\r\n", b"X", b"\r\nX", b"a: \0\r\n\r\n"])
def test_a_head_that_is_not_usual_is_refused_in_linear_time(lines: bytes, last: bytes) -> None:
    start = time.process_time()

    limits = HeadLimits(line_bytes=10**6, head_bytes=10**6, fields=10**5)
    for begin in (b"GET", b"POST"):
        asked = begin + b" / HTTP/1.1\r\n" + lines + last
        assert usual_request(asked, limits) is None
        alive = b"Connection: keep-alive\r\n"
        assert usual_request(asked.replace(b"a:\r\n", alive, 1), limits) is None
    for framing in (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"):
        answer = b"HTTP/1.1 200 OK\r\n" + framing + lines + last
        assert (USUAL_RESPONSE.match(answer) is None) is (last != b"\r\nX")
        assert USUAL_BARE.match(answer) is None

    # Some ms. Two optional runs of lines side by side once took half a minute.
    assert time.process_time() - start < 1
