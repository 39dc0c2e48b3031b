"""Request ids: unique, and of one form."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from fsm_twisted.workers.request_ids import request_ids


@given(number=st.integers(0, (1 << 56) - 1))
@example(number=0)
@example(number=(1 << 56) - 1)
def test_no_two_are_the_same_and_all_have_32_digits(number: int) -> None:
    next_id = request_ids(b"0123456789abcdef", number)
    drawn = [next_id() for _ in range(600)]

    assert len(set(drawn)) == len(drawn)
    assert all(re.fullmatch(rb"0123456789abcdef[0-9a-f]{16}", each) for each in drawn)
