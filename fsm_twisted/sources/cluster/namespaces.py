"""The namespaces that a label selector selects; the API server does the selecting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.informer import Collection
from fsm_twisted.sources.cluster.kinds import NAMESPACE
from fsm_twisted.sources.cluster.stream import WatchEvent


class Owner(Protocol):
    """Who wants to know of them."""

    def selected(self, changed: frozenset[str]) -> None:
        """Know that these namespaces are selected now, or are so no longer."""

    def troubled(self, what: Namespaces, before: ApiFailure | None) -> None:
        """Know that `Namespaces.failure` was *before* and may be another now."""


class Namespaces:
    """
    Keeps the names.

    A watch with a selector tells of a namespace whose labels begin to match as ADDED, and of one
    that does not match any more as DELETED (Kubernetes API concepts).
    """

    def __init__(self, selector: str, owner: Owner) -> None:
        self.collection = Collection(NAMESPACE, selector=selector)
        self._owner = owner
        self._names: set[str] = set()
        self.failure: ApiFailure | None = None
        self.is_synced = False

    def __contains__(self, namespace: str) -> bool:
        """Return whether objects of *namespace* count; those of none always do."""
        return not namespace or namespace in self._names

    def __len__(self) -> int:
        return len(self._names)

    @property
    def is_settled(self) -> bool:
        """Return whether they are known: without them nobody knows what is ours."""
        return self.is_synced

    # What the informer tells.

    def read(self, item: Mapping[str, object], version: str) -> str:
        """Return the name."""
        match item.get("metadata"):
            case {"name": str(name)}:
                return name
        return ""

    def replace(self, read: list[str]) -> None:
        """Take these as all that are selected."""
        before, self._names = self._names, set(read)
        is_first, self.is_synced = not self.is_synced, True
        if is_first or before != self._names:
            self._owner.selected(frozenset(before ^ self._names))

    def apply(self, event: WatchEvent, version: str) -> None:
        """Take one change."""
        name = self.read(event.object, version)
        before = set(self._names)
        if event.type == "DELETED":
            self._names.discard(name)
        else:
            self._names.add(name)
        if self._names != before:
            self._owner.selected(frozenset(before ^ self._names))

    def trouble(self, failure: ApiFailure | None) -> None:
        """Know that they cannot be followed just now, or that they are again."""
        before, self.failure = self.failure, failure
        if failure is not before:
            self._owner.troubled(self, before)
