"""All objects known at one moment: the only input of the compiler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

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


@attrs.frozen
class Inventory:
    """
    The objects by kind, each keyed by (namespace, name); classes by name.

    Slices are keyed by their own name and reached by their Service through `slices_of`.
    """

    ingresses: Mapping[tuple[str, str], Ingress] = attrs.field(factory=dict)
    classes: Mapping[str, IngressClass] = attrs.field(factory=dict)
    services: Mapping[tuple[str, str], Service] = attrs.field(factory=dict)
    slices: Mapping[tuple[str, str], EndpointSlice] = attrs.field(factory=dict)
    secrets: Mapping[tuple[str, str], Secret] = attrs.field(factory=dict)
    _by_service: Mapping[tuple[str, str], tuple[EndpointSlice, ...]] = attrs.field(
        factory=dict, eq=False, repr=False
    )

    @classmethod
    def of(cls, objects: Iterable[KubernetesObject]) -> Self:
        """Sort *objects* by kind; of two with one reference the later one counts."""
        latest: dict[ObjectRef, KubernetesObject] = {ref_of(each): each for each in objects}
        ingresses: dict[tuple[str, str], Ingress] = {}
        classes: dict[str, IngressClass] = {}
        services: dict[tuple[str, str], Service] = {}
        slices: dict[tuple[str, str], EndpointSlice] = {}
        secrets: dict[tuple[str, str], Secret] = {}
        for ref, value in sorted(latest.items(), key=lambda item: item[0]):
            key = (ref.namespace, ref.name)
            match value:
                case Ingress():
                    ingresses[key] = value
                case IngressClass():
                    classes[ref.name] = value
                case Service():
                    services[key] = value
                case EndpointSlice():
                    slices[key] = value
                case Secret():
                    secrets[key] = value
        return cls(ingresses, classes, services, slices, secrets, _group_by_service(slices))

    def slices_of(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        """Return the slices of one Service, ordered by name; none is an ordinary outcome."""
        return self._by_service.get((namespace, service), ())


def _group_by_service(
    slices: Mapping[tuple[str, str], EndpointSlice],
) -> Mapping[tuple[str, str], tuple[EndpointSlice, ...]]:
    groups: dict[tuple[str, str], list[EndpointSlice]] = {}
    for (namespace, _), each in sorted(slices.items()):
        groups.setdefault((namespace, each.service), []).append(each)
    return {key: tuple(group) for key, group in groups.items()}
