"""Bodies by each framing; rows 21-23 and 30, limits, and what follows a body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http1.errors import RequestError, ResponseError
from fsm_twisted.http1.grammar import HeadLimits
from fsm_twisted.http1.reader import BodyReader, body_reader
from fsm_twisted.http1.writer import LAST_CHUNK, write_chunk
from fsm_twisted.message.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Framing, Sized
from tests.http1 import strategies as make
from tests.http1.streams import cut, in_bytes


def chunked_refusal(data: bytes, limits: HeadLimits | None = None) -> str:
    """Return the code for which a chunked request body is refused, whole and in single bytes."""
    codes = set()
    for pieces in ([data], in_bytes(data)):
        reader = body_reader(CHUNKED, limits=limits or HeadLimits())
        try:
            for piece in pieces:
                reader.feed(piece)
        except RequestError as error:
            codes.add(error.reason.code)
        else:
            codes.add("done" if reader.done else "accepted")
    assert len(codes) == 1
    return codes.pop()


def test_no_body_is_done_at_once_and_everything_is_rest() -> None:
    for framing in (NO_BODY, Sized(0)):
        reader = body_reader(framing)

        assert reader.done
        assert reader.finish_at_close()
        assert (reader.feed(b"GET"), reader.rest) == (b"", b"GET")


def test_data_inside_a_sized_body_is_the_object_that_came() -> None:
    reader = body_reader(Sized(9))
    first, last = b"12345", b"6789"

    assert reader.feed(first) is first
    assert not reader.done
    assert reader.feed(last) is last
    assert (reader.done, reader.rest) == (True, b"")


def test_a_sized_body_ends_where_it_says() -> None:
    reader = body_reader(Sized(3))

    assert reader.feed(b"12") == b"12"
    assert not reader.finish_at_close()  # row 30: an early end is no end
    assert reader.feed(b"345") == b"3"
    assert (reader.done, reader.rest) == (True, b"45")
    assert (reader.feed(b"6"), reader.rest) == (b"", b"456")


def test_a_body_until_close_ends_with_the_close() -> None:
    reader = body_reader(UNTIL_CLOSE)
    data = b"0\r\n\r\n"

    assert reader.feed(data) is data
    assert reader.finish_at_close()
    assert (reader.feed(b"x"), reader.rest) == (b"", b"x")


@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]])
def test_a_chunked_body_gives_its_payload_and_the_rest(cuts: list[int]) -> None:
    reader = body_reader(CHUNKED)
    data = b"5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\nGET /"

    assert b"".join(map(reader.feed, cut(data, cuts))) == b"hello0123456789"
    assert (reader.done, reader.rest) == (True, b"GET /")
    assert reader.finish_at_close()


@pytest.mark.parametrize(
    "data", [b"", b"5", b"5\r\nhel", b"5\r\nhello\r\n", b"0\r\n", b"0\r\nX: y\r\n"]
)
def test_row_30_a_chunked_body_is_not_whole_without_its_last_chunk_and_empty_line(
    data: bytes,
) -> None:
    reader = body_reader(CHUNKED)
    reader.feed(data)

    assert not reader.finish_at_close()


def test_data_inside_a_chunk_is_the_object_that_came() -> None:
    reader = body_reader(CHUNKED)
    reader.feed(b"10000\r\n")
    data = b"x" * 5000

    assert reader.feed(data) is data


@pytest.mark.parametrize(
    "size",
    [
        b"",
        b" 5",
        b"5 ",
        b"\t5",
        b"5\t",
        b"+5",
        b"-5",
        b"0x5",
        b"5_0",
        b"5h",
        b"5h\x80",
        b"\xb2",
        b"5\xa0",
        b"\x855",
        b"5.0",
        b"5,",
        b"5 ;a",
        b"G",
        b"00000000000000005",  # row 22: 17 digits
        b"FFFFFFFFFFFFFFFF",  # row 22: over any signed 64-bit number
        b"8000000000000000",
        b"10000000000000005",
    ],
)
def test_row_22_what_is_no_chunk_size_is_refused(size: bytes) -> None:
    for data in (size + b"\r\nhello\r\n", b"3\r\nabc\r\n" + size + b"\r\nhello\r\n"):
        assert chunked_refusal(data) == "bad_framing"


@pytest.mark.parametrize(
    "size", [b"5", b"0005", b"0000000000000005", b"a", b"A", b"7FFFFFFFFFFFFFFF"]
)
def test_row_22_up_to_16_hexadecimal_digits_are_a_size(size: bytes) -> None:
    assert chunked_refusal(size + b"\r\nhello") == "accepted"


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\rhello",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\rX",
        b"5\r\nhelloX",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r\n\r\n",
        b"5\r\nhello\r\n\n",
        b"5;a\nhello",
        b"5;a\rhello",
        b"\r\n5\r\nhello",
        b"0\n\r\n",
        b"0\r\n\n",
        b"0\r\n\rX",
        b"0\r\nX: y\n\r\n",
        b"0\r\nX: y\r\n\n",
    ],
)
def test_row_14_line_ends_of_chunks_and_trailers_are_crlf(data: bytes) -> None:
    assert chunked_refusal(data) == "bad_framing"


def test_a_wrong_byte_after_a_chunk_is_refused_when_it_arrives() -> None:
    reader = body_reader(CHUNKED)
    assert reader.feed(b"5\r\nhello") == b"hello"

    with pytest.raises(RequestError):
        reader.feed(b"X")


@pytest.mark.parametrize(
    "extension", [b";a", b";a=b", b';a="b c\\"\t;\x80"', b";a;b=c;d", b';a=""', b";a!#=~"]
)
def test_row_21_extensions_are_dropped(extension: bytes) -> None:
    data = b"5%b\r\nhello\r\n0%b\r\n\r\n" % (extension, extension)

    assert chunked_refusal(data) == "done"
    assert body_reader(CHUNKED).feed(data) == b"hello"


@pytest.mark.parametrize(
    "extension",
    [
        *(b";", b";;a", b"; a", b";a ", b";a =b", b";a= b", b";a=", b";=b", b';a="b', b';a="b"c'),
        *(b";a=b=c", b";a\0", b";a\x7f", b';a="\0"', b';a="\\', b";a(b", b";a=\xe4", b";a\x0b"),
    ],
)
def test_row_21_malformed_extensions_are_refused(extension: bytes) -> None:
    assert chunked_refusal(b"5%b\r\nhello" % extension) == "bad_framing"


def test_row_21_extensions_are_limited_to_4_kib_a_message() -> None:
    half = b";a=" + b"x" * 2045
    chunk = b"1%b\r\nx\r\n" % half

    assert chunked_refusal(chunk * 2) == "accepted"
    assert chunked_refusal(chunk * 2 + b"1;a\r\nx") == "bad_framing"
    assert chunked_refusal(b"1;" + b"x" * 5000) == "bad_framing"


@pytest.mark.parametrize(
    "trailer",
    [b"X-T: 1\r\n", b"X: a\r\nY:b \r\n", b"Content-Length: 5\r\nHost: b\r\n", b"X:\r\n"],
)
def test_row_23_trailers_are_checked_and_dropped(trailer: bytes) -> None:
    reader = body_reader(CHUNKED)

    assert reader.feed(b"1\r\nx\r\n0\r\n%b\r\nNEXT" % trailer) == b"x"
    assert (reader.done, reader.rest) == (True, b"NEXT")


@pytest.mark.parametrize(
    "trailer",
    [
        b"X\r\n",
        b": y\r\n",
        b"X : y\r\n",
        b" X: y\r\n",
        b"X: y\r\n z\r\n",
        b"X: \0\r\n",
        b"X: a\rb\r\n",
        b"GET / HTTP/1.1\r\n",
        b"X\xe4: y\r\n",
    ],
)
def test_row_23_malformed_trailers_are_refused(trailer: bytes) -> None:
    assert chunked_refusal(b"0\r\n%b\r\n" % trailer) == "bad_framing"


def test_row_23_trailers_have_the_limits_of_a_head() -> None:
    limits = HeadLimits(line_bytes=30, head_bytes=100, fields=4)

    assert chunked_refusal(b"0\r\n" + b"X: %b" % (b"y" * 98), limits) == "bad_framing"
    assert chunked_refusal(b"0\r\n" + b"X: %b\r\n\r\n" % (b"y" * 28), limits) == "done"
    assert (
        chunked_refusal(b"0\r\n" + b"X: 345678901234567\r\n" * 5 + b"X", limits) == "bad_framing"
    )
    assert chunked_refusal(b"0\r\n" + b"X: y\r\n" * 5 + b"\r\n", limits) == "bad_framing"
    assert chunked_refusal(b"0\r\n" + b"X: y\r\n" * 4 + b"\r\n", limits) == "done"


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        (Sized(6), b""),
        (CHUNKED, b"6\r\n"),
        (CHUNKED, b"3\r\nabc\r\n3\r\n"),
        (CHUNKED, b"7FFFFFFFFFFFFFFF\r\n"),
        (UNTIL_CLOSE, b"123456"),
    ],
)
def test_row_32_a_body_over_its_limit_is_refused_as_soon_as_it_is_known(
    framing: Framing, data: bytes
) -> None:
    def run() -> None:
        body_reader(framing, limit=5).feed(data)

    with pytest.raises(RequestError) as caught:
        run()

    assert caught.value.reason.code == "body_too_large"


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        (Sized(5), b"12345"),
        (CHUNKED, b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n"),
        (UNTIL_CLOSE, b"12345"),
    ],
)
def test_a_body_of_just_its_limit_is_read(framing: Framing, data: bytes) -> None:
    reader: BodyReader = body_reader(framing, limit=5)

    assert reader.feed(data) == b"12345"
    assert reader.finish_at_close()


def test_a_response_body_that_cannot_be_delimited_is_a_response_error() -> None:
    for data in (b"x", b"0\r\nX\r\n\r\n"):
        with pytest.raises(ResponseError):
            body_reader(CHUNKED, error=ResponseError).feed(data)


@given(payloads=st.lists(st.binary(max_size=40)), rest=st.binary(max_size=8), places=make.places)
def test_chunks_that_are_written_read_back_whatever_the_cuts(
    payloads: list[bytes], rest: bytes, places: list[int]
) -> None:
    data = b"".join(map(write_chunk, payloads)) + LAST_CHUNK + rest
    for pieces in (cut(data, places), in_bytes(data)):
        reader = body_reader(CHUNKED)

        assert b"".join(map(reader.feed, pieces)) == b"".join(payloads)
        assert (reader.done, reader.rest) == (True, rest)


@given(length=st.integers(0, 60), data=st.binary(max_size=90), places=make.places)
def test_a_sized_body_and_its_rest_are_all_that_came(
    length: int, data: bytes, places: list[int]
) -> None:
    reader = body_reader(Sized(length))
    payload = b"".join(map(reader.feed, cut(data, places)))

    assert payload + reader.rest == data
    assert payload == data[:length]
    assert reader.done == (len(data) >= length)
