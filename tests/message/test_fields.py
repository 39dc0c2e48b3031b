"""Rows 1 and 2: which names end here, which cannot be listed away, and what looks like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.message.fields import (
    HOP_BY_HOP,
    fold_name,
    is_claim,
    is_protected,
    values_of,
)


@pytest.mark.parametrize(
    "name", [b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"transfer-encoding"]
)
def test_row_2_the_names_of_rfc_9110_are_hop_by_hop(name: bytes) -> None:
    assert name in HOP_BY_HOP


_CLAIMS = (
    b"forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded "
    b"x-forwarded-anything x-real-ip x-request-id"
).split()


@pytest.mark.parametrize("name", _CLAIMS)
def test_row_1_a_claim_is_protected_from_connection(name: bytes) -> None:
    assert is_claim(name)
    assert is_protected(name)


@pytest.mark.parametrize("name", [b"x-forward", b"cookie", b"x-real", b"via", b"user-agent"])
def test_what_says_nothing_about_the_client_is_no_claim(name: bytes) -> None:
    assert not is_claim(name)


_name = st.from_regex(rb"[A-Za-z]{1,4}(-[A-Za-z]{1,4}){0,3}", fullmatch=True)


@given(name=_name, mark=st.sampled_from(list(b"_.!#$%&'*+^`|~")))
def test_a_name_with_other_punctuation_folds_to_its_hyphened_lower_case(
    name: bytes, mark: int
) -> None:
    assert fold_name(name.replace(b"-", bytes([mark]))) == name.lower()


def test_values_of_a_name_keep_their_order() -> None:
    fields = ((b"Set-Cookie", b"a"), (b"X", b"b"), (b"set-cookie", b"c"))

    assert values_of(fields, b"set-cookie") == (b"a", b"c")
