"""Finding a head in a stream: early refusal, limits, what is pending and what follows."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from fsm_twisted.http1.errors import RequestError, ResponseError
from fsm_twisted.http1.grammar import HeadLimits
from fsm_twisted.http1.reader import HeadReader, ResponseHeadReader
from tests.http1.streams import in_bytes

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 204\r\nX: y\r\n\r\n"


def refused(pieces: Iterable[bytes], limits: HeadLimits | None = None) -> tuple[str, int]:
    """Return the reason code, and with which piece (from 1) it came."""
    reader = HeadReader(limits or HeadLimits())
    for number, piece in enumerate(pieces, 1):
        try:
            assert reader.feed(piece) is None
        except RequestError as error:
            return error.reason.code, number
    return "accepted", 0


def test_a_whole_head_is_given_as_the_object_that_came() -> None:
    reader = HeadReader()

    assert reader.feed(HEAD) is HEAD
    assert reader.take_rest() == b""
    assert not reader.pending


def test_what_follows_a_head_is_given_once() -> None:
    reader = HeadReader()

    assert reader.feed(HEAD + b"body") == HEAD
    assert reader.take_rest() == b"body"
    assert reader.take_rest() == b""


def test_a_rest_that_nobody_took_is_the_beginning_of_the_next_head() -> None:
    reader = HeadReader()
    reader.feed(HEAD + HEAD[:9])

    assert reader.feed(HEAD[9:] + b"x") == HEAD
    assert reader.take_rest() == b"x"


def test_row_29_pipelined_heads_come_out_in_order() -> None:
    reader = HeadReader()
    heads = [b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5)]

    found = []
    data = b"".join(heads)
    while data:
        block = reader.feed(data)
        assert block is not None
        found.append(block)
        data = reader.take_rest()

    assert found == heads


@pytest.mark.parametrize(
    "reader", [HeadReader(), ResponseHeadReader()], ids=["request", "response"]
)
def test_a_head_in_single_bytes_is_pending_until_it_is_whole(reader: HeadReader) -> None:
    head = ANSWER if isinstance(reader, ResponseHeadReader) else HEAD
    for _ in range(2):
        for piece in in_bytes(head)[:-1]:
            assert reader.feed(piece) is None
            assert reader.pending
        assert reader.feed(head[-1:]) == head
        assert not reader.pending
        assert reader.take_rest() == b""


def test_nothing_is_pending_before_the_first_byte() -> None:
    reader = HeadReader()

    assert not reader.pending
    assert reader.feed(b"") is None
    assert not reader.pending


def test_row_16_two_empty_lines_before_a_request_are_ignored_and_are_not_pending() -> None:
    reader = HeadReader()

    assert reader.feed(b"\r\n") is None
    assert not reader.pending
    assert reader.feed(b"\r\n" + HEAD) == HEAD
    assert reader.feed(b"\r\n\r\n" + HEAD) == HEAD


@pytest.mark.parametrize(
    "lines", [b"\r\n\r\n\r\n", b"\r\n\r\n\r", b"\n", b"\r\n\n", b"\rG", b"\r\r"]
)
def test_row_16_more_or_other_empty_lines_are_refused_at_once(lines: bytes) -> None:
    assert refused([lines])[0] == "bad_request"
    assert refused(in_bytes(lines))[0] == "bad_request"


def test_a_response_may_not_begin_with_an_empty_line() -> None:
    with pytest.raises(ResponseError):
        ResponseHeadReader().feed(b"\r\n" + ANSWER)


@pytest.mark.parametrize(
    ("before", "stray"),
    [
        (b"GET / HTTP/1.1", b"\n"),
        (b"GET / HTTP/1.1\r", b"\r"),
        (b"GET / HTTP/1.1\r", b"H"),
        (b"GET / HTTP/1.1\r\n", b"\n"),
        (b"GET / HTTP/1.1\r\nHost: a", b"\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r", b"X"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", b"X"),
        (b"GET /", b"\0"),
        (b"GET / HTTP/1.1\r\nHost: ", b"\x7f"),
        (b"GET / HTTP/1.1\r\nX: ", b"\x1b"),
    ],
)
def test_rows_14_and_15_a_stray_byte_is_refused_when_it_arrives(
    before: bytes, stray: bytes
) -> None:
    assert refused([before + stray]) == ("bad_request", 1)
    assert refused([before, stray]) == ("bad_request", 2)
    assert refused(in_bytes(before + stray)) == ("bad_request", len(before) + 1)


@pytest.mark.parametrize(
    "beginning",
    [b"\x16", b"\x80", b"\0", b"{", b"<", b":", b" ", b"\t", b"(", b"G{", b"G:", b"GET\t"],
)
def test_row_9_what_cannot_begin_a_request_is_refused_with_its_first_wrong_byte(
    beginning: bytes,
) -> None:
    assert refused([beginning]) == ("bad_request", 1)
    assert refused(in_bytes(beginning)) == ("bad_request", len(beginning))


@pytest.mark.parametrize(
    "beginning", [b"<", b"HTTP/2", b"http", b"\r", b"\x15\x03", b"HTTP/1,", b" "]
)
def test_what_cannot_begin_a_response_is_refused_at_once(beginning: bytes) -> None:
    with pytest.raises(ResponseError):
        ResponseHeadReader().feed(beginning)


SMALL = HeadLimits(line_bytes=40, head_bytes=100)


def test_row_32_a_request_line_over_the_limit_is_refused_before_its_end() -> None:
    long = b"GET /" + b"x" * 36

    assert refused([long[:40], b"x"], SMALL) == ("target_too_long", 2)
    assert refused([long + b" HTTP/1.1\r\n\r\n"], SMALL) == ("target_too_long", 1)
    assert refused(in_bytes(long), SMALL) == ("target_too_long", 41)
    assert refused([b"G" * 41], SMALL) == ("target_too_long", 1)
    assert refused([long[:40] + b"\r"], SMALL) == ("accepted", 0)


def test_row_32_a_field_may_be_as_long_as_its_head_and_is_refused_before_its_end() -> None:
    pieces = [b"GET / HTTP/1.1\r\n", b"X: " + b"y" * 81, b"y"]

    assert HeadReader(HeadLimits(40, 104)).feed(b"".join(pieces[:2]) + b"\r\n\r\n") is not None
    assert refused(pieces, SMALL) == ("head_too_large", 3)
    assert refused([b"".join(pieces)], SMALL) == ("head_too_large", 1)


def test_row_32_a_head_over_the_limit_is_refused_before_its_end() -> None:
    pieces = [b"GET / HTTP/1.1\r\n", *[b"X: 4567\r\n"] * 9, b"X: ", b"4"]

    assert len(b"".join(pieces)) == 101
    assert refused(pieces, SMALL) == ("head_too_large", 12)
    assert refused([b"".join(pieces)], SMALL) == ("head_too_large", 1)


def test_row_32_a_head_of_just_the_limit_is_read() -> None:
    head = b"GET / HTTP/1.1\r\n" + b"X: 4567\r\n" * 9 + b"\r\n"
    limits = HeadLimits(line_bytes=14, head_bytes=len(head))

    assert HeadReader(limits).feed(head + b"rest") == head
    assert [HeadReader(limits).feed(head)] == [head]
    assert refused([head], HeadLimits(head_bytes=len(head) - 1)) == ("head_too_large", 1)


def test_the_fault_that_comes_first_in_the_stream_is_reported() -> None:
    long = b"x" * 50
    large = b"X: 4567\r\n" * 12

    assert refused([b"GET /" + long + b"\0"], SMALL)[0] == "target_too_long"
    assert refused([b"GET /\0" + long], SMALL)[0] == "bad_request"
    assert refused([b"G" * 41 + b":"], SMALL)[0] == "target_too_long"
    assert refused([b"GET / HTTP/1.1\r\nX: \0\r\n" + large], SMALL)[0] == "bad_request"
    assert refused([b"GET / HTTP/1.1\r\n" + large + b"\0"], SMALL)[0] == "head_too_large"
    assert refused([b"GET / HTTP/1.1\r\n" + b"y" * 39 + b"\0" + b"\0" * 60], SMALL)[0] == (
        "bad_request"
    )


def test_a_body_in_the_same_read_does_not_count_as_head() -> None:
    assert HeadReader(SMALL).feed(HEAD + b"\n\0" * 1000) == HEAD


def test_a_head_as_long_as_allowed_may_come_in_single_bytes() -> None:
    head = b"GET /%b HTTP/1.1\r\n" % (b"x" * 16000) + b"X: %b\r\n\r\n" % (b"y" * 16000)
    reader = HeadReader()
    *others, last = in_bytes(head)
    start = time.process_time()

    assert all(reader.feed(piece) is None for piece in others)
    assert reader.feed(last) == head

    # Some 50 ms. Looking at everything again with each byte would take seconds.
    assert time.process_time() - start < 1


def test_a_request_line_without_a_version_is_refused_at_once() -> None:
    """HTTP/0.9: no head would ever end it (RFC 9112 section 3)."""
    with pytest.raises(RequestError) as caught:
        HeadReader().feed(b"GET /\r\n")

    assert caught.value.reason.code == "bad_request"
