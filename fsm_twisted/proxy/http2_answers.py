"""Heads of answers for HTTP/2 clients: our own replies, and what we add to those of endpoints."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fsm_twisted.http2.kinds import is_trailer
from fsm_twisted.message.framing import NO_BODY, Sized
from fsm_twisted.message.heads import ResponseHead
from fsm_twisted.proxy.http1_output import missing_fields
from fsm_twisted.proxy.replies import ALLOW

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.snapshot.reasons import ReplyReason

_OVERHEAD: Final = len(b": \r\n")


def fields_of(lines: bytes) -> Fields:
    """Read field lines of ours, each ending in CRLF."""
    return tuple(_field_of(line) for line in lines.split(b"\r\n")[:-1])


@lru_cache(maxsize=64)
def _field_of(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name.lower(), value


def size_of(head: ResponseHead, extra: Fields) -> int:
    """Return the size of a head in bytes, uncompressed, as HTTP/1 would write its fields."""
    return sum(len(name) + len(value) + _OVERHEAD for name, value in head.fields + extra)


@lru_cache(maxsize=512)
def reply_head(reason: ReplyReason, *, with_body: bool) -> tuple[ResponseHead, bytes]:
    """Return the head of a reply of ours, but for Date, and its body, empty in answer to HEAD."""
    body = reason.text.encode("ascii")
    own = b"Content-Type: text/plain\r\nServer: fsm\r\n"
    if reason.status == HTTPStatus.METHOD_NOT_ALLOWED:
        own += ALLOW
    fields = fields_of(own)
    if with_body:
        head = ResponseHead(reason.status, b"", 1, fields, Sized(len(body)), persistent=True)
        return head, body
    head = ResponseHead(
        reason.status, b"", 1, fields, NO_BODY, persistent=True, declared_length=len(body)
    )
    return head, b""


def own_fields(head: ResponseHead, date: bytes, further: bytes) -> Fields:
    """
    Return what an endpoint's answer lacks, and what else we say.

    Args:
        head: Of the answer.
        date: The field line Date.
        further: Field lines of ours, or nothing.
    """
    return fields_of(missing_fields(head, date) + further)


def fit_trailers(trailers: Fields) -> Fields:
    """Return those of an HTTP/1 endpoint's trailers that may go on (RFC 9110 section 6.5.1)."""
    return tuple(field for field in trailers if is_trailer(field[0].lower()))
