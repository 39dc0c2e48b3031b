"""The files of the given paths, as they were when last looked at: what a source looks into."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from fsm_twisted.sources.contents import (
    FILE_UNREADABLE,
    Contents,
    SourceError,
    SourceProblem,
)
from fsm_twisted.sources.manifests.documents import FileFault, to_text
from fsm_twisted.sources.manifests.files import (
    Given,
    Signature,
    list_files,
    read_file,
    signature_of,
)
from fsm_twisted.sources.manifests.json_text import load_json
from fsm_twisted.sources.manifests.memory import FileState, after_fault, after_reading, combine
from fsm_twisted.sources.manifests.places import Places, PlacesBuilder
from fsm_twisted.sources.manifests.yaml_text import load_yaml

# Two writes within a tick of the file system's clock look alike, so a signature this young is
# not believed: the file is read again, and its bytes compared.
_YOUNG_NS: Final = 100_000_000


@attrs.frozen
class _Shelf:
    """A file that was looked at; the signature is `None` while it is not to be believed."""

    signature: Signature | None = None
    inode: int = 0
    digest: bytes = b""
    state: FileState = attrs.field(factory=FileState)


class Library:
    """Reads what has changed, and remembers the rest."""

    def __init__(
        self,
        paths: Sequence[Given],
        *,
        default_namespace: str,
        limit_bytes: int,
        settle_seconds: float,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """
        Take the paths; nothing is read yet.

        Args:
            paths: Files and directories, in the order in which later ones win.
            default_namespace: Where objects without a namespace live.
            limit_bytes: The largest file that is read.
            settle_seconds: How long a file that is written in place is left alone.
            wall_ns: The clock by which files are dated.
        """
        self._paths = tuple(dict.fromkeys(paths))
        self._default_namespace = default_namespace
        self._limit_bytes = limit_bytes
        self._settle_ns = int(settle_seconds * 1e9)
        self._wall_ns = wall_ns
        self._lists: dict[Given, tuple[Given, ...]] = {}
        self._list_problems: tuple[SourceProblem, ...] = ()
        self._shelves: dict[str, _Shelf] = {}

    def look(self) -> Places:
        """List the directories anew, and return what must be watched to notice changes."""
        problems: list[SourceProblem] = []
        for given in self._paths:
            try:
                self._lists[given] = list_files(given)
            except OSError as error:
                problems.append(_unlisted(given, error))
        self._list_problems = tuple(problems)
        builder = PlacesBuilder()
        for given in self._paths:
            builder.add(given.path)
        for given in self._files().values():
            if given.is_link:
                builder.add(given.path)
        return builder.places()

    def read(self, *, is_last_call: bool = True) -> bool:
        """
        Read the listed files that have changed, and forget those that are gone.

        Return whether everything was read. With *is_last_call* it always is; otherwise a file
        that is just being written in place keeps what it said before, for its first half might
        pass for the whole.
        """
        shelves: dict[str, _Shelf] = {}
        is_settled = True
        for path, given in self._files().items():
            old = self._shelves.get(path, _Shelf())
            try:
                signature = signature_of(path)
                if not is_last_call and self._is_being_written(old, signature):
                    is_settled = False
                    shelves[path] = old
                elif signature is not None and signature == old.signature:
                    shelves[path] = old
                elif signature is not None and (new := self._shelf(given, old)) is not None:
                    shelves[path] = new
            except FileFault as fault:
                state = after_fault(old.state, given.shown, fault)
                shelves[path] = _Shelf(inode=old.inode, state=state)
        self._shelves = shelves
        return is_settled

    def contents(self) -> Contents:
        """Return what all files say."""
        return combine((shelf.state for shelf in self._shelves.values()), self._list_problems)

    def _files(self) -> dict[str, Given]:
        """Return the listed files by path, each once, where it comes first."""
        found: dict[str, Given] = {}
        for given in self._paths:
            for file in self._lists.get(given, ()):
                found.setdefault(file.path, file)
        return found

    def _is_being_written(self, old: _Shelf, signature: Signature | None) -> bool:
        if signature is None or not old.state.entries or signature == old.signature:
            return False
        age = self._wall_ns() - signature.modified_ns
        return signature.inode == old.inode and 0 <= age < self._settle_ns

    def _shelf(self, given: Given, old: _Shelf) -> _Shelf | None:
        """Read a file; `None` when it is gone meanwhile."""
        found = read_file(given.path, self._limit_bytes)
        if found is None:
            return None
        data, signature = found
        is_old_enough = self._wall_ns() - signature.modified_ns > _YOUNG_NS
        believed = signature if is_old_enough else None
        digest = hashlib.blake2b(data, digest_size=16).digest()
        state = old.state if digest == old.digest else self._state(given, data, old.state)
        return _Shelf(believed, signature.inode, digest, state)

    def _state(self, given: Given, data: bytes, old: FileState) -> FileState:
        try:
            text = to_text(data)
            documents = load_json(text) if given.path.endswith(".json") else load_yaml(text)
            return after_reading(old, given.shown, documents, self._default_namespace)
        except FileFault as fault:
            return after_fault(old, given.shown, fault)


def _unlisted(given: Given, error: OSError) -> SourceProblem:
    message = f"the directory cannot be listed: {error.strerror}"
    instead = "the files that were there still count"
    return SourceProblem(None, given.shown, "", message, FILE_UNREADABLE, instead)


def check_paths(paths: Sequence[Given]) -> None:
    """
    Look whether all paths are there.

    Raises:
        SourceError: One is not, or is a directory that cannot be listed.
    """
    for given in paths:
        if not given.shown:
            raise SourceError("an empty path: name a file or a directory")
        try:
            os.stat(given.path)
            list_files(given)
        except OSError as error:
            raise SourceError(f"{given.shown}: cannot be read: {error.strerror}") from None
