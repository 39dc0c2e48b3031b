"""The compiled recogniser of usual heads says what the reference says."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm_twisted.http1 import usual
from fsm_twisted.http1.grammar import DEFAULT_LIMITS, HeadLimits
from tests.compiled import compiled
from tests.http1.test_usual import (
    BARE,
    BARE_KEPT,
    CHUNKED_RESPONSE,
    DATE,
    REQUEST,
    RESPONSE,
    SENDING,
    SERVER,
    methods,
    mutated_requests,
    mutated_responses,
)

BROWSER = (
    b"GET /shop/articles/1?page=1 HTTP/1.1\r\nHost: a.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"Referer: https://a.example/shop/\r\nConnection: keep-alive\r\n"
    b"Cookie: name=M\xc3\xbcller\xff\t; session=4f2a\r\n\r\n"
)


@pytest.fixture(scope="module")
def speedups(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compiled("fsm_twisted.http1._speedups", tmp_path_factory)


@given(data=mutated_requests)
@example(data=REQUEST)
@example(data=BROWSER)
@example(data=SENDING)
@example(data=SENDING.replace(b"POST", b"HEAD"))
def test_requests_are_recognised_alike(speedups: Any, data: bytes) -> None:
    expected = usual.usual_request(data, DEFAULT_LIMITS)

    assert speedups.usual_request(data, DEFAULT_LIMITS) == expected
    if speedups.recognises_request(data):  # it was not the reference that has answered
        assert expected is not None


OWN = b"X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 fsm\r\n"


@given(data=mutated_requests, own=st.sampled_from([b"", OWN]), identity=st.binary(max_size=40))
@example(data=REQUEST, own=OWN, identity=b"4f2a")
@example(data=BROWSER, own=OWN, identity=b"4f2a")
@example(data=SENDING, own=OWN, identity=b"4f2a")
def test_requests_go_on_alike(speedups: Any, data: bytes, own: bytes, identity: bytes) -> None:
    found = usual.usual_request(data, DEFAULT_LIMITS)

    if found is not None:
        expected = usual.forwarded(data, found, own, identity)
        assert speedups.forwarded(data, found, own, identity) == expected


@pytest.mark.parametrize(
    "places", [(-1, 5, 9), (6, 5, 9), (3, 11, 11), (1 << 70, 5, 9), (3, 1 << 70, 9)]
)
def test_places_outside_a_request_are_a_mistake_of_ours(
    speedups: Any, places: tuple[int, int, int]
) -> None:
    found = (b"GET", b"/", b"/", b"a", *places)
    with pytest.raises((ValueError, OverflowError)):
        speedups.forwarded(b"0123456789", found, b"", b"")


@given(data=mutated_responses, method=methods)
@example(data=RESPONSE, method=b"GET")
@example(data=RESPONSE.removesuffix(b"hello"), method=b"HEAD")
@example(data=CHUNKED_RESPONSE, method=b"GET")
@example(data=CHUNKED_RESPONSE.replace(b"Keep-", b"Keep-Alive: a\r\nKeep-"), method=b"GET")
@example(data=CHUNKED_RESPONSE.replace(b"Keep-", b"ETag: a\r\nKeep-"), method=b"GET")
@example(
    data=CHUNKED_RESPONSE.replace(b"5\r\nhello", b"1\r\nh\r\n" * 15 + b"1\r\nh"), method=b"GET"
)
@example(
    data=CHUNKED_RESPONSE.replace(b"5\r\nhello", b"1\r\nh\r\n" * 14 + b"1\r\nh"), method=b"GET"
)
@example(data=CHUNKED_RESPONSE.replace(b"5\r\nhello", b"FFFFFFFF\r\nhello"), method=b"GET")
@example(data=CHUNKED_RESPONSE.replace(b"5\r\nhello", b"000000005\r\nhello"), method=b"GET")
@example(data=BARE, method=b"GET")
@example(data=BARE, method=b"HEAD")
@example(data=BARE_KEPT, method=b"GET")
@example(data=RESPONSE.replace(b"200", b"404"), method=b"GET")
@example(data=RESPONSE.replace(b"200", b"504"), method=b"GET")
def test_answers_are_recognised_alike(speedups: Any, data: bytes, method: bytes) -> None:
    expected = usual.usual_answer(data, method, DEFAULT_LIMITS, SERVER, DATE)

    assert speedups.usual_answer(data, method, DEFAULT_LIMITS, SERVER, DATE) == expected
    if method != b"HEAD" and speedups.recognises_answer(data):
        assert expected is not None


@pytest.mark.parametrize("what", [b"", b"\r", b"\n", b"\0", b"\x7f", b"\xff", b":", b" ", b"%"])
def test_no_single_byte_makes_a_difference(speedups: Any, what: bytes) -> None:
    for sent, where in [(each, at) for each in (BROWSER, SENDING) for at in range(len(each))]:
        data = sent[:where] + what + sent[where + 1 :]
        expected = usual.usual_request(data, DEFAULT_LIMITS)

        assert speedups.usual_request(data, DEFAULT_LIMITS) == expected
        assert speedups.recognises_request(data) <= (expected is not None)


def test_a_head_that_is_cut_anywhere_is_not_recognised(speedups: Any) -> None:
    for end in range(len(BROWSER)):
        assert not speedups.recognises_request(BROWSER[:end])
    for end in range(len(SENDING)):
        assert not speedups.recognises_request(SENDING[:end])
    for answer in (RESPONSE, CHUNKED_RESPONSE, BARE, BARE_KEPT):
        for end in range(len(answer)):
            assert not speedups.recognises_answer(answer[:end])


def test_what_browsers_and_servers_send_needs_no_reference(speedups: Any) -> None:
    for asked in (REQUEST, BROWSER, SENDING):
        assert speedups.recognises_request(asked)
    for answer in (RESPONSE, CHUNKED_RESPONSE, BARE, BARE_KEPT):
        assert speedups.recognises_answer(answer)
    for status in (b"404", b"500", b"504"):
        assert speedups.recognises_answer(RESPONSE.replace(b"200", status))


@pytest.mark.parametrize("answer", [RESPONSE, CHUNKED_RESPONSE, BARE, BARE_KEPT])
@pytest.mark.parametrize("what", [b"", b"\r", b"\n", b"\0", b"\x7f", b"0", b"a", b"F", b":", b" "])
def test_no_single_byte_of_an_answer_makes_a_difference(
    speedups: Any, answer: bytes, what: bytes
) -> None:
    for where, method in itertools.product(range(len(answer)), (b"GET", b"HEAD")):
        data = answer[:where] + what + answer[where + 1 :]
        expected = usual.usual_answer(data, method, DEFAULT_LIMITS, SERVER, DATE)

        assert speedups.usual_answer(data, method, DEFAULT_LIMITS, SERVER, DATE) == expected


def test_the_reference_decides_on_heads_over_the_harmless_size(speedups: Any) -> None:
    assert speedups.recognises_request(REQUEST)
    assert speedups.usual_request(REQUEST, HeadLimits(line_bytes=100)) is None
    assert speedups.usual_answer(RESPONSE, b"GET", HeadLimits(head_bytes=20), SERVER, DATE) is None


def test_each_missing_field_is_added(speedups: Any) -> None:
    for own in (b"", b"Server: x\r\n", b"dAtE: x\r\n", b"Server: x\r\nDate: x\r\n"):
        for kept in (b"", b"connection: keep-alive\r\n"):
            data = b"HTTP/1.1 404\r\n%bX: 1\r\ncontent-length:2\r\n%b\r\nok" % (kept, own)
            data = data.replace(b"404", b"400 Bad Request")

            assert speedups.recognises_answer(data)
            expected = usual.usual_answer(data, b"GET", DEFAULT_LIMITS, SERVER, DATE)
            assert speedups.usual_answer(data, b"GET", DEFAULT_LIMITS, SERVER, DATE) == expected


def test_what_is_not_bytes_is_a_mistake_of_ours(speedups: Any) -> None:
    with pytest.raises(TypeError):
        speedups.usual_request(bytearray(REQUEST), DEFAULT_LIMITS)
    with pytest.raises(TypeError):
        speedups.usual_answer(RESPONSE, DEFAULT_LIMITS, SERVER)
    with pytest.raises(TypeError):
        speedups.forwarded(REQUEST, (b"GET", b"/", b"/", "a", 3, 5, 9), b"", b"")
    with pytest.raises(TypeError):
        speedups.forwarded(REQUEST, (3, 5, 9), b"", b"")
