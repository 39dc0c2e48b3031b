"""What has changed, and when: a bounded history of generations."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime
from typing import Final, TypeVar

from fsm_twisted.admin.documents.world import Json, ref_json, time_text
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.control.controller import Outcome, without
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.changes import Changes, changes
from fsm_twisted.snapshot.model import EMPTY, Snapshot

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

REMEMBERED: Final = 100
_NAMED: Final = 20
"""So many of one kind are named in an entry; the others are counted."""
_TABLES: Final = ("ingresses", "services", "slices", "secrets")
_KINDS: Final = ("Ingress", "Service", "EndpointSlice", "Secret")


class History:
    """
    Remembers the last `REMEMBERED` compilations after which something was different.

    Comparing is by identity and takes a fraction of a millisecond; values are not kept.

    Args:
        now: The time, aware.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._entries: deque[Json] = deque(maxlen=REMEMBERED)
        self._snapshot: Snapshot = EMPTY
        self._inventory = Inventory()
        self._findings: tuple[Finding, ...] = ()

    def observe(self, outcome: Outcome) -> None:
        """Learn what a compilation came to."""
        snapshot, inventory = outcome.snapshot, outcome.contents.inventory
        findings = outcome.findings
        if snapshot is not self._snapshot or findings != self._findings:
            self._entries.append(self._entry(snapshot, inventory, findings))
        self._snapshot, self._inventory, self._findings = snapshot, inventory, findings

    def rows(self) -> list[Json]:
        """Return the entries, the newest first."""
        return list(reversed(self._entries))

    def _entry(
        self, snapshot: Snapshot, inventory: Inventory, findings: tuple[Finding, ...]
    ) -> Json:
        old = self._snapshot
        return {
            "time": time_text(self._now()),
            "generation": snapshot.generation,
            "objects": self._objects(inventory),
            "hosts": _told(changes(old.hosts, snapshot.hosts), lambda host: host or "*"),
            "upstreams": _told(changes(old.upstreams, snapshot.upstreams), str),
            "certificates": _told(changes(old.certificates, snapshot.certificates), str),
            "findings": {
                "new": _findings(without(findings, self._findings)),
                "mended": _findings(without(self._findings, findings)),
            },
        }

    def _objects(self, inventory: Inventory) -> Json:
        old = self._inventory
        changed: list[ObjectRef] = []
        gone: list[ObjectRef] = []
        for table, kind in zip(_TABLES, _KINDS, strict=True):
            found: Changes[tuple[str, str], object] = changes(
                getattr(old, table), getattr(inventory, table)
            )
            changed += (ObjectRef(kind, *key) for key in found.changed)
            gone += (ObjectRef(kind, *key) for key in found.gone)
        classes = changes(old.classes, inventory.classes)
        changed += (ObjectRef("IngressClass", "", name) for name in classes.changed)
        gone += (ObjectRef("IngressClass", "", name) for name in classes.gone)
        return _listed(map(str, changed), map(str, gone))


def _told(found: Changes[K, V], text: Callable[[K], str]) -> Json:
    return _listed(map(text, found.changed), map(text, found.gone))


def _listed(changed: Iterable[str], gone: Iterable[str]) -> Json:
    changed, gone = sorted(changed), sorted(gone)
    return {
        "changed": changed[:_NAMED],
        "gone": gone[:_NAMED],
        "changed_count": len(changed),
        "gone_count": len(gone),
    }


def _findings(findings: Iterable[Finding]) -> list[Mapping[str, object]]:
    ordered = sorted(findings, key=lambda each: (str(each.object), each.reason.code))
    return [
        {"code": each.reason.code, "object": ref_json(each.object), "message": each.message}
        for each in ordered[:_NAMED]
    ]
