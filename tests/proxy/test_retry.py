"""A request that may have been executed is never sent again, unless that is harmless."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.proxy.retry import IDEMPOTENT, Failure, may_retry

# RFC 9110 section 9.2.2, and two that only look alike.
SAME_TWICE = (b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE")
OTHERS = (b"POST", b"PATCH", b"get", b"PROPFIND", b"")
METHODS = st.one_of(st.sampled_from(SAME_TWICE + OTHERS), st.binary(max_size=8))
BOOLEANS = st.sampled_from([True, False])


@pytest.mark.parametrize("method", SAME_TWICE)
def test_idempotent_methods(method: bytes) -> None:
    assert method in IDEMPOTENT


@pytest.mark.parametrize("method", OTHERS)
def test_others_are_not(method: bytes) -> None:
    assert method not in IDEMPOTENT


@given(
    failure=st.sampled_from([Failure.REUSED_CLOSED, Failure.FRESH_CLOSED]),
    method=METHODS.filter(lambda method: method not in IDEMPOTENT),
    flags=st.tuples(BOOLEANS, BOOLEANS),
    retries=st.integers(0, 3),
)
def test_what_is_not_idempotent_is_never_sent_again_once_it_may_have_been_executed(
    failure: Failure, method: bytes, flags: tuple[bool, bool], retries: int
) -> None:
    has_body, is_replayable = flags

    assert not may_retry(
        failure, method, has_body=has_body, is_replayable=is_replayable, retries=retries
    )


@given(
    failure=st.sampled_from(list(Failure)),
    method=METHODS,
    has_body=BOOLEANS,
    retries=st.integers(0, 3),
)
def test_a_body_that_is_gone_cannot_be_sent_again(
    failure: Failure,
    method: bytes,
    has_body: bool,  # noqa: FBT001  drawn
    retries: int,
) -> None:
    assert not may_retry(failure, method, has_body=has_body, is_replayable=False, retries=retries)


@pytest.mark.parametrize("method", SAME_TWICE + OTHERS)
def test_what_was_never_sent_may_go_to_another_endpoint_whatever_it_is(method: bytes) -> None:
    for has_body, retries in product((True, False), (0, 1, 2)):
        assert may_retry(
            Failure.NOT_CONNECTED,
            method,
            has_body=has_body,
            is_replayable=True,
            retries=retries,
        )


@pytest.mark.parametrize("method", SAME_TWICE + OTHERS)
def test_what_an_endpoint_has_not_acted_on_may_be_sent_again_some_times(method: bytes) -> None:
    for has_body in (True, False):
        again = [
            may_retry(
                Failure.NOT_PROCESSED,
                method,
                has_body=has_body,
                is_replayable=True,
                retries=retries,
            )
            for retries in range(5)
        ]
        assert again == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("method", "has_body", "expected"),
    [
        (b"GET", False, [True, True, True, False]),
        (b"HEAD", False, [True, True, True, False]),
        (b"OPTIONS", False, [True, True, True, False]),
        (b"GET", True, [True, False, False, False]),
        (b"PUT", False, [True, False, False, False]),
        (b"DELETE", True, [True, False, False, False]),
    ],
)
def test_after_a_reused_connection_that_closed_safe_requests_go_on_and_others_are_sent_once_more(
    method: bytes, has_body: object, expected: list[bool]
) -> None:
    again = [
        may_retry(
            Failure.REUSED_CLOSED,
            method,
            has_body=bool(has_body),
            is_replayable=True,
            retries=retries,
        )
        for retries in range(4)
    ]

    assert again == expected


@pytest.mark.parametrize(
    ("method", "has_body", "expected"),
    [
        (b"GET", False, True),
        (b"HEAD", False, True),
        (b"OPTIONS", False, True),
        (b"GET", True, False),
        (b"PUT", False, False),
        (b"DELETE", False, False),
    ],
)
def test_a_fresh_connection_that_closed_speaks_against_all_but_safe_requests(
    method: bytes, has_body: object, expected: object
) -> None:
    assert (
        may_retry(
            Failure.FRESH_CLOSED, method, has_body=bool(has_body), is_replayable=True, retries=0
        )
        is expected
    )
