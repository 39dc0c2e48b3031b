"""A network namespace of our own: an empty machine that only this process can reach."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from types import TracebackType

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def missing_rights() -> str:
    """Say why there can be no namespace here; ``""`` when there may be one."""
    if os.geteuid() != 0:
        return "a network namespace of our own needs root"
    if shutil.which("ip") is None:
        return "a network namespace of our own needs the program ip (Debian: iproute2)"
    return ""


class Network:
    """
    One network namespace with loopback alone, on which *networks* are local as well.

    ``with network:`` moves the calling thread there: sockets that it makes meanwhile, processes
    and threads that it starts belong to the namespace for ever. It may be entered again inside.
    The namespace ends with the last of those, and `close`.
    """

    def __init__(self, *networks: str) -> None:
        self._stack = threading.local()
        made: list[int] = []
        thread = threading.Thread(target=_unshare, args=(made,))
        thread.start()
        thread.join()
        if not made:
            raise OSError("unshare(CLONE_NEWNET) failed")
        (self._file,) = made
        with self:
            _ip("link", "set", "lo", "up")
            for each in networks:
                _ip("route", "add", "local", each, "dev", "lo")

    def __enter__(self) -> Network:
        outside = getattr(self._stack, "files", [])
        self._stack.files = [*outside, os.open("/proc/thread-self/ns/net", os.O_RDONLY)]
        _enter(self._file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        outside = self._stack.files.pop()
        _enter(outside)
        os.close(outside)

    def close(self) -> None:
        os.close(self._file)


def _unshare(made: list[int]) -> None:
    if _libc.unshare(_CLONE_NEWNET) == 0:
        made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))


def _enter(file: int) -> None:
    if _libc.setns(file, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, stdin=subprocess.DEVNULL)
