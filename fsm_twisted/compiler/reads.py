"""What the translation of an Ingress has looked at: whose change makes it worth another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

from fsm_twisted.objects.inventory import Inventory, Key

K = TypeVar("K")
V = TypeVar("V")

Read = tuple[str, object]
"""A field of the inventory and a key of it; `EVERYTHING` for all of the field."""

EVERYTHING: Final = None


class _Watched(Mapping[K, V], Generic[K, V]):
    """A mapping that writes down what is looked up, also when it is not there."""

    def __init__(self, name: str, table: Mapping[K, V], seen: set[Read]) -> None:
        self._name = name
        self._table = table
        self._seen = seen

    def __getitem__(self, key: K) -> V:
        self._seen.add((self._name, key))
        return self._table[key]

    def __iter__(self) -> Iterator[K]:
        self._seen.add((self._name, EVERYTHING))
        return iter(self._table)

    def __len__(self) -> int:
        self._seen.add((self._name, EVERYTHING))
        return len(self._table)


def watched(inventory: Inventory, seen: set[Read]) -> Inventory:
    """Return *inventory* so that everything that is looked up in it is added to *seen*."""
    return Inventory(
        _Watched("ingresses", inventory.ingresses, seen),
        _Watched("classes", inventory.classes, seen),
        _Watched("services", inventory.services, seen),
        _Watched("slices", inventory.slices, seen),
        _Watched("secrets", inventory.secrets, seen),
        _Watched("slices_by_service", inventory.slices_by_service, seen),
    )


class Reads:
    """
    Who has read what, both ways.

    Attributes:
        fields: Of the inventory: those that anybody has ever read.
    """

    def __init__(self) -> None:
        self._of: dict[Key, frozenset[Read]] = {}
        self._readers: dict[Read, set[Key]] = {}
        self.fields: set[str] = set()

    def note(self, reader: Key, reads: frozenset[Read]) -> None:
        """Know that *reader* has read these, and nothing else."""
        before = self._of.pop(reader, frozenset())
        for read in before - reads:
            readers = self._readers[read]
            readers.discard(reader)
            if not readers:
                del self._readers[read]
        for read in reads - before:
            self._readers.setdefault(read, set()).add(reader)
            self.fields.add(read[0])
        if reads:
            self._of[reader] = reads

    def readers(self, name: str, keys: Iterable[Key] | Iterable[str]) -> set[Key]:
        """Return who has read one of *keys*, or everything, of the field *name*."""
        found: set[Key] = set()
        for key in keys:
            found.update(self._readers.get((name, key), ()))
            found.update(self._readers.get((name, EVERYTHING), ()))
        return found
