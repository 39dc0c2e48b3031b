"""
What is known of one collection: decoded objects, and the last good version of a broken one.

An object that says the same as before stays the same object, so that nothing is compiled anew for
a status, a managed field or a list after a broken watch. The status of an Ingress is kept beside
it and told for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import attrs

from fsm_twisted.objects.decode import Decoded, decode_object
from fsm_twisted.objects.decode_status import LoadBalancerStatus, decode_status
from fsm_twisted.objects.model import KubernetesObject, ObjectRef
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Forbidden
from fsm_twisted.sources.cluster.informer import Collection
from fsm_twisted.sources.cluster.kinds import INGRESS
from fsm_twisted.sources.cluster.stream import WatchEvent
from fsm_twisted.sources.contents import KIND_FORBIDDEN, SourceProblem

_NOT: Final = "the object is not served"
_LAST_GOOD: Final = "its last good version still counts"
_PARTLY: Final = "this part is left out, the rest of the object counts"


@attrs.frozen
class Entry:
    """One object, None while it never was usable, and what is wrong with it."""

    value: KubernetesObject | None
    problems: tuple[SourceProblem, ...] = ()
    status: LoadBalancerStatus | None = attrs.field(default=None, eq=False)


_NOTHING: Final = Entry(None)


@attrs.frozen
class Read:
    """One item of the API server; nothing but its name when nobody wants it."""

    ref: ObjectRef | None
    decoded: Decoded | None
    status: LoadBalancerStatus | None = None


class Owner(Protocol):
    """Who owns shelves and wants to know of them."""

    def is_wanted(self, ref: ObjectRef) -> bool:
        """Return whether an object is to be kept; asked before it is decoded."""

    def changed(self, shelf: Shelf, *, is_single: bool) -> None:
        """Know that something that is kept has changed: one object, or what a list is unlike."""

    def listed(self, shelf: Shelf) -> None:
        """Know that the collection was listed, whether that changed anything or not."""

    def told(self, ref: ObjectRef) -> None:
        """Know that the watch has just told of this object."""

    def status_changed(self, ref: ObjectRef, status: LoadBalancerStatus | None) -> None:
        """Know the status of an Ingress, which was another before; None when it is gone."""

    def troubled(self, shelf: Shelf, before: ApiFailure | None) -> None:
        """Know that `Shelf.failure` was *before* and may be another now."""


class Shelf:
    """
    Keeps one collection.

    Attributes:
        changes: The objects that are other ones since somebody last cleared this; None for lost.
    """

    def __init__(self, collection: Collection, owner: Owner) -> None:
        self.collection = collection
        self._owner = owner
        self._entries: dict[ObjectRef, Entry] = {}
        self._faulty: dict[ObjectRef, Entry] = {}
        self.changes: dict[ObjectRef, KubernetesObject | None] = {}
        self.failure: ApiFailure | None = None
        self.is_synced = False

    def statuses(self) -> Iterator[tuple[ObjectRef, LoadBalancerStatus]]:
        """Return the statuses, of Ingresses alone; those of unusable ones, too."""
        for ref, each in self._entries.items():
            if each.status is not None:
                yield ref, each.status

    def problems(self) -> Iterator[SourceProblem]:
        """Return what is wrong, first of all that we may not read."""
        if isinstance(self.failure, Forbidden):
            yield self._forbidden(self.failure)
        for each in self._faulty.values():
            yield from each.problems

    def __contains__(self, ref: ObjectRef) -> bool:
        return ref in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_settled(self) -> bool:
        """Return whether there is nothing to wait for: it was listed, or we have no right to."""
        if self.is_synced:
            return True
        return isinstance(self.failure, Forbidden) and not self.collection.kind.is_mandatory

    # What the informer tells.

    def read(self, item: Mapping[str, object], version: str) -> Read:
        """Decode one item, if it is wanted; items of a list do not say their kind."""
        kind = self.collection.kind
        ref = _ref_of_item(kind.name, item)
        if ref is not None and not self._owner.is_wanted(ref):
            return Read(ref, None)
        whole = {**item, "apiVersion": kind.api_version(version), "kind": kind.name}
        status = decode_status(item) if kind is INGRESS else None
        return Read(ref, decode_object(whole), status)

    def replace(self, read: list[Read]) -> None:
        """Take what was listed as all that there is."""
        gone = dict.fromkeys(self._entries)
        has_changed = not self.is_synced
        for each in read:
            if each.ref is not None and (entry := self._entry(each)) is not None:
                gone.pop(each.ref, None)
                has_changed |= self._set(each.ref, entry)
        for ref in gone:
            has_changed |= self._set(ref, None)
        self.is_synced = True
        self._owner.listed(self)
        if has_changed:
            self._owner.changed(self, is_single=False)

    def apply(self, event: WatchEvent, version: str) -> None:
        """Take one change."""
        read = self.read(event.object, version)
        if read.ref is not None:
            self._owner.told(read.ref)
            self._put(read.ref, None if event.type == "DELETED" else self._entry(read))

    def take(self, item: Mapping[str, object], version: str) -> None:
        """Take one object that was asked for by name."""
        read = self.read(item, version)
        if read.ref is not None:
            self._put(read.ref, self._entry(read))

    def tell_again(self, namespaces: frozenset[str]) -> None:
        """Count the objects of *namespaces* among the changes."""
        for ref, each in self._entries.items():
            if ref.namespace in namespaces:
                self.changes[ref] = each.value

    def forget(self) -> None:
        """Drop what is wanted no longer."""
        for ref in [each for each in self._entries if not self._owner.is_wanted(each)]:
            self._set(ref, None)

    def trouble(self, failure: ApiFailure | None) -> None:
        """Know that the collection cannot be followed just now, or that it is again."""
        before, self.failure = self.failure, failure
        if failure is not before:
            self._owner.troubled(self, before)

    def _put(self, ref: ObjectRef, new: Entry | None) -> None:
        if self._set(ref, new):
            self._owner.changed(self, is_single=True)

    def _set(self, ref: ObjectRef, new: Entry | None) -> bool:
        """Put *new* there, and return whether that is anything new."""
        old = self._entries.get(ref)
        if new is old:
            return False
        self._faulty.pop(ref, None)
        if new is None:
            del self._entries[ref]
        else:
            self._entries[ref] = new
            if new.problems:
                self._faulty[ref] = new
        before, after = old or _NOTHING, new or _NOTHING
        if after.value is not before.value:
            self.changes[ref] = after.value
        if after.status != before.status:
            self._owner.status_changed(ref, after.status)
        # Whoever wants statuses has heard of them.
        return new != old

    def _entry(self, read: Read) -> Entry | None:
        """Return what is kept of an item, the old entry itself when it says the same."""
        decoded, ref = read.decoded, read.ref
        if decoded is None or ref is None:
            return None
        old = self._entries.get(ref, _NOTHING)
        value = decoded.value
        instead = _PARTLY
        if value is None:
            value = old.value
            instead = _NOT if value is None else _LAST_GOOD
        elif old.value is not None and _says_the_same(old.value, value):
            value = old.value
        problems = tuple(
            SourceProblem(ref, "", each.path, each.message, each.reason, instead)
            for each in decoded.problems
        )
        status = old.status if read.status == old.status else read.status
        if value is old.value and problems == old.problems and status is old.status:
            return old
        return Entry(value, problems, status)

    def _forbidden(self, failure: Forbidden) -> SourceProblem:
        kind, namespace = self.collection.kind, self.collection.namespace
        role = f"a Role in {namespace}" if namespace else "the ClusterRole"
        message = f"we may not read {self.collection}: {failure.message}"
        instead = f"what is known of them still counts; add to {role}: {kind.rule}"
        return SourceProblem(
            ObjectRef(kind.name, namespace, "*"), "", "", message, KIND_FORBIDDEN, instead
        )


def _ref_of_item(kind: str, item: Mapping[str, object]) -> ObjectRef | None:
    """Name an item before it is decoded; one without a name is none that the server knows."""
    match item.get("metadata"):
        case {"name": str(name), "namespace": str(namespace)}:
            return ObjectRef(kind, namespace, name)
        case {"name": str(name)}:
            return ObjectRef(kind, "", name)
    return None


def _says_the_same(old: KubernetesObject, new: KubernetesObject) -> bool:
    version = old.metadata.resource_version
    metadata = attrs.evolve(new.metadata, resource_version=version)
    return attrs.evolve(new, metadata=metadata) == old
