"""What both kinds of HTTP/2 connections, to clients and to endpoints, do to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from fsm_twisted.http2 import events
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.http2.connection import Connection
from fsm_twisted.net.descriptor import HIGH_WATER_BYTES
from fsm_twisted.net.loop import outbox_of
from fsm_twisted.proxy.lingering import Lingering

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.proxy.plane import DataPlane


class Waiting(Protocol):
    """What waits for room."""

    def push(self) -> None:
        """Send what waits, as far as there is room."""


class Stream(Waiting, Protocol):
    """What a stream of either kind is told."""

    def data_received(self, data: bytes, *, ended: bool) -> None:
        """Take part of a body."""

    def trailers_received(self, fields: Fields) -> None:
        """Take the end of a body."""


StreamT = TypeVar("StreamT", bound=Stream)


class Http2Connection(Lingering, Generic[StreamT]):
    """
    A connection of many streams.

    What is to be sent is written once at the end of a turn, and not at all while the peer does
    not read: then it waits in the streams, which pause their producers.

    Attributes:
        codec: The state of the connection; `touch` after each call that may have output.
    """

    __slots__ = ("_is_touched", "_queued", "_streams", "_waiting", "codec")

    def __init__(self, plane: DataPlane, codec: Connection) -> None:
        super().__init__(plane)
        self.codec = codec
        self._streams: dict[int, StreamT] = {}
        self._waiting: dict[Waiting, None] = {}  # for room in the socket, in their order
        self._is_touched = False
        self._queued = 0  # bytes of bodies that the codec has had since the last write

    def touch(self) -> None:
        """Write what the codec has, at the end of the turn."""
        if self._is_touched or self.is_closed:
            return
        self._is_touched = True
        outbox = outbox_of(self._loop)
        if outbox is not None:
            outbox.append(self)
        else:
            self._loop.callLater(0, self.flush)

    def flush(self) -> None:
        """Write what the codec has, if the peer reads."""
        self._is_touched = False
        if self.is_closed or self._finishing or self.is_full:
            return
        self._queued = 0
        data = self.codec.take_output()
        if data:
            self.write(data)

    def has_room(self) -> bool:
        """Tell whether streams may have more sent."""
        if self._queued > HIGH_WATER_BYTES:
            self.flush()
        return not self.is_full

    def send_data(self, number: int, payload: bytes, *, end: bool) -> int:
        """Send part of a body; return how many bytes the windows let through."""
        taken = self.codec.send_data(number, payload, end=end)
        self.sent(taken)
        return taken

    def sent(self, size: int) -> None:
        """Note that the codec has so much more of bodies to be written."""
        self._queued += size
        if not self._is_touched:
            self.touch()

    def wait_for_room(self, stream: Waiting) -> None:
        """Have *stream* pushed once the peer reads."""
        self._waiting[stream] = None

    def output_drained(self) -> None:
        """Let streams go on, each in its turn."""
        self.flush()
        while self._waiting and self.has_room():
            stream = next(iter(self._waiting))
            del self._waiting[stream]
            stream.push()

    # Input

    def _data_received(self, event: events.DataReceived) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.data_received(event.data, ended=event.end)

    def _trailers_received(self, event: events.TrailersReceived) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.trailers_received(event.fields)

    def _window_opened(self, event: events.WindowOpened) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.push()

    def input_ended(self) -> None:
        """Close: streams cannot be half of a connection."""
        self.close()

    # The end

    def forget(self, number: int) -> None:
        """Strike a stream off the list."""
        raise NotImplementedError

    def nothing_to_do(self, _: events.Event) -> None:
        """Act on an event that asks for nothing."""

    def close(self) -> None:
        """Close now, with a last word while the peer can be told."""
        if not self.is_closed and not self._finishing:
            self.say_goodbye()
            self.flush()
        super().close()

    def say_goodbye(self) -> None:
        """Have the peer told that nothing follows, if it does not know."""
        if not self.codec.ended:
            self.codec.abort(ErrorCode.NO_ERROR)

    def output_ended(self) -> None:
        """Linger, so that the last words are not destroyed by a reset."""
        self.linger()
