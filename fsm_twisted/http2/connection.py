"""
One HTTP/2 connection, as server or as client, without I/O (RFC 9113).

Give what arrives to `Connection.receive`, act on the events, and write what `take_output` gives,
once a turn of the reactor and only while the transport has room.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.http2.core import Core
from fsm_twisted.http2.events import Event
from fsm_twisted.http2.frames import PING_BYTES, write_ping
from fsm_twisted.http2.incoming import Incoming
from fsm_twisted.http2.limits import DEFAULT_LIMITS, Limits
from fsm_twisted.http2.outgoing import Outgoing
from fsm_twisted.http2.outgoing_heads import Address
from fsm_twisted.message.authority import Authority
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.heads import RequestHead, ResponseHead


class Role(Enum):
    """Which side of the connection we are."""

    SERVER = "server"
    CLIENT = "client"


class Connection:
    """
    The whole state of one connection; nothing the peer sends makes it raise.

    The first output (the client's preface, SETTINGS) is there from the beginning. A call for a
    stream that is gone does nothing.
    """

    __slots__ = ("_core", "_incoming", "_outgoing")

    def __init__(
        self,
        role: Role,
        limits: Limits = DEFAULT_LIMITS,
        *,
        now: float = 0.0,
        tells_usual: bool = False,
    ) -> None:
        """
        Begin.

        Args:
            role: Which side we are.
            limits: What the peer may cost us.
            now: In seconds of any clock that does not go back.
            tells_usual: Report usual requests by `UsualRequest` (servers).
        """
        is_server = role is Role.SERVER
        self._core = Core(limits, now, is_server=is_server, tells_usual=tells_usual)
        self._incoming = Incoming(self._core)
        self._outgoing = Outgoing(self._core)

    # What arrives

    def receive(self, data: bytes, now: float) -> Sequence[Event]:
        """
        Take the next bytes, of any number, at *now* in seconds.

        An error of the connection queues GOAWAY and ends the events with `ConnectionEnded`; an
        error of a stream queues RST_STREAM and gives `StreamReset` if the stream was reported.
        """
        return self._incoming.receive(data, now)

    def consumed(self, stream: int, count: int) -> None:
        """
        Let the peer send *count* bytes more: so many bytes of DataReceived have gone onwards.

        Padding, and what came for streams that are gone, is handed back by itself; bytes that
        were reported and not yet consumed when their stream went are handed back then.
        """
        core = self._core
        known = core.streams.get(stream)
        if known is not None:
            count = min(count, known.unconsumed)
            known.unconsumed -= count
            core.give_back(count)
            core.give_back_on(known, count)

    # What goes out

    def take_output(self) -> bytes:
        """Return everything that is to be written, and forget it."""
        return self._core.take_output()

    @property
    def has_output(self) -> bool:
        """Whether `take_output` would give something."""
        return bool(self._core.out)

    def send_response(
        self, stream: int, head: ResponseHead, extra: Fields = (), *, end: bool
    ) -> None:
        """
        Answer a request (servers); with a status below 200 an interim answer, without *end*.

        Args:
            stream: As in the event.
            head: Its fields in any letter case, without hop-by-hop ones; Content-Length is
                made from ``framing`` (Sized) or ``declared_length``.
            extra: Fields of ours that come after.
            end: There is no body.

        Raises:
            ValueError: Something would not read back the same: a fault of ours.
        """
        self._outgoing.send_response(stream, head, extra, end=end)

    def send_whole(self, stream: int, status: int, fields: Fields, body: bytes) -> bool:
        """
        Answer a request at once (servers): head, Content-Length and body.

        Args:
            stream: As in the event.
            status: From 200, of an answer that has a body, were it empty.
            fields: As those of a head for `send_response`.
            body: All of it.

        Returns:
            False when the windows do not let all of it through, or the stream is gone: then
            nothing has happened.

        Raises:
            ValueError: Something would not read back the same: a fault of ours.
        """
        return self._outgoing.send_whole(stream, status, fields, body)

    def send_request(
        self,
        head: RequestHead,
        *,
        target: bytes,
        authority: Authority | bytes,
        scheme: bytes,
        extra: Fields = (),
        end: bool,
    ) -> int:
        """
        Begin a stream (clients) and return its number; `can_open` must be true.

        The claims of *head* are left out; ``upgrade`` ``websocket`` becomes an extended CONNECT
        (the peer must have offered it, `peer_extended_connect`).

        Raises:
            ValueError: Something would not read back the same: a fault of ours.
        """
        name = authority if isinstance(authority, bytes) else authority.wire
        address = Address(target, name, scheme)
        return self._outgoing.send_request(head, address, extra, end=end)

    def send_data(self, stream: int, data: bytes, *, end: bool) -> int:
        """
        Send part of a body, as much as the windows let through.

        Returns:
            How many bytes were taken. When not all, keep the rest, and the end, until
            `WindowOpened`; END_STREAM goes out only with the last byte. Empty data with *end*
            is always taken. For a stream that is gone all is taken, and dropped.
        """
        return self._outgoing.send_data(stream, data, end=end)

    def send_trailers(self, stream: int, fields: Fields) -> None:
        """
        End a stream with trailers, after the head and all data; without fields just end it.

        Raises:
            ValueError: A field is not allowed there: a fault of ours.
        """
        self._outgoing.send_trailers(stream, fields)

    def reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream at once; nothing more is reported of it."""
        if stream in self._core.streams:
            self._core.reset(stream, code)

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life, with eight bytes that come back in `PingAnswered`."""
        if len(payload) != PING_BYTES:
            raise ValueError("a PING has eight bytes")
        if not self._core.ended:
            self._core.out.append(write_ping(0, payload))

    def drain(self) -> None:
        """
        Accept no more streams, in two steps (section 6.8): nothing in flight is lost.

        The first call says GOAWAY without a last stream, the second, a round trip later, GOAWAY
        with it. Close once `is_drained`. No PING measures the trip: some clients (Python's h2)
        take any frame but GOAWAY behind the first GOAWAY for an error.
        """
        self._core.drain()

    def abort(self, code: ErrorCode) -> None:
        """End the connection with GOAWAY; all streams are gone. Write the output, then close."""
        self._core.end(code)

    # What is

    @property
    def head_begun(self) -> float:
        """When the head or trailers that have come in part began; infinity without such."""
        return self._incoming.head_begun

    @property
    def open_streams(self) -> int:
        """Streams that are neither ended in both directions nor reset."""
        return len(self._core.streams)

    @property
    def is_drained(self) -> bool:
        """Whether the connection does not accept streams any more and has none left."""
        core = self._core
        return not core.streams and (core.is_refusing or core.peer_is_leaving or core.ended)

    @property
    def ended(self) -> bool:
        """Whether an error ended it: nothing is received or sent any more."""
        return self._core.ended

    @property
    def can_open(self) -> bool:
        """Whether `send_request` may begin a stream now (clients): room, and no GOAWAY."""
        return self._outgoing.can_open

    @property
    def peer_extended_connect(self) -> bool:
        """Whether the server offered RFC 8441 (clients)."""
        return self._core.peer_extended_connect

    def sendable(self, stream: int) -> int:
        """Return how many bytes `send_data` would take now, at most."""
        core = self._core
        known = core.streams.get(stream)
        if known is None or not known.local_open:
            return 0
        return max(0, min(known.send_window, core.send_window))
