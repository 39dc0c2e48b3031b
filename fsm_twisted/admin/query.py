"""The query of an API request: known names, each once, and pages of long lists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import attrs

from fsm_twisted.admin.documents.world import Json

DEFAULT_LIMIT: Final = 500
MOST_ROWS: Final = 5000
_LONGEST_VALUE: Final = 16 * 1024
_PAGE: Final = frozenset({"limit", "offset"})


@attrs.frozen
class Facet:
    """What of a row must equal the value asked for; ``choices`` are all there are, if known."""

    value_of: Callable[[Json], str]
    choices: tuple[str, ...] = ()


Filters = Mapping[str, Facet]
"""By name in the query."""


class QueryError(ValueError):
    """A query that cannot be used; the text says which parameter, and what it takes."""


class Query:
    """
    The parameters of a request.

    Raises:
        QueryError: A name is unknown, repeated without leave, or a value is no UTF-8.
    """

    def __init__(
        self,
        arguments: Mapping[bytes, Sequence[bytes]],
        known: Collection[str],
        repeatable: Collection[str] = (),
    ) -> None:
        self._values: dict[str, list[str]] = {}
        for raw, values in arguments.items():
            name = raw.decode("ascii", "replace")
            if name not in known:
                takes = ", ".join(sorted(known)) or "none"
                raise QueryError(f"unknown parameter; this address takes: {takes}")
            if len(values) > 1 and name not in repeatable:
                raise QueryError(f"{name} is given twice")
            try:
                self._values[name] = [value.decode() for value in values]
            except UnicodeDecodeError:
                raise QueryError(f"{name} is not UTF-8") from None
            if any(len(value) > _LONGEST_VALUE for value in self._values[name]):
                raise QueryError(f"{name} is too long")

    def text(self, name: str, default: str = "") -> str:
        """Return the value of *name*."""
        return self._values.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        """Return all values of *name*."""
        return self._values.get(name, [])

    def number(self, name: str, default: int, most: int) -> int:
        """
        Return a number from 0 to *most*.

        Raises:
            QueryError: It is none.
        """
        text = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII) or int(text) > most:
            raise QueryError(f"{name} takes a number from 0 to {most}")
        return int(text)

    def seconds(self, name: str, most: float) -> float:
        """
        Return a time in seconds, 0 when it is not given.

        Raises:
            QueryError: It is none.
        """
        text = self.text(name, "0")
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text, re.ASCII) or float(text) > most:
            raise QueryError(f"{name} takes seconds from 0 to {most:g}")
        return float(text)


def names_of(filters: Filters) -> frozenset[str]:
    """Return the parameters that a list with these filters takes."""
    return frozenset({"q", *filters}) | _PAGE


def page(rows: list[Json], query: Query, filters: Filters) -> Json:
    """
    Return those of *rows* that the query asks for, a page of them.

    ``q`` is a part of any text of a row, in any case.

    Raises:
        QueryError: A value is none of those that there are, or no number.
    """
    limit = query.number("limit", DEFAULT_LIMIT, MOST_ROWS)
    offset = query.number("offset", 0, 10**9)
    for name, facet in filters.items():
        if wanted := query.text(name):
            if facet.choices and wanted not in facet.choices:
                raise QueryError(f"{name} takes {', '.join(facet.choices)}")
            rows = [row for row in rows if facet.value_of(row) == wanted]
    if part := query.text("q").lower():
        rows = [row for row in rows if any(part in text.lower() for text in texts_in(row))]
    items = rows[offset : offset + limit]
    return {"total": len(rows), "offset": offset, "items": items}


def texts_in(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, names of members left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


def encoded(document: Json) -> bytes:
    """Write a document: ASCII, so that nothing in it can be taken for anything else."""
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"
