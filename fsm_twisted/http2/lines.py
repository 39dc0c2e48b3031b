"""
How a field is written in HPACK, the same for all connections: its name, and whether it is kept.

The lines of fields that are not kept are remembered, bounded in number and size: a date is the
same for a second, a length for a file.
"""

from __future__ import annotations

from typing import Final

from fsm_twisted.http2 import huffman
from fsm_twisted.http2.kinds import is_any_name, is_value
from fsm_twisted.http2.table import STATIC_NAMES, encode_integer
from fsm_twisted.message.fields import HOP_BY_HOP, Field

_PLAIN: Final = 0x00
_NEVER: Final = 0x10
_KEPT: Final = 0x40

_SECRET: Final = frozenset(
    {b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"proxy-authenticate"}
)
_KEPT_RESPONSE: Final = frozenset(
    b"accept-ranges access-control-allow-credentials access-control-allow-headers "
    b"access-control-allow-methods access-control-allow-origin access-control-expose-headers "
    b"allow alt-svc cache-control content-encoding content-language content-type "
    b"cross-origin-opener-policy cross-origin-resource-policy grpc-accept-encoding grpc-encoding "
    b"grpc-status permissions-policy pragma referrer-policy server strict-transport-security "
    b"vary via x-content-type-options x-frame-options x-powered-by x-xss-protection".split()
)
_KEPT_REQUEST: Final = frozenset(
    b"accept accept-encoding accept-language content-type grpc-accept-encoding "
    b"grpc-encoding user-agent via x-forwarded-port x-forwarded-proto".split()
)
_FORBIDDEN: Final = HOP_BY_HOP | {b"content-length"}
_REMEMBERED_LINES: Final = 1024
_REMEMBERED_NAMES: Final = 1024
_LONGEST_REMEMBERED: Final = 256
_SHORT_STRING: Final = 127

Rule = tuple[bytes, bytes, bool]
"""What stands before the value: in general, when the field is kept (or empty); is it secret?"""


def plain_string(value: bytes) -> bytes:
    """Write a string as it is (section 5.2): cheaper than to code it."""
    size = len(value)
    if size < _SHORT_STRING:
        return _SIZES[size] + value
    return encode_integer(0x00, 7, size) + value


def short_string(value: bytes) -> bytes:
    """Write a string the shorter of both ways."""
    coded = huffman.encode(value)
    if len(coded) < len(value):
        return encode_integer(0x80, 7, len(coded)) + coded
    return plain_string(value)


_SIZES: Final = tuple(bytes((size,)) for size in range(_SHORT_STRING))


def _prefix(representation: int, bits: int, name: bytes) -> bytes:
    index = STATIC_NAMES.get(name)
    if index is not None:
        return encode_integer(representation, bits, index)
    return bytes((representation,)) + short_string(name)


class Lines(dict[Field, bytes]):
    """
    The lines of one direction, by field as given.

    Args:
        kept: Lower-case names of fields worth a place in the dynamic table.
        forbidden: Lower-case names that nobody may give us.
    """

    __slots__ = ("_forbidden", "_kept", "_rules")

    def __init__(self, kept: frozenset[bytes], forbidden: frozenset[bytes]) -> None:
        self._kept = kept
        self._forbidden = forbidden
        self._rules: dict[bytes, Rule] = {}

    def rule(self, name: bytes) -> Rule:
        """
        Tell how fields called *name*, in any letter case, begin.

        Raises:
            ValueError: No field may be called so.
        """
        rule = self._rules.get(name)
        if rule is None:
            if len(self._rules) >= _REMEMBERED_NAMES:
                self._rules.clear()
            rule = self._rules[name] = self._make_rule(name)
        return rule

    def _make_rule(self, name: bytes) -> Rule:
        lower = name.lower()
        if lower in self._forbidden or is_any_name(name) is None:
            raise ValueError("a field that is not for HTTP/2, or a name that is no token")
        if lower in _SECRET:
            return _prefix(_NEVER, 4, lower), b"", True
        kept = _prefix(_KEPT, 6, lower) if lower in self._kept else b""
        return _prefix(_PLAIN, 4, lower), kept, False

    def write(self, field: Field, rule: Rule) -> bytes:
        """Write a field that is not kept, and remember the line if it is short and no secret."""
        prefix, _, is_secret = rule
        line = prefix + plain_string(field[1])
        if not is_secret and len(line) <= _LONGEST_REMEMBERED:
            if len(self) >= _REMEMBERED_LINES:
                self.clear()
            self[field] = line
        return line


def check_value(value: bytes) -> None:
    """
    Refuse what would not read back the same.

    Raises:
        ValueError: It has control bytes or whitespace around it.
    """
    if not is_value(value):
        raise ValueError("a field value has control bytes or whitespace around it")


RESPONSE_LINES: Final = Lines(_KEPT_RESPONSE, _FORBIDDEN)
REQUEST_LINES: Final = Lines(_KEPT_REQUEST, (_FORBIDDEN | {b"host"}) - {b"te"})
