"""What a request is for: the request target in its four forms (RFC 9112 section 3.2)."""

from __future__ import annotations

import re
from typing import Final

import attrs

from fsm_twisted.message.authority import AuthorityError, Origin, parse_authority

_BYTES: Final = re.compile(rb"[\x21\x22\x24-\x7e]+")
_ABSOLUTE: Final = re.compile(rb"([Hh][Tt][Tt][Pp][Ss]?)://([^/?]*)(.*)", re.DOTALL)
# A segment of one or two dots, each plain or percent-encoded. A path parameter (";...") does not
# change which segment it is to the servers that know parameters, so it does not hide the dots.
_DOTS: Final = re.compile(rb"/(?:\.|%2[eE]){1,2}(?:[/;]|\Z)")

# A path without these has no dot segment. They are numbers because CPython finds one in bytes at
# once; of a piece of bytes it asks first whether that is a number, by way of an exception.
DOT, PERCENT = b".%"


class TargetError(ValueError):
    """A request target that is malformed, or not allowed for its method; never quotes it."""


@attrs.frozen
class Target:
    """
    Path and query as sent, nothing decoded and nothing merged.

    ``path`` begins with ``/`` and has no dot segment, or is ``*`` (OPTIONS only); ``query`` is
    without its ``?``, and ``None`` when there is no ``?`` at all.
    """

    path: bytes
    query: bytes | None

    @property
    def wire(self) -> bytes:
        """The target in origin-form (or ``*``), as it goes to an endpoint."""
        return self.path if self.query is None else b"%b?%b" % (self.path, self.query)


def has_dot_segment(path: bytes) -> bool:
    """Tell whether a segment is ``.`` or ``..``, plain or percent-encoded (RFC 3986, 5.2.4)."""
    is_possible = path.find(b"/.") >= 0 or PERCENT in path
    return is_possible and _DOTS.search(path) is not None


def parse_target(method: bytes, raw: bytes) -> tuple[Target, Origin | None]:
    """
    Parse a request target.

    Returns:
        The target in origin-form, and whose it is if the target was in absolute-form.

    Raises:
        TargetError: It is empty, has a byte outside 0x21-0x7e, a ``#`` or a dot segment, is an
            absolute URI that is not http or https or has a bad authority, is ``*`` for another
            method than OPTIONS, or is in authority-form (CONNECT is for the caller to refuse).
    """
    if _BYTES.fullmatch(raw) is None:
        raise TargetError("a target has bytes from 0x21 to 0x7e, and no fragment")
    origin = None
    if raw[:1] != b"/":
        if raw == b"*":
            if method != b"OPTIONS":
                raise TargetError("asterisk-form is for OPTIONS only")
            return Target(raw, None), None
        raw, origin = _absolute(method, raw)
    path, mark, query = raw.partition(b"?")
    if has_dot_segment(path):
        raise TargetError("the path has a dot segment")
    return Target(path, query if mark else None), origin


def _absolute(method: bytes, raw: bytes) -> tuple[bytes, Origin]:
    parts = _ABSOLUTE.fullmatch(raw)
    if parts is None:
        raise TargetError("a target begins with '/', http:// or https://")
    try:
        origin = Origin(parts[1].lower(), parse_authority(parts[2]))
    except AuthorityError as fault:
        raise TargetError(f"authority of the target: {fault}") from fault
    path: bytes = parts[3]
    if not path:
        # RFC 9112 section 3.2.4: OPTIONS of an absolute URI without path means the server.
        return (b"*" if method == b"OPTIONS" else b"/"), origin
    return (path if path[:1] == b"/" else b"/" + path), origin
