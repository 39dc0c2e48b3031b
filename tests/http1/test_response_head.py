"""The response head, row by row: an endpoint's mistakes must not reach a client."""

from __future__ import annotations

import pytest

from fsm_twisted.http1.errors import ResponseError
from fsm_twisted.http1.grammar import HeadLimits, parse_response_head
from fsm_twisted.message.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Sized
from tests.http1.heads import LIMITS, response, response_refused


def test_an_ordinary_response_is_taken_apart_whole() -> None:
    head = response(b"Content-Length: 5", b"Set-Cookie: a", b"Set-Cookie: b", b"Date: now")

    assert (head.status, head.reason, head.minor) == (200, b"OK", 1)
    assert head.fields == ((b"Set-Cookie", b"a"), (b"Set-Cookie", b"b"), (b"Date", b"now"))
    assert (head.framing, head.persistent) == (Sized(5), True)
    assert (head.upgrade, head.declared_length) == (None, None)


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.0 404 Not  Found ", 404, b"Not  Found "),
        (b"HTTP/1.1 599 \x80\t!", 599, b"\x80\t!"),
        (b"HTTP/1.1 100 Continue", 100, b"Continue"),
    ],
)
def test_a_status_line_may_have_any_reason_or_none(
    line: bytes, status: int, reason: bytes
) -> None:
    head = response(line=line)

    assert (head.status, head.reason) == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 099 X",
        b"HTTP/1.1 000 X",
        b"HTTP/1.1 600 X",
        b"HTTP/1.1 999 X",
        b"HTTP/1.1 +20 X",
        b"HTTP/1.1 2_0 X",
        b"HTTP/1.1 2\xb20 X",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 200\tOK",
        b" HTTP/1.1 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/2 200",
        b"HTTP/0.9 200 OK",
        b"HTTP/1.2 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 O\x7fK",
        b"ICY 200 OK",
        b"<html>",
    ],
)
def test_row_10_what_is_no_status_line_of_http_1_is_refused(line: bytes) -> None:
    assert "status line" in response_refused(line=line)


@pytest.mark.parametrize(
    "line",
    [
        b"X : y",  # row 11
        b"Content-Length : 5",  # row 11
        b" X: y",  # rows 12, 13
        b"\t",  # rows 12, 13
        b"X: a\nY: b",  # row 14
        b"X: a\rY: b",  # row 14
        b"X: a\0b",  # row 15
        b"X: a\x1bb",  # row 15
        b"",
        b"X",
        b": y",
        b"X\xe4: y",
    ],
)
def test_rows_11_to_15_what_is_no_field_line_is_refused(line: bytes) -> None:
    assert "bad_request" in response_refused(line, b"Y: z")
    assert "bad_request" in response_refused(b"Y: z", line, b"Z: z")


