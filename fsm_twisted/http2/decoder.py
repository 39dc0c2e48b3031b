"""
Reading compressed field blocks (HPACK, RFC 7541), with bounds on everything.

What a field means is judged once, when it enters the table, and not each time it is referred to.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from fsm_twisted.http2 import huffman
from fsm_twisted.http2.kinds import COOKIE, MALFORMED, KindsOfNames, is_value
from fsm_twisted.http2.table import DEFAULT_TABLE_BYTES, ENTRY_BYTES, FIRST_DYNAMIC
from fsm_twisted.message.fields import Field

Entry = tuple[Field, int, int]
"""A field, its size (RFC 7541 section 4.1), and its kind."""

_SEVEN_BITS: Final = 0x7F
_NO_INDEX: Final = 0x80
_LONG_INDEX: Final = 0xFF
_NOTHING: Final[list[Field]] = []
# Short references, one after the other: most of what comes once some requests have come.
_REFERENCES: Final = re.compile(rb"[\x80-\xfe]++")
_UPDATE: Final = re.compile(rb"[\x20-\x3f]")
_FIRST_UPDATE, _LAST_UPDATE = b"\x20", b"\x3f"
_REMEMBERED_RUNS: Final = 64
_LONGEST_RUN: Final = 64
_INTEGER_BITS: Final = 28  # as many continuation bits as are read: sizes stay below 2**29
_MOST_UPDATES: Final = 2  # at the beginning of a block (section 4.2)


class HpackError(ValueError):
    """A block that cannot be decoded; the connection cannot go on without its table."""


Run = tuple[list[Field], list[tuple[int, Field]], int, bool]
"""What a run of references stands for: as in `FieldList`, with the sum of the sizes."""


@attrs.define
class FieldList:
    """
    The fields of a block.

    Attributes:
        fields: The ordinary ones, in order.
        marked: All others with their kinds, in order.
        is_mixed: A pseudo-header field comes behind another field.
    """

    fields: list[Field]
    marked: list[tuple[int, Field]]
    is_mixed: bool


class Decoder:
    """
    The decoding half of one connection.

    Args:
        kinds: Tells the kind of each name that comes.
        list_bytes: Largest field list, counted as in RFC 9113 section 6.5.2.
        fields: Most fields of a list.
    """

    __slots__ = (
        "_allowed",
        "_capacity",
        "_fields",
        "_kinds",
        "_list_bytes",
        "_must_shrink",
        "_runs",
        "_size",
        "_table",
    )

    def __init__(self, kinds: KindsOfNames, list_bytes: int, fields: int) -> None:
        self._kinds = kinds
        self._list_bytes = list_bytes
        self._fields = fields
        self._allowed = DEFAULT_TABLE_BYTES
        self._capacity = DEFAULT_TABLE_BYTES
        self._must_shrink = False
        self._runs: dict[bytes, Run] = {}  # as long as the table stays as it is
        self._size = 0  # of the dynamic part of the table, whose newest entry comes first
        self._table: list[Entry] = [((b"", b""), 0, 0), *kinds.static]

    def allow_table(self, size: int) -> None:
        """Let the peer's table have up to *size* bytes: it acknowledged that setting."""
        self._allowed = size
        self._must_shrink = size < self._capacity

    def decode(self, block: bytes) -> FieldList | None:
        """
        Decode a whole block.

        Returns:
            Its fields, or None when they are over the limits: the table is kept in step even so,
            and the connection can go on.

        Raises:
            HpackError: The block is malformed; the decoder must not be used again.
        """
        try:
            return self._decode(block)
        except IndexError:
            raise HpackError("an index outside the tables, or a truncated block") from None
        except huffman.HuffmanError as fault:
            raise HpackError(str(fault)) from None

    def _decode(self, block: bytes) -> FieldList | None:
        is_resized = self._must_shrink or _FIRST_UPDATE <= block[:1] <= _LAST_UPDATE
        at = self._resize(block) if is_resized else 0
        end = len(block)
        runs = self._runs
        fields: list[Field] = []
        marked: list[tuple[int, Field]] = []
        room = self._list_bytes
        is_mixed = False
        while at < end:
            byte = block[at]
            if _SEVEN_BITS < byte < _LONG_INDEX:
                run = _REFERENCES.match(block, at)[0]  # type: ignore[index]  # it does match
                at += len(run)
                ordinary, special, size, mixed = runs.get(run) or self._run(run)
                room -= size
                if room < 0:
                    continue
            else:
                (field, size, kind), at = self._single(block, at + 1, byte)
                room -= size
                if room < 0:
                    continue
                if not kind:
                    fields.append(field)
                    continue
                ordinary, special, mixed = _NOTHING, [(kind, field)], False
            if special:
                if special[0][0] < 0 and (fields or (marked and marked[-1][0] > 0)):
                    is_mixed = True
                marked += special
            fields += ordinary
            if mixed:
                is_mixed = True
        if room < 0 or self._are_too_many(fields, marked):
            return None
        return FieldList(fields, marked, is_mixed)

    def _are_too_many(self, fields: list[Field], marked: list[tuple[int, Field]]) -> bool:
        count = len(fields) + len(marked)
        if count <= self._fields:
            return False
        # A browser cuts one Cookie into as many crumbs as it has.
        crumbs = sum(kind == COOKIE for kind, _ in marked)
        return count - max(crumbs - 1, 0) > self._fields

    def _run(self, run: bytes) -> Run:
        """Look up a run of references, and remember it if it is short."""
        fields: list[Field] = []
        marked: list[tuple[int, Field]] = []
        total = 0
        is_mixed = False
        for byte in run:
            if byte == _NO_INDEX:
                raise HpackError("index 0")
            field, size, kind = self._table[byte & _SEVEN_BITS]
            total += size
            if not kind:
                fields.append(field)
            else:
                if kind < 0 and (fields or (marked and marked[-1][0] > 0)):
                    is_mixed = True
                marked.append((kind, field))
        found = fields, marked, total, is_mixed
        if len(run) <= _LONGEST_RUN and len(self._runs) < _REMEMBERED_RUNS:
            self._runs[run] = found
        return found

    def _single(self, block: bytes, at: int, byte: int) -> tuple[Entry, int]:
        """Read a field that is no short reference, whose first *byte* is before *at*."""
        if byte == _LONG_INDEX:
            index, at = _integer(block, at, _SEVEN_BITS)
            return self._table[index], at
        is_kept = byte & 0x40
        if is_kept:
            limit = 0x3F
        elif byte & 0x20:
            raise HpackError("a table size update behind a field")
        else:
            limit = 0x0F
        index = byte & limit
        if index == limit:
            index, at = _integer(block, at, limit)
        if index:
            name = self._table[index][0][0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        kind = self._kinds[name] if is_value(value) else MALFORMED
        entry = (name, value), len(name) + len(value) + ENTRY_BYTES, kind
        if is_kept:
            self._keep(entry)
        return entry, at

    def _keep(self, entry: Entry) -> None:
        table = self._table
        self._size += entry[1]
        self._runs.clear()
        table.insert(FIRST_DYNAMIC, entry)
        if self._size > self._capacity:
            self._evict()

    def _evict(self) -> None:
        """Drop the oldest entries until the rest fits; an entry that is too large drops all."""
        table = self._table
        while self._size > self._capacity:
            self._size -= table.pop()[1]

    def _resize(self, block: bytes) -> int:
        """Follow the size updates at the beginning of *block*; return where the fields begin."""
        at = 0
        for _ in range(_MOST_UPDATES):
            if _UPDATE.match(block, at) is None:
                break
            size = block[at] & 0x1F
            at += 1
            if size == 0x1F:  # noqa: PLR2004 - the prefix is full
                size, at = _integer(block, at, 0x1F)
            if size > self._allowed:
                raise HpackError("a table size update over what the settings allow")
            self._capacity = size
            self._must_shrink = False
            self._runs.clear()
            self._evict()
        if self._must_shrink:
            raise HpackError("no table size update after the settings made the table smaller")
        return at


def _integer(block: bytes, at: int, number: int) -> tuple[int, int]:
    """Read on behind a full prefix, which stands for *number* (RFC 7541 section 5.1)."""
    for shift in range(0, _INTEGER_BITS, 7):
        byte = block[at]
        at += 1
        number += (byte & _SEVEN_BITS) << shift
        if byte <= _SEVEN_BITS:
            return number, at
    raise HpackError("an integer of too many bytes")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    byte = block[at]
    at += 1
    size = byte & _SEVEN_BITS
    if size == _SEVEN_BITS:
        size, at = _integer(block, at, _SEVEN_BITS)
    end = at + size
    if end > len(block):
        raise HpackError("a string longer than its block")
    if byte <= _SEVEN_BITS:  # not Huffman-coded
        return block[at:end], end
    return huffman.decode(block[at:end]), end
