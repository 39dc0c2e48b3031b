"""
The bytes that HTTP/1.1 consists of: tokens, field lines, and nothing that needs repair.

One line end (CRLF), no folding, no whitespace before a colon, no control bytes but HTAB in values
(RFC 9110 section 5, RFC 9112 sections 2.2 and 5). Patterns work on bytes and take time linear in
the input: what follows a repeated class is never in that class.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import attrs

from fsm_twisted.message.fields import Field

TOKEN_CLASS: Final = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
VALUE_CLASS: Final = rb"\t\x20-\x7e\x80-\xff"

TOKEN: Final = re.compile(rb"[%b]+" % TOKEN_CLASS)
VALUE: Final = re.compile(rb"[%b]*" % VALUE_CLASS)
DIGITS: Final = re.compile(rb"[0-9]{1,18}")

# Each match is one whole line; a line that is no field line gives an empty name, and so does one
# with whitespace after its value, which only the second pattern takes.
_TIDY_LINE: Final = re.compile(
    rb"([%b]++):[ \t]*+([%b]*+)(?<![ \t])\r\n|[^\n]*+\n" % (TOKEN_CLASS, VALUE_CLASS)
)
_FIELD_LINE: Final = re.compile(
    rb"([%b]++):[ \t]*+([%b]*+)\r\n|[^\n]*+\n" % (TOKEN_CLASS, VALUE_CLASS)
)

# What no head and no trailer may contain. A CR at the very end may still become a CRLF.
STRAY: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|\Z)|(?<!\r)\n")


_SHORTEST_LINE: Final = 4  # "a:", CR and LF


@attrs.frozen
class HeadLimits:
    """
    How large a head, or the trailers of a chunked body, may be.

    ``line_bytes`` is for the first line without its CRLF, ``head_bytes`` for all lines with
    theirs, the empty one included. A head of up to ``harmless_bytes`` breaks none of the limits.
    """

    line_bytes: int = 16384
    head_bytes: int = 32768
    fields: int = 128
    harmless_bytes: int = attrs.field(init=False)

    @harmless_bytes.default
    def _harmless(self) -> int:
        return min(self.line_bytes, self.head_bytes, _SHORTEST_LINE * self.fields)


DEFAULT_LIMITS: Final = HeadLimits()

Fault = Callable[[str, str], Exception]
"""Makes the error to raise, from a code of REPLIES and a detail for the log."""


def split_fields(block: bytes, start: int, limits: HeadLimits, fault: Fault) -> list[Field]:
    """
    Split the field lines of *block*, which begin at *start* and end with an empty line.

    Returns:
        Names as sent, values as sent but for the whitespace around them. An empty name stands
        for a line that has to be looked at again: give it to `mend_fields`.

    Raises:
        Exception: As *fault* makes it: ``bad_request`` when the block does not end with an empty
            line, ``head_too_large`` for too many fields.
    """
    if block[-4:] != b"\r\n\r\n":
        raise fault("bad_request", "the head does not end with an empty line")
    fields: list[Field] = _TIDY_LINE.findall(block, start, len(block) - 2)
    if len(fields) > limits.fields:
        raise fault("head_too_large", f"more than {limits.fields} fields")
    return fields


def mend_fields(block: bytes, start: int, fault: Fault) -> list[Field]:
    """
    Split the field lines again, whitespace after values allowed; no name is empty afterwards.

    Raises:
        Exception: ``bad_request`` as *fault* makes it, for a line that is no field line.
    """
    fields: list[Field] = _FIELD_LINE.findall(block, start, len(block) - 2)
    for number, (name, _) in enumerate(fields, 1):
        if not name:
            line = block[start:].split(b"\n")[number - 1]
            raise fault("bad_request", f"field line {number}: {_line_rule(line, number)}")
    return [(name, value.rstrip(b" \t")) for name, value in fields]


def _line_rule(line: bytes, number: int) -> str:
    name, colon, _ = line.partition(b":")
    if not line.endswith(b"\r") or STRAY.search(line) is not None:
        return "control byte, bare CR or bare LF"
    if line[:1] in b" \t":
        return "whitespace before the first field" if number == 1 else "folded line"
    if not colon or not name:
        return "no field name and colon"
    if name[-1:] in b" \t":
        return "whitespace before the colon"
    return "the field name is no token"


def check_size(block: bytes, limits: HeadLimits, fault: Fault) -> None:
    """
    Refuse a head over its limits, for those who did not come through a reader.

    Raises:
        Exception: As *fault* makes it: ``target_too_long`` or ``head_too_large``.
    """
    if block.find(b"\r\n") > limits.line_bytes:
        raise fault("target_too_long", f"the first line is over {limits.line_bytes} bytes")
    if len(block) > limits.head_bytes:
        raise fault("head_too_large", f"the head is over {limits.head_bytes} bytes")
