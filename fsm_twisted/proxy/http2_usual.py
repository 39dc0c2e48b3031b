"""
The straight road between HTTP/2 and HTTP/1: field lines that are known need not be made again.

A browser's fields, and an application's, come in few spellings. What is remembered is bounded in
number and size, begins anew when it is full, and holds nothing that could be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fsm_twisted.message.fields import Field

_MOST: Final = 2048
_LONGEST: Final = 192
_SECRET: Final = frozenset(
    {b"cookie", b"set-cookie", b"authorization", b"proxy-authorization", b"proxy-authenticate"}
)
# For this hop, or said by the codec itself: what else there is, `USUAL_RESPONSE` does not let in.
_NOT_PASSED: Final = frozenset({b"connection", b"keep-alive", b"content-length"})


class RequestLines(dict[Field, bytes]):
    """Fields of checked HTTP/2 requests as lines of HTTP/1."""

    __slots__ = ()

    def __missing__(self, field: Field) -> bytes:
        """Write a line, and remember it."""
        line = b"%b: %b\r\n" % field
        if len(line) <= _LONGEST and field[0] not in _SECRET:
            if len(self) >= _MOST:
                self.clear()
            self[field] = line
        return line


class AnswerFields(dict[bytes, Field | None]):
    """Field lines of usual HTTP/1 answers as fields; None for those that do not go on."""

    __slots__ = ()

    def __missing__(self, line: bytes) -> Field | None:
        """Read a line, and remember it."""
        name, _, value = line.partition(b":")
        name = name.lower()
        field = None if name in _NOT_PASSED else (name, value.strip(b" \t"))
        if len(line) <= _LONGEST and name not in _SECRET:
            if len(self) >= _MOST:
                self.clear()
            self[line] = field
        return field


REQUEST_LINES: Final = RequestLines()
ANSWER_FIELDS: Final = AnswerFields()


def fields_of_lines(lines: Iterable[bytes]) -> tuple[Field, ...]:
    """Return the fields of an answer's lines that go on."""
    read = ANSWER_FIELDS.__getitem__
    return tuple([field for field in map(read, lines) if field is not None])
