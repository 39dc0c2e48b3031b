"""A client's HTTP/2 connection: its streams, and what they share."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from fsm_twisted.http2 import events
from fsm_twisted.http2.connection import Connection, Role
from fsm_twisted.message.framing import Sized
from fsm_twisted.proxy.admission import Admitted, LocalReply, admit
from fsm_twisted.proxy.client import Claims, Peer, claims_of
from fsm_twisted.proxy.http2_connection import Http2Connection
from fsm_twisted.proxy.http2_exchange import HTTP2, Http2Exchange
from fsm_twisted.proxy.http2_stream import Http2Stream
from fsm_twisted.proxy.http2_usual import REQUEST_LINES
from fsm_twisted.proxy.record import Asked, note_of_peer
from fsm_twisted.proxy.websocket import asked_with_key
from fsm_twisted.snapshot.reasons import REPLIES

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.proxy.plane import DataPlane

_NEVER = float("inf")
# Method, target, authority; the client's field lines and our own; authority again, and the id.
_ASKED: Final = (
    b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%bX-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n\r\n"
)
GOAWAY_SECONDS: Final = 1.0
"""How long after the first GOAWAY of a drain the last one follows: a round trip at least."""


class Http2Downstream(Http2Connection[Http2Stream]):
    """
    A client's HTTP/2 connection.

    Attributes:
        peer: The client.
        note: What the access log says of it.
    """

    __slots__ = (
        "_drain_end",
        "_firm_end",
        "_head_begun",
        "_rest_end",
        "note",
        "peer",
    )

    def __init__(self, plane: DataPlane, peer: Peer) -> None:
        limits, now = plane.http2_limits, plane.seconds()
        codec = Connection(Role.SERVER, limits, now=now, tells_usual=not peer.is_trusted)
        super().__init__(plane, codec)
        self.peer = peer
        self.note = b""
        # Of the deadline: what streams put off, and what they do not (a head in pieces, a drain).
        self._rest_end = self._firm_end = _NEVER
        self._head_begun = self._drain_end = _NEVER

    def start(self) -> None:
        """Begin to read; the first request has its time limit from now on."""
        plane = self.plane
        plane.connections.add(self)
        if plane.access is not None:
            self.describe()
        plane.sweep.add(self)
        self._rest_until(plane.seconds() + plane.options.header_seconds)
        self.touch()
        self.resumeProducing()
        if plane.is_draining:
            self.drain()

    def describe(self) -> None:
        """Make the note of the client that records of its requests have."""
        self.note = note_of_peer(self.peer, self._stream)

    @property
    def is_idle(self) -> bool:
        """Whether no request is here."""
        return not self._streams

    # Input

    def data_received(self, data: bytes) -> None:
        """Act on all that has come."""
        if self._lingers:
            self.lingered(data)
            return
        for event in self.codec.receive(data, self.plane.seconds()):
            _ACTIONS[type(event)](self, event)
            if self.is_closed:
                return
        codec = self.codec
        if codec.head_begun != self._head_begun:
            self._head_begun = codec.head_begun
            self._set_firm_end()
        self.touch()
        if self.plane.is_draining and codec.is_drained:
            self._end()

    def _usual_received(self, event: events.UsualRequest) -> None:
        """Take the straight road, if nothing about the route is unusual."""
        plane, peer = self.plane, self.peer
        method, target, host = event.method, event.target, event.authority.host
        active, authority = plane.runtime.active, event.authority.wire
        _, _, table = active.known.get(authority) or active.known_of(authority)
        bound = table.find(event.path) or active.router.match(host, event.path)
        if (
            bound is None
            or bound.usual is None
            or not (peer.is_secure or bound.is_open or not active.is_looked_at(host))
            or active.clients_of(host) is not None
        ):
            self._request_received(event.in_full())
            return
        lines = b"".join(map(REQUEST_LINES.__getitem__, event.fields))
        known = lines, peer.fields, authority, plane.next_request_id()
        sent = _ASKED % (method, target, authority, *known)
        stream = self._begin(event.stream, is_whole=True)
        state, fields = bound.usual, event.fields
        key = b"" if state.key_of is None else state.key_of(peer.address, target, fields)
        stream.exchange = exchange = Http2Exchange(stream, state, method, sent, key)
        if plane.hsts_line or state.cookie is not None:
            exchange.heed(host, fields, is_secure=peer.is_secure)
        if state.is_by_name:
            exchange.host = host
        if plane.access is not None:
            exchange.bound, exchange.bytes_in = bound, len(sent)
            if plane.tracer is not None:
                plane.tracer.begin(exchange)
        exchange.attempt()

    def _request_received(self, event: events.RequestReceived) -> None:
        plane, head = self.plane, event.head
        stream = self._begin(event.stream, is_whole=event.end)
        identity = plane.next_request_id()
        claims = claims_of(self.peer, head, identity, plane.trusted_proxies)
        if head.upgrade:
            head = asked_with_key(head, secrets.token_bytes(16))
        active, options, peer = plane.runtime.active, plane.options, self.peer
        decision = admit(head, active, options, peer, is_secure=claims.is_secure)
        if isinstance(decision, LocalReply):
            stream.asked = Asked(head, claims, decision.bound, head_size(head), HTTP2)
            stream.reply(decision.reason, decision.fields + plane.hsts_for(head, claims))
        else:
            self._admitted(stream, decision, claims, wants_trailers=event.trailers_welcome)

    def _admitted(
        self, stream: Http2Stream, admitted: Admitted, claims: Claims, *, wants_trailers: bool
    ) -> None:
        """Send a request on its way."""
        head, limit = admitted.head, admitted.bound.body_limit_bytes
        size, framing = head_size(head), head.framing
        if limit is not None and isinstance(framing, Sized) and framing.length > limit:
            stream.asked = Asked(head, claims, admitted.bound, size, HTTP2)
            stream.reply(REPLIES["body_too_large"], self.plane.hsts_for(head, claims))
            return
        exchange = Http2Exchange.of_head(stream, admitted, claims)
        exchange.bytes_in, exchange.minor = size, HTTP2
        exchange.wants_trailers = wants_trailers
        stream.exchange = exchange
        if exchange.is_incomplete:
            stream.body_left = limit
            stream.body_is_due()
        exchange.attempt()

    def _begin(self, number: int, *, is_whole: bool) -> Http2Stream:
        self._streams[number] = stream = Http2Stream(self, number)
        stream.is_whole = is_whole
        if not self.has_output:
            self._rest_end, self.deadline = _NEVER, self._firm_end
        return stream

    def _request_refused(self, event: events.RequestRefused) -> None:
        self._begin(event.stream, is_whole=event.end).reply(event.reason)

    def _stream_reset(self, event: events.StreamReset) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.gone()

    def _connection_ended(self, _: events.ConnectionEnded) -> None:
        self._end()

    # Output

    def output_progressed(self) -> None:
        """Give the client time for the rest."""
        self._rest_until(self.plane.seconds() + self.plane.options.body_seconds)

    def output_drained(self) -> None:
        """Stop the clock that ran while output waited; let streams go on, each in its turn."""
        if not self._lingers:
            self._rest()
        super().output_drained()

    def _rest(self) -> None:
        """Wait for nothing while there are streams, else for the next one."""
        if self._streams:
            self._rest_until(_NEVER)
        else:
            self._rest_until(self.plane.seconds() + self.plane.options.idle_seconds)

    def _rest_until(self, end: float) -> None:
        self._rest_end = end
        self.deadline = min(end, self._firm_end)

    def _set_firm_end(self) -> None:
        head_end = self._head_begun + self.plane.options.header_seconds
        self._firm_end = min(head_end, self._drain_end)
        self.deadline = min(self._rest_end, self._firm_end)

    # The end

    def forget(self, number: int) -> None:
        """Strike a stream off the list."""
        stream = self._streams.pop(number, None)
        if stream is not None and self._waiting:
            self._waiting.pop(stream, None)
        if not self._streams and not self._lingers and not self.has_output:
            self._rest()
        if self.plane.is_draining and self.codec.is_drained:
            self._end()

    def expired(self) -> None:
        """Give up a client that asks for nothing, or does not read; or drain further."""
        now = self.plane.seconds()
        if self._drain_end <= now and not self._lingers:
            self.drain()
            if now < self.deadline:
                return
        self.deadline = _NEVER
        if self.has_output or self._lingers:
            self.give_up()
        else:
            self.say_goodbye()
            self._end()

    def drain(self) -> None:
        """Accept no more streams, in two steps; the connection ends with the last one."""
        if self._lingers or self.is_closed:
            return
        self.codec.drain()
        self.touch()
        self._drain_end = self.plane.seconds() + GOAWAY_SECONDS
        self._set_firm_end()
        if self.codec.is_drained:
            self._end()

    def cut(self, code: str) -> None:
        """Abort, for the reason *code*, whatever is under way."""
        for stream in tuple(self._streams.values()):
            if stream.exchange is not None:
                stream.exchange.cut(code)
        self.abort()

    def _end(self) -> None:
        """Send what waits, then end the output."""
        if self._finishing or self.is_closed:
            return
        self._drop_streams()
        self.flush()
        self.finish()

    def _drop_streams(self) -> None:
        for stream in tuple(self._streams.values()):
            stream.gone()

    def closed(self) -> None:
        """Tell whoever is on the other side, once."""
        self.plane.sweep.discard(self)
        self._drop_streams()
        self.plane.forget(self)


def head_size(head: RequestHead) -> int:
    """Return the size of a head in bytes, uncompressed, as HTTP/1 would write its fields."""
    fields = sum(len(name) + len(value) + 4 for name, value in head.fields + head.claims)
    return len(head.method) + len(head.target.wire) + len(head.authority.wire) + fields


_ACTIONS: Final[dict[type, Callable[[Http2Downstream, Any], None]]] = {
    events.RequestReceived: Http2Downstream._request_received,
    events.UsualRequest: Http2Downstream._usual_received,
    events.RequestRefused: Http2Downstream._request_refused,
    events.DataReceived: Http2Downstream._data_received,
    events.TrailersReceived: Http2Downstream._trailers_received,
    events.StreamReset: Http2Downstream._stream_reset,
    events.WindowOpened: Http2Downstream._window_opened,
    events.ConnectionEnded: Http2Downstream._connection_ended,
    events.PeerSettings: Http2Downstream.nothing_to_do,
    events.GoAwayReceived: Http2Downstream.nothing_to_do,
    events.PingAnswered: Http2Downstream.nothing_to_do,
}
