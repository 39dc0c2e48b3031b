"""
Which directories must be watched to notice every change of what a path means.

A path changes its meaning when a directory on the way to it, or a symbolic link on the way,
is replaced: mounted ConfigMaps are renewed by nothing but the swap of one link (``..data``).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from typing import Final

# Directory -> the names in it that matter; `None`: every name does.
Places = Mapping[str, frozenset[str] | None]

_LINK_LIMIT: Final = 40  # as the kernel's own (path_resolution(7))


class PlacesBuilder:
    """Collects the places of many paths."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._whole: set[str] = set()
        self._seen: dict[str, tuple[str | None, bool]] = {}

    def add(self, path: str) -> None:
        """Follow the absolute *path* from the root, and every link on the way."""
        reached = self._walk(path)
        if reached is not None:
            self._whole.add(reached)

    def places(self) -> Places:
        """Return all that was collected."""
        found: dict[str, frozenset[str] | None] = {
            directory: frozenset(names) for directory, names in self._names.items()
        }
        found.update(dict.fromkeys(self._whole))
        return found

    def _walk(self, path: str) -> str | None:
        """Note each name on the way; return the directory at the end, if it is one."""
        current = "/"
        steps = deque(_steps(path))
        links = 0
        while steps:
            step = steps.popleft()
            if step == "..":
                current = os.path.dirname(current)
                continue
            self._names.setdefault(current, set()).add(step)
            reached = os.path.join(current, step)
            target, is_directory = self._see(reached)
            if target is None:
                if not is_directory:
                    return None
                current = reached
                continue
            links += 1
            if links > _LINK_LIMIT:
                return None
            steps.extendleft(reversed(_steps(target)))
            current = "/" if target.startswith("/") else current
        return current

    def _see(self, path: str) -> tuple[str | None, bool]:
        """Return where the link *path* leads, or whether it is a directory; ask only once."""
        if path not in self._seen:
            self._seen[path] = (_link_target(path), os.path.isdir(path))
        return self._seen[path]


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in {"", "."}]


def _link_target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
