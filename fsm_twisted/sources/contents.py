"""What a source says: objects, where each comes from, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import KubernetesObject, ObjectRef

# Codes of `snapshot.reasons.FINDINGS`.
FILE_UNREADABLE: Final = "file_unreadable"
OBJECT_REPEATED: Final = "object_repeated"
KIND_FORBIDDEN: Final = "kind_forbidden"


class SourceError(Exception):
    """A path that was asked for cannot be used at all; the text says which and why."""


@attrs.frozen
class SourceProblem:
    """
    One thing that a person should mend.

    ``where`` is ``file:line``, or the file alone, or empty for an object of a cluster; ``path`` is
    the JSON path inside the object, empty for the whole; ``reason`` is a code of the registry of
    findings; ``instead`` says what is done as long as it is not mended.
    """

    ref: ObjectRef | None
    where: str
    path: str
    message: str
    reason: str
    instead: str

    @property
    def file(self) -> str:
        """Return the file (or directory) alone."""
        file, _, line = self.where.rpartition(":")
        return file if file and line.isdecimal() else self.where


@attrs.frozen
class Contents:
    """
    Everything that a source says at one moment.

    ``objects`` has no reference twice. ``origins`` is ``file:line`` by reference, and empty for a
    cluster; an old ``Endpoints`` is there under its own reference and under those of the slices
    it became. ``inventory`` holds the same objects, for the compiler; a source that knows what has
    changed makes it of the last one.
    """

    objects: tuple[KubernetesObject, ...] = ()
    origins: Mapping[ObjectRef, str] = attrs.field(factory=dict)
    problems: tuple[SourceProblem, ...] = ()
    inventory: Inventory = attrs.field(eq=False, repr=False)

    @inventory.default
    def _made_of_objects(self) -> Inventory:
        return Inventory.of(self.objects)
