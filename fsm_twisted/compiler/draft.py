"""The next table, made out of the last one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Draft(Generic[K, V]):
    """
    Changes to a table, which itself stays as it is.

    An entry that equals the one of before stays the same object, and a table in which nothing has
    changed stays the same table. Each key is said once.
    """

    def __init__(self, table: Mapping[K, V]) -> None:
        self._table = table
        self._next: dict[K, V] | None = None

    def put(self, key: K, value: V) -> None:
        """Have *value* at *key*."""
        before = self._table.get(key)
        if before is not value and before != value:
            self._own()[key] = value

    def drop(self, key: K) -> None:
        """Have nothing at *key*, where something may be."""
        if key in self._table:
            del self._own()[key]

    def table(self) -> Mapping[K, V]:
        """Return the next table."""
        return self._table if self._next is None else self._next

    def _own(self) -> dict[K, V]:
        if self._next is None:
            self._next = dict(self._table)
        return self._next
