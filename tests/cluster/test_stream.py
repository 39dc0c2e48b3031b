"""A watch's bytes become events, wherever they were cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.sources.cluster.stream import WatchBroken, WatchDecoder, WatchEvent

texts = st.text(max_size=20)
objects = st.dictionaries(texts, texts | st.integers() | st.lists(texts, max_size=2), max_size=3)
events = st.lists(
    st.builds(WatchEvent, st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]), objects),
    max_size=4,
)


def encode(sent: list[WatchEvent]) -> bytes:
    lines = (json.dumps({"type": each.type, "object": each.object}) for each in sent)
    return "".join(f"{line}\n" for line in lines).encode()


@given(events, st.data())
def test_any_chopping_gives_the_same_events(sent: list[WatchEvent], data: st.DataObject) -> None:
    whole = encode(sent)
    places = st.lists(st.integers(0, len(whole)), max_size=8)
    cuts = sorted({0, len(whole), *data.draw(places)})
    decoder = WatchDecoder()
    got = [event for begin, end in pairwise(cuts) for event in decoder.feed(whole[begin:end])]

    assert got == sent


@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_one_error(data: bytes) -> None:
    decoder = WatchDecoder()
    try:
        for event in decoder.feed(data + b"\n"):
            assert isinstance(event.version, str)
    except WatchBroken:
        pass


def test_half_a_line_is_no_event() -> None:
    decoder = WatchDecoder()

    assert decoder.feed(encode([WatchEvent("ADDED", {})])[:-1]) == []
    assert decoder.feed(b"\n") == [WatchEvent("ADDED", {})]


def test_empty_lines_are_passed_over() -> None:
    assert WatchDecoder().feed(b"\n\r\n \n") == []


@pytest.mark.parametrize("pieces", [[b"x" * 65], [b"x" * 40, b"x" * 40], [b"x" * 65 + b"\n"]])
def test_a_line_over_the_limit_is_refused_before_it_ends(pieces: list[bytes]) -> None:
    decoder = WatchDecoder(limit_bytes=64)

    def feed_all() -> None:
        for piece in pieces:
            decoder.feed(piece)

    with pytest.raises(WatchBroken, match="more than 64 bytes"):
        feed_all()


def test_a_line_of_exactly_the_limit_is_read() -> None:
    line = encode([WatchEvent("ADDED", {"a": "b"})])

    assert len(WatchDecoder(limit_bytes=len(line) - 1).feed(line)) == 1


@pytest.mark.parametrize(
    ("about", "version"),
    [
        ({"metadata": {"resourceVersion": "7"}}, "7"),
        ({"metadata": {"resourceVersion": 7}}, ""),
        ({"metadata": []}, ""),
        ({}, ""),
    ],
)
def test_the_version_is_a_string_or_none(about: dict[str, object], version: str) -> None:
    assert WatchEvent("ADDED", about).version == version
