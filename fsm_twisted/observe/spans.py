"""Exchanges as spans of traces: how they travel, and what is read of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import attrs

from fsm_twisted.observe.access import (
    AccessRecord,
    BatchError,
    Note,
    Noted,
    record_of,
    unpack_noted,
)

_OURS: Final = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-01\r\n")
_PARENT: Final = re.compile(rb"\r\nparent-span: ([0-9a-f]*)\r\n")
_HEX: Final = 16


@attrs.frozen
class Span:
    """One exchange in its trace; ``parent_id`` is None where the trace begins with it."""

    trace_id: int
    span_id: int
    parent_id: int | None
    record: AccessRecord


def with_parent(note: Note | Noted, parent: bytes) -> Noted:
    """Return *note*, whose head has our traceparent, with the id of the span above ours."""
    noted = Noted(*note)
    return noted._replace(head=b"%bparent-span: %b\r\n" % (noted.head, parent))


def unpack_spans(data: bytes) -> Iterator[Span]:
    """
    Read a batch of notes made by `with_parent`.

    Raises:
        BatchError: It is none; spans before the fault have been given.
    """
    for begun, noted in unpack_noted(data):
        # A client may have sent such lines, too; ours come last.
        traces, parents = _OURS.findall(noted.head), _PARENT.findall(noted.head)
        if not traces or not parents:
            raise BatchError("a span without its trace")
        try:
            record = record_of(begun, noted)
        except ValueError as error:
            raise BatchError("a span that nobody has packed") from error
        trace_id, span_id = (int(each, _HEX) for each in traces[-1])
        yield Span(trace_id, span_id, int(parents[-1], _HEX) if parents[-1] else None, record)