@pytest.mark.parametrize(
    "fields",
    [
        (b"Transfer-Encoding: chunked", b"Content-Length: 5"),  # row 17
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: gzip",),  # row 18
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: chunked, chunked",),  # row 22
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding:",),
        (b"Transfer-Encoding: \x0bchunked",),
        (b"Transfer-Encoding: chunked\xa0",),
        (b"Content-Length: 5", b"Content-Length: 6"),  # row 20
        (b"Content-Length: 5", b"Content-Length: 5"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: +5",),
        (b"Content-Length: 1_0",),
        (b"Content-Length: -1",),
        (b"Content-Length:",),
        (b"Content-Length: 5\xa0",),
        (b"Content-Length: " + b"9" * 19,),
    ],
)
@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/1.1 204 X", b"HTTP/1.1 304 X"])
def test_rows_17_to_22_a_second_or_malformed_framing_is_refused(
    fields: tuple[bytes, ...], line: bytes
) -> None:
    assert response_refused(*fields, line=line)


def test_row_19_transfer_encoding_in_http_1_0_is_refused() -> None:
    assert "1.0" in response_refused(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK")


def test_a_body_is_delimited_in_one_of_three_ways() -> None:
    assert response(b"Content-Length: 0").framing == Sized(0)
    assert response(b"transfer-encoding: CHUNKED").framing == CHUNKED
    assert response().framing == UNTIL_CLOSE


@pytest.mark.parametrize("status", [b"100", b"101", b"103", b"199", b"204"])
@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y"])
def test_row_24_interim_and_204_answers_have_neither_body_nor_framing(
    status: bytes, field: bytes
) -> None:
    head = response(field, line=b"HTTP/1.1 %b X" % status)

    assert (head.framing, head.declared_length) == (NO_BODY, None)
    assert head.fields == (((b"X", b"y"),) if field == b"X: y" else ())


@pytest.mark.parametrize(
    ("line", "method"), [(b"HTTP/1.1 304 X", b"GET"), (b"HTTP/1.1 200 OK", b"HEAD")]
)
def test_row_24_head_and_304_have_no_body_but_keep_the_length(line: bytes, method: bytes) -> None:
    with_length = response(b"Content-Length: 5", line=line, method=method)
    without = response(b"Transfer-Encoding: chunked", line=line, method=method)

    assert (with_length.framing, with_length.declared_length) == (NO_BODY, 5)
    assert (without.framing, without.declared_length) == (NO_BODY, None)
    assert with_length.persistent
    assert without.persistent


def test_row_32_the_limits_of_a_head_hold_without_a_reader_too() -> None:
    limits = HeadLimits(line_bytes=100, head_bytes=200, fields=2)

    def refused(fields: bytes) -> str:
        with pytest.raises(ResponseError) as caught:
            parse_response_head(b"HTTP/1.1 200 OK\r\n%b\r\n" % fields, b"GET", limits)
        return caught.value.detail

    assert "head" in refused(b"X: %b\r\n" % (b"y" * 198))
    assert "head" in refused(b"X: %b\r\n" % (b"y" * 90) * 2)
    assert "fields" in refused(b"X: y\r\n" * 3)


@pytest.mark.parametrize(
    ("line", "fields", "persistent"),
    [
        (b"HTTP/1.1 200 OK", (b"Content-Length: 5",), True),
        (b"HTTP/1.1 200 OK", (b"Content-Length: 5", b"Connection: Close"), False),
        (b"HTTP/1.1 200 OK", (b"Transfer-Encoding: chunked",), True),
        (b"HTTP/1.1 200 OK", (), False),
        (b"HTTP/1.1 200 OK", (b"Connection: keep-alive",), False),
        (b"HTTP/1.1 204 X", (), True),
        (b"HTTP/1.0 200 OK", (b"Content-Length: 5",), False),
        (b"HTTP/1.0 200 OK", (b"Content-Length: 5", b"Connection: Keep-Alive"), True),
        (b"HTTP/1.0 200 OK", (b"Connection: keep-alive",), False),
    ],
)
def test_a_connection_is_reusable_only_when_the_end_is_known_and_nobody_closes(
    line: bytes, fields: tuple[bytes, ...], persistent: object
) -> None:
    assert response(*fields, line=line).persistent is persistent


def test_row_34_values_are_byte_exact_and_in_order() -> None:
    lines = (b"Set-Cookie: a=1; Path=/", b"X: \xe4 ,;", b"set-cookie: b=2", b"Date: now")

    assert response(*lines).fields == tuple(tuple(line.split(b": ")) for line in lines)


def test_trailing_whitespace_is_no_part_of_a_value() -> None:
    assert response(b"X: y \t", b"Content-Length: 5 ").fields == ((b"X", b"y"),)


def test_a_head_that_is_not_whole_is_refused() -> None:
    with pytest.raises(ResponseError):
        parse_response_head(b"HTTP/1.1 200 OK\r\n\r\nX: y\r\n", b"GET", LIMITS)
