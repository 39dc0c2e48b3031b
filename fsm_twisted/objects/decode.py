"""
From a parsed document to the objects that we know: the only maker of `objects.model` values.

As strict as the API server in the fields that we read, blind to all others. A wrong type in
the metadata or at the top of ``spec`` makes the object unusable; a bad rule, path, port or
endpoint is left out alone. Decoding is total: any JSON-like value gives a `Decoded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

from fsm_twisted.objects.decode_endpoints import decode_endpoints, decode_slice
from fsm_twisted.objects.decode_ingress import decode_class, decode_ingress
from fsm_twisted.objects.decode_service import decode_secret, decode_service
from fsm_twisted.objects.fields import Fields
from fsm_twisted.objects.model import KubernetesObject, Metadata, ObjectRef
from fsm_twisted.objects.names import label_fault, shown, subdomain_fault
from fsm_twisted.objects.problem import Problem, Unusable


@attrs.frozen
class Decoded:
    """
    What one document says.

    ``values`` is one object, and several only for an old ``Endpoints``, which is told as slices.
    No values and no problems: a kind that we do not serve. No values but problems: the object
    is unusable. ``ref`` is as far as known: `None` without a kind or a usable name.
    """

    values: tuple[KubernetesObject, ...]
    ref: ObjectRef | None
    problems: tuple[Problem, ...] = ()

    @property
    def value(self) -> KubernetesObject | None:
        """Return the only or first object, if any."""
        return self.values[0] if self.values else None


@attrs.frozen
class _Kind:
    """Where a kind lives, its served versions (newest first), and who decodes its body."""

    group: str
    versions: tuple[str, ...]
    body: Callable[[Fields, Metadata, str], tuple[KubernetesObject, ...]]
    is_namespaced: bool = True
    name_fault: Callable[[str], str | None] = subdomain_fault

    @property
    def api_version(self) -> str:
        """Return the newest ``apiVersion``, as a user writes it."""
        return f"{self.group}/{self.versions[0]}" if self.group else self.versions[0]


PROBLEM_LIMIT: Final = 20

_NETWORKING: Final = "networking.k8s.io"
_BOTH: Final = ("v1", "v1beta1")

_KINDS: Final[Mapping[str, _Kind]] = {
    "Ingress": _Kind(_NETWORKING, _BOTH, decode_ingress),
    "IngressClass": _Kind(_NETWORKING, _BOTH, decode_class, is_namespaced=False),
    "Service": _Kind("", ("v1",), decode_service, name_fault=label_fault),
    "EndpointSlice": _Kind("discovery.k8s.io", _BOTH, decode_slice),
    "Endpoints": _Kind("", ("v1",), decode_endpoints),
    "Secret": _Kind("", ("v1",), decode_secret),
}


def decode_object(document: object, *, default_namespace: str = "default") -> Decoded:
    """
    Decode one document, e.g. one item of a list or one part of a YAML file.

    Args:
        document: JSON-like: mappings, lists, strings, numbers, booleans and `None`.
        default_namespace: Where an object without ``metadata.namespace`` lives.
    """
    problems: list[Problem] = []
    ref: ObjectRef | None = None
    try:
        top = Fields.of(document, problems)
        api_version = top.required("apiVersion", "write for example apiVersion: v1")
        name = top.required("kind", "write for example kind: Service")
        kind = _find_kind(top, api_version, name)
        if kind is None:
            return Decoded((), _foreign_ref(document, name))
        ref = _identify(top, name, kind, default_namespace)
        values = kind.body(
            top, _metadata(top.required_child("metadata"), ref), _version(api_version)
        )
    except Unusable as unusable:
        return Decoded((), ref, (*_bounded(problems), unusable.problem))
    return Decoded(values, ref, _bounded(problems))


def _bounded(problems: list[Problem]) -> tuple[Problem, ...]:
    """Keep what a person reads: an object of a megabyte may have as many faults as bytes."""
    if len(problems) <= PROBLEM_LIMIT:
        return tuple(problems)
    more = Problem("", f"has {len(problems) - PROBLEM_LIMIT} more problems: mend these first")
    return (*problems[:PROBLEM_LIMIT], more)


def _version(api_version: str) -> str:
    return api_version.rpartition("/")[2]


def _find_kind(top: Fields, api_version: str, name: str) -> _Kind | None:
    """Return how to decode the kind, `None` for one that we do not serve."""
    kind = _KINDS.get(name)
    if kind is None:
        return None
    group, _, version = api_version.rpartition("/")
    if group == kind.group and version in kind.versions:
        return kind
    if name == "Ingress" and api_version == "extensions/v1beta1":
        return kind
    if "." in group and not group.endswith(".k8s.io"):
        return None  # somebody else's kind of that name, e.g. serving.knative.dev Service
    raise top.fault(
        "apiVersion", f"{shown(api_version)} has no {name} for us: write {kind.api_version}"
    )


def _identify(top: Fields, kind_name: str, kind: _Kind, default_namespace: str) -> ObjectRef:
    metadata = top.required_child("metadata")
    name = metadata.required("name", "give the object a name")
    if fault := kind.name_fault(name):
        raise metadata.fault("name", fault)
    if not kind.is_namespaced:
        return ObjectRef(kind_name, "", name)
    namespace = metadata.checked("namespace", label_fault) or default_namespace
    return ObjectRef(kind_name, namespace, name)


def _foreign_ref(document: object, kind: str) -> ObjectRef | None:
    """Name an object that we do not decode, so without a word about its faults."""
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    if not isinstance(metadata, Mapping):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace", "")
    if not isinstance(name, str) or not isinstance(namespace, str):
        return None
    return ObjectRef(kind, namespace, name)


def _metadata(fields: Fields, ref: ObjectRef) -> Metadata:
    return Metadata(
        name=ref.name,
        namespace=ref.namespace,
        created=_created(fields),
        annotations=fields.text_map("annotations"),
        labels=fields.text_map("labels"),
        uid=fields.text("uid"),
        resource_version=fields.text("resourceVersion"),
    )


def _created(fields: Fields) -> str:
    """Return ``creationTimestamp`` in UTC and whole seconds, so that text order is time order."""
    text = fields.text("creationTimestamp")
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "write it as 2024-01-31T12:00:00Z, or leave it out"
        raise fields.fault("creationTimestamp", f"is no RFC 3339 time: {hint}") from None
    return f"{utc.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
