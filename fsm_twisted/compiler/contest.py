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
        # The oldest first. Nearly all have one, and then it is one tuple for all that it wants.
        self._contenders: dict[K, tuple[Age, ...]] = {}
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
            self._contenders[key] = tuple(each for each in self._contenders[key] if each != who)
        alone = (who,)
        after: dict[K, V] = {}
        for key, offer in wants.items():
            old = before.get(key)
            if old is not None and old == offer:
                after[key] = old
                continue
            after[key] = offer
            self._open.add(key)
            if key not in before:
                others = self._contenders.get(key)
                self._contenders[key] = tuple(sorted((*others, who))) if others else alone
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
            contenders = self._contenders[key]
            before = self.holders.pop(key, None)
            if contenders:
                self.holders[key] = self._choose([self._wants[who][key] for who in contenders])
            else:
                del self._contenders[key]
            if self.holders.get(key) is not before:
                decided.append(key)
                concerned += contenders
        self._open = set()
        return Verdict(frozenset(decided), frozenset(concerned))
