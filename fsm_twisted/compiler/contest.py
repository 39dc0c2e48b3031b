"""Who holds what, kept up to date while contenders come and go."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import attrs

from fsm_twisted.compiler.classes import Age

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@attrs.frozen
class Verdict(Generic[K]):
    """
    What has become of a contest.

    ``keys`` have another holder than before, or none any more; ``concerned`` are all who want one
    of them now.
    """

    keys: frozenset[K]
    concerned: frozenset[Age]


class Contest(Generic[K, V]):
    """
    Gives each key to one of those who want it.

    Args:
        choose: Chooses of everything that is offered for a key, the oldest first.

    Attributes:
        holders: What was chosen, by key, as of the last `settle`.
    """

    def __init__(self, choose: Callable[[Sequence[V]], V]) -> None:
        self._choose = choose
        self._offers: dict[K, dict[Age, V]] = {}
        self._wants: dict[Age, Mapping[K, V]] = {}
        self._open: set[K] = set()
        self.holders: dict[K, V] = {}

    def enter(self, who: Age, wants: Mapping[K, V]) -> None:
        """
        Let *who* want this, and nothing else any more.

        What equals an offer of before counts as that offer, which stays the same object.
        """
        before = self._wants.pop(who, {})
        for key in before.keys() - wants.keys():
            self._open.add(key)
            del self._offers[key][who]
        after: dict[K, V] = {}
        for key, offer in wants.items():
            old = before.get(key)
            if old is not None and old == offer:
                after[key] = old
            else:
                after[key] = self._offers.setdefault(key, {})[who] = offer
                self._open.add(key)
        if after:
            self._wants[who] = after

    def leave(self, who: Age) -> None:
        """Let *who* want nothing any more."""
        self.enter(who, {})

    def settle(self) -> Verdict[K]:
        """Decide about all keys that something has happened to."""
        decided: list[K] = []
        concerned: list[Age] = []
        for key in self._open:
            offers = self._offers[key]
            before = self.holders.pop(key, None)
            if offers:
                self.holders[key] = self._choose([offers[who] for who in sorted(offers)])
            else:
                del self._offers[key]
            if self.holders.get(key) is not before:
                decided.append(key)
                concerned += offers
        self._open = set()
        return Verdict(frozenset(decided), frozenset(concerned))
