"""
What is to be told about objects as Events of Kubernetes: which, about what, in which words.

Pure. An Event's name is made from what it says, so that whoever says the same again, another
replica or this one after a restart, finds the Event that is there instead of adding one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

import attrs

from fsm_twisted.compiler.findings import Finding
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    NO_STRINGS,
    Ingress,
    KubernetesObject,
    ObjectRef,
    ServiceBackend,
    ref_of,
)
from fsm_twisted.snapshot.reasons import SYNCED
from fsm_twisted.sources.cluster.secrets import referenced_secrets

NOTE_LIMIT_BYTES: Final = 1024
"""Longest ``note`` that the API server takes (events.k8s.io/v1)."""

_LONGEST_STEM: Final = 230
_LONGEST_INSTANCE: Final = 128
_LONGEST_NAME_PART: Final = 63
_VERSIONS: Final[Mapping[str, str]] = {
    "Ingress": "networking.k8s.io/v1",
    "IngressClass": "networking.k8s.io/v1",
    "Service": "v1",
    "Secret": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
}


@attrs.frozen
class Author:
    """
    Who writes: ``reportingController`` and ``reportingInstance`` (the pod).

    A controller of several slashes, as an IngressClass may name one, is written with dashes: here
    it has to be a qualified name.
    """

    controller: str
    instance: str

    def fields(self) -> Mapping[str, str]:
        """Return the fields of an Event."""
        domain, _, name = self.controller.partition("/")
        name = name.replace("/", "-")[:_LONGEST_NAME_PART].strip("-._")
        return {
            "reportingController": f"{domain}/{name}",
            "reportingInstance": self.instance[:_LONGEST_INSTANCE],
        }


@attrs.frozen
class Note:
    """
    One thing to be told about one object.

    ``digest`` tells apart what else would be the same note, such as a changed Ingress that is
    served again.
    """

    about: ObjectRef
    reason: str
    text: str
    is_warning: bool = True
    digest: str = ""
    uid: str = ""
    resource_version: str = attrs.field(default="", eq=False)

    @property
    def namespace(self) -> str:
        """Return where the Event lives: with its object, in ``default`` for one of the cluster."""
        return self.about.namespace or "default"

    @cached_property
    def name(self) -> str:
        """Return the name of the Event, the same for the same note about the same object."""
        said = (str(self.about), self.uid, self.reason, self.digest, self.text)
        mark = hashlib.sha256("\0".join(said).encode()).hexdigest()[:16]
        return f"{self.about.name[:_LONGEST_STEM].rstrip('-.')}.{mark}"

    def body(self, author: Author, when: datetime) -> Mapping[str, object]:
        """Return the Event (events.k8s.io/v1) that says it for the first time."""
        regarding = {
            "apiVersion": _VERSIONS.get(self.about.kind, "v1"),
            "kind": self.about.kind,
            "namespace": self.about.namespace,
            "name": self.about.name,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
        }
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "eventTime": micro_time(when),
            "type": "Warning" if self.is_warning else "Normal",
            "reason": self.reason,
            "action": "Translate" if self.is_warning else "Serve",
            "note": self.text,
            "regarding": {key: value for key, value in regarding.items() if value},
            **author.fields(),
        }


def micro_time(when: datetime) -> str:
    """Write an aware time as ``MicroTime``."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def cut_note(text: str) -> str:
    """Cut *text* to what the API server takes, never inside a character."""
    data = text.encode()
    if len(data) <= NOTE_LIMIT_BYTES:
        return text
    mark = "…"
    return data[: NOTE_LIMIT_BYTES - len(mark.encode())].decode(errors="ignore") + mark


