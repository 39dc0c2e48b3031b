"""
Writing compressed field blocks (HPACK, RFC 7541): what stays the same is sent once.

Only fields that endpoints and clients repeat go into the dynamic table; credentials never do, and
are marked so that nobody behind us does it either (section 7.1.3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from fsm_twisted.http2.lines import Lines, check_value, short_string
from fsm_twisted.http2.table import (
    DEFAULT_TABLE_BYTES,
    ENTRY_BYTES,
    FIRST_DYNAMIC,
    encode_integer,
)
from fsm_twisted.message.fields import Field

_INDEXED: Final = tuple(
    encode_integer(0x80, 7, index)
    for index in range(FIRST_DYNAMIC + DEFAULT_TABLE_BYTES // ENTRY_BYTES + 1)
)
_LARGEST_SHARE: Final = 4  # an entry takes at most a fourth of the table


class Encoder:
    """
    The encoding half of one connection.

    Args:
        lines: How fields of this direction are written.
        table_bytes: Most that the dynamic table may have, whatever the peer offers.
    """

    __slots__ = (
        "_capacity",
        "_inserted",
        "_limit",
        "_lines",
        "_oldest",
        "_places",
        "_size",
        "_updates",
    )

    def __init__(self, lines: Lines, table_bytes: int) -> None:
        self._lines = lines
        self._limit = min(table_bytes, DEFAULT_TABLE_BYTES)
        self._capacity = DEFAULT_TABLE_BYTES
        self._inserted = 0
        self._size = 0
        # Field as given -> when it was inserted; the same fields with their sizes by age.
        self._places: dict[Field, int] = {}
        self._oldest: deque[tuple[Field, int]] = deque()
        self._updates: list[int] = []
        self.allow_table(DEFAULT_TABLE_BYTES)

    def allow_table(self, size: int) -> None:
        """Follow the peer's SETTINGS_HEADER_TABLE_SIZE."""
        size = min(size, self._limit)
        if size != self._capacity:
            self._resize(size)

    def _resize(self, size: int) -> None:
        """Change the size; of several changes the smallest and the last are told (4.2)."""
        smallest = min(self._updates, default=size)
        self._updates = [size] if size <= smallest else [smallest, size]
        self._capacity = size
        self._make_room(0)

    def authority(self, value: bytes) -> bytes:
        """Write the line of :authority, which endpoints see again and again."""
        field = b":authority", value
        place = self._places.get(field)
        if place is not None:
            return _INDEXED[self._inserted - place + FIRST_DYNAMIC]
        return self._keep(field, b"\x41") or b"\x01" + short_string(value)

    def encode(self, first: bytes, fields: Iterable[Field], last: bytes = b"") -> bytes:
        """
        Encode *fields* between the lines *first* and *last*, which are made already.

        Raises:
            ValueError: A field is none, or is not allowed in HTTP/2: a fault of ours. The next
                block begins with an empty table, so that both sides stay in step.
        """
        block = [first]
        if self._updates:
            block = [*(encode_integer(0x20, 5, size) for size in self._updates), first]
        add = block.append
        place_of = self._places.get
        line_of = self._lines.get
        try:
            for field in fields:
                place = place_of(field)
                if place is None:
                    add(line_of(field) or self._line(field))
                else:
                    add(_INDEXED[self._inserted - place + FIRST_DYNAMIC])
        except ValueError:
            self._start_anew()
            raise
        self._updates = []
        add(last)
        return b"".join(block)

    def _line(self, field: Field) -> bytes:
        name, value = field
        rule = self._lines.rule(name)
        check_value(value)
        kept = self._keep(field, rule[1]) if rule[1] else b""
        return kept or self._lines.write(field, rule)

    def _keep(self, field: Field, prefix: bytes) -> bytes:
        """Put a field into the table and return its line, unless it is too large for that."""
        name, value = field
        size = len(name) + len(value) + ENTRY_BYTES
        if size * _LARGEST_SHARE > self._capacity:
            return b""
        self._make_room(size)
        self._inserted += 1
        self._places[field] = self._inserted
        self._oldest.append((field, size))
        self._size += size
        return prefix + short_string(value)

    def _make_room(self, size: int) -> None:
        while self._size + size > self._capacity:
            oldest, gone = self._oldest.popleft()
            self._size -= gone
            del self._places[oldest]

    def _start_anew(self) -> None:
        capacity = self._capacity
        self._resize(0)
        self._resize(capacity)
