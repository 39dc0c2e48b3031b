"""What is written is HTTP/1.1 with one framing, and nothing that reads back otherwise."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http1.grammar import HeadLimits, parse_request_head, parse_response_head
from fsm_twisted.http1.writer import (
    LAST_CHUNK,
    write_chunk,
    write_request_head,
    write_response_head,
)
from fsm_twisted.message.authority import parse_authority
from fsm_twisted.message.fields import Fields, is_claim
from fsm_twisted.message.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Framing, Sized
from fsm_twisted.message.heads import RequestHead, ResponseHead
from fsm_twisted.message.target import Target
from tests.http1 import strategies as make
from tests.http1.heads import LIMITS, request

GET = RequestHead(
    b"GET",
    Target(b"/", None),
    parse_authority(b"a"),
    1,
    ((b"Accept", b"x"),),
    ((b"X-Forwarded-For", b"1"),),
    NO_BODY,
    True,
    False,
    None,
)
OK = ResponseHead(200, b"OK", 1, ((b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")), Sized(5), True)


def written(head: RequestHead, extra: bytes = b"") -> bytes:
    return write_request_head(head, extra, target=b"/x?y", host=b"b:80")


def test_a_request_is_written_with_host_first_and_ours_last() -> None:
    assert written(GET, b"Via: 1.1 fsm\r\nX-Forwarded-For: 2\r\n") == (
        b"GET /x?y HTTP/1.1\r\nHost: b:80\r\nAccept: x\r\n"
        b"Via: 1.1 fsm\r\nX-Forwarded-For: 2\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("framing", "line"),
    [
        (NO_BODY, b""),
        (Sized(0), b"Content-Length: 0\r\n"),
        (Sized(5), b"Content-Length: 5\r\n"),
        (CHUNKED, b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_a_request_is_written_with_the_framing_that_it_had(framing: Framing, line: bytes) -> None:
    assert written(attrs.evolve(GET, framing=framing, fields=())) == (
        b"GET /x?y HTTP/1.1\r\nHost: b:80\r\n" + line + b"\r\n"
    )


def test_row_28_an_upgrade_is_written_for_this_hop() -> None:
    assert written(attrs.evolve(GET, fields=(), upgrade=b"websocket")).endswith(
        b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )


def test_row_10_a_request_of_http_1_0_goes_on_as_http_1_1() -> None:
    assert written(attrs.evolve(GET, minor=0)).startswith(b"GET /x?y HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("framing", "line"),
    [
        (Sized(0), b"Content-Length: 0\r\n"),
        (Sized(5), b"Content-Length: 5\r\n"),
        (CHUNKED, b"Transfer-Encoding: chunked\r\n"),
        (UNTIL_CLOSE, b""),
        (NO_BODY, b""),
    ],
)
def test_a_response_is_written_with_the_framing_that_it_had(framing: Framing, line: bytes) -> None:
    head = attrs.evolve(OK, framing=framing, minor=0)

    assert write_response_head(head, b"Via: 1.1 fsm\r\n") == (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n" + line + b"Via: 1.1 fsm\r\n\r\n"
    )


def test_row_24_the_length_of_a_body_left_out_is_passed_on() -> None:
    head = attrs.evolve(OK, status=304, reason=b"", fields=(), framing=NO_BODY, declared_length=7)

    assert write_response_head(head, b"") == b"HTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n"


@pytest.mark.parametrize("status", [100, 101, 103, 204])
@pytest.mark.parametrize("framing", [NO_BODY, Sized(5), CHUNKED])
def test_row_24_interim_and_204_answers_are_written_without_framing(
    status: int, framing: Framing
) -> None:
    head = attrs.evolve(OK, status=status, framing=framing, declared_length=5, fields=())

    assert write_response_head(head, b"") == b"HTTP/1.1 %d OK\r\n\r\n" % status


def test_row_28_only_a_101_is_written_with_upgrade() -> None:
    head = attrs.evolve(OK, status=101, fields=(), framing=NO_BODY, upgrade=b"websocket")

    assert write_response_head(head, b"").endswith(
        b"101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert b"pgrade" not in write_response_head(attrs.evolve(head, status=200), b"")


BAD_FIELDS: list[tuple[bytes, bytes]] = [
    (b"", b"x"),
    (b"X ", b"x"),
    (b"X:", b"x"),
    (b"X: y\r\nZ", b"x"),
    (b"X\xe4", b"x"),
    (b"X", b"a\r\nY: b"),
    (b"X", b"a\r\n b"),
    (b"X", b"a\rb"),
    (b"X", b"a\nb"),
    (b"X", b"a\0b"),
    (b"X", b"a\x7f"),
    (b"X", b" a"),
    (b"X", b"a\t"),
    (b"Content-Length", b"5"),
    (b"transfer-encoding", b"chunked"),
    (b"Connection", b"close"),
    (b"Upgrade", b"h2c"),
    (b"TE", b"trailers"),
]


@pytest.mark.parametrize("field", [*BAD_FIELDS, (b"Host", b"b"), (b"Transfer_Encoding", b"x")])
def test_a_request_field_that_would_read_back_otherwise_is_refused(
    field: tuple[bytes, bytes],
) -> None:
    with pytest.raises(ValueError, match=r"field|read back"):
        written(attrs.evolve(GET, fields=((b"A", b"b"), field)))


@pytest.mark.parametrize("field", BAD_FIELDS)
def test_a_response_field_that_would_read_back_otherwise_is_refused(
    field: tuple[bytes, bytes],
) -> None:
    with pytest.raises(ValueError, match=r"field|read back"):
        write_response_head(attrs.evolve(OK, fields=((b"A", b"b"), field)), b"")


@pytest.mark.parametrize(
    ("method", "target", "host", "extra"),
    [
        (b"G T", b"/", b"a", b""),
        (b"", b"/", b"a", b""),
        (b"GET", b"/a b", b"a", b""),
        (b"GET", b"/a HTTP/1.1\r\nX: y", b"a", b""),
        (b"GET", b"/a#b", b"a", b""),
        (b"GET", b"/\x80", b"a", b""),
        (b"GET", b"", b"a", b""),
        (b"GET", b"/", b"a\r\nX: y\0", b""),
        (b"GET", b"/", b"a\r\n\r\n", b""),
        (b"GET", b"/", b"a\nb", b""),
        (b"GET", b"/", b"a", b"X: y"),
        (b"GET", b"/", b"a", b"X y\r\n"),
        (b"GET", b"/", b"a", b"\r\n"),
        (b"GET", b"/", b"a", b"X: y\r\n\r\n"),
        (b"GET", b"/", b"a", b"X: y\n"),
        (b"GET", b"/", b"a", b" X: y\r\n"),
    ],
)
def test_a_request_of_parts_that_do_not_fit_is_refused(
    method: bytes, target: bytes, host: bytes, extra: bytes
) -> None:
    with pytest.raises(ValueError, match="read back"):
        write_request_head(attrs.evolve(GET, method=method), extra, target=target, host=host)


@pytest.mark.parametrize(
    ("status", "reason", "extra"),
    [
        (99, b"", b""),
        (600, b"", b""),
        (1000, b"", b""),
        (200, b"O\r\nK", b""),
        (200, b"OK\r\nX: y", b"\0"),
        (200, b"O\nK", b""),
        (200, b"OK", b"X: y"),
        (200, b"OK", b"\r\n"),
    ],
)
def test_a_response_of_parts_that_do_not_fit_is_refused(
    status: int, reason: bytes, extra: bytes
) -> None:
    with pytest.raises(ValueError, match="read back"):
        write_response_head(attrs.evolve(OK, status=status, reason=reason), extra)


def test_a_request_body_cannot_end_with_the_connection() -> None:
    with pytest.raises(ValueError, match="connection"):
        written(attrs.evolve(GET, framing=UNTIL_CLOSE))


def test_an_empty_payload_is_no_chunk() -> None:
    assert write_chunk(b"") == b""
    assert write_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert LAST_CHUNK == b"0\r\n\r\n"


_any_fields = st.lists(
    st.tuples(
        st.one_of(make.token, st.binary(max_size=4)),
        st.one_of(make.value, st.binary(max_size=6)),
    ),
    max_size=3,
).map(tuple)
_framing = st.sampled_from([NO_BODY, Sized(0), Sized(7), CHUNKED])


@given(fields=_any_fields, framing=_framing, target=make.target, reason=make.value)
def test_whatever_is_written_reads_back_as_it_was_meant(
    fields: Fields, framing: Framing, target: bytes, reason: bytes
) -> None:
    head = attrs.evolve(GET, fields=fields, framing=framing, claims=())
    answer = attrs.evolve(OK, fields=fields, framing=framing, reason=reason)
    try:
        block = write_request_head(head, b"", target=b"/", host=b"a")
        response = write_response_head(answer, b"")
    except ValueError:
        return
    assert response.count(b"\r\n\r\n") == 1
    if framing != NO_BODY:
        again = parse_response_head(response, b"GET", HeadLimits())
        assert again == attrs.evolve(answer, reason=again.reason)
        assert again.reason == reason
    if not any(is_claim(name.lower()) or name.lower() == b"expect" for name, _ in fields):
        assert parse_request_head(block, LIMITS) == head


def test_the_target_is_the_one_given_and_not_the_one_asked() -> None:
    head = request(line=b"GET http://a/from HTTP/1.1")

    assert b"from" not in write_request_head(head, b"", target=b"/to", host=b"a")
