"""
What differs between two tables, by identity.

Whoever makes a table out of another one keeps what has not changed as the same objects, so that
its consumers find the few changes among ten thousand entries in a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress, islice
from operator import is_not, or_
from typing import Generic, TypeVar

import attrs

K = TypeVar("K")
V = TypeVar("V")


@attrs.frozen
class Changes(Generic[K, V]):
    """What leads from one table to another: new or other entries, and keys that are gone."""

    changed: Mapping[K, V]
    gone: tuple[K, ...]

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.changed or self.gone)


def changes(old: Mapping[K, V], new: Mapping[K, V]) -> Changes[K, V]:
    """
    Compare two tables.

    An entry counts as changed when it is another object, even an equal one. Entries at the same
    place of both are compared without hashing; what has moved is looked up.
    """
    if old is new:
        return Changes({}, ())
    changed = {key: new[key] for key in _apart(new, old) if old.get(key) is not new[key]}
    added = sum(key not in old for key in changed)
    if len(old) + added == len(new):
        return Changes(changed, ())
    return Changes(changed, tuple(key for key in _apart(old, new) if key not in new))


def _apart(one: Mapping[K, V], other: Mapping[K, V]) -> list[K]:
    """Return the keys of *one* that do not stand at the same place of *other*, value and all."""
    keys, values = map(is_not, one, other), map(is_not, one.values(), other.values())
    marks = list(map(or_, keys, values))
    return [*compress(one, marks), *islice(one, len(marks), None)]
