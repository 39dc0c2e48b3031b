"""What a process uses of the machine, as the kernel tells (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import attrs

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
# Places in /proc/PID/stat behind the name, which is in parentheses and may hold anything.
_USER_TICKS, _SYSTEM_TICKS, _RESIDENT_PAGES = 11, 12, 21


@attrs.frozen
class Usage:
    """Processor time since its start, memory now, and open file descriptors now."""

    cpu_seconds: float
    resident_bytes: int
    open_fds: int


def usage_of(pid: int, proc: Path = Path("/proc")) -> Usage | None:
    """Ask the kernel; None when the process has gone, or is none of ours."""
    folder = proc / str(pid)
    try:
        numbers = (folder / "stat").read_text().rpartition(")")[2].split()
        fds = len(os.listdir(folder / "fd"))
    except OSError:
        return None
    ticks = int(numbers[_USER_TICKS]) + int(numbers[_SYSTEM_TICKS])
    return Usage(ticks / _TICKS_A_SECOND, int(numbers[_RESIDENT_PAGES]) * _PAGE_BYTES, fds)


@attrs.define
class ProcessorTime:
    """
    The processor time of one process after the other, which never falls.

    What a process has used between the last look and its end is lost.
    """

    _pid: int = 0
    _past_seconds: float = 0.0
    _seconds: float = 0.0

    def tell(self, pid: int, seconds: float) -> None:
        """Take note of what process *pid* has used since its start."""
        if pid != self._pid:
            self._past_seconds += self._seconds
            self._pid = pid
        self._seconds = seconds

    @property
    def total_seconds(self) -> float:
        """What all of them have used."""
        return self._past_seconds + self._seconds
