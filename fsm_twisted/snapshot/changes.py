"""
What differs between two tables, by identity.

Whoever makes a table out of another one keeps what has not changed as the same objects, so that
its consumers find the few changes among ten thousand entries in a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import compress, count
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

    An entry counts as changed when it is another object, even an equal one. What stands at the
    same place of both, counted from either end, is compared without hashing; what has moved is
    looked up.
    """
    if old is new:
        return Changes({}, ())
    old_places, new_places = _apart(old, new)
    changed = {key: new[key] for key in new_places if old.get(key) is not new[key]}
    added = sum(key not in old for key in changed)
    if len(old) + added == len(new):
        return Changes(changed, ())
    return Changes(changed, tuple(key for key in old_places if key not in new))


def _apart(old: Mapping[K, V], new: Mapping[K, V]) -> tuple[list[K], list[K]]:
    """Return the keys of both tables at whose place the other one has something else."""
    keys, values = (list(old), list(new)), (list(old.values()), list(new.values()))
    most = min(len(old), len(new))
    begin = _first(_marks(*keys, *values), most)
    turned = (reversed(each) for each in (*keys, *values))
    behind = _first(_marks(*turned), most - begin)
    middles = [each[begin : len(each) - behind] for each in (*keys, *values)]
    marks = list(_marks(*middles))
    was, now, *_ = middles
    return (
        [*compress(was, marks), *was[len(marks) :]],
        [*compress(now, marks), *now[len(marks) :]],
    )


def _marks(
    was: Iterable[K], now: Iterable[K], before: Iterable[V], after: Iterable[V]
) -> Iterator[bool]:
    """Tell of each place whether key or value is another object; all of it runs in C."""
    return map(or_, map(is_not, was, now), map(is_not, before, after))


def _first(marks: Iterator[bool], most: int) -> int:
    """Return the first place that is marked, but not over *most*."""
    return min(next(compress(count(), marks), most), most)
