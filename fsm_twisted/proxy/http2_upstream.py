"""An HTTP/2 connection to an endpoint: its streams, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from fsm_twisted.http2 import events
from fsm_twisted.http2.connection import Connection, Role
from fsm_twisted.proxy.dialled import Dialled
from fsm_twisted.proxy.http2_connection import Http2Connection
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

if TYPE_CHECKING:
    from fsm_twisted.proxy.endpoints import EndpointState
    from fsm_twisted.proxy.http2_pool import Http2Pool
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.upstream_stream import UpstreamStream

_NEVER = float("inf")
_SURELY_ALIVE_SECONDS: Final = 0.01
_LAST_NUMBER: Final = 2**30  # of a stream: after half a thousand million of them, begin anew


class Http2Upstream(Dialled, Http2Connection["UpstreamStream"]):
    """
    A connection of a pool.

    It connects and hears how many streams it may have, then serves them, then waits for more. It
    accepts no more once the endpoint has said GOAWAY or has been silent for too long, or has left
    the snapshot; then it ends with its last stream.

    Attributes:
        is_coming: Nothing can be asked yet: it is not connected, or the endpoint has not said
            its SETTINGS. To ask before may be more than it allows.
        name: The server name that it is made for, ``""`` without TLS.
        heard: When the endpoint last sent something, on the plane's clock.
        was_answered: Whether an answer has come on it.
        scheme: What is said of the requests: ``b"http"``, or ``b"https"`` by TLS.
    """

    __slots__ = (
        "_is_leaving",
        "_was_used",
        "endpoint",
        "heard",
        "is_coming",
        "is_connecting",
        "pool",
        "was_answered",
    )

    # What requests are answered with: without a connection, and without a word on it.
    connect_failure: ReplyReason = REPLIES["connect_failed"]
    close_failure: ReplyReason = REPLIES["upstream_closed"]
    name = ""
    scheme = b"http"

    def __init__(self, plane: DataPlane, endpoint: EndpointState, pool: Http2Pool) -> None:
        now = plane.seconds()
        super().__init__(plane, Connection(Role.CLIENT, plane.http2_upstream_limits, now=now))
        self.endpoint = endpoint
        self.pool = pool
        self.is_connecting = self.is_coming = True
        self.heard = now
        self._is_leaving = False
        self._was_used = self.was_answered = False

    # The beginning

    def ready(self) -> Exception | None:
        """Begin to speak; the time limit goes on until the endpoint does, too."""
        self.is_connecting = False
        self.touch()
        return None

    def overloaded(self) -> None:
        """Tell who waits that there is no connection."""
        self.pool.leave(self)
        for stream in self.pool.waiting_for(self):
            stream.overloaded()

    # Streams

    @property
    def is_idle(self) -> bool:
        """Whether it stands and serves nobody."""
        return not self._streams and not self.is_coming

    def takes_more(self) -> bool:
        """Whether another stream may begin; one that has been idle is looked at before."""
        if self.is_coming or self.is_closed:
            return False
        if not self._streams and self.plane.seconds() - self.heard > _SURELY_ALIVE_SECONDS:
            why = self.doRead()
            if why is not None:
                self.connectionLost(why)
                return False
        return self.codec.can_open and not (self._is_leaving or self.is_closed)

    def begin(self, stream: UpstreamStream) -> None:
        """Serve *stream*; `takes_more` has said so."""
        is_fresh = bool(self._streams) or not self._was_used
        self._was_used = True
        stream.begin(self, is_fresh=is_fresh)

    def add(self, stream: UpstreamStream, number: int) -> None:
        """Keep *stream*, which has begun with *number*."""
        self._streams[number] = stream
        self.deadline = _NEVER
        self.touch()
        if number >= _LAST_NUMBER:
            self.retire()

    def forget(self, number: int) -> None:
        """Strike a stream off the list; what waits may take its place."""
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        self._waiting.pop(stream, None)
        if not self._streams:
            self._rest()
        self.pool.serve_soon()

    def _rest(self) -> None:
        """Wait for the next stream, if there may be one."""
        if self._streams or self._lingers or self.codec.ended:
            return
        if self._is_leaving or self.pool.is_retired:
            self._leave()
            self.close()
        else:
            self.deadline = self.plane.seconds() + self.plane.options.pool_idle_seconds

    def _leave(self) -> None:
        self._is_leaving = True
        self.pool.leave(self)

    def retire(self) -> None:
        """Accept no more streams; end with the last one."""
        if not self.is_coming:
            self._leave()
            self._rest()

    def overdue(self, since: float) -> None:
        """
        Learn that an answer, waited for since that time, has not come.

        Where nothing at all has come for half of that time, the way may be cut: then the next
        requests shall not wait on it, too. A PING would tell more, but gRPC's servers count them.
        """
        now = self.plane.seconds()
        if self.heard < now - (now - since) / 2:
            self.retire()

    # Input

    def data_received(self, data: bytes) -> None:
        """Act on all that has come."""
        if self._lingers:
            self.lingered(data)
            return
        self.heard = now = self.plane.seconds()
        for event in self.codec.receive(data, now):
            _ACTIONS[type(event)](self, event)
            if self.is_closed:
                return
        self.touch()

    def _response_received(self, event: events.ResponseReceived) -> None:
        if not self.was_answered:
            self.was_answered = True
            self.answered()
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.head_received(event.head, ended=event.end)

    def answered(self) -> None:
        """Learn of the first answer."""

    def _stream_reset(self, event: events.StreamReset) -> None:
        stream = self._streams.get(event.stream)
        if stream is None:
            return
        if event.unprocessed:
            stream.not_processed()
        elif event.by_peer:
            stream.was_reset(event.code)
        else:
            stream.was_invalid()

    def _settings_changed(self, event: events.PeerSettings) -> None:
        if self.is_coming:
            self.is_coming = False
            self.deadline = self.heard + self.plane.options.pool_idle_seconds
        self.pool.allowed(event.streams)

    def _is_left(self, _: events.GoAwayReceived) -> None:
        """Give it no more; the streams that the endpoint does not know come as events."""
        self.retire()

    def _connection_ended(self, _: events.ConnectionEnded) -> None:
        """Fail all streams, for nothing more can be understood; the endpoint is told why."""
        self._leave()
        self._fail_waiting(REPLIES["upstream_invalid"])
        for stream in tuple(self._streams.values()):
            stream.was_invalid()
        self.flush()
        self.finish()

    # Output

    def output_failed(self) -> None:
        """Keep reading: an endpoint may have said GOAWAY before it stopped listening."""
        self._leave()
        self.resumeProducing()

    # The end

    def expired(self) -> None:
        """Give up a connection that is not accepted; end one that nobody has used for long."""
        self.deadline = _NEVER
        if self.is_coming:
            self.pool.leave(self)
            for stream in self.pool.waiting_for(self):
                stream.expired()
        self.close()

    def closed(self) -> None:
        """Tell all who have a stream, or wait for one, once."""
        self.plane.sweep.discard(self)
        self.pool.leave(self)
        self._fail_waiting(self.connect_failure)
        for stream in tuple(self._streams.values()):
            stream.lost(self.close_failure)

    def _fail_waiting(self, reason: ReplyReason) -> None:
        """Tell those who wait for this connection, and perhaps for another one, that it fails."""
        if self.is_coming:
            self.is_coming = False
            for stream in self.pool.waiting_for(self):
                stream.not_connected(reason)


_ACTIONS: Final[dict[type, Callable[[Http2Upstream, Any], None]]] = {
    events.ResponseReceived: Http2Upstream._response_received,
    events.DataReceived: Http2Upstream._data_received,
    events.TrailersReceived: Http2Upstream._trailers_received,
    events.StreamReset: Http2Upstream._stream_reset,
    events.WindowOpened: Http2Upstream._window_opened,
    events.PeerSettings: Http2Upstream._settings_changed,
    events.GoAwayReceived: Http2Upstream._is_left,
    events.ConnectionEnded: Http2Upstream._connection_ended,
    events.PingAnswered: Http2Upstream.nothing_to_do,
}
