"""Secrets: strict, and never told."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.objects.decode import decode_object
from fsm_twisted.objects.model import Secret
from tests.objects import documents as doc


@given(st.binary(max_size=100))
def test_data_is_what_was_encoded_whole_or_wrapped(data: bytes) -> None:
    for encoded in (base64.b64encode(data), base64.encodebytes(data)):
        value = decode_object(doc.secret(data={"key": encoded.decode()})).value

        assert isinstance(value, Secret)
        assert value.data == {"key": data}


def test_string_data_wins_over_data() -> None:
    value = decode_object(
        doc.secret(data={"a": "AAAA", "b": "AAAA"}, stringData={"b": "ü"}, type="x/y")
    ).value

    assert isinstance(value, Secret)
    assert value.data == {"a": b"\0\0\0", "b": "ü".encode()}
    assert value.type == "x/y"


@pytest.mark.parametrize("text", ["AAA", "AA=A", "AAAA====", "AA AA", "AA-_", "hunter2!", "AAAAÄ"])
def test_base64_is_strict_and_one_bad_value_gives_the_secret_up(text: str) -> None:
    decoded = decode_object(doc.secret(data={"good": "AAAA", "tls.key": text}))

    assert decoded.values == ()
    assert [problem.path for problem in decoded.problems] == ["data[tls.key]"]


@given(st.sampled_from(["data", "stringData"]), st.text(min_size=5) | st.integers(10**6))
def test_no_message_shows_a_value(field: str, value: str | int) -> None:
    decoded = decode_object(
        doc.secret(**{field: {"key": f"!{value}!" if isinstance(value, str) else value}})
    )

    assert all(str(value) not in problem.message for problem in decoded.problems)
    if isinstance(decoded.value, Secret):
        assert str(value) not in repr(decoded.value)


@pytest.mark.parametrize("value", [True, False, 7, ["x"], {"x": "y"}])
def test_a_value_that_is_no_string_is_refused_without_a_hint_of_it(value: object) -> None:
    messages = {
        decode_object(doc.secret(stringData={"key": each})).problems[0].message
        for each in (value, 12345)
    }

    assert len(messages) == 1


def test_keys_are_checked() -> None:
    assert decode_object(doc.secret(data={"a b": "AAAA"})).values == ()
    assert decode_object(doc.secret(data={7: "AAAA"})).values == ()
