"""
The access log's writer: batches of all workers become lines, a thread writes them.

Nothing here waits for a disk: what does not fit into the buffer is dropped, and counted.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

from twisted.logger import Logger

from fsm_twisted.observe.access_lines import Lines
from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Number

_log = Logger()

BUFFER_BYTES: Final = 8 * 1024 * 1024
STDOUT: Final = "-"
_CLOSE_SECONDS: Final = 5.0
_REST_SECONDS: Final = 0.02  # a thread that is woken for each batch costs a line more than writing
_MODE: Final = 0o640


class LineWriter:
    """
    Writes lines to a file from a thread of its own.

    Args:
        path: The file, appended to; ``-`` for standard output.
        buffer_bytes: So much may wait for the disk.

    Attributes:
        dropped: How many lines there was no room for.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: str, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._path = path
        self._buffer_bytes = buffer_bytes
        self._fd = self._open()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_reopening = False
        self._is_ending = False
        self._is_idle = False
        self._is_failing = False
        self._thread: threading.Thread | None = None
        self.written = 0
        self.dropped = 0

    def _open(self) -> int:
        if self._path == STDOUT:
            return os.dup(1)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, _MODE)

    def start(self) -> None:
        """Begin to write; not before the process has become a daemon."""
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._thread.start()

    def write(self, lines: bytes, count: int) -> None:
        """Have *lines*, so many, written soon; never waits."""
        with self._changed:
            if self._waiting_bytes + len(lines) > self._buffer_bytes:
                self.dropped += count
                return
            self._waiting.append((lines, count))
            self._waiting_bytes += len(lines)
            if self._is_idle:
                self._changed.notify()

    def reopen(self) -> None:
        """Go on in a new file of the same name: somebody has moved the old one away."""
        with self._changed:
            self._is_reopening = self._path != STDOUT
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, for at most a few seconds, and end."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    # In the thread

    def _run(self) -> None:
        while (work := self._next()) is not None:
            lines, count, reopens = work
            if reopens:
                self._renew()
            if lines:
                self._write_all(lines, count)
                self._rest()
        os.close(self._fd)

    def _next(self) -> tuple[bytes, int, bool] | None:
        """Wait for something to do and take all of it; None for the end."""
        with self._changed:
            self._is_idle = True
            self._changed.wait_for(lambda: self._waiting or self._is_reopening or self._is_ending)
            self._is_idle = False
            if self._is_ending and not self._waiting:
                return None
            lines = b"".join([each for each, _ in self._waiting])
            count = sum(number for _, number in self._waiting)
            self._waiting.clear()
            reopens, self._is_reopening = self._is_reopening, False
            return lines, count, reopens

    def _rest(self) -> None:
        """Let lines come together, unless something is not to wait."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_reopening or self._is_ending, _REST_SECONDS)

    def _renew(self) -> None:
        try:
            fd = self._open()
        except OSError as error:
            self._tell("the access log cannot be opened again, the old file is kept", error)
            return
        os.close(self._fd)
        self._fd = fd

    def _write_all(self, lines: bytes, count: int) -> None:
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            if not self._is_failing:  # a full disk says the same of every line
                self._tell("the access log cannot be written", error)
            self._is_failing = True
            count_lost = lines[len(lines) - len(view) :].count(b"\n")
        else:
            self._is_failing = False
            count_lost = 0
        with self._changed:
            self._waiting_bytes -= len(lines)
            self.written += count - count_lost
            self.dropped += count_lost

    def _tell(self, what: str, error: OSError) -> None:
        _log.error("{what}: {path}: {why}", what=what, path=self._path, why=error.strerror)


class AccessLog:
    """
    Makes lines of what the data plane has recorded.

    Args:
        writer: Takes the lines.
        lines: Makes those of a batch.
    """

    def __init__(self, writer: LineWriter, lines: Lines) -> None:
        self.writer = writer
        self._lines = lines

    def counts(self) -> Mapping[str, Number]:
        """Return what has been written and dropped here, by series."""
        return {
            "access_log_lines_total": self.writer.written,
            series("access_log_dropped_total", at="writer"): self.writer.dropped,
        }

    def take(self, batch: bytes) -> bool:
        """
        Take a batch of the data plane, and say that it has been taken.

        Raises:
            BatchError: It is none.
        """
        self.writer.write(*self._lines(batch))
        return True
