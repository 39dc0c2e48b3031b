"""The law for response heads: an endpoint is trusted with content, not with framing."""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.http1.errors import ResponseError, response_fault
from fsm_twisted.http1.special import (
    CODING,
    CONNECTION,
    LENGTH,
    ORDINARY,
    RESPONSE_NAMES,
    UPGRADE,
    connection_options,
    without_nominated,
)
from fsm_twisted.http1.syntax import DIGITS, VALUE_CLASS, HeadLimits, check_size, split_fields
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
_NOBODY_ASKS: Final[frozenset[bytes]] = frozenset()

Marked = dict[int, list[bytes]]


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
    fields, marked = _sort(split_fields(block, start.end(), limits, response_fault))
    length = _length(marked.get(LENGTH)) if LENGTH in marked else None
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
    options = _NOBODY_ASKS
    if CONNECTION in marked:
        options = _connection(marked[CONNECTION])
        fields = without_nominated(fields, options)
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


def _sort(fields: list[Field]) -> tuple[list[Field], Marked]:
    """Take apart what goes on and what is for this hop."""
    ordinary: list[Field] = []
    marked: Marked = {}
    get = RESPONSE_NAMES.get
    for field in fields:
        kind = get(field[0])
        if kind is None:
            kind = RESPONSE_NAMES.kind(field[0])
        if kind == ORDINARY:
            ordinary.append(field)
        else:
            marked.setdefault(kind, []).append(field[1])
    return ordinary, marked


def _length(values: list[bytes] | None) -> int | None:
    """Return the one Content-Length; a repeated one is refused even when all are alike."""
    if values is None:
        return None
    if len(values) != 1:
        raise ResponseError("Content-Length is repeated")
    if DIGITS.fullmatch(values[0]) is None:
        raise ResponseError("Content-Length is no number of at most 18 digits")
    return int(values[0])


def _check_coding(values: list[bytes], length: int | None, minor: int) -> None:
    """Allow only a Transfer-Encoding that is alone, of HTTP/1.1 and exactly chunked."""
    if length is not None:
        raise ResponseError("Transfer-Encoding and Content-Length")
    if minor == 0:
        raise ResponseError("Transfer-Encoding in HTTP/1.0")
    if len(values) != 1 or values[0].lower() != b"chunked":
        raise ResponseError("Transfer-Encoding is not the one value chunked")


def _connection(values: list[bytes]) -> frozenset[bytes]:
    options = connection_options(b",".join(values))
    if options is None:
        raise ResponseError("Connection is no list of tokens")
    return options


def _persists(framing: Framing, options: frozenset[bytes], minor: int) -> bool:
    if isinstance(framing, UntilClose) or b"close" in options:
        return False
    return minor == 1 or b"keep-alive" in options


def _switched(marked: Marked, options: frozenset[bytes]) -> bytes | None:
    """Return the one protocol that a 101 switches to, if it says so properly."""
    protocols = connection_options(b",".join(marked.get(UPGRADE, [])))
    if protocols is None or len(protocols) != 1 or b"upgrade" not in options:
        return None
    return next(iter(protocols))
