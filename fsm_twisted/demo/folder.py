"""
The watched folder in the place of an API server: one file for each object.

Writers replace whole files by renaming, so that a reader never sees half a manifest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs
import yaml

from fsm_twisted.demo.document import (
    Document,
    Misshapen,
    UnknownKind,
    document_from,
    sections,
    text,
)

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_OWNER_ONLY: Final = 0o600
_EVERYBODY_READS: Final = 0o644

Stamp = tuple[int, int, int]


@attrs.frozen
class _Known:
    stamp: Stamp
    documents: tuple[Document, ...]


def bodies_in(stream: str) -> tuple[object, ...]:
    """
    Return the objects of a manifest, which may hold several documents and ``List`` objects.

    Raises:
        Misshapen: It is not YAML.
    """
    try:
        loaded = [body for body in yaml.safe_load_all(stream) if body is not None]
    except yaml.YAMLError as error:
        raise Misshapen(f"not YAML: {' '.join(str(error).split())}") from None
    return tuple(body for one in loaded for body in _flattened(one))


def _flattened(body: object) -> Iterator[object]:
    if isinstance(body, dict) and text(body, "kind").endswith("List"):
        yield from sections(body, "items")
    else:
        yield body


def _documents_in(stream: str) -> tuple[Document, ...]:
    found = []
    for body in bodies_in(stream):
        with contextlib.suppress(UnknownKind):
            found.append(document_from(body))
    return tuple(found)


def file_name(document: Document) -> str:
    """Return the name of the object's own file; no two objects share one."""
    place = document.namespace or "cluster-wide"
    return f"{place}.{document.kind.name.lower()}.{document.name}.yaml"


def write_document(folder: Path, document: Document) -> None:
    """Replace the object's file; a Secret's is for its owner's eyes only."""
    target = folder / file_name(document)
    mode = _OWNER_ONLY if document.kind.name == "Secret" else _EVERYBODY_READS
    draft = folder / f".{target.name}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        yaml.safe_dump(document.body, stream, sort_keys=False, allow_unicode=True)
    draft.replace(target)


def remove_document(folder: Path, document: Document) -> None:
    """Remove the object's file, if it is there."""
    (folder / file_name(document)).unlink(missing_ok=True)


class FolderReader:
    """
    What the folder holds; only files that changed are read again.

    A file that cannot be understood keeps the objects that it last held, as the ingress
    does, and *complain* is told once for each change.
    """

    def __init__(self, folder: Path, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._complain = complain
        self._known: dict[str, _Known] = {}

    def refresh(self) -> bool:
        """Read what changed; return whether anything did."""
        stamps = self._stamps()
        gone = self._known.keys() - stamps.keys()
        for name in gone:
            del self._known[name]
        changed = [
            n for n, s in stamps.items() if n not in self._known or self._known[n].stamp != s
        ]
        for name in changed:
            self._read(name, stamps[name])
        return bool(gone or changed)

    def documents(self) -> tuple[Document, ...]:
        """Return every object, files in the order of their names."""
        return tuple(d for _, known in sorted(self._known.items()) for d in known.documents)

    def file_of(self, document: Document) -> str | None:
        """Return the name of the file that holds this object now."""
        for name, known in self._known.items():
            if any(held.key == document.key for held in known.documents):
                return name
        return None

    def _stamps(self) -> dict[str, Stamp]:
        stamps = {}
        for path in self._folder.glob("[!.]*"):  # an absent folder is an empty one
            if path.suffix not in _SUFFIXES:
                continue
            try:
                status = path.stat()
            except FileNotFoundError:  # removed since it was listed
                continue
            stamps[path.name] = (status.st_ino, status.st_mtime_ns, status.st_size)
        return stamps

    def _read(self, name: str, stamp: Stamp) -> None:
        before = self._known[name].documents if name in self._known else ()
        try:
            found = _documents_in((self._folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (Misshapen, UnicodeDecodeError) as error:
            self._complain(f"{name}: {error}")
            found = before
        self._known[name] = _Known(stamp, found)
