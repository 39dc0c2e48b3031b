"""Replies that we make ourselves: fixed text, a reason code for log and metrics (D12)."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from fsm_twisted.snapshot.reasons import ReplyReason

SERVER = b"Server: fsm\r\n"
ALLOW = b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"


@lru_cache(maxsize=256)
def _fixed(reason: ReplyReason) -> tuple[bytes, bytes]:
    """Return the start of the head, up to and with Content-Length, and the body."""
    body = reason.text.encode("ascii")
    phrase = HTTPStatus(reason.status).phrase
    head = (
        f"HTTP/1.1 {reason.status} {phrase}\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    )
    own = SERVER + ALLOW if reason.status == HTTPStatus.METHOD_NOT_ALLOWED else SERVER
    return head.encode("ascii") + own, body


def reply_bytes(reason: ReplyReason, fields: bytes, *, with_body: bool) -> bytes:
    """
    Serialise a local reply.

    Args:
        reason: Status and text.
        fields: Further field lines, each ending in CRLF (Date, Connection, Location …).
        with_body: False for the answer to HEAD.
    """
    head, body = _fixed(reason)
    return head + fields + b"\r\n" + (body if with_body else b"")
