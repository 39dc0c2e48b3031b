"""
Which fields have a meaning for this hop: one dictionary lookup per field line.

Names come in a few usual spellings, so the answer for a spelling is remembered; the memory is
bounded in names and bytes and begins anew when it is full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

import attrs

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
BROKEN: Final = 9
"""The kind of the empty name, by which `split_fields` marks a line that is no field line."""

_FRAMING: Final[Mapping[bytes, int]] = {
    b"": BROKEN,
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


class SpecialNames(dict[bytes, int]):
    """The kind of each field name, found and remembered as it is asked for."""

    __slots__ = ("_classify",)

    def __init__(self, classify: Callable[[bytes], int]) -> None:
        self._classify = classify

    def __missing__(self, name: bytes) -> int:
        """Find the kind of a name (a token, or empty), and remember it if it is short."""
        kind = self._classify(name)
        if len(name) <= _MEMORY_BYTES:
            if len(self) >= _MEMORY_NAMES:
                self.clear()
            self[name] = kind
        return kind


REQUEST_NAMES: Final = SpecialNames(_classify_request)
RESPONSE_NAMES: Final = SpecialNames(_classify_response)


def tokens(values: Iterable[bytes]) -> frozenset[bytes] | None:
    """Return the lower-case members of lists of tokens, or None when one is no such list."""
    members = (member.strip(b" \t") for member in b",".join(values).lower().split(b","))
    found = frozenset(member for member in members if member)
    return found if all(map(TOKEN.fullmatch, found)) else None


@attrs.frozen
class ConnectionOptions:
    """What the fields Connection of a head say about this hop, and about other fields."""

    close: bool = False
    keep_alive: bool = False
    upgrade: bool = False
    nominated: frozenset[bytes] = frozenset()

    def without_nominated(self, fields: list[Field]) -> list[Field]:
        """Leave out the fields that are listed, but for those Connection has no power over."""
        return [field for field in fields if field[0].lower() not in self.nominated]


NO_OPTIONS: Final = ConnectionOptions()
_OPTIONS: Final = frozenset({b"close", b"keep-alive", b"upgrade"})


def _options(values: tuple[bytes, ...]) -> ConnectionOptions | None:
    found = tokens(values)
    if found is None:
        return None
    return ConnectionOptions(
        b"close" in found,
        b"keep-alive" in found,
        b"upgrade" in found,
        frozenset(name for name in found if name not in _OPTIONS and not is_protected(name)),
    )


_remembered_options = lru_cache(maxsize=256)(_options)


def connection_options(values: tuple[bytes, ...]) -> ConnectionOptions | None:
    """Parse the values of Connection, one a field line; None if they are malformed."""
    short = len(values) == 1 and len(values[0]) <= _MEMORY_BYTES
    return _remembered_options(values) if short else _options(values)
