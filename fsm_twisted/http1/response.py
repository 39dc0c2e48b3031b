"""The law for response heads: an endpoint is trusted with content, not with framing."""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.http1.errors import ResponseError, response_fault
from fsm_twisted.http1.special import (
    BROKEN,
    CODING,
    CONNECTION,
    LENGTH,
    NO_OPTIONS,
    RESPONSE_NAMES,
    UPGRADE,
    ConnectionOptions,
    connection_options,
    tokens,
)
from fsm_twisted.http1.syntax import (
    DIGITS,
    VALUE_CLASS,
    HeadLimits,
    check_size,
    mend_fields,
    split_fields,
)
from fsm_twisted.message.fields import Field
from fsm_twisted.message.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Framing, Sized, UntilClose
from fsm_twisted.message.heads import ResponseHead

# RFC 9112 section 4 has a space before the reason even if that is empty; many servers leave both
# out, and nothing can be mistaken for anything else by accepting it.
_START: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([%b]*+))?\r\n" % VALUE_CLASS)
_SWITCHING: Final = 101
_OK: Final = 200
_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304

# Kind of field -> the values of all fields of that kind, in order.
Marked = dict[int, tuple[bytes, ...]]


def parse_response_head(block: bytes, request_method: bytes, limits: HeadLimits) -> ResponseHead:
    """
    Parse a response head, from the status line to the empty line inclusive.

    Args:
        block: The head as one piece.
        request_method: Of the request that is answered; an answer to HEAD has no body.
        limits: Sizes over which a head is refused.

    Raises:
        ResponseError: It is not a valid HTTP/1.x head with one framing: answer 502 and drop the
            connection.
    """
    if len(block) > limits.line_bytes:
        check_size(block, limits, response_fault)
    start = _START.match(block)
    if start is None:
        raise ResponseError("the status line is not HTTP/1.x, a status from 100 to 599, a reason")
    digit, code, reason = start.groups()
    minor = 1 if digit == b"1" else 0
    status = int(code)
    fields, marked = _sort(block, start.end(), limits)
    length = _length(marked[LENGTH]) if LENGTH in marked else None
    if CODING in marked:
        _check_coding(marked[CODING], length, minor)
    framing: Framing
    declared = None
    if request_method == b"HEAD" or status < _OK or status in (_NO_CONTENT, _NOT_MODIFIED):
        framing = NO_BODY
        if status >= _OK and status != _NO_CONTENT:
            declared = length
    elif CODING in marked:
        framing = CHUNKED
    else:
        framing = UNTIL_CLOSE if length is None else Sized(length)
    options = _connection(marked[CONNECTION]) if CONNECTION in marked else NO_OPTIONS
    if options.nominated:
        fields = options.without_nominated(fields)
    return ResponseHead(
        status,
        reason or b"",
        minor,
        tuple(fields),
        framing,
        _persists(framing, options, minor),
        _switched(marked, options) if status == _SWITCHING else None,
        declared,
    )


def _sort(block: bytes, start: int, limits: HeadLimits) -> tuple[list[Field], Marked]:
    """Take apart what goes on and what is for this hop."""
    ordinary: list[Field] = []
    marked: Marked = {}
    for field in split_fields(block, start, limits, response_fault):
        kind = RESPONSE_NAMES[field[0]]
        if not kind:
            ordinary.append(field)
        elif kind in marked:
            marked[kind] += (field[1],)
        else:
            marked[kind] = (field[1],)
    if BROKEN in marked:
        tidy = b"".join(
            b"%b:%b\r\n" % field for field in mend_fields(block, start, response_fault)
        )
        return _sort(tidy + b"\r\n", 0, limits)
    return ordinary, marked


def _length(values: tuple[bytes, ...]) -> int:
    """Return the one Content-Length; a repeated one is refused even when all are alike."""
    if len(values) != 1:
        raise ResponseError("Content-Length is repeated")
    if DIGITS.fullmatch(values[0]) is None:
        raise ResponseError("Content-Length is no number of at most 18 digits")
    return int(values[0])


def _check_coding(values: tuple[bytes, ...], length: int | None, minor: int) -> None:
    """Allow only a Transfer-Encoding that is alone, of HTTP/1.1 and exactly chunked."""
    if length is not None:
        raise ResponseError("Transfer-Encoding and Content-Length")
    if minor == 0:
        raise ResponseError("Transfer-Encoding in HTTP/1.0")
    if len(values) != 1 or values[0].lower() != b"chunked":
        raise ResponseError("Transfer-Encoding is not the one value chunked")


def _connection(values: tuple[bytes, ...]) -> ConnectionOptions:
    options = connection_options(values)
    if options is None:
        raise ResponseError("Connection is no list of tokens")
    return options


def _persists(framing: Framing, options: ConnectionOptions, minor: int) -> bool:
    if isinstance(framing, UntilClose) or options.close:
        return False
    return minor == 1 or options.keep_alive


def _switched(marked: Marked, options: ConnectionOptions) -> bytes | None:
    """Return the one protocol that a 101 switches to, if it says so properly."""
    protocols = tokens(marked.get(UPGRADE, ()))
    if protocols is None or len(protocols) != 1 or not options.upgrade:
        return None
    return next(iter(protocols))
