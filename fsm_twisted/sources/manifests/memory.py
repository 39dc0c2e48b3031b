"""
What is kept of each file, so that a broken edit does not take away what worked.

Pure: documents in, states out. A file that cannot be parsed keeps all its objects; an object
that cannot be used keeps its last good version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from fsm_twisted.objects.decode import Decoded, decode_object
from fsm_twisted.objects.model import KubernetesObject, ObjectRef, ref_of
from fsm_twisted.objects.problem import Problem
from fsm_twisted.sources.contents import (
    FILE_UNREADABLE,
    OBJECT_REPEATED,
    Contents,
    SourceProblem,
)
from fsm_twisted.sources.manifests.documents import Document, FileFault

_NOT: Final = "the object is not served"
_LAST_GOOD: Final = "its last good version still counts"


@attrs.frozen
class Entry:
    """One document that is served: what it became, and ``file:line``."""

    values: tuple[KubernetesObject, ...]
    where: str


@attrs.frozen
class FileState:
    """What one file says: its objects by the reference of their document, and its problems."""

    entries: Mapping[ObjectRef, Entry] = attrs.field(factory=dict)
    problems: tuple[SourceProblem, ...] = ()


def after_fault(old: FileState, shown: str, fault: FileFault) -> FileState:
    """Return the state of a file that cannot be used: all that it said before still holds."""
    where = f"{shown}:{fault.line}" if fault.line else shown
    instead = (
        "what the file said before still counts" if old.entries else "nothing of it is served"
    )
    problem = SourceProblem(None, where, "", fault.message, FILE_UNREADABLE, instead)
    return FileState(old.entries, (problem,))


def after_reading(
    old: FileState, shown: str, documents: Iterable[Document], default_namespace: str
) -> FileState:
    """
    Return the state of a file whose documents are these.

    A document that cannot be used keeps the last good version of its object; one that does not
    even say which object it is keeps every object that the file no longer has.

    Raises:
        FileFault: The documents turn out to be unreadable while they are taken.
    """
    reading = _Reading(old, shown)
    for document in documents:
        decoded = decode_object(document.value, default_namespace=default_namespace)
        reading.take(decoded, document)
    return reading.state()


@attrs.define
class _Reading:
    """A file that is just being read."""

    old: FileState
    shown: str
    entries: dict[ObjectRef, Entry] = attrs.field(factory=dict)
    problems: list[SourceProblem] = attrs.field(factory=list)
    is_any_unknown: bool = False

    def take(self, decoded: Decoded, document: Document) -> None:
        """Add what one document became."""
        where = f"{self.shown}:{document.line}"
        if decoded.values and decoded.ref is not None:
            instead = "this part is left out, the rest of the object counts"
            self._serve(decoded.ref, Entry(decoded.values, where))
        else:
            instead = self._keep(decoded)
        self.problems += [
            _told(each, document, decoded.ref, where, instead) for each in decoded.problems
        ]

    def _serve(self, ref: ObjectRef, entry: Entry) -> None:
        if (earlier := self.entries.pop(ref, None)) is not None:
            self.problems.append(_repeated(ref, earlier.where, entry.where))
        self.entries[ref] = entry

    def _keep(self, decoded: Decoded) -> str:
        """Keep the last good version of an object that cannot be used, and say what is done."""
        if decoded.ref is None:
            self.is_any_unknown |= bool(decoded.problems)
            return "objects that the file no longer has still count" if self.old.entries else _NOT
        if decoded.problems and (last_good := self.old.entries.get(decoded.ref)):
            self.entries.setdefault(decoded.ref, last_good)
        return _LAST_GOOD if decoded.ref in self.entries else _NOT

    def state(self) -> FileState:
        """Return what the file says."""
        kept = self.old.entries if self.is_any_unknown else {}
        return FileState({**kept, **self.entries}, tuple(self.problems))


def combine(states: Iterable[FileState], problems: Iterable[SourceProblem] = ()) -> Contents:
    """Put the files together, in their order: of the same object in two, the later one counts."""
    entries: dict[ObjectRef, Entry] = {}
    found = list(problems)
    for state in states:
        found += state.problems
        for ref, entry in state.entries.items():
            if (earlier := entries.get(ref)) is not None:
                found.append(_repeated(ref, earlier.where, entry.where))
            entries[ref] = entry
    origins = {ref: entry.where for ref, entry in entries.items()}
    for entry in entries.values():
        origins.update((ref_of(value), entry.where) for value in entry.values)
    objects = tuple(value for entry in entries.values() for value in entry.values)
    return Contents(objects, origins, tuple(found))


def _told(
    problem: Problem, document: Document, ref: ObjectRef | None, where: str, instead: str
) -> SourceProblem:
    """Say where a problem is; inside a list whose object has no name, by its place there."""
    path = problem.path
    if ref is None and document.step:
        path = f"{document.step}.{path}" if path else document.step
    return SourceProblem(ref, where, path, problem.message, problem.reason, instead)


def _repeated(ref: ObjectRef, earlier: str, where: str) -> SourceProblem:
    message = f"the object is also at {earlier}"
    return SourceProblem(ref, where, "", message, OBJECT_REPEATED, "this one counts")
