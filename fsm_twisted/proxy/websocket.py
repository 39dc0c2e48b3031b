"""A WebSocket that comes over HTTP/2, asked for as HTTP/1 has it (RFC 8441 section 5)."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from typing import TYPE_CHECKING, Final

import attrs

from fsm_twisted.message.fields import values_of
from fsm_twisted.message.framing import CHUNKED

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead, ResponseHead

_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_KEY: Final = b"sec-websocket-key"
_ACCEPT: Final = b"sec-websocket-accept"
_OK: Final = 200


def asked_with_key(head: RequestHead, nonce: bytes) -> RequestHead:
    """Return *head* with a key of ours, made of 16 random bytes; over HTTP/2 there is none."""
    fields = tuple(field for field in head.fields if field[0].lower() != _KEY)
    return attrs.evolve(head, fields=(*fields, (b"Sec-WebSocket-Key", b64encode(nonce))))


def is_accepted(asked: RequestHead, answer: ResponseHead) -> bool:
    """Whether the 101 *answer* proves that the endpoint has read our key (RFC 6455, 4.1)."""
    (key,) = values_of(asked.fields, _KEY)
    digest = sha1(key + _MAGIC, usedforsecurity=False).digest()
    return values_of(answer.fields, _ACCEPT) == (b64encode(digest),)


def answered_without_key(answer: ResponseHead) -> ResponseHead:
    """Return what the client gets for the 101 *answer*: 200, and nothing of the key."""
    fields = tuple(field for field in answer.fields if field[0].lower() != _ACCEPT)
    return attrs.evolve(answer, status=_OK, fields=fields, framing=CHUNKED, upgrade=None)
