"""Manifest files read once, for a program that looks and goes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

from fsm_twisted.sources.contents import Contents
from fsm_twisted.sources.manifests.documents import LIMIT_BYTES
from fsm_twisted.sources.manifests.files import Given
from fsm_twisted.sources.manifests.library import Library, check_paths


def read_once(
    paths: Sequence[str],
    *,
    default_namespace: str = "default",
    is_recursive: bool = False,
    stdin: IO[bytes] | None = None,
) -> Contents:
    """
    Return what manifest files say now.

    Args:
        paths: Files, or directories whose files count; of an object in two, the later one counts.
        default_namespace: Where objects without a namespace live.
        is_recursive: Whether files of directories deeper down count as well.
        stdin: What the path ``-`` stands for; None where it is a name as any other.

    Raises:
        SourceError: A path is missing or cannot be read.
    """
    with ExitStack() as kept:
        given: list[Given] = []
        for path in paths:
            if path == "-" and stdin is not None:
                given.append(Given("stdin", kept.enter_context(_saved(stdin))))
            elif is_recursive:
                check_paths([Given.of(path)])
                given += map(Given.of, _folders(path))
            else:
                given.append(Given.of(path))
        check_paths(given)
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


@contextmanager
def _saved(stdin: IO[bytes]) -> Iterator[str]:
    """Keep what is read from *stdin* in a file, and say where."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(stdin.read(LIMIT_BYTES + 1))
        file.flush()
        yield file.name


def _folders(path: str) -> Iterator[str]:
    """Yield *path* and the folders below it, but for hidden ones and links, as kubectl does."""
    yield path
    for folder, names, _ in os.walk(path):
        places = {name: os.path.join(folder, name) for name in sorted(names)}
        names[:] = [
            name
            for name, place in places.items()
            if not name.startswith(".") and not os.path.islink(place)
        ]
        yield from (places[name] for name in names)
