"""
Strict-Transport-Security (RFC 6797) in answers for TLS hosts that have come by TLS (``--hsts``).

An endpoint's own field counts more than ours: the application may know better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields

_NAME: Final = b"strict-transport-security"
_IN_HEAD: Final = b"\n" + _NAME + b":"


def line_unless_said(fields: Fields, line: bytes) -> bytes:
    """Return *line*, our own, empty when it is not wanted or *fields* say it already."""
    if line and any(name.lower() == _NAME for name, _ in fields):
        return b""
    return line


def with_line(answer: bytes, line: bytes) -> bytes:
    """Return a whole HTTP/1 *answer* with our *line* in its head, unless that says it already."""
    end = answer.find(b"\r\n\r\n") + 2
    if _IN_HEAD in answer[:end].lower():
        return answer
    return b"".join((answer[:end], line, answer[end:]))
