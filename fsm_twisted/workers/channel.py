"""
Messages between the master and one worker, over a socketpair.

A frame is the payload's length (4 bytes, big-endian), the kind (1 byte) and the payload. Both
sides run the same program, so there is no version; snapshots carry their own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import Final

from twisted.logger import Logger

from fsm_twisted.net.descriptor import Descriptor
from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.stream import PlainStream

_log = Logger()

_HEADER: Final = Struct(">IB")
SNAPSHOT_LIMIT_BYTES: Final = 1 << 30
REPORT_LIMIT_BYTES: Final = 1 << 20
QUEUE_LIMIT_BYTES: Final = 4 << 20


class Kind(IntEnum):
    """What a message says; the first group goes to workers, the second to the master."""

    SNAPSHOT = 1
    """A snapshot or its changes, as `snapshot.wire` writes them."""
    DRAIN = 2
    """Accept no more, finish what runs, end."""
    CUT = 3
    """Abort what runs, end."""
    COUNT = 4
    """Say what has been counted: the question's number in decimal."""

    FRONTS = 5
    """Whose own sockets to accept on, besides those of all: numbers of workers in decimal."""
    SHOW = 6
    """Show the endpoints: the question's number in decimal."""
    RECORD = 7
    """Whether a person looks at requests: ``1`` or ``0``."""
    LAST_ANSWERS = 8
    """Let each answer be the last of its connection; go on accepting."""

    READY = 16
    """The worker runs, and waits for its first snapshot."""
    ACKNOWLEDGED = 17
    """The generation that is served, and since when (monotonic seconds), both in decimal."""
    LOG = 18
    """A log event, see `workers.log_events`."""
    METRICS = 19
    """A piece of a report, as `observe` writes it, or the number of the question: its end."""
    RECORDS = 20
    """A batch of the access log, as `observe` writes it."""
    SHOWN = 21
    """A piece of the endpoints, as `observe.live` writes it."""
    SPANS = 22
    """A batch of exchanges that are sampled, as `observe` writes it."""


class FrameError(Exception):
    """Bytes that are no frames; the stream is of no use any more."""


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """Write one message."""
    return _HEADER.pack(len(payload), kind) + payload


class FrameReader:
    """
    Reads messages out of a stream of bytes, however it is cut.

    Args:
        limit_bytes: The longest payload that is believed.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, bytes]]:
        """
        Return the messages that *data* completes.

        Raises:
            FrameError: A payload is over the limit, or of an unknown kind.
        """
        waiting = self._waiting
        waiting += data
        found: list[tuple[Kind, bytes]] = []
        at = 0
        while len(waiting) - at >= _HEADER.size:
            size, number = _HEADER.unpack_from(waiting, at)
            if size > self._limit_bytes:
                raise FrameError(f"{size} bytes in a message, {self._limit_bytes} at most")
            try:
                kind = Kind(number)
            except ValueError:
                raise FrameError(f"no message is of kind {number}") from None
            begin = at + _HEADER.size
            if len(waiting) - begin < size:
                break
            at = begin + size
            found.append((kind, bytes(waiting[begin:at])))
        del waiting[:at]
        return found


class Channel(Descriptor):
    """
    One end of the socketpair, on the reactor.

    Args:
        loop: The reactor.
        sock: Connected, non-blocking; closed with the channel.
        received: Called with each message.
        ended: Called once when the other side has gone, or has sent nonsense.
        limit_bytes: The longest payload that is read.
    """

    __slots__ = ("_ended", "_frames", "_received")

    READ_BYTES = 256 * 1024

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        received: Callable[[Kind, bytes], None],
        ended: Callable[[], None],
        limit_bytes: int,
    ) -> None:
        super().__init__(loop)
        self._received = received
        self._ended = ended
        self._frames = FrameReader(limit_bytes)
        self.attach(sock, PlainStream(sock))
        self.resumeProducing()

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Send what must arrive; it waits in memory as long as the other side does not read."""
        self.write(frame(kind, payload))

    def offer(self, kind: Kind, payload: bytes) -> bool:
        """Send what may be lost; False, and nothing is sent, when too much waits already."""
        if self._out is not None and len(self._out) > QUEUE_LIMIT_BYTES:
            return False
        self.write(frame(kind, payload))
        return True

    def data_received(self, data: bytes) -> None:
        """Hand on the messages that are complete."""
        try:
            messages = self._frames.feed(data)
        except FrameError as error:
            _log.error("a channel between processes is broken: {why}", why=str(error))
            self.close()
            return
        for kind, payload in messages:
            if self.is_closed:
                return
            self._received(kind, payload)

    def input_ended(self) -> None:
        """Close: nobody half-closes a channel."""
        self.close()

    def output_ended(self) -> None:
        """Wait for the other side, which may still say something, after `finish`."""

    def closed(self) -> None:
        """Tell that it is over."""
        self._ended()
