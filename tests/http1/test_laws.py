"""Laws that hold for whatever arrives, in whatever pieces; see tests/http1/streams.py."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsm_twisted.http1.errors import RequestError, ResponseError
from fsm_twisted.http1.grammar import parse_request_head, parse_response_head
from tests.http1 import strategies as make
from tests.http1.streams import LIMITS, check_request_stream, check_response_stream

_slow = settings(suppress_health_check=[HealthCheck.too_slow])


@_slow
@given(data=make.damaged(make.request()), places=make.places)
def test_any_chopping_of_requests_gives_the_same_lawful_messages(
    data: bytes, places: list[int]
) -> None:
    check_request_stream(data, places)


@_slow
@given(
    data=make.damaged(make.response()),
    places=make.places,
    method=st.sampled_from([b"GET", b"HEAD"]),
)
def test_any_chopping_of_responses_gives_the_same_lawful_messages(
    data: bytes, places: list[int], method: bytes
) -> None:
    check_response_stream(data, places, method)


@given(data=st.binary(max_size=200))
def test_no_bytes_at_all_make_a_reader_fail_otherwise_than_it_says(data: bytes) -> None:
    check_request_stream(data)
    check_response_stream(data)


@given(data=st.one_of(make.damaged(make.request()), st.binary(max_size=200)))
def test_parsing_a_block_of_any_bytes_gives_a_head_or_a_request_error(data: bytes) -> None:
    try:
        head = parse_request_head(data, LIMITS)
    except RequestError:
        return
    # What is accepted is one whole head and nothing else.
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1
    assert head.method == data.split(b" ")[0]


@given(data=st.one_of(make.damaged(make.response()), st.binary(max_size=200)))
def test_parsing_a_block_of_any_bytes_gives_a_head_or_a_response_error(data: bytes) -> None:
    try:
        head = parse_response_head(data, b"GET", LIMITS)
    except ResponseError:
        return
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1
    assert head.status == int(data[9:12])
