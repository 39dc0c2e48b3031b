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
    leads_nowhere,
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
_EMPTY_SECONDS: Final = 1.0


@attrs.frozen
class _Shelf:
    """
    A file that was looked at.

    The signature is `None` while it is not to be believed. ``waits_since`` is when the file
    was first found being written in place, None when it is not.
    """

    signature: Signature | None = None
    inode: int = 0
    digest: bytes = b""
    state: FileState = attrs.field(factory=FileState)
    waits_since: float | None = None


class Library:
    """Reads what has changed, and remembers the rest."""

    def __init__(  # noqa: PLR0913  how to read, and two clocks
        self,
        paths: Sequence[Given],
        *,
        default_namespace: str,
        limit_bytes: int,
        settle_seconds: float,
        at_most_seconds: float,
        seconds: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """
        Take the paths; nothing is read yet.

        Args:
            paths: Files and directories, in the order in which later ones win.
            default_namespace: Where objects without a namespace live.
            limit_bytes: The largest file that is read.
            settle_seconds: How long a file that is written in place is left alone.
            at_most_seconds: After that it is read all the same, each file by its own time.
            seconds: The clock of that time.
            wall_ns: The clock by which files are dated.
        """
        self._paths = tuple(dict.fromkeys(paths))
        self._default_namespace = default_namespace
        self._limit_bytes = limit_bytes
        self._settle_seconds = settle_seconds
        self._at_most_seconds = at_most_seconds
        self._seconds = seconds
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

    def read(self) -> bool:
        """
        Read the listed files that have changed, and forget those that are gone.

        Return whether everything was read: a file that is just being written in place keeps what
        it said before, for its first half might pass for the whole.
        """
        shelves: dict[str, _Shelf] = {}
        for path, given in self._files().items():
            old = self._shelves.get(path, _Shelf())
            try:
                new = self._look_at(given, old)
            except FileFault as fault:
                state = after_fault(old.state, given.shown, fault)
                new = _Shelf(inode=old.inode, state=state)
            if new is not None:
                shelves[path] = new
        self._shelves = shelves
        return all(shelf.waits_since is None for shelf in shelves.values())

    def _look_at(self, given: Given, old: _Shelf) -> _Shelf | None:
        """Read a file if it has changed and settled; `None` when it is gone."""
        signature = signature_of(given.path)
        if signature is None:
            return _gone(given)
        if self._must_wait(old, signature):
            return self._waiting(old)
        if signature == old.signature:
            return attrs.evolve(old, waits_since=None)
        found = read_file(given.path, self._limit_bytes)
        if found is None:
            return _gone(given)
        data, signature = found
        # It may have been opened for writing between the look and the reading, or meanwhile.
        if self._must_wait(old, signature) or self._was_overtaken(given, old, signature):
            return self._waiting(old)
        return self._shelf(given, old, data, signature)

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

    def _waiting(self, old: _Shelf) -> _Shelf:
        since = self._seconds() if old.waits_since is None else old.waits_since
        return attrs.evolve(old, waits_since=since)

    def _must_wait(self, old: _Shelf, signature: Signature) -> bool:
        """Tell whether a file is just being written in place, and may still take its time."""
        if not old.state.entries or signature == old.signature or signature.inode != old.inode:
            return False
        # Emptied means most often: about to be filled; whoever means it can wait for a second.
        extra = _EMPTY_SECONDS if not signature.size else 0.0
        if old.waits_since is not None:
            waited = self._seconds() - old.waits_since
            if waited >= self._at_most_seconds + extra:
                return False
        age = (self._wall_ns() - signature.modified_ns) / 1e9
        return 0 <= age < self._settle_seconds + extra

    def _was_overtaken(self, given: Given, old: _Shelf, signature: Signature) -> bool:
        """Tell whether a file has changed while it was read."""
        now = signature_of(given.path)
        return now is not None and now != signature and self._must_wait(old, now)

    def _shelf(self, given: Given, old: _Shelf, data: bytes, signature: Signature) -> _Shelf:
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


def _gone(given: Given) -> _Shelf | None:
    """Return what is left of a file that is not there: nothing, or that a link leads nowhere."""
    if not leads_nowhere(given.path):
        return None
    fault = FileFault("is a link to nothing: remove it, or put back what it leads to")
    return _Shelf(state=after_fault(FileState(), given.shown, fault))


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
