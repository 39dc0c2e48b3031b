"""The values of annotations, word by word."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.compiler.annotations import ANNOTATIONS, Annotation
from fsm_twisted.compiler.values import (
    ValueFault,
    parse_affinity,
    parse_boolean,
    parse_bytes,
    parse_hash_by,
    parse_seconds,
)
from fsm_twisted.snapshot.policy import Affinity, HashBy, HashSource


@pytest.mark.parametrize("text", ["yes", "true", "1", "on", "t", "y", "YES", "True", "On"])
def test_each_of_these_is_true(text: str) -> None:
    assert parse_boolean(text) is True
    assert parse_affinity(text) is Affinity.CLIENT_IP


@pytest.mark.parametrize("text", ["no", "false", "0", "off", "f", "n", "", "NO", "False"])
def test_each_of_these_is_false(text: str) -> None:
    assert parse_boolean(text) is False
    assert parse_affinity(text) is Affinity.NONE


@pytest.mark.parametrize("text", ["maybe", "2", " true", "truee", "нет"])
def test_anything_else_is_no_boolean(text: str) -> None:
    with pytest.raises(ValueFault):
        parse_boolean(text)
    with pytest.raises(ValueFault):
        parse_affinity(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("client-ip", HashBy(HashSource.CLIENT_IP)),
        ("uri", HashBy(HashSource.URI)),
        ("header:X-User", HashBy(HashSource.HEADER, "x-user")),
        ("cookie:Session", HashBy(HashSource.COOKIE, "Session")),
    ],
)
def test_hash_by_lowers_headers_and_keeps_cookies(text: str, expected: HashBy) -> None:
    assert parse_hash_by(text) == expected


@pytest.mark.parametrize(
    "text", ["", "header", "header:", "cookie:a b", "header:é", "uri:x", "URI"]
)
def test_hash_by_refuses(text: str) -> None:
    with pytest.raises(ValueFault):
        parse_hash_by(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5.0), ("0.5", 0.5), ("500ms", 0.5), ("2s", 2.0), ("5m", 300.0), ("24h", 86400.0)],
)
def test_seconds_may_have_a_unit(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["0", "-1", "", "s", "1d", "1 s", "25h", "1e3", "inf", "nan", "٣", "9" * 5000]
)
def test_no_time_outside_the_range_is_taken(text: str) -> None:
    with pytest.raises(ValueFault):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1", 1), ("512k", 524288), ("1m", 1048576), ("1M", 1048576), ("2g", 2147483648)],
)
def test_sizes_are_written_as_for_nginx(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5m", "1mb", "m", "٣", "9" * 5000])
def test_no_other_size_is_taken(text: str) -> None:
    with pytest.raises(ValueFault):
        parse_bytes(text)


@given(st.text(st.characters(), max_size=20))
def test_no_value_makes_a_parser_raise_anything_but_a_value_fault(text: str) -> None:
    for annotation in ANNOTATIONS:
        with contextlib.suppress(ValueFault):
            annotation.parse(text)


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=lambda each: str(each.name))
def test_the_example_of_the_documentation_is_a_good_value(annotation: Annotation[object]) -> None:
    assert annotation.parse(annotation.example) != annotation.default
