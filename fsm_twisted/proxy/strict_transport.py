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


def line_unless_in(head: bytes, line: bytes) -> bytes:
    """Return *line* unless *head*, an HTTP/1 one in lower case, says it already."""
    return b"" if _IN_HEAD in head else line
