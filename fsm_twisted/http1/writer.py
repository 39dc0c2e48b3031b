"""
Heads and chunks as bytes, made anew from checked values and never copied from what arrived.

What is written reads back the same: a value that could be read as anything else (a line end, a
second framing, a name that is no token) is refused with ValueError, which is a fault of ours.
"""

from __future__ import annotations

import re
from typing import Final, assert_never

from fsm_twisted.http1.special import (
    CLAIM,
    EXPECT,
    ORDINARY,
    REQUEST_NAMES,
    RESPONSE_NAMES,
    SpecialNames,
)
from fsm_twisted.http1.syntax import TOKEN, TOKEN_CLASS, VALUE, VALUE_CLASS
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import UNTIL_CLOSE, Chunked, Framing, NoBody, Sized, UntilClose
from fsm_twisted.message.heads import RequestHead, ResponseHead

LAST_CHUNK: Final = b"0\r\n\r\n"
"""Ends a chunked body; an aborted body must go without it (RFC 9112 section 8)."""

_REQUEST: Final = re.compile(
    rb"[%b]++ [\x21\x22\x24-\x7e]++ HTTP/1\.1\r\n(?:[%b]++: [%b]*+\r\n)*\r\n"
    % (TOKEN_CLASS, TOKEN_CLASS, VALUE_CLASS)
)
_RESPONSE: Final = re.compile(
    rb"HTTP/1\.1 [1-5][0-9]{2} [%b]*+\r\n(?:[%b]++: [%b]*+\r\n)*\r\n"
    % (VALUE_CLASS, TOKEN_CLASS, VALUE_CLASS)
)
_SWITCHING: Final = 101
_OK: Final = 200
_NO_CONTENT: Final = 204
_PADDED: Final = (b" ", b"\t")


def write_request_head(head: RequestHead, extra: bytes, *, target: bytes, host: bytes) -> bytes:
    """
    Write a request head for an endpoint: always HTTP/1.1, origin-form, one Host, one framing.

    Args:
        head: What the client asked; its claims are left out.
        extra: Field lines of ours, each with its CRLF; neither Host nor framing.
        target: Path and query to ask for, perhaps rewritten.
        host: Value of Host; empty if the client named none.

    Raises:
        ValueError: Something would not read back the same.
    """
    lines = [b"%b %b HTTP/1.1\r\n" % (head.method, target), b"Host: %b\r\n" % host]
    lines += _field_lines(head.fields, REQUEST_NAMES)
    if head.framing == UNTIL_CLOSE:
        raise ValueError("a request body cannot end with the connection")
    lines += _framing_line(head.framing)
    return _finished(lines, head.upgrade, extra, _REQUEST)


def write_response_head(head: ResponseHead, extra: bytes) -> bytes:
    """
    Write a response head for a client: always HTTP/1.1, one framing that fits the status.

    For a client of HTTP/1.0 the caller gives a head without Chunked framing.

    Args:
        head: The answer; 1xx and 204 get no framing field, whatever it says.
        extra: Field lines of ours, each with its CRLF; no framing.

    Raises:
        ValueError: Something would not read back the same.
    """
    lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
    lines += _field_lines(head.fields, RESPONSE_NAMES)
    if head.status >= _OK and head.status != _NO_CONTENT:
        lines += _framing_line(head.framing, head.declared_length)
    upgrade = head.upgrade if head.status == _SWITCHING else None
    return _finished(lines, upgrade, extra, _RESPONSE)


def write_chunk(payload: bytes) -> bytes:
    """Write one chunk; an empty payload gives nothing, for an empty chunk would be the last."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


def write_last_chunk(trailers: Fields) -> bytes:
    """
    End a chunked body, with trailers.

    Raises:
        ValueError: A trailer would not read back the same, or is a field of this hop.
    """
    if not trailers:
        return LAST_CHUNK
    for name, value in trailers:
        _check_field(name, value, REQUEST_NAMES)
    return b"0\r\n%b\r\n" % b"".join([b"%b: %b\r\n" % field for field in trailers])


def _framing_line(framing: Framing, declared: int | None = None) -> tuple[bytes, ...]:
    """Return the one line that says where the body ends, or none."""
    match framing:
        case NoBody():
            return () if declared is None else (b"Content-Length: %d\r\n" % declared,)
        case Sized(length):
            return (b"Content-Length: %d\r\n" % length,)
        case Chunked():
            return (b"Transfer-Encoding: chunked\r\n",)
        case UntilClose():
            return ()
        case _:
            assert_never(framing)


def _field_lines(fields: Fields, names: SpecialNames) -> list[bytes]:
    lines = []
    get = names.get  # no classification before the name is known to be a token
    for name, value in fields:
        if get(name) != ORDINARY or value[:1] in _PADDED or value[-1:] in _PADDED:
            _check_field(name, value, names)
        lines.append(b"%b: %b\r\n" % (name, value))
    return lines


def _check_field(name: bytes, value: bytes, names: SpecialNames) -> None:
    if TOKEN.fullmatch(name) is None:
        raise ValueError("a field name is not a token")
    if VALUE.fullmatch(value) is None or value != value.strip(b" \t"):
        raise ValueError("a field value has control bytes or whitespace around it")
    if names[name] not in (ORDINARY, CLAIM, EXPECT):
        raise ValueError("a field of this hop among the end-to-end fields")


def _finished(
    lines: list[bytes], upgrade: bytes | None, extra: bytes, form: re.Pattern[bytes]
) -> bytes:
    """Join *lines*, of which each must turn out to be one line, and *extra*."""
    if upgrade is not None:
        lines += (b"Connection: Upgrade\r\n", b"Upgrade: %b\r\n" % upgrade)
    ends = len(lines) + extra.count(b"\n") + 1
    block = b"%b%b\r\n" % (b"".join(lines), extra)
    if form.fullmatch(block) is None or block.count(b"\n") != ends:
        raise ValueError("the head would not read back as it was meant")
    return block
