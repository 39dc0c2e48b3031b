"""
What is kept of each file, so that a broken edit does not take away what worked.

Pure: documents in, states out. A file that cannot be parsed keeps all its objects; an object
that cannot be used keeps its last good version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from fsm_twisted.objects.decode import decode_object
from fsm_twisted.objects.model import KubernetesObject, ObjectRef, ref_of
from fsm_twisted.objects.problem import Problem
from fsm_twisted.sources.manifests.contents import (
    FILE_UNREADABLE,
    OBJECT_REPEATED,
    Contents,
    SourceProblem,
)
from fsm_twisted.sources.manifests.documents import Document, FileFault


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
    entries: dict[ObjectRef, Entry] = {}
    problems: list[SourceProblem] = []
    is_any_unknown = False
    for document in documents:
        where = f"{shown}:{document.line}"
        decoded = decode_object(document.value, default_namespace=default_namespace)
        ref = decoded.ref
        kept = old.entries.get(ref) if ref is not None else None
        is_unusable = not decoded.values and bool(decoded.problems)
        instead = _instead(is_unusable=is_unusable, has_last_good=kept is not None)
        problems += [_told(each, document, ref, where, instead) for each in decoded.problems]
        is_any_unknown |= is_unusable and ref is None
        entry = Entry(decoded.values, where) if decoded.values else kept
        if ref is None or entry is None or not (decoded.values or is_unusable):
            continue
        if (earlier := entries.pop(ref, None)) is not None:
            problems.append(_repeated(ref, earlier.where, where))
        entries[ref] = entry
    if is_any_unknown:
        entries = {**old.entries, **entries}
    return FileState(entries, tuple(problems))


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


def _instead(*, is_unusable: bool, has_last_good: bool) -> str:
    if not is_unusable:
        return "this part is left out, the rest of the object counts"
    return "its last good version still counts" if has_last_good else "the object is not served"


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
