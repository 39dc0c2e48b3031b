"""
Which fields have a meaning for this hop, and which are malformed (RFC 9113 sections 8.2 and 8.3).

Both are found out once for a name and a value; heads are then made by looking at kinds alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from fsm_twisted.http2.table import ENTRY_BYTES, STATIC
from fsm_twisted.message.fields import HOP_BY_HOP, fold_name, is_claim, is_protected

# Pseudo-header fields are negative, so that one comparison tells them.
METHOD: Final = -1
SCHEME: Final = -2
AUTHORITY: Final = -3
PATH: Final = -4
PROTOCOL: Final = -5
STATUS: Final = -6
ORDINARY: Final = 0
COOKIE: Final = 1
CLAIM: Final = 2
DROPPED: Final = 3
HOST: Final = 4
LENGTH: Final = 5
EXPECT: Final = 6
TE: Final = 7
MALFORMED: Final = 8
"""The whole message is malformed: a name or value that cannot be, or a field of HTTP/1 only."""

_TOKEN_CLASS: Final = rb"!#$%&'*+\-.^_`|~0-9a-z"
_NAME: Final = re.compile(rb"[%b]+" % _TOKEN_CLASS)
_NAME_ANY_CASE: Final = re.compile(rb"[%bA-Z]+" % _TOKEN_CLASS)
# Everything below a space but HTAB, and DEL.
_CONTROLS: Final = bytes(byte for byte in range(0x20) if byte != 0x09) + b"\x7f"  # noqa: PLR2004
_NO_CONTROLS: Final = bytes(range(256)).translate(None, _CONTROLS)

_HTTP1_ONLY: Final = dict.fromkeys(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"),
    MALFORMED,
)
_REQUEST: Final[Mapping[bytes, int]] = {
    **dict.fromkeys(HOP_BY_HOP, DROPPED),
    # "httpoxy": a CGI program takes it for the address of its own proxy (CVE-2016-5385).
    b"proxy": DROPPED,
    **_HTTP1_ONLY,
    b":method": METHOD,
    b":scheme": SCHEME,
    b":authority": AUTHORITY,
    b":path": PATH,
    b":protocol": PROTOCOL,
    b"cookie": COOKIE,
    b"host": HOST,
    b"content-length": LENGTH,
    b"expect": EXPECT,
    b"te": TE,
}
_RESPONSE: Final[Mapping[bytes, int]] = {
    **dict.fromkeys(HOP_BY_HOP, DROPPED),
    **_HTTP1_ONLY,
    b":status": STATUS,
    b"content-length": LENGTH,
}

_MEMORY_NAMES: Final = 2048
_MEMORY_BYTES: Final = 64


def _request_kind(name: bytes) -> int:
    """Look-alikes of what has a meaning are dropped: ``x_real_ip``, ``transfer_encoding``."""
    if name in _REQUEST:
        return _REQUEST[name]
    if _NAME.fullmatch(name) is None:
        return MALFORMED
    folded = fold_name(name)
    if folded in _REQUEST or is_claim(folded):
        return CLAIM if folded == name else DROPPED
    return ORDINARY


def _response_kind(name: bytes) -> int:
    if name in _RESPONSE:
        return _RESPONSE[name]
    return MALFORMED if _NAME.fullmatch(name) is None else ORDINARY


class KindsOfNames(dict[bytes, int]):
    """
    The kind of each name, found and remembered as it is asked for; bounded.

    ``static`` are the entries of HPACK's static table, with their sizes and kinds.
    """

    __slots__ = ("_classify", "static")

    def __init__(self, classify: Callable[[bytes], int]) -> None:
        self._classify = classify
        self.static = tuple(
            (field, len(field[0]) + len(field[1]) + ENTRY_BYTES, classify(field[0]))
            for field in STATIC
        )

    def __missing__(self, name: bytes) -> int:
        """Find the kind of a name, and remember it if it is short."""
        kind = self._classify(name)
        if len(name) <= _MEMORY_BYTES:
            if len(self) >= _MEMORY_NAMES:
                self.clear()
            self[name] = kind
        return kind


REQUEST_KINDS: Final = KindsOfNames(_request_kind)
"""Kinds of the names in requests and their trailers."""

RESPONSE_KINDS: Final = KindsOfNames(_response_kind)
"""Kinds of the names in responses and their trailers."""


def is_value(value: bytes) -> bool:
    """
    Tell whether *value* can be that of a field: no control byte but HTAB, no whitespace around.

    Section 8.2.1 asks for less; this is what HTTP/1.1 can carry.
    """
    return not value.translate(None, _NO_CONTROLS) and value == value.strip(b" \t")


is_any_name: Final = _NAME_ANY_CASE.fullmatch
"""Matches a field name in any letter case."""


def is_trailer(name: bytes) -> bool:
    """Tell whether the lower-case ordinary *name* may be a trailer (RFC 9110 section 6.5.1)."""
    return not is_protected(fold_name(name))