class FindingNotes:
    """
    Tells findings where people look: on the Ingress that they concern.

    One of a Service, slice or Secret is told on each of our Ingresses that use it; one of a whole
    kind, or of a file, is none of an object and is not told here.

    Args:
        annotation_prefix: Of annotations that are ours.
    """

    def __init__(self, annotation_prefix: str) -> None:
        self._prefix = annotation_prefix
        self._made: Mapping[tuple[Finding, ObjectRef], tuple[KubernetesObject | None, Note]] = {}

    def of(
        self, findings: Iterable[Finding], inventory: Inventory, ours: tuple[Ingress, ...]
    ) -> Mapping[str, Note]:
        """Return the notes by name; of a finding that stands, the one made before."""
        users = _Users(inventory, ours, self._prefix)
        made: dict[tuple[Finding, ObjectRef], tuple[KubernetesObject | None, Note]] = {}
        for finding in findings:
            for about in users.concerned(finding.object):
                value = _value_of(about, inventory)
                before = self._made.get((finding, about))
                if before is None or before[0] is not value:
                    before = (value, _finding_note(finding, about, value))
                made[finding, about] = before
        self._made = made
        return {note.name: note for _, note in made.values()}


def _value_of(about: ObjectRef, inventory: Inventory) -> KubernetesObject | None:
    if about.kind == "IngressClass":
        return inventory.classes.get(about.name)
    return inventory.ingresses.get((about.namespace, about.name))


def _finding_note(finding: Finding, about: ObjectRef, value: KubernetesObject | None) -> Note:
    whose = "" if about == finding.object else f"{finding.object}: "
    text = f"{whose}{finding.message}; {finding.consequence}; {finding.remedy}"
    return Note(
        about,
        finding.reason.event,
        cut_note(text),
        uid=value.metadata.uid if value is not None else "",
        resource_version=value.metadata.resource_version if value is not None else "",
    )


def synced_note(ingress: Ingress, annotation_prefix: str) -> Note:
    """Tell that *ingress* is served as it is now; another note when it says something else."""
    about = ingress.metadata
    annotations = {
        key: value
        for key, value in sorted(about.annotations.items())
        if key.startswith((annotation_prefix, "kubernetes.io/ingress.class"))
    }
    said = attrs.evolve(
        about, annotations=annotations, labels=NO_STRINGS, resource_version="", created=""
    )
    paths = sum(len(rule.paths) for rule in ingress.rules)
    counted = f"{paths} path{'s' * (paths != 1)}"
    if ingress.default_backend is not None:
        counted += " and a default backend" if paths else ", but a default backend"
    return Note(
        ref_of(ingress),
        SYNCED,
        f"accepted and served by every worker: {counted}",
        is_warning=False,
        digest=repr(attrs.evolve(ingress, metadata=said)),
        uid=about.uid,
        resource_version=about.resource_version,
    )


class _Users:
    """Who uses what; found out when it is asked for, as faults of used objects are rare."""

    def __init__(
        self, inventory: Inventory, ours: tuple[Ingress, ...], annotation_prefix: str
    ) -> None:
        self._inventory = inventory
        self._ours = ours
        self._prefix = annotation_prefix
        self._found: dict[ObjectRef, list[ObjectRef]] | None = None

    def concerned(self, about: ObjectRef) -> Iterable[ObjectRef]:
        """Return the objects on which a finding about *about* is told."""
        if about.kind in {"Ingress", "IngressClass"}:
            return () if about.name == "*" else (about,)
        if self._found is None:
            self._found = self._all()
        if about.kind == "EndpointSlice":
            value = self._inventory.slices.get((about.namespace, about.name))
            about = ObjectRef("Service", about.namespace, value.service if value else "")
        return self._found.get(about, ())

    def _all(self) -> dict[ObjectRef, list[ObjectRef]]:
        found: dict[ObjectRef, list[ObjectRef]] = {}
        for ingress in self._ours:
            used = {*referenced_secrets((ingress,), self._prefix), *_services(ingress)}
            for each in used:
                found.setdefault(each, []).append(ref_of(ingress))
        return found


def _services(ingress: Ingress) -> Iterator[ObjectRef]:
    paths = (path.backend for rule in ingress.rules for path in rule.paths)
    for backend in (*paths, ingress.default_backend):
        if isinstance(backend, ServiceBackend):
            yield ObjectRef("Service", ingress.metadata.namespace, backend.service)
