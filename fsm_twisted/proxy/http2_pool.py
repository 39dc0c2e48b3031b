"""
The HTTP/2 connections to one endpoint: few, each shared by many requests.

A request takes a stream of a connection that has room. Else it waits: for a connection that is
being made, or, where there may be no further one, for a stream that ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from fsm_twisted.proxy.http2_upstream import Http2Upstream
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.upstream_stream import UpstreamStream

MOST_WAITING: Final = 1024
"""So many requests wait for a stream of one endpoint; more are answered 503."""

_USUAL_ROOM: Final = 100  # streams of a new connection, until we know what this endpoint allows


class Dial(Protocol):
    """Makes a connection to the endpoint for a server name, which has yet to connect."""

    def __call__(self, plane: DataPlane, name: str) -> Http2Upstream:
        """Make it."""


class Http2Pool:
    """
    The connections to one endpoint, those that accept no more requests left out.

    Args:
        dial: Makes a connection.

    Attributes:
        is_retired: The endpoint has left the snapshot: connections end with their last stream.
    """

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._connections: list[Http2Upstream] = []
        self._waiting: dict[UpstreamStream, None] = {}
        self._room = _USUAL_ROOM
        self._is_due = False
        self.is_retired = False

    @property
    def idle_count(self) -> int:
        """How many connections stand and serve nobody."""
        return sum(each.is_idle for each in self._connections)

    def place(self, stream: UpstreamStream, seconds: float) -> None:
        """Give *stream* to a connection, now or within so many seconds."""
        # Nobody overtakes those that wait for the same.
        is_first = not any(each.name == stream.name for each in self._waiting)
        connection = self._with_room(stream.name) if is_first else None
        if connection is not None:
            connection.begin(stream)
        elif len(self._waiting) >= MOST_WAITING:
            stream.overloaded()
        else:
            self._waiting[stream] = None
            if not self._is_due:  # a connection with room may just have come
                self._dial_for(stream, seconds)

    def _with_room(self, name: str) -> Http2Upstream | None:
        for connection in self._connections:
            if connection.name == name and connection.takes_more():
                return connection
        return None

    def _dial_for(self, stream: UpstreamStream, seconds: float) -> None:
        """Make another connection, unless those that are being made are enough."""
        name, plane = stream.name, stream.plane
        waiting = sum(each.name == name for each in self._waiting)
        coming = sum(each.is_coming and each.name == name for each in self._connections)
        if waiting <= coming * self._room or len(self._connections) >= plane.options.pool_size:
            return
        connection = self._dial(plane, name)
        self._connections.append(connection)
        connection.connect(seconds)

    def forget(self, stream: UpstreamStream) -> None:
        """Let *stream* wait no more."""
        self._waiting.pop(stream, None)

    def allowed(self, streams: int) -> None:
        """Learn how many streams a connection may have."""
        self._room = max(streams, 1)
        self.serve_soon()

    def serve_soon(self) -> None:
        """See, in a turn of its own, whether something that waits can go on."""
        if self._waiting and not self._is_due:
            self._is_due = True
            plane = next(iter(self._waiting)).plane
            plane.loop.callLater(0, self._serve)

    def _serve(self) -> None:
        self._is_due = False
        full: set[str] = set()
        for stream in tuple(self._waiting):
            if stream.name in full or stream not in self._waiting:
                continue
            connection = self._with_room(stream.name)
            if connection is None:
                full.add(stream.name)
                self._dial_for(stream, stream.state.connect_seconds)
            else:
                del self._waiting[stream]
                connection.begin(stream)

    def waiting_for(self, connection: Http2Upstream) -> tuple[UpstreamStream, ...]:
        """Return those that have been waiting for a connection that does not come about."""
        return tuple(each for each in self._waiting if each.name == connection.name)

    def leave(self, connection: Http2Upstream) -> None:
        """Give *connection* no more streams."""
        if connection in self._connections:
            self._connections.remove(connection)
            self.serve_soon()

    def retire(self) -> None:
        """Keep no connection: idle ones close now, the others with their last stream."""
        self.is_retired = True
        for connection in tuple(self._connections):
            connection.retire()
