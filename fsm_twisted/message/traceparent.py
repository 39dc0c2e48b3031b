"""The field traceparent: which trace a request belongs to (W3C Trace Context, section 3.2)."""

from __future__ import annotations

import re
from typing import Final

import attrs

_VALUE: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.DOTALL,
)
_SAMPLED: Final = 1


@attrs.frozen
class TraceParent:
    """A trace, its 32 hexadecimal digits, and who in it sends the request, 16 of them."""

    trace_id: bytes
    parent_id: bytes
    is_sampled: bool

    @property
    def value(self) -> bytes:
        """Return the field's value, as version 00 writes it."""
        return b"00-%b-%b-%02x" % (self.trace_id, self.parent_id, self.is_sampled)


def parse_traceparent(value: bytes) -> TraceParent | None:
    """Read a value; None when it is to be ignored. Later versions may say more behind it."""
    found = _VALUE.fullmatch(value)
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    return TraceParent(found[2], found[3], bool(int(found[4], 16) & _SAMPLED))
