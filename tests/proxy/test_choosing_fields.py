"""The straight road chooses endpoints by the very fields that the general road would read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.cookie import make_reader
from fsm_twisted.balancing.keys import make_key
from fsm_twisted.http1.grammar import DEFAULT_LIMITS, parse_request_head
from fsm_twisted.http1.usual import usual_request
from fsm_twisted.proxy.choosing_fields import make_finder
from fsm_twisted.snapshot.policy import Affinity, Algorithm, Balancing, HashBy, HashSource

_NAMES = st.sampled_from(
    [b"Cookie", b"cookie", b"COOKIE", b"X-User", b"x-user", b"X-Users", b"My-Cookie", b"Via"]
)
_VALUES = st.sampled_from(
    [b" user=5", b"user=5; user=6", b"\t user = 5 ", b" a=b;user=;x", b" 7", b"", b" \xff ", b" ;"]
)
_LINES = st.lists(st.tuples(_NAMES, _VALUES), max_size=5).map(
    lambda lines: b"".join(b"%b:%b\r\n" % line for line in lines)
)
_BY_FIELD = [
    HashBy(HashSource.HEADER, name)
    for name in ("x-user", "via", "cookie", "host", "content-length", "x-real-ip", "X-User", "ü")
] + [HashBy(HashSource.COOKIE, "user")]


@given(lines=_LINES, hash_by=st.sampled_from(_BY_FIELD))
def test_the_key_is_that_of_the_strict_parser_s_fields(lines: bytes, hash_by: HashBy) -> None:
    data = b"GET /a HTTP/1.1\r\nHost: a\r\n%b\r\n" % lines
    balancing = Balancing(Algorithm.HASHING, hash_by)
    find, key_of = make_finder(balancing), make_key(balancing)
    assert key_of is not None
    assert usual_request(data, DEFAULT_LIMITS) is not None

    fields = () if find is None else find(data)

    head = parse_request_head(data, DEFAULT_LIMITS)
    assert key_of(b"client", b"/a", fields) == key_of(b"client", b"/a", head.fields)


@given(lines=_LINES)
def test_the_affinity_cookie_is_that_of_the_strict_parser_s_fields(lines: bytes) -> None:
    data = b"GET /a HTTP/1.1\r\nHost: a\r\n%b\r\n" % lines
    find, read = make_finder(Balancing(affinity=Affinity.COOKIE)), make_reader(b"user")
    assert find is not None

    assert read(find(data)) == read(parse_request_head(data, DEFAULT_LIMITS).fields)


@pytest.mark.parametrize(
    "balancing", [Balancing(), Balancing(Algorithm.HASHING, HashBy(HashSource.URI))]
)
def test_nothing_is_looked_for_where_nothing_counts(balancing: Balancing) -> None:
    assert make_finder(balancing) is None
