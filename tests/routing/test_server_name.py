"""Laws of server names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.routing.server_name import ServerNames
from tests.routing.reference import is_wildcard_host
from tests.routing.worlds import names, patterns

tables = st.lists(patterns.filter(bool), max_size=6).map(lambda each: {one: one for one in each})
casings = st.sampled_from([str.lower, str.upper, str.title])


@given(tables, names)
def test_an_exact_entry_comes_before_a_wildcard_and_nothing_else_answers(
    entries: dict[str, str], name: str
) -> None:
    wild = [pattern for pattern in entries if is_wildcard_host(pattern, name)]
    expected = name if name in entries else wild[0] if wild else None

    assert ServerNames(entries).lookup(name.encode()) == expected


@given(tables, names, casings, st.sampled_from(["", "."]))
def test_case_and_trailing_dot_do_not_matter(
    entries: dict[str, str], name: str, cased: type[str], dot: str
) -> None:
    table = ServerNames(entries)

    assert table.lookup((cased(name) + dot).encode()) == table.lookup(name.encode())


@given(st.sampled_from("ab"), names)
def test_a_wildcard_covers_exactly_one_label(label: str, parent: str) -> None:
    table = ServerNames({f"*.{parent}": True})

    assert table.covers(f"{label}.{parent}".encode())
    assert not table.covers(f"{label}.{label}.{parent}".encode())
    assert not table.covers(f".{parent}".encode())
    assert not table.covers(parent.encode())


@given(tables)
def test_no_name_is_nobodys(entries: dict[str, str]) -> None:
    assert ServerNames(entries).lookup(b"") is None
    assert ServerNames(entries).lookup(b".") is None
