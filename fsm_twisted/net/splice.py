"""
Bytes from one plain connection into another through a pipe, without ever entering this process.

``splice`` moves references to the kernel's pages where ``recv`` and ``send`` copy twice. A pipe is
held only as long as the other side does not take what is in it; where there is none, or the kernel
refuses, bytes are copied as usual.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fsm_twisted.net.descriptor import Descriptor

LARGE_BYTES: Final = 256 * 1024
"""From so many bytes on, the rest of a body is worth a splice."""

BULK_BYTES: Final = 16 * 1024
"""A tunnel that has so much at once is spliced, until it has less again."""

PIPE_BYTES: Final = 1024 * 1024  # 256 KiB cost a tenth more a byte
MOST_PIPES: Final = 32
_MOST_IDLE: Final = 8
_MOST_BYTES: Final = 1024 * 1024  # of one call
_ENDLESS: Final = 2**63 - 1
_FLAGS: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_REFUSED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})


class Pipe:
    """A pipe, and how many bytes are in it."""

    __slots__ = ("held", "read_end", "write_end")

    def __init__(self, read_end: int, write_end: int) -> None:
        self.read_end = read_end
        self.write_end = write_end
        self.held = 0

    def close(self) -> None:
        """Close both ends; what is held is lost."""
        os.close(self.read_end)
        os.close(self.write_end)


class Pipes:
    """
    The pipes of a process; each takes two descriptors.

    Args:
        most: So many at the same time.
    """

    def __init__(self, most: int = MOST_PIPES) -> None:
        self._most = most
        self._idle: list[Pipe] = []
        self.number = 0

    def take(self) -> Pipe | None:
        """Return an empty pipe, None when there is none to be had."""
        if self._idle:
            return self._idle.pop()
        if self.number >= self._most:
            return None
        try:
            pipe = Pipe(*os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return None  # no descriptor is left
        self.number += 1
        with suppress(OSError):  # over /proc/sys/fs/pipe-user-pages-soft the usual size must do
            fcntl.fcntl(pipe.write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        """Take a pipe back; one that is not empty can serve nobody else."""
        if pipe.held or len(self._idle) >= _MOST_IDLE:
            self.number -= 1
            pipe.close()
        else:
            self._idle.append(pipe)

    def close_idle(self) -> None:
        """Give up descriptors that nobody uses at the moment."""
        while self._idle:
            self.number -= 1
            self._idle.pop().close()


class Splice:
    """
    What *source* reads goes into the output of *target* from now on, an `Inflow` of it.

    It stands in for the source's ``recv``, and what it cannot splice it returns like that: it is
    then the reader's, who writes it to the target as ever. The source must be, or become, the
    target's producer; both must be plain. It ends by itself after *size* bytes, or, where there is
    no size, when little comes at once.

    Args:
        pipes: Where pipes come from.
        source: Whose input it is.
        target: Whose output it becomes.
        moved: Called with each number of bytes that has gone past; may not end anything.
        size: So many bytes at most; None for no end.
        done: Called when *size* bytes have gone past.
    """

    __slots__ = (
        "_done",
        "_ends",
        "_left",
        "_moved",
        "_pipe",
        "_pipes",
        "_recv",
        "_source",
        "_target",
    )

    def __init__(
        self,
        pipes: Pipes,
        source: Descriptor,
        target: Descriptor,
        moved: Callable[[int], None],
        *,
        size: int | None = None,
        done: Callable[[], None] | None = None,
    ) -> None:
        self._pipes = pipes
        self._pipe: Pipe | None = None
        self._source = source
        self._target = target
        self._moved = moved
        self._left = _ENDLESS if size is None else size
        self._done = done
        self._ends = False
        target.feed_from(self)
        self._recv = source.divert(self._pull)

    @property
    def is_waiting(self) -> bool:
        """See `Inflow.is_waiting`."""
        return self._pipe is not None

    def _pull(self, size: int) -> bytes:
        """
        Move on what the source has; return only what has to go another way.

        Raises:
            BlockingIOError: Nothing is left for the reader.
            OSError: The source is lost.
        """
        if self._target.has_output:
            self._target.hold_back()
            self._source.pauseProducing()  # whoever has resumed it
            raise BlockingIOError
        pipe = self._pipes.take()
        if pipe is None:
            return self._copy(size)
        try:
            fd, most = self._source.fileno(), min(self._left, _MOST_BYTES)
            pipe.held = os.splice(fd, pipe.write_end, most, flags=_FLAGS)
        except OSError as failure:
            self._pipes.give_back(pipe)
            if failure.errno in _REFUSED:
                self.end()
                return self._recv(size)
            raise
        if not pipe.held:
            self._pipes.give_back(pipe)
            return b""
        self._left -= pipe.held
        self._ends = self._left == 0 or (self._done is None and pipe.held < BULK_BYTES)
        self._pipe = pipe
        self.push()
        self.settle()
        raise BlockingIOError

    def _copy(self, size: int) -> bytes:
        data = self._recv(min(size, self._left))
        self._left -= len(data)
        if not self._left:
            self.end()
        return data

    def push(self) -> bool:
        """See `Inflow.push`."""
        pipe = self._pipe
        if pipe is None:
            return True
        count = 0
        try:
            count = os.splice(pipe.read_end, self._target.fileno(), pipe.held, flags=_FLAGS)
        except BlockingIOError:
            pass
        except OSError as failure:
            return self._give_up(pipe, failure)
        pipe.held -= count
        if pipe.held:
            self._target.hold_back()
        else:
            self._pipe = None
            self._pipes.give_back(pipe)
        if count:
            self._moved(count)
        return self._pipe is None

    def _give_up(self, pipe: Pipe, failure: OSError) -> bool:
        """Go on without pipes where the kernel refuses; without the target where that is lost."""
        if failure.errno not in _REFUSED:
            self._target.drop_output()
            return False
        while pipe.held:
            data = os.read(pipe.read_end, pipe.held)
            pipe.held -= len(data)
            self._moved(len(data))
            self._target.write(data)
        self._pipe = None
        self._pipes.give_back(pipe)
        self._ends = True
        return not self._target.has_output

    def settle(self) -> None:
        """See `Inflow.settle`: end when it is time."""
        if self._ends and self._pipe is None:
            self.end()
            done, self._done = self._done, None
            if done is not None and not self._left:
                done()

    def end(self) -> None:
        """See `Inflow.end`; the source is read by its own way again."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            self._pipes.give_back(pipe)
        self._source.divert(None)
        self._target.feed_from(None)
