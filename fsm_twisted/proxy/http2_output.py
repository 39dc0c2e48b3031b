"""What a stream has to send, and the wait for windows and for the socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsm_twisted.net.consumer import Consumer

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.net.stream import Producer
    from fsm_twisted.proxy.http2_connection import Http2Connection
    from fsm_twisted.proxy.plane import DataPlane

_NEVER = float("inf")


class Http2Output(Consumer):
    """
    The output of one stream.

    What the windows or the socket do not take waits here, and the producer is paused until all of
    that is sent: so no more waits than one read of its connection.

    Attributes:
        connection: The connection that it belongs to.
        number: Its number there; 0 before it has one.
        plane: What all connections share.
        is_over: There is no such stream any more.
        is_timed: The sweep keeps the deadline.
        has_ended: Nothing more will be given to be sent.
    """

    connection: Http2Connection[Any]
    number = 0
    plane: DataPlane
    deadline = _NEVER
    is_over = False
    is_timed = False
    has_ended = False
    output_has_failed = False
    plain_connection = None  # whatever is sent goes into frames
    _waiting: bytearray | None = None
    _trailers: Fields = ()
    _producer: Producer | None = None
    _producer_paused = False

    @property
    def has_output(self) -> bool:
        """Whether something cannot be sent before the peer takes more."""
        return self._waiting is not None

    is_full = has_output

    def send(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> None:
        """Send part of a body, or its end, or keep it until there is room."""
        if ended:
            self.has_ended, self._trailers = True, trailers
        waiting = self._waiting
        if waiting is not None:
            waiting += payload
            return
        connection = self.connection
        taken = 0
        if connection.has_room():
            taken = connection.send_data(self.number, payload, end=ended and not trailers)
            if taken == len(payload):
                if trailers:
                    connection.codec.send_trailers(self.number, trailers)
                return
        elif not self.is_over:
            connection.wait_for_room(self)
        self._waiting = bytearray(memoryview(payload)[taken:])
        self.output_waits()
        self._pause_producer()

    def push(self) -> None:
        """Send what waits, as far as there is room; then let the producer go on."""
        waiting, connection = self._waiting, self.connection
        if waiting is None or self.is_over:
            return
        if not connection.has_room():
            connection.wait_for_room(self)
            return
        # One byte too many, if there is one: then the codec tells when there is room for it.
        ready = bytes(memoryview(waiting)[: connection.codec.sendable(self.number) + 1])
        ends = self.has_ended and not self._trailers and len(ready) == len(waiting)
        taken = connection.send_data(self.number, ready, end=ends)
        if taken < len(waiting):
            del waiting[:taken]
            if taken:
                self.output_waits()
            return
        self._waiting = None
        if self._trailers:
            connection.codec.send_trailers(self.number, self._trailers)
            connection.touch()
        self.drained()

    def output_waits(self) -> None:
        """Learn that something waits, or that some, not all, of it has been sent."""
        raise NotImplementedError

    def drained(self) -> None:
        """Learn that nothing waits any more."""
        if self.has_ended:
            self.output_ended()
        else:
            self._resume_producer()

    def output_ended(self) -> None:
        """Learn that all has been sent, the end included."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send bytes of a tunnel."""
        if not (self.is_over or self.has_ended):
            self.send(data, ended=False)

    def finish(self) -> None:
        """Send what waits, then the end."""
        if self.is_over:
            return
        if not self.has_ended:
            self.send(b"", ended=True)
        if self._waiting is None:
            self.output_ended()

    def expire_after(self, seconds: float) -> None:
        """Have `expired` called when so many seconds have passed."""
        self.deadline = self.plane.seconds() + seconds
        if not self.is_timed and not self.is_over:
            self.is_timed = True
            self.plane.sweep.add(self)

    def expired(self) -> None:
        """Learn that the deadline has passed."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Be over: drop what waits, leave connection and sweep."""
        self.is_over = self.has_ended = True
        self._waiting = None
        if self.is_timed:
            self.plane.sweep.discard(self)
        if self.number:
            self.connection.forget(self.number)
