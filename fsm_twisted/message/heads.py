"""Heads of requests and responses as both codecs deliver them: checked, and without framing."""

from __future__ import annotations

import attrs

from fsm_twisted.message.authority import Authority
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import Framing
from fsm_twisted.message.target import Target


@attrs.frozen
class RequestHead:
    """
    What a client asks for.

    Attributes:
        method: As sent; case-sensitive; neither CONNECT nor TRACE.
        target: Path and query as sent.
        authority: Of the target in absolute-form, else of Host; with an empty host for an
            HTTP/1.0 request that has none.
        minor: 0 or 1, of HTTP/1.x.
        fields: End-to-end fields in order, as sent, without Host, Content-Length, claims, and
            hop-by-hop fields (those nominated in Connection included).
        claims: Fields by which somebody says who the client is (Forwarded, X-Forwarded-*,
            X-Real-IP, X-Request-ID), in order; whether to believe them is the proxy's decision.
            Look-alikes such as ``X_Forwarded_For`` are in neither: they are dropped.
        framing: NoBody, Sized or Chunked.
        persistent: The client allows another request on this connection.
        expects_continue: The client waits for 100 before it sends its body; the field Expect is
            among ``fields``.
        upgrade: ``b"websocket"`` or None.
    """

    method: bytes
    target: Target
    authority: Authority
    minor: int
    fields: Fields
    claims: Fields
    framing: Framing
    persistent: bool
    expects_continue: bool
    upgrade: bytes | None


@attrs.frozen
class ResponseHead:
    """
    What an endpoint, or we ourselves, answer.

    Attributes:
        status: 100-599; 1xx are interim answers, after which another head follows (but 101).
        reason: The phrase as sent, perhaps empty.
        minor: 0 or 1, of HTTP/1.x.
        fields: End-to-end fields in order, as sent, without Content-Length and hop-by-hop ones.
        framing: Of the body that follows on this connection.
        persistent: The connection may carry another exchange once the body has been read.
        upgrade: Lower-case protocol of a 101, else None.
        declared_length: Content-Length of an answer that has no body (to HEAD, or 304): what a
            GET would have got, in bytes; to be passed on.
    """

    status: int
    reason: bytes
    minor: int
    fields: Fields
    framing: Framing
    persistent: bool
    upgrade: bytes | None = None
    declared_length: int | None = None
