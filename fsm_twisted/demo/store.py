"""
The folder as the stand-in kubectl sees it: objects to find, create, replace and remove.

Refusals are worded as the API server words them.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fsm_twisted.demo.document import KINDS, Body, Document, Kind, document_from, section
from fsm_twisted.demo.folder import FolderReader, file_name, remove_document, write_document

NAMESPACE: Final = next(kind for kind in KINDS if kind.name == "Namespace")
_ALWAYS_THERE: Final = ("default", "kube-system")
# What the server adds to an object; the user's manifest does not speak of it.
_SERVERS_OWN: Final = ("creationTimestamp", "uid")


class Refused(Exception):
    """The command cannot be done; the message is what kubectl prints."""


class Store:
    """All objects of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader = FolderReader(folder, _warn)
        self._reader.refresh()

    def find(self, kind: Kind, namespace: str, name: str) -> Document:
        """
        Return one object.

        Raises:
            Refused: There is none.
        """
        for document in self._reader.documents():
            if document.key == (kind.name, namespace if kind.is_namespaced else "", name):
                return document
        raise Refused(f'Error from server (NotFound): {kind.resource} "{name}" not found')

    def every(self, kind: Kind, namespace: str | None) -> tuple[Document, ...]:
        """Return all objects of a kind, in one namespace or, for ``None``, in all of them."""
        found = (d for d in self._reader.documents() if d.kind == kind)
        anywhere = namespace is None or not kind.is_namespaced
        chosen = [d for d in found if anywhere or d.namespace == namespace]
        return tuple(sorted(chosen, key=lambda d: (d.namespace, d.name)))

    def require_namespace(self, namespace: str, doing: str) -> None:
        """
        Make sure that objects may be put into a namespace.

        Raises:
            Refused: It has not been created; *doing* says what was tried.
        """
        known = {d.name for d in self.every(NAMESPACE, None)}
        known |= {d.namespace for d in self._reader.documents()}
        if namespace not in known.union(_ALWAYS_THERE):
            raise Refused(f'{doing}namespaces "{namespace}" not found')

    def create(self, document: Document) -> None:
        """
        Add an object.

        Raises:
            Refused: There is one of this kind and name already.
        """
        resource, name = document.kind.resource, document.name
        if self._held(document) or (document.kind == NAMESPACE and name in _ALWAYS_THERE):
            raise Refused(f'{resource} "{name}" already exists')
        self._write(document, _birth())

    def apply(self, document: Document) -> str:
        """
        Make the object what its manifest says.

        Returns ``created``, ``configured`` or ``unchanged``.

        Raises:
            Refused: The object stands in a file of yours, which this kubectl does not rewrite.
        """
        held = self._held(document)
        if held is None:
            self._write(document, _birth())
            return "created"
        if _without_servers_own(held.body) == _without_servers_own(document.body):
            return "unchanged"
        self._require_own_file(held)
        stamps = section(held.body, "metadata")
        self._write(document, {key: stamps[key] for key in _SERVERS_OWN if key in stamps})
        return "configured"

    def remove(self, document: Document) -> None:
        """
        Remove an object, a namespace with all that is in it.

        Raises:
            Refused: The object stands in a file of yours, which this kubectl does not rewrite.
        """
        inside = document.kind == NAMESPACE
        doomed = [d for d in self._reader.documents() if inside and d.namespace == document.name]
        for one in (*doomed, document):
            self._require_own_file(one)
        for one in (*doomed, document):
            remove_document(self._folder, one)
        self._reader.refresh()

    def _held(self, document: Document) -> Document | None:
        return next((d for d in self._reader.documents() if d.key == document.key), None)

    def _require_own_file(self, document: Document) -> None:
        actual = self._reader.file_of(document)
        if actual not in (None, file_name(document)):
            raise Refused(
                f"error: {document} stands in {self._folder / str(actual)}; edit it there"
            )

    def _write(self, document: Document, servers_own: Mapping[str, object]) -> None:
        metadata = {**section(document.body, "metadata"), **servers_own}
        whole = document_from({**document.body, "metadata": metadata}, document.namespace)
        write_document(self._folder, whole)
        self._reader.refresh()


def _warn(line: str) -> None:
    sys.stderr.write(f"warning: {line}\n")


def _birth() -> Mapping[str, object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"creationTimestamp": now, "uid": str(uuid.uuid4())}


def _without_servers_own(body: Body) -> Body:
    metadata = section(body, "metadata")
    kept = {key: value for key, value in metadata.items() if key not in _SERVERS_OWN}
    return {**body, "metadata": kept}
