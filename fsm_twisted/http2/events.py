"""
What a connection tells its owner, in order of arrival.

Streams are named by their numbers. After `StreamReset` or an ``end`` nothing more of that stream
is reported; after `ConnectionEnded` nothing at all.
"""

from __future__ import annotations

import attrs

from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.message.authority import Authority
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import NO_BODY
from fsm_twisted.message.heads import RequestHead, ResponseHead
from fsm_twisted.message.target import Target
from fsm_twisted.snapshot.reasons import ReplyReason


@attrs.frozen
class RequestReceived:
    """
    A client began a stream (servers).

    Attributes:
        stream: Its number.
        head: As from HTTP/1.1, minor version 1. Framing is NoBody when the stream ends here (for
            POST, PUT and PATCH Sized: 0), Sized by Content-Length (which is enforced), else
            Chunked: of unknown length. An
            extended CONNECT for WebSocket (RFC 8441) is a GET with ``upgrade`` ``websocket``:
            answer with status 200, not 101; Sec-WebSocket-Key is for the caller to make.
        end: No body and no trailers follow.
        scheme: ``b"http"`` or ``b"https"`` as sent (lower-case).
        trailers_welcome: The client sent ``te: trailers``.
    """

    stream: int
    head: RequestHead
    end: bool
    scheme: bytes
    trailers_welcome: bool


class UsualRequest:
    """
    A client began a stream, and ended its side, with a GET or DELETE of nothing special (servers).

    Given instead of `RequestReceived` where it is asked for (`Connection`): it says the same and
    costs less, so it is no frozen value. Nobody changes it.

    Attributes:
        stream: Its number.
        method: ``b"GET"`` or ``b"DELETE"``.
        target: In origin-form, as sent.
        path: The target up to its query.
        query: What follows the first ``?``, or None.
        authority: Who is asked.
        fields: As those of a head.
        scheme: As in `RequestReceived`.
    """

    __slots__ = ("authority", "fields", "method", "path", "query", "scheme", "stream", "target")

    stream: int
    method: bytes
    target: bytes
    path: bytes
    query: bytes | None
    authority: Authority
    fields: Fields
    scheme: bytes

    def in_full(self) -> RequestReceived:
        """Return the event that it stands for."""
        head = RequestHead(
            method=self.method,
            target=Target(self.path, self.query),
            authority=self.authority,
            minor=1,
            fields=self.fields,
            claims=(),
            framing=NO_BODY,
            persistent=True,
            expects_continue=False,
            upgrade=None,
        )
        return RequestReceived(self.stream, head, True, self.scheme, False)  # noqa: FBT003


@attrs.frozen
class RequestRefused:
    """
    A client began a stream with a head that is well-formed, but not acceptable (servers).

    Answer it as ``reason`` says, with `Connection.send_response`. What the client still sends on
    it is dropped here, and the stream is reset with NO_ERROR once the answer is complete.
    ``detail`` is for the log and holds nothing of the request.
    """

    stream: int
    reason: ReplyReason
    detail: str
    end: bool


@attrs.frozen
class ResponseReceived:
    """
    An endpoint answered (clients).

    ``head`` is as from HTTP/1.1; a status below 200 is an interim answer, after which another
    head follows (101 never comes). Framing is NoBody (also for HEAD, 204, 304), Sized by
    Content-Length (which is enforced), else Chunked: of unknown length.
    """

    stream: int
    head: ResponseHead
    end: bool


@attrs.frozen
class DataReceived:
    """
    A piece of a body; empty only together with ``end``.

    The peer may send as much again once it is `Connection.consumed`.
    """

    stream: int
    data: bytes
    end: bool


@attrs.frozen
class TrailersReceived:
    """Fields after a body, without those of framing and of this hop; the stream ends here."""

    stream: int
    fields: Fields


@attrs.frozen
class StreamReset:
    """
    A stream ended too early.

    Attributes:
        stream: Its number.
        code: Why, as an `ErrorCode` or a number that nobody has defined.
        by_peer: The peer reset it (RST_STREAM, GOAWAY); else we did, for an error of the peer.
        unprocessed: The peer has surely not acted on the request, which may be sent again.
        detail: For the log.
    """

    stream: int
    code: int
    by_peer: bool
    unprocessed: bool
    detail: str


@attrs.frozen
class WindowOpened:
    """More can be sent on a stream for which `Connection.send_data` did not take all."""

    stream: int


@attrs.frozen
class PeerSettings:
    """The peer's settings came or changed; ``streams`` is how many we may have open (clients)."""

    streams: int
    extended_connect: bool


@attrs.frozen
class GoAwayReceived:
    """The peer accepts no more streams; those above ``last_stream`` are reported as reset."""

    last_stream: int
    code: int


@attrs.frozen
class PingAnswered:
    """Eight bytes of a `Connection.ping` came back."""

    payload: bytes


@attrs.frozen
class ConnectionEnded:
    """
    The connection cannot go on: write what `take_output` gives, then close.

    All streams are gone, without an event for each. ``detail`` is for the log.
    """

    code: ErrorCode
    detail: str


Event = (
    RequestReceived
    | UsualRequest
    | RequestRefused
    | ResponseReceived
    | DataReceived
    | TrailersReceived
    | StreamReset
    | WindowOpened
    | PeerSettings
    | GoAwayReceived
    | PingAnswered
    | ConnectionEnded
)
