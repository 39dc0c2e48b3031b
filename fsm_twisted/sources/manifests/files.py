"""Which files belong to the given paths, and reading one of them, with all that can go wrong."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Final, TypeVar

import attrs

from fsm_twisted.objects.names import printable
from fsm_twisted.sources.manifests.documents import FileFault

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_SHOWN_LIMIT: Final = 4096

T = TypeVar("T")


@attrs.frozen
class Given:
    """A path as the user wrote it, and where that was when the program started."""

    shown: str
    path: str
    is_link: bool = attrs.field(default=False, eq=False)

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Given:
        """Take *path*; a relative one stays where it is when the program changes directory."""
        text = os.fspath(path)
        return cls(printable(text, _SHOWN_LIMIT), os.path.join(os.getcwd(), text))

    def inside(self, entry: os.DirEntry[str]) -> Given:
        """Return a file of this directory."""
        shown = printable(os.path.join(self.shown, entry.name), _SHOWN_LIMIT)
        return Given(shown, entry.path, entry.is_symlink())


@attrs.frozen
class Signature:
    """What changes when the contents of a path change, whatever changed them."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def list_files(given: Given) -> tuple[Given, ...]:
    """
    Return the manifest files of a path, by name: itself, or those right in the directory.

    Hidden names and other endings than .yaml, .yml and .json are passed over in a directory, so
    editors' left-overs are, too. Nothing there is an ordinary outcome: an empty tuple.

    Raises:
        OSError: The directory cannot be listed.
    """
    try:
        with os.scandir(given.path) as entries:
            found = [given.inside(entry) for entry in entries if _is_manifest(entry.name)]
    except FileNotFoundError:
        return ()
    except NotADirectoryError:
        return (given,)
    return tuple(sorted(found, key=lambda each: each.path))


def _is_manifest(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def signature_of(path: str) -> Signature | None:
    """
    Return the signature of a file, `None` when it is gone or a directory.

    Raises:
        FileFault: It cannot be looked at, or is no file (a pipe would hold us up).
    """
    try:
        found = _through_links(os.stat, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _fault(error) from None
    if stat.S_ISDIR(found.st_mode):
        return None
    return _signature(found)


def leads_nowhere(path: str) -> bool:
    """Tell whether a path is a link whose target is not there."""
    return os.path.islink(path) and not os.path.exists(path)


def _through_links(call: Callable[[str], T], path: str) -> T:
    """
    Call something that follows links; once more when it has found nothing behind one.

    A mounted ConfigMap is renewed by the swap of a link on the way, and then the old folder goes:
    whoever has come half of the way meanwhile finds nothing there.

    Raises:
        FileNotFoundError: There is nothing, not even at the second look.
    """
    try:
        return call(path)
    except FileNotFoundError:
        if not os.path.islink(path):
            raise
    return call(path)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def read_file(path: str, limit_bytes: int) -> tuple[bytes, Signature] | None:
    """
    Return the bytes of a file and the signature it had when it was opened.

    `None` when it is gone or a directory.

    Raises:
        FileFault: It cannot be read, is no file, or is larger than *limit_bytes*.
    """
    try:
        # Without waiting: the path may have become a pipe since it was looked at.
        descriptor = _through_links(_open, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _fault(error) from None
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            return None
        signature = _signature(found)
        if signature.size > limit_bytes:
            raise _too_large(limit_bytes)
        return _read(descriptor, limit_bytes), signature
    finally:
        os.close(descriptor)


def _read(descriptor: int, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    left = limit_bytes + 1
    try:
        while left and (chunk := os.read(descriptor, min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        raise _fault(error) from None
    if not left:
        raise _too_large(limit_bytes)
    return b"".join(chunks)


def _signature(found: os.stat_result) -> Signature:
    if not stat.S_ISREG(found.st_mode):
        raise FileFault("is not a regular file")
    return Signature(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    )


def _fault(error: OSError) -> FileFault:
    return FileFault(f"cannot be read: {error.strerror}")


def _too_large(limit_bytes: int) -> FileFault:
    return FileFault(f"is larger than {limit_bytes} bytes: split it into several files")
