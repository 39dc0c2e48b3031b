"""
Which fields have a meaning for this hop: one dictionary lookup per field line.

Names come in a few usual spellings, so the answer for a spelling is remembered; the memory is
bounded in names and bytes and begins anew when it is full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from fsm_twisted.http1.syntax import TOKEN
from fsm_twisted.message.fields import HOP_BY_HOP, Field, fold_name, is_claim, is_protected

ORDINARY: Final = 0
HOST: Final = 1
LENGTH: Final = 2
CODING: Final = 3
CONNECTION: Final = 4
UPGRADE: Final = 5
EXPECT: Final = 6
CLAIM: Final = 7
DROPPED: Final = 8

_FRAMING: Final[Mapping[bytes, int]] = {
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    b"connection": CONNECTION,
    b"upgrade": UPGRADE,
}
_REQUEST: Final[Mapping[bytes, int]] = {
    **dict.fromkeys(HOP_BY_HOP, DROPPED),
    # "httpoxy": a CGI program takes it for the address of its own proxy (CVE-2016-5385).
    b"proxy": DROPPED,
    **_FRAMING,
    b"host": HOST,
    b"expect": EXPECT,
}
_RESPONSE: Final[Mapping[bytes, int]] = {**dict.fromkeys(HOP_BY_HOP, DROPPED), **_FRAMING}

_MEMORY_NAMES: Final = 2048
_MEMORY_BYTES: Final = 64


def _classify_request(name: bytes) -> int:
    """Look-alikes of what has a meaning are dropped: ``X_Real_IP``, ``Transfer_Encoding``."""
    folded = fold_name(name)
    kind = _REQUEST.get(folded, CLAIM if is_claim(folded) else ORDINARY)
    return DROPPED if kind and folded != name.lower() else kind


def _classify_response(name: bytes) -> int:
    return _RESPONSE.get(name.lower(), ORDINARY)


class SpecialNames:
    """The kind of each field name; see `kind`."""

    __slots__ = ("_classify", "_known", "get")

    def __init__(self, classify: Callable[[bytes], int]) -> None:
        self._classify = classify
        self._known: dict[bytes, int] = {}
        # The lookup that suffices for names seen before; None for the others.
        self.get = self._known.get

    def kind(self, name: bytes) -> int:
        """Return the kind of the token *name*, and remember it if it is short."""
        kind = self._classify(name)
        if len(name) <= _MEMORY_BYTES:
            if len(self._known) >= _MEMORY_NAMES:
                self._known.clear()
            self._known[name] = kind
        return kind


REQUEST_NAMES: Final = SpecialNames(_classify_request)
RESPONSE_NAMES: Final = SpecialNames(_classify_response)


def _options(value: bytes) -> frozenset[bytes] | None:
    """Return the lower-case members of a list of tokens, or None when it is no such list."""
    members = [member.strip(b" \t") for member in value.lower().split(b",")]
    tokens = frozenset(member for member in members if member)
    return tokens if all(map(TOKEN.fullmatch, tokens)) else None


_remembered_options = lru_cache(maxsize=256)(_options)


def connection_options(value: bytes) -> frozenset[bytes] | None:
    """Parse the value of Connection or Upgrade: its tokens in lower case, None if malformed."""
    return _remembered_options(value) if len(value) <= _MEMORY_BYTES else _options(value)


def without_nominated(fields: list[Field], options: frozenset[bytes]) -> list[Field]:
    """Leave out the fields that Connection lists, but for those it has no power over."""
    nominated = {option for option in options if not is_protected(option)}
    return [field for field in fields if field[0].lower() not in nominated]
