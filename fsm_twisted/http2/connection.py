"""
One HTTP/2 connection, as server or as client, without I/O (RFC 9113).

Give what arrives to `Connection.receive`, act on the events, and write what `take_output` gives,
once a turn of the reactor and only while the transport has room.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.http2.events import Event
from fsm_twisted.http2.limits import DEFAULT_LIMITS, Limits
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

    def __init__(self, role: Role, limits: Limits = DEFAULT_LIMITS, *, now: float = 0.0) -> None:
        """Begin, at *now*, in seconds of any clock that does not go back."""
        raise NotImplementedError

    # What arrives

    def receive(self, data: bytes, now: float) -> Sequence[Event]:
        """
        Take the next bytes, of any number, at *now* in seconds.

        An error of the connection queues GOAWAY and ends the events with `ConnectionEnded`; an
        error of a stream queues RST_STREAM and gives `StreamReset` if the stream was reported.
        """
        raise NotImplementedError

    def consumed(self, stream: int, count: int) -> None:
        """
        Let the peer send *count* bytes more: so many bytes of DataReceived have gone onwards.

        Padding, and what came for streams that are gone, is handed back by itself; bytes that
        were reported and not yet consumed when their stream went are handed back then.
        """
        raise NotImplementedError

    # What goes out

    def take_output(self) -> bytes:
        """Return everything that is to be written, and forget it."""
        raise NotImplementedError

    @property
    def has_output(self) -> bool:
        """Whether `take_output` would give something."""
        raise NotImplementedError

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
        raise NotImplementedError

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
        raise NotImplementedError

    def send_data(self, stream: int, data: bytes, *, end: bool) -> int:
        """
        Send part of a body, as much as the windows let through.

        Returns:
            How many bytes were taken. When not all, keep the rest, and the end, until
            `WindowOpened`; END_STREAM goes out only with the last byte. Empty data with *end*
            is always taken. For a stream that is gone all is taken, and dropped.
        """
        raise NotImplementedError

    def send_trailers(self, stream: int, fields: Fields) -> None:
        """
        End a stream with trailers, after the head and all data; without fields just end it.

        Raises:
            ValueError: A field is not allowed there: a fault of ours.
        """
        raise NotImplementedError

    def reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream at once; nothing more is reported of it."""
        raise NotImplementedError

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life, with eight bytes that come back in `PingAnswered`."""
        raise NotImplementedError

    def drain(self) -> None:
        """
        Accept no more streams, in two steps (section 6.8): nothing in flight is lost.

        GOAWAY without a last stream goes out with a PING; when that is answered, or with the
        second call, the GOAWAY that names the last stream. Close once `is_drained`.
        """
        raise NotImplementedError

    def abort(self, code: ErrorCode, detail: str = "") -> None:
        """End the connection with GOAWAY; all streams are gone. Write the output, then close."""
        raise NotImplementedError

    # What is

    @property
    def open_streams(self) -> int:
        """Streams that are neither ended in both directions nor reset."""
        raise NotImplementedError

    @property
    def is_drained(self) -> bool:
        """Whether the connection does not accept streams any more and has none left."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Whether an error ended it: nothing is received or sent any more."""
        raise NotImplementedError

    @property
    def can_open(self) -> bool:
        """Whether `send_request` may begin a stream now (clients): room, and no GOAWAY."""
        raise NotImplementedError

    @property
    def peer_extended_connect(self) -> bool:
        """Whether the server offered RFC 8441 (clients)."""
        raise NotImplementedError

    def sendable(self, stream: int) -> int:
        """Return how many bytes `send_data` would take now, at most."""
        raise NotImplementedError
