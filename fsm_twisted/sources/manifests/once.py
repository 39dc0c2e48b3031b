"""Manifest files read once, for a program that looks and goes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from fsm_twisted.sources.contents import Contents
from fsm_twisted.sources.manifests.documents import LIMIT_BYTES
from fsm_twisted.sources.manifests.files import Given
from fsm_twisted.sources.manifests.library import Library, check_paths


def read_once(
    paths: Sequence[str], *, default_namespace: str = "default", is_recursive: bool = False
) -> Contents:
    """
    Return what manifest files say now.

    Args:
        paths: Files, or directories whose files count; of an object in two, the later one counts.
        default_namespace: Where objects without a namespace live.
        is_recursive: Whether files of directories deeper down count as well.

    Raises:
        SourceError: A path is missing or cannot be read.
    """
    given = [Given.of(path) for path in paths]
    check_paths(given)
    if is_recursive:
        given = [Given.of(each) for path in paths for each in _folders(path)]
    library = Library(
        given,
        default_namespace=default_namespace,
        limit_bytes=LIMIT_BYTES,
        settle_seconds=0.0,
        at_most_seconds=0.0,
    )
    library.look()
    library.read()
    return library.contents()


def _folders(path: str) -> Iterator[str]:
    """Yield *path* and the directories below it, hidden ones left out."""
    yield path
    for folder, names, _ in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield from (os.path.join(folder, name) for name in names)
