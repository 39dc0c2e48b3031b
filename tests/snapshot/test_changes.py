"""What differs between two tables, by identity."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.snapshot.changes import changes


class Entry:
    """Something that is equal to others of its key, and yet another object."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


ENTRIES = {key: (Entry(key), Entry(key)) for key in "abcdefg"}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Entry]:
    keys = draw(st.lists(st.sampled_from(sorted(ENTRIES)), unique=True))
    return {
        key: ENTRIES[draw(st.sampled_from((key, "a")))][draw(st.integers(0, 1))] for key in keys
    }


@given(tables(), tables())
def test_changes_are_exactly_the_other_objects_and_the_missing_keys(
    old: dict[str, Entry], new: dict[str, Entry]
) -> None:
    found = changes(old, new)

    assert {key: id(value) for key, value in found.changed.items()} == {
        key: id(value) for key, value in new.items() if old.get(key) is not value
    }
    assert set(found.gone) == old.keys() - new.keys()
    assert len(found.gone) == len(set(found.gone))


@given(tables())
def test_a_copy_of_a_table_differs_in_nothing(old: dict[str, Entry]) -> None:
    assert not changes(old, dict(old))
    assert not changes(old, old)
