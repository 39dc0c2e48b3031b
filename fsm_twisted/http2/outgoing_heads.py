"""
Heads of the shared vocabulary as field blocks of HTTP/2 (RFC 9113 section 8.3).

Whatever would not read back the same is refused with ValueError, which is a fault of ours.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from fsm_twisted.http2.encoder import Encoder
from fsm_twisted.http2.lines import plain_string
from fsm_twisted.http2.table import STATIC_FIELDS, STATIC_NAMES, encode_integer
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import Sized
from fsm_twisted.message.heads import RequestHead, ResponseHead

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE: Final = re.compile(rb"[\x21\x22\x24-\x7e]+")
_LARGEST_STATUS: Final = 599
_SMALLEST_STATUS: Final = 100
_SWITCHING: Final = 101
_OK: Final = 200
_NO_CONTENT: Final = 204
_LENGTH: Final = encode_integer(0x00, 4, STATIC_NAMES[b"content-length"])


def _pseudo_line(name: bytes, value: bytes) -> bytes:
    """Write a pseudo-header field that is not kept in the table."""
    index = STATIC_FIELDS.get((name, value))
    if index is not None:
        return encode_integer(0x80, 7, index)
    return encode_integer(0x00, 4, STATIC_NAMES[name]) + plain_string(value)


_STATUS_LINES: Final = {
    status: _pseudo_line(b":status", b"%d" % status)
    for status in range(_SMALLEST_STATUS, _LARGEST_STATUS + 1)
    if status != _SWITCHING
}
_METHOD_LINES: Final = {
    method: _pseudo_line(b":method", method)
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT")
}
_SCHEME_LINES: Final = {scheme: _pseudo_line(b":scheme", scheme) for scheme in (b"http", b"https")}
_PROTOCOL_LINE: Final = b"\x00" + plain_string(b":protocol") + plain_string(b"websocket")


def _length_line(head: RequestHead | ResponseHead) -> bytes:
    framing = head.framing
    if isinstance(framing, Sized):
        return _LENGTH + plain_string(b"%d" % framing.length)
    if isinstance(head, ResponseHead) and head.declared_length is not None:
        return _LENGTH + plain_string(b"%d" % head.declared_length)
    return b""


def response_block(encoder: Encoder, head: ResponseHead, extra: Fields) -> bytes:
    """
    Encode the head of a response; 1xx and 204 get no Content-Length, whatever it says.

    Raises:
        ValueError: The status or a field is not for HTTP/2.
    """
    status = head.status
    first = _STATUS_LINES.get(status)
    if first is None:
        raise ValueError("no status that a response of HTTP/2 can have")
    fields = head.fields
    length = _length_line(head) if status >= _OK and status != _NO_CONTENT else b""
    return encoder.encode(first, fields + extra if extra else fields, length)


def whole_block(encoder: Encoder, status: int, fields: Fields, size: int) -> bytes:
    """
    Encode the head of a response whose body has *size* bytes.

    Raises:
        ValueError: The status or a field is not for HTTP/2.
    """
    first = _STATUS_LINES.get(status)
    if first is None or status < _OK or status == _NO_CONTENT:
        raise ValueError("no status that a response with a body can have")
    return encoder.encode(first, fields, _LENGTH + plain_string(b"%d" % size))


@attrs.frozen
class Address:
    """Where a request goes: the three pseudo-header fields that an HTTP/1 head says otherwise."""

    target: bytes
    authority: bytes
    scheme: bytes


def request_block(encoder: Encoder, head: RequestHead, address: Address, extra: Fields) -> bytes:
    """
    Encode the head of a request; ``upgrade`` makes it an extended CONNECT (RFC 8441).

    Raises:
        ValueError: A part of it is not for HTTP/2.
    """
    method = b"CONNECT" if head.upgrade else head.method
    target = address.target
    if _METHOD.fullmatch(method) is None or (method == b"CONNECT" and not head.upgrade):
        raise ValueError("a method that is no token, or CONNECT")
    if _VISIBLE.fullmatch(target) is None or (target[:1] != b"/" and target != b"*"):
        raise ValueError("a target that is neither in origin-form nor an asterisk")
    if address.scheme not in _SCHEME_LINES or _VISIBLE.fullmatch(address.authority) is None:
        raise ValueError("a scheme or an authority that cannot be")
    first = b"".join(
        (
            _METHOD_LINES.get(method) or _pseudo_line(b":method", method),
            _SCHEME_LINES[address.scheme],
            _pseudo_line(b":path", target),
            _PROTOCOL_LINE if head.upgrade else b"",
            encoder.authority(address.authority),
        )
    )
    return encoder.encode(first, head.fields + extra, _length_line(head))


def trailer_block(encoder: Encoder, fields: Fields) -> bytes:
    """
    Encode trailers.

    Raises:
        ValueError: A field is not for HTTP/2.
    """
    return encoder.encode(b"", fields)
