"""What a request is hashed by, and how one cookie is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.cookie import make_reader
from fsm_twisted.balancing.keys import make_key
from fsm_twisted.message.fields import Fields
from fsm_twisted.snapshot.policy import Affinity, Algorithm, Balancing, HashBy, HashSource

CLIENT, TARGET = b"192.0.2.7", b"/cart?id=7"


def key(source: HashSource, name: str, fields: Fields) -> bytes:
    key_of = make_key(Balancing(Algorithm.HASHING, HashBy(source, name)))
    assert key_of is not None
    return key_of(CLIENT, TARGET, fields)


@pytest.mark.parametrize(
    ("source", "name", "fields", "expected"),
    [
        (HashSource.CLIENT_IP, "", (), CLIENT),
        (HashSource.URI, "", (), TARGET),
        (HashSource.HEADER, "x-user", ((b"X-User", b"ann"),), b"ann"),
        (HashSource.HEADER, "x-user", ((b"x-user", b"a"), (b"X-USER", b"b")), b"a, b"),
        (HashSource.HEADER, "x-user", ((b"X-Other", b"ann"),), CLIENT),
        (HashSource.HEADER, "x-user", ((b"X-User", b""),), CLIENT),
        (HashSource.COOKIE, "sid", ((b"Cookie", b"a=1; sid=42"),), b"42"),
        (HashSource.COOKIE, "sid", ((b"Cookie", b"SID=42"),), CLIENT),
        (HashSource.COOKIE, "sid", ((b"Cookie", b"sid="),), CLIENT),
        (HashSource.COOKIE, "sid", (), CLIENT),
    ],
)
def test_the_key_is_what_hash_by_names_or_the_client_without_it(
    source: HashSource, name: str, fields: Fields, expected: bytes
) -> None:
    assert key(source, name, fields) == expected


@pytest.mark.parametrize("source", HashSource)
def test_stickiness_by_client_address_ignores_hash_by(source: HashSource) -> None:
    policy = Balancing(Algorithm.HASHING, HashBy(source, "x"), Affinity.CLIENT_IP)
    key_of = make_key(policy)

    assert key_of is not None
    assert key_of(CLIENT, TARGET, ((b"X", b"1"), (b"Cookie", b"x=1"))) == CLIENT


names = st.sampled_from([b"a", b"b", b"ab", b"ba", b"A", b""])
values = st.text('ab=" \t,1', max_size=4).map(str.encode)
pairs = st.tuples(
    st.sampled_from([b"", b" ", b"\t "]), names, st.sampled_from([b"=", b""]), values
)
cookies = st.lists(pairs.map(b"".join), max_size=5).map(b";".join)
field_names = st.sampled_from([b"Cookie", b"cookie", b"COOKIE", b"Cookie2", b"Xookie"])
all_fields = st.lists(st.tuples(field_names, cookies), max_size=3).map(tuple)


def slow_read(name: bytes, fields: Fields) -> bytes | None:
    """Cut every Cookie field at ``;`` and then at ``=``, and take the first of the name."""
    for field, value in fields:
        if field.lower() == b"cookie":
            for pair in value.split(b";"):
                own, equals, rest = pair.partition(b"=")
                if own.lstrip(b" \t") == name and equals:
                    return rest.strip(b" \t")
    return None


@given(st.sampled_from([b"a", b"ab"]), all_fields)
def test_a_cookie_is_read_as_by_cutting_the_fields_to_pieces(name: bytes, fields: Fields) -> None:
    assert make_reader(name)(fields) == slow_read(name, fields)


def test_a_cookie_of_a_longer_name_is_another_one() -> None:
    assert make_reader(b"sid")(((b"Cookie", b"psid=1; sid2=2; x=sid=3"),)) is None


def test_a_cookie_name_is_taken_literally() -> None:
    read = make_reader(b"a.b")

    assert read(((b"Cookie", b"axb=1; a.b=2"),)) == b"2"
