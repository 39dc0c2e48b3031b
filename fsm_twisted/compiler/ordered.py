"""A sequence that stays sorted while few of its values come and go."""

from __future__ import annotations

from bisect import bisect_left
from operator import is_
from typing import Generic, TypeVar

K = TypeVar("K", bound=tuple[object, ...])
V = TypeVar("V")


class Ordered(Generic[K, V]):
    """Values by key, in the order of the keys."""

    def __init__(self) -> None:
        self._keys: list[K] = []
        self._values: list[V] = []
        self._whole: tuple[V, ...] = ()

    def put(self, key: K, value: V) -> None:
        """Have *value* at *key*, instead of another one that may be there."""
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self._values[at] = value
        else:
            self._keys.insert(at, key)
            self._values.insert(at, value)

    def drop(self, key: K) -> None:
        """Have nothing at *key*, where something is."""
        at = bisect_left(self._keys, key)
        assert self._keys[at] == key  # noqa: S101  the caller has put it there
        del self._keys[at], self._values[at]

    def whole(self) -> tuple[V, ...]:
        """Return all values; the tuple of before when they are the same objects."""
        before, values = self._whole, self._values
        is_same = len(before) == len(values) and all(map(is_, before, values))
        if not is_same:
            self._whole = tuple(values)
        return self._whole
