"""A traceparent is read as W3C Trace Context says, and written so that everybody can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.message.traceparent import TraceParent, parse_traceparent

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"


def digits(count: int) -> st.SearchStrategy[bytes]:
    return st.integers(1, 16**count - 1).map(lambda number: b"%0*x" % (count, number))


@given(digits(32), digits(16), st.booleans())
def test_what_is_written_is_read(trace: bytes, span: bytes, is_sampled: object) -> None:
    made = TraceParent(trace, span, bool(is_sampled))
    assert parse_traceparent(made.value) == made


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_ignored(value: bytes) -> None:
    found = parse_traceparent(value)
    assert found is None or value[3:52] == found.trace_id + b"-" + found.parent_id


@pytest.mark.parametrize(
    ("value", "is_sampled"),
    [
        (b"00-%b-%b-01" % (TRACE, SPAN), True),
        (b"00-%b-%b-00" % (TRACE, SPAN), False),
        (b"00-%b-%b-fe" % (TRACE, SPAN), False),
        (b"00-%b-%b-ff" % (TRACE, SPAN), True),
        (b"cc-%b-%b-01" % (TRACE, SPAN), True),
        (b"cc-%b-%b-01-what-the-future-brings" % (TRACE, SPAN), True),
    ],
)
def test_the_lowest_flag_says_sampled_in_every_version(value: bytes, is_sampled: object) -> None:
    assert parse_traceparent(value) == TraceParent(TRACE, SPAN, bool(is_sampled))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-%b-%b-01-more" % (TRACE, SPAN),
        b"00-%b-%b-01." % (TRACE, SPAN),
        b"cc-%b-%b-01x" % (TRACE, SPAN),
        b"ff-%b-%b-01" % (TRACE, SPAN),
        b"00-%b-%b-01" % (bytes(32).replace(b"\0", b"0"), SPAN),
        b"00-%b-%b-01" % (TRACE, bytes(16).replace(b"\0", b"0")),
        b"00-%b-%b-01" % (TRACE.upper(), SPAN),
        b"00-%b-%b-1" % (TRACE, SPAN),
        b"00-%b-%b-0g" % (TRACE, SPAN),
        b"00 %b %b 01" % (TRACE, SPAN),
    ],
)
def test_what_is_not_valid_is_ignored(value: bytes) -> None:
    assert parse_traceparent(value) is None
