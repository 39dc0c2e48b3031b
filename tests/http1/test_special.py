"""The memory of field names is bounded, and forgetting changes no answer."""

from __future__ import annotations

from fsm_twisted.http1.special import CLAIM, DROPPED, HOST, ORDINARY, REQUEST_NAMES, SpecialNames


def test_names_are_classified_alike_whether_remembered_or_not() -> None:
    for _ in range(2):
        assert REQUEST_NAMES[b"hOsT"] == HOST
        assert REQUEST_NAMES[b"X-FORWARDED-Whatever"] == CLAIM
        assert REQUEST_NAMES[b"X_Forwarded_Whatever"] == DROPPED
        assert REQUEST_NAMES[b"Accept"] == ORDINARY


def test_strangers_cannot_make_the_memory_grow_without_bound() -> None:
    names = SpecialNames(len)

    for number in range(5000):
        name = b"x-%d" % number
        assert names[name] == len(name)

    assert len(names) <= 2048


def test_a_long_name_is_classified_and_not_remembered() -> None:
    names = SpecialNames(lambda _: CLAIM)

    assert names[b"x" * 65] == CLAIM
    assert len(names) == 0
