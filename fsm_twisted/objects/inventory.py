"""All objects known at one moment: the only input of the compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Self, TypeVar

import attrs

from fsm_twisted.objects.model import (
    EndpointSlice,
    Ingress,
    IngressClass,
    KubernetesObject,
    ObjectRef,
    Secret,
    Service,
    ref_of,
)

K = TypeVar("K")
V = TypeVar("V")
Key = tuple[str, str]
"""Namespace and name."""


@attrs.frozen
class Inventory:
    """
    The objects by kind, each keyed by (namespace, name); classes by name.

    Slices are keyed by their own name and reached by their Service through `slices_of`, or through
    ``slices_by_service``, which is made of them. The order of the mappings means nothing.
    """

    ingresses: Mapping[Key, Ingress] = attrs.field(factory=dict)
    classes: Mapping[str, IngressClass] = attrs.field(factory=dict)
    services: Mapping[Key, Service] = attrs.field(factory=dict)
    slices: Mapping[Key, EndpointSlice] = attrs.field(factory=dict)
    secrets: Mapping[Key, Secret] = attrs.field(factory=dict)
    slices_by_service: Mapping[Key, tuple[EndpointSlice, ...]] = attrs.field(
        factory=dict, eq=False, repr=False
    )

    @classmethod
    def of(cls, objects: Iterable[KubernetesObject]) -> Self:
        """Sort *objects* by kind; of two with one reference the later one counts."""
        return cls().after({ref_of(each): each for each in objects})

    def after(self, changes: Mapping[ObjectRef, KubernetesObject | None]) -> Self:
        """
        Return the inventory after *changes*: an object for its own reference, None for a lost one.

        What has not changed is shared: objects, whole mappings, the slices of a Service.
        """
        slices = _after(self.slices, EndpointSlice, changes, _key)
        return type(self)(
            _after(self.ingresses, Ingress, changes, _key),
            _after(self.classes, IngressClass, changes, lambda ref: ref.name),
            _after(self.services, Service, changes, _key),
            slices,
            _after(self.secrets, Secret, changes, _key),
            self.slices_by_service
            if slices is self.slices
            else _regrouped(self.slices_by_service, self.slices, changes),
        )

    def objects(self) -> Iterator[KubernetesObject]:
        """Return all of them."""
        return chain(
            self.ingresses.values(),
            self.classes.values(),
            self.services.values(),
            self.slices.values(),
            self.secrets.values(),
        )

    def find(self, ref: ObjectRef) -> KubernetesObject | None:
        """Return the object of this reference, None when there is none."""
        key = _key(ref)
        found: Mapping[str, KubernetesObject | None] = {
            "Ingress": self.ingresses.get(key),
            "IngressClass": self.classes.get(ref.name),
            "Service": self.services.get(key),
            "EndpointSlice": self.slices.get(key),
            "Secret": self.secrets.get(key),
        }
        return found.get(ref.kind)

    def slices_of(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        """Return the slices of one Service, ordered by name; none is an ordinary outcome."""
        return self.slices_by_service.get((namespace, service), ())


def _key(ref: ObjectRef) -> Key:
    return (ref.namespace, ref.name)


def _after(
    table: Mapping[K, V],
    kind: type[V],
    changes: Mapping[ObjectRef, KubernetesObject | None],
    key_of: Callable[[ObjectRef], K],
) -> Mapping[K, V]:
    """Return *table* after those of *changes* that are of this *kind*, itself without any."""
    name = kind.__name__
    own = [(key_of(ref), value) for ref, value in changes.items() if ref.kind == name]
    if not own:
        return table
    after = dict(table)
    for key, value in own:
        if isinstance(value, kind):
            after[key] = value
        else:
            after.pop(key, None)
    return after


def _regrouped(
    groups: Mapping[Key, tuple[EndpointSlice, ...]],
    before: Mapping[Key, EndpointSlice],
    changes: Mapping[ObjectRef, KubernetesObject | None],
) -> Mapping[Key, tuple[EndpointSlice, ...]]:
    """Return *groups* after *changes* of slices that were *before*, each ordered by name."""
    members: dict[Key, dict[str, EndpointSlice]] = {}

    def group(of: EndpointSlice) -> dict[str, EndpointSlice]:
        key = (of.metadata.namespace, of.service)
        if key not in members:
            members[key] = {each.metadata.name: each for each in groups.get(key, ())}
        return members[key]

    for ref, value in changes.items():
        if ref.kind != EndpointSlice.__name__:
            continue
        if (old := before.get(_key(ref))) is not None:
            group(old).pop(ref.name, None)
        if isinstance(value, EndpointSlice):
            group(value)[ref.name] = value
    after = dict(groups)
    for key, found in members.items():
        if found:
            after[key] = tuple(each for _, each in sorted(found.items()))
        else:
            after.pop(key, None)
    return after
